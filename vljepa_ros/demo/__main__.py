# SPDX-License-Identifier: Apache-2.0
"""Run the model on a recording or a camera through the real nodes, and show what it says.

    python -m vljepa_ros.demo                          the recording that comes with the package
    python -m vljepa_ros.demo --video my.mp4           a video file or a folder of images
    python -m vljepa_ros.demo --bag my_bag             a rosbag2 (folder, .mcap or .db3)
    python -m vljepa_ros.demo --camera /dev/video0     a camera, until Ctrl-C

Ends with status 0 if states came, 1 if none did or a node failed, 2 on wrong usage or if the
outputs cannot be written.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
from pathlib import Path
from types import FrameType

from vljepa_ros.demo.out_folder import OutFolder, OutputError
from vljepa_ros.demo.terminal import escape_what_cannot_be_shown, silence
from vljepa_ros.demo.truth import Truth, TruthError, load_truth
from vljepa_ros.nodes.common.fast_dds import profile_variables
from vljepa_ros.runtime.bundle import BundleError, default_bundle_path
from vljepa_ros.shipped import shipped

_RECORDING = "demo/recording.mp4"
_CAVEAT = (
    "note: the default model knows only the simulation that it was trained in. Other footage is "
    "an unfamiliar scene to it, of which nothing is claimed; --bundle takes a model of yours"
)


def main(arguments: list[str] | None = None) -> int:
    """Run the demo and return the exit status."""
    escape_what_cannot_be_shown()
    _catch_signals()
    given = _parse(arguments)
    try:
        status = _run(given)
        print(end="", flush=True)
        return status
    except KeyboardInterrupt:  # before the nodes started, or while the outputs were written
        print("demo: ended by the user")
    except BrokenPipeError:
        silence()
    except OSError as error:  # a full disk, perhaps the one that takes what is printed
        print(f"demo: FAILED: {error}", file=sys.stderr)
        silence()
    return 1


def _run(given: argparse.Namespace) -> int:
    if importlib.util.find_spec("rclpy") is None:
        print("demo: ROS 2 is not to be found: run `make demo`, or source ROS 2 first")
        return 2
    source, out = _source(given), OutFolder(given.out)
    try:
        truth = _truth(given)
        out.prepare(source)
    except (TruthError, OutputError) as error:
        print(f"demo: {error}")
        return 2
    os.environ.update(profile_variables(shipped("config/fastdds.xml")))
    from vljepa_ros.demo.show import show  # after the environment is set, and after ROS was found

    if _own_footage(given) and _is_default(given.bundle):
        print(_CAVEAT)
    return show(source, given.topic, given.bundle, truth, out, given.live)


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
    parser.add_argument("--topic", default="", help="image topic in the bag (default: chosen)")
    parser.add_argument("--truth", type=Path, help="ground truth of the recording (JSON)")
    parser.add_argument("--bundle", default="", help="model bundle (default: the shipped one)")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for what is written")
    parser.add_argument("--live", action="store_true", help="open the live view in the browser")
    given = parser.parse_args(arguments)
    if given.camera and given.truth:
        parser.error("--truth belongs to a recording, not to a camera")
    return given


def _own_footage(given: argparse.Namespace) -> bool:
    return bool(given.video or given.bag or given.camera)


def _source(given: argparse.Namespace) -> str:
    return str(given.video or given.bag or given.camera or shipped(_RECORDING))


def _truth(given: argparse.Namespace) -> Truth | None:
    if given.truth is not None:
        return load_truth(given.truth)
    if _own_footage(given):
        return None
    return load_truth(shipped(_RECORDING).with_suffix(".json"))


def _is_default(bundle: str) -> bool:
    """Tell whether the model is the one that comes with the package."""
    try:
        path = Path(bundle) if bundle else default_bundle_path()
    except BundleError:  # the embedder says what is missing
        return False
    return path.resolve() == shipped("engines/default").resolve()


def _catch_signals() -> None:
    """Let what ends the program end it as Ctrl-C does: with its nodes, and everything written."""

    def end(number: int, _: FrameType | None) -> None:
        raise KeyboardInterrupt(signal.Signals(number).name)

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup wants it to go on
            signal.signal(number, end)


if __name__ == "__main__":
    sys.exit(main())
