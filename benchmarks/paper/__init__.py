# SPDX-License-Identifier: Apache-2.0
"""The paper's claims at this project's scale; see ``docs/paper.md``."""
