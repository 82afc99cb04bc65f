# SPDX-License-Identifier: Apache-2.0
"""Training of a model of any size, and in ``default_model/`` all that makes the shipped one."""
