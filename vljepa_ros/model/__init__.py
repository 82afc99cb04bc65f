# SPDX-License-Identifier: Apache-2.0
"""The VL-JEPA architecture in torch and its export; running the model needs neither."""
