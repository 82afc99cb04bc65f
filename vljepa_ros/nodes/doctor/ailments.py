# SPDX-License-Identifier: Apache-2.0
"""What only the doctor complains about, in the form of all complaints.

The table of docs/doctor.md is the same; a test keeps both equal.
"""

from __future__ import annotations

from vljepa_ros.nodes.common.complaints import Complaint

NO_ROS = Complaint(
    "rclpy cannot be imported: {}",
    "no ROS 2 is sourced, or this is another Python than its own",
    "`source /opt/ros/$ROS_DISTRO/setup.bash`, or call `make doctor` in the repository",
)
MISSING_PACKAGES = Complaint(
    "Python packages cannot be imported: {}",
    "they are not installed, or were built for another version of numpy",
    "`python3 -m pip install -r requirements/besides-apt.txt -c requirements/ros-installed.txt`",
)
OLD_MESSAGES = Complaint(
    "the built vljepa_msgs differ from their source: {}",
    "the source is newer than the build",
    "build the workspace again and source it again",
)
SMALL_SEGMENT = Complaint(
    "{} of {} images of {} KB arrived from another process ({})",
    "the middleware loses images that are larger than its shared-memory segment",
    'set the profile config/fastdds.xml for the camera\'s driver too; see "Large images" in '
    "docs/robot.md",
)
FULL_MEMORY = Complaint(
    "/dev/shm has {} MB left of {} MB",
    "other processes, or killed ones, hold the shared memory; Docker gives 64 MB only",
    "`fastdds shm clean`; start the container with `--ipc=host` or `--shm-size=1g`",
)
NO_DISCOVERY = Complaint(
    "two processes on this computer did not find each other in {} s",
    "a firewall or a VPN drops multicast, or the Fast DDS profile allows no common transport",
    "allow multicast, or set ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST (Humble: "
    "ROS_LOCALHOST_ONLY=1) for all processes; unset the Fast DDS profile to see if it is that",
)
TWO_CLOCKS = Complaint(
    "simulated time is used by {}, but not by {}",
    "`use_sim_time` was given to some of the nodes only",
    "give it to all of them",
)
NO_ANSWER = Complaint(
    "{} does not answer",
    "its process hangs, or a security policy refuses the request",
    "look at its log, and start it again",
)
NO_PARTNER = Complaint(
    "{} runs, but no {} in its namespace",
    "it was not started, or has another name or namespace",
    "start both with `ros2 launch vljepa_ros vljepa.launch.py`",
)
REFUSED_IMAGES = Complaint(
    "an image of {} is refused: {}",
    "encoding or size of the message",
    "set another encoding in the camera driver",
)
SEVERAL_PUBLISHERS = Complaint(
    "several nodes publish on {}: {}",
    "two drivers, or a driver and a recording, share the topic",
    "remap one of them",
)
OLD_IMAGES = Complaint(
    "images of {} are {} s old when they arrive",
    "the clocks of two computers differ, or a recording is played with its own stamps",
    "compare the clocks; play bags with `ros2 bag play --clock` and set `use_sim_time:=true`",
)
RECORDING_PROBLEMS = Complaint(
    "the recording has problems: {}",
    "it was cut off or recorded by a computer that was too busy, or its stamps are wrong",
    "what is named is left out or mended when it is replayed; record again if that is much",
)

AILMENTS = (
    NO_ROS,
    MISSING_PACKAGES,
    OLD_MESSAGES,
    SMALL_SEGMENT,
    FULL_MEMORY,
    NO_DISCOVERY,
    TWO_CLOCKS,
    NO_ANSWER,
    NO_PARTNER,
    REFUSED_IMAGES,
    SEVERAL_PUBLISHERS,
    OLD_IMAGES,
    RECORDING_PROBLEMS,
)
