# SPDX-License-Identifier: Apache-2.0
"""The real nodes at 30 Hz, watched for anything that grows or is lost: `make soak`."""
