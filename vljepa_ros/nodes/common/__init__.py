# SPDX-License-Identifier: Apache-2.0
"""What every node stands on: life cycle, parameters, diagnostics, subscriptions, threads."""
