# SPDX-License-Identifier: Apache-2.0
"""The live view: what it keeps of the running nodes' stream, and its page in the browser."""
