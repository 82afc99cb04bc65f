# SPDX-License-Identifier: Apache-2.0
"""Selective decoding measured as the paper measures it: quality against decodes per second."""
