#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# In an image with ROS 2 and the sources in /ws/src/vljepa_ros: installs what they need and builds them. Needs ROS_DISTRO.
set -eo pipefail
source "/opt/ros/$ROS_DISTRO/setup.bash"  # reads variables that are not set
set -u
cd /ws
apt-get update
rosdep update --rosdistro "$ROS_DISTRO"
rosdep install --from-paths src src/vljepa_ros/vljepa_msgs --ignore-src -y
apt-get install -y --no-install-recommends python3-pip "ros-$ROS_DISTRO-rmw-fastrtps-cpp"
requirements=src/vljepa_ros/requirements
# Ubuntu 24.04 keeps pip out of its own Python unless it is told otherwise; 22.04 does not know the variable.
export PIP_BREAK_SYSTEM_PACKAGES=1 PIP_NO_CACHE_DIR=1
python3 -m pip install -r $requirements/besides-apt.txt -c $requirements/ros-installed.txt "$@"
colcon build --paths src/vljepa_ros src/vljepa_ros/vljepa_msgs
rm -rf build log /var/lib/apt/lists/*
