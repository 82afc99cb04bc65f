# SPDX-License-Identifier: Apache-2.0
"""Run the doctor with ``python -m vljepa_ros.nodes.doctor``."""

import sys

from vljepa_ros.nodes.doctor.examination import main

sys.exit(main())
