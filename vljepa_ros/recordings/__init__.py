# SPDX-License-Identifier: Apache-2.0
"""Where replayed images come from: video files, folders, bags and cameras; nothing knows ROS."""
