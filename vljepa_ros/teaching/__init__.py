# SPDX-License-Identifier: Apache-2.0
"""From labelled recordings of one's own robot to a bundle that names what it sees."""
