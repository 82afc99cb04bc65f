# SPDX-License-Identifier: Apache-2.0
"""What the pages in the browser share: the server, who may talk to it, and parts of the pages."""
