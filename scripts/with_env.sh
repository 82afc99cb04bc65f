#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command in the virtual environment, with ROS 2 shut off from everything else:
#   scripts/with_env.sh VENV COMMAND [ARGUMENT...]
# A random domain and loopback-only DDS keep tests and demos out of a robot's traffic and out of each other's.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
venv=$(cd "$1" && pwd)
shift

export VIRTUAL_ENV="$venv" PATH="$venv/bin:$PATH"
export AMENT_PREFIX_PATH="$venv${AMENT_PREFIX_PATH:+:$AMENT_PREFIX_PATH}"
# vljepa_msgs' libraries, if ROS 2 is an installed one. The wheels find theirs at the start of Python, unless
# this mark says that it has been done, and it may come from another environment.
export LD_LIBRARY_PATH="$venv/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
unset _ROS_WHEELS_BOOTSTRAP_COMPLETE

export ROS_DOMAIN_ID=$((RANDOM % 100 + 1))
case "${ROS_DISTRO:-}" in
  humble | iron) export ROS_LOCALHOST_ONLY=1 ;;
  *) export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ;;
esac
# Fast DDS 2, up to Jazzy, reads one name; Fast DDS 3 reads the other and warns of the first.
profiles=FASTDDS_DEFAULT_PROFILES_FILE
for prefix in ${AMENT_PREFIX_PATH//:/ }; do
  if [ -d "$prefix/share/fastrtps" ]; then profiles=FASTRTPS_DEFAULT_PROFILES_FILE; fi
done
unset FASTDDS_DEFAULT_PROFILES_FILE FASTRTPS_DEFAULT_PROFILES_FILE
export "$profiles=$root/config/fastdds_loopback.xml"
export ROS_LOG_DIR="$venv/ros_log"

exec "$@"
