# SPDX-License-Identifier: Apache-2.0
"""Stand-in for nvidia-modelopt, whose pins do not fit the test environment."""
