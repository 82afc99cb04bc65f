#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# In an image of Ubuntu without ROS 2: installs its base from packages.ros.org. Needs ROS_DISTRO.
set -euo pipefail
key=/usr/share/keyrings/ros-archive-keyring.gpg
apt-get update
apt-get install -y --no-install-recommends ca-certificates curl gnupg
curl -fsSL https://raw.githubusercontent.com/ros/rosdistro/master/ros.key -o "$key"
# shellcheck source=/dev/null
release=$(. /etc/os-release && echo "$UBUNTU_CODENAME")
echo "deb [signed-by=$key] http://packages.ros.org/ros2/ubuntu $release main" > /etc/apt/sources.list.d/ros2.list
apt-get update
apt-get install -y --no-install-recommends "ros-$ROS_DISTRO-ros-base" build-essential cmake git python3-colcon-common-extensions python3-rosdep
rosdep init
rm -rf /var/lib/apt/lists/*
