# SPDX-License-Identifier: Apache-2.0
"""Does the model know what it does not know? ``python -m benchmarks.unfamiliarity``."""
