# SPDX-License-Identifier: Apache-2.0
"""A page in the browser that shows what the model said of recordings, and takes corrections."""
