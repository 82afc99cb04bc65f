# SPDX-License-Identifier: Apache-2.0
"""Run the model on a recording or a camera through the real nodes, and show what it says.

    python -m vljepa_ros.demo                          the recording that comes with the package
    python -m vljepa_ros.demo --video my.mp4           a video file or a folder of images
    python -m vljepa_ros.demo --bag my_bag             a rosbag2 (folder, .mcap or .db3)
    python -m vljepa_ros.demo --camera /dev/video0     a camera, until Ctrl-C

Ends with status 0 when states came, 1 when none did or a node failed, 2 on wrong usage.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from vljepa_ros.demo.files import shipped
from vljepa_ros.demo.truth import Truth, TruthError, load_truth
from vljepa_ros.nodes.common.fast_dds import profile_variables

_RECORDING = "demo/recording.mp4"


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return the exit status."""
    given = _parse(arguments)
    if importlib.util.find_spec("rclpy") is None:
        print("demo: ROS 2 is not to be found: run `make demo`, or source ROS 2 first")
        return 2
    try:
        truth = _truth(given)
        given.out.mkdir(parents=True, exist_ok=True)
    except (TruthError, OSError) as error:
        print(f"demo: {error}")
        return 2
    os.environ.update(profile_variables(shipped("config/fastdds.xml")))
    from vljepa_ros.demo.show import show  # after the environment is set, and after ROS was found

    return show(_source(given), given.topic, given.bundle, truth, given.out)


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m vljepa_ros.demo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--video", help="video file, or folder of images")
    source.add_argument("--bag", help="rosbag2: its folder, or its .mcap or .db3 file")
    source.add_argument("--camera", help="camera device, for instance /dev/video0")
    parser.add_argument("--topic", default="", help="image topic in the bag (default: its first)")
    parser.add_argument("--truth", type=Path, help="ground truth of the recording (JSON)")
    parser.add_argument("--bundle", default="", help="model bundle (default: the shipped one)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for what is written")
    given = parser.parse_args(arguments)
    if given.camera and given.truth:
        parser.error("--truth belongs to a recording, not to a camera")
    return given


def _source(given: argparse.Namespace) -> str:
    own = given.video or given.bag or given.camera
    return str(own or shipped(_RECORDING))


def _truth(given: argparse.Namespace) -> Truth | None:
    if given.truth is not None:
        return load_truth(given.truth)
    if given.video or given.bag or given.camera:
        return None
    return load_truth(shipped(_RECORDING).with_suffix(".json"))


if __name__ == "__main__":
    sys.exit(main())
