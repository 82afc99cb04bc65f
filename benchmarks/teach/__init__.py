# SPDX-License-Identifier: Apache-2.0
"""How well a robot is learned from few labelled episodes, and what other methods get from them."""
