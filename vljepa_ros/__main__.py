# SPDX-License-Identifier: Apache-2.0
"""``python -m vljepa_ros``: the ``vljepa`` command."""

import sys

from vljepa_ros.commands.main import main

sys.exit(main())
