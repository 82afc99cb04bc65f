# SPDX-License-Identifier: Apache-2.0
"""Models and bundles that others published: what there is, how it comes here, and who made it.

Commands use this room. No node does: a robot that runs downloads nothing.
"""
