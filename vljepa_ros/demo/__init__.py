# SPDX-License-Identifier: Apache-2.0
"""The demo: the real nodes as processes over real DDS, watched, recorded and summed up."""
