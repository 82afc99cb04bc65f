# SPDX-License-Identifier: Apache-2.0
"""The doctor's command line: which checks, in which order, and the exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence

from vljepa_ros.nodes.common.fast_dds import profile_variables
from vljepa_ros.nodes.doctor.check_bundle import check_bundle
from vljepa_ros.nodes.doctor.check_clocks import check_clocks
from vljepa_ros.nodes.doctor.check_consumers import check_listeners, check_spaces
from vljepa_ros.nodes.doctor.check_images import check_images
from vljepa_ros.nodes.doctor.check_messages import check_messages
from vljepa_ros.nodes.doctor.check_nodes import check_nodes, check_reports
from vljepa_ros.nodes.doctor.check_packages import check_packages
from vljepa_ros.nodes.doctor.check_transport import VGA, check_loopback, check_shared_memory
from vljepa_ros.nodes.doctor.finding import Finding, Grade, fine
from vljepa_ros.nodes.doctor.observation import Observation
from vljepa_ros.shipped import shipped

SECONDS = 4.0
_USAGE = "One line per check, with what to do. The exit status is 1 if a check fails."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks, print each line as soon as it is known, and return the exit status."""
    given = _parse(sys.argv[1:] if arguments is None else arguments)
    failed = 0
    for finding in _findings(given):
        print(finding, flush=True)
        failed += finding.grade is Grade.FAIL
    print(f"{failed} checks failed" if failed != 1 else "1 check failed", flush=True)
    return 1 if failed else 0


def judge(seen: Observation) -> Iterator[Finding]:
    """Yield what the checks of a running system find."""
    checks = (
        check_nodes,
        check_clocks,
        check_images,
        check_spaces,
        check_reports,
        check_listeners,
    )
    for check in checks:
        yield from check(seen)
    for embedder, backend in seen.backends.items():
        yield fine("backend", f"{embedder}: {backend}")


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="doctor", description=_USAGE)
    parser.add_argument("--bundle", default="", help="folder of a bundle; else the default one")
    recordings = parser.add_mutually_exclusive_group()
    recordings.add_argument("--bag", default="", help="check this bag, and not a running system")
    recordings.add_argument("--video", default="", help="the same for a video or image folder")
    parser.add_argument("--topic", default="", help="image topic in the bag")
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, help=f"to look at running nodes ({SECONDS:g})"
    )
    return parser.parse_args(arguments)


def _findings(given: argparse.Namespace) -> Iterator[Finding]:
    installed = yield from _passed_on([*check_packages(), *check_messages()])
    if not installed:
        return  # every check that follows needs all of it
    if recording := given.bag or given.video:
        from vljepa_ros.nodes.doctor.check_recording import check_recording

        yield from check_recording(recording, given.topic)
        return
    yield from check_shared_memory()
    seen = _observe(given.seconds)
    yield from check_bundle(given.bundle, compute=not seen.backends)
    size = max((one.size for one in seen.images.values()), default=0) or VGA
    proven = any(one.comes_whole for one in seen.images.values())
    yield from check_loopback(size, proven=proven)
    yield from judge(seen)


def _passed_on(findings: Iterable[Finding]) -> Generator[Finding, None, bool]:
    """Yield findings, and return whether all are well."""
    well = True
    for finding in findings:
        well = well and finding.grade is not Grade.FAIL
        yield finding
    return well


def _observe(seconds: float) -> Observation:
    """Look at the running system, with the profile that the launch files give to our nodes."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor

    from vljepa_ros.nodes.doctor.observer import observe

    shell = dict(os.environ)
    os.environ.update(profile_variables(shipped("config/fastdds.xml")))
    rclpy.init(args=[])
    try:
        node = rclpy.create_node(f"vljepa_doctor_{os.getpid()}", enable_rosout=False)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        return observe(node, executor, seconds)
    finally:
        rclpy.try_shutdown()
        os.environ.clear()
        os.environ.update(shell)
