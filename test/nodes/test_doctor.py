# SPDX-License-Identifier: Apache-2.0
"""The doctor tells a sound system from broken ones, over real DDS and in the words of a user."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

from support.colour_bundle import scene_frame
from support.film import PERIOD
from support.ros import DEADLINE_S, Bench
from vljepa_msgs.msg import States
from vljepa_ros.nodes.common.complaints import NAMESAKES, NO_PUBLISHER, OTHER_SPACE, UNCONFIGURED
from vljepa_ros.nodes.common.qos import latched
from vljepa_ros.nodes.describer import Describer
from vljepa_ros.nodes.doctor import check_packages, check_transport, examination, observer
from vljepa_ros.nodes.doctor.ailments import AILMENTS, MISSING_PACKAGES, NO_ROS, TWO_CLOCKS
from vljepa_ros.nodes.doctor.check_bundle import check_bundle
from vljepa_ros.nodes.doctor.check_messages import SOURCE, check_messages
from vljepa_ros.nodes.doctor.check_recording import check_recording
from vljepa_ros.nodes.doctor.check_transport import check_loopback, profile_in_words
from vljepa_ros.nodes.doctor.examination import judge
from vljepa_ros.nodes.doctor.finding import Finding, Grade
from vljepa_ros.nodes.doctor.observation import ACTIVE, NodeReport, Observation, SeenTopic
from vljepa_ros.nodes.embedder import Embedder

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "doctor.md"
SOUND = Observation(
    nodes=["/embedder", "/describer", "/camera"],
    embedders=["/embedder"],
    describers=["/describer"],
    states={"/embedder": ACTIVE, "/describer": ACTIVE},
    sim_time={"/embedder": False, "/describer": False},
    reports={
        "/embedder": NodeReport(True, "10.0 clips per second"),
        "/describer": NodeReport(True, "3 descriptions"),
    },
    spaces={"/embedder": "colour-1", "/describer": "colour-1"},
    images={"/image_raw": SeenTopic("", ["/camera"], "64 x 64 rgb8", "", "", 10.0, 10.0)},
    listeners={"/describer/state": 1},
)


def but(**changes: Any) -> Observation:
    return Observation(**{**vars(SOUND), **changes})


def topic(**changes: Any) -> Observation:
    return but(images={"/image_raw": SeenTopic(**{**vars(SOUND.images["/image_raw"]), **changes})})


def faults(findings: Iterator[Finding]) -> list[str]:
    return [finding.said for finding in findings if finding.grade is Grade.FAIL]


def test_the_guide_has_each_ailment_and_no_other() -> None:
    table = GUIDE.read_text(encoding="utf-8").partition("The doctor alone says")[2]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert rows == [ailment.row for ailment in AILMENTS]


def test_a_sound_system_has_no_fault() -> None:
    assert faults(judge(SOUND)) == []


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (but(nodes=[*SOUND.nodes, "/embedder"]), "2 nodes are named /embedder"),
        (but(describers=[]), "/embedder runs, but no describer"),
        (but(embedders=["/a/embedder"]), "/describer runs, but no embedder"),
        (but(states={"/embedder": "inactive", "/describer": ACTIVE}), "/embedder: inactive"),
        (but(states={"/embedder": None, "/describer": ACTIVE}), "/embedder does not answer"),
        (but(sim_time={"/embedder": True, "/describer": False}), "simulated time is used by"),
        (but(sim_time={"/embedder": True, "/describer": True}), "nobody publishes /clock"),
        (but(spaces={"/embedder": "a", "/describer": "b"}), "embeddings of another space"),
        (but(reports={**SOUND.reports, "/embedder": NodeReport(False, "it hurts")}), "it hurts"),
        (but(reports={}), "/embedder (/diagnostics) does not answer"),
        (topic(silence="no message for 5 s"), "no message for 5 s"),
        (topic(publishers=["/camera", "/replay"]), "several nodes publish on /image_raw"),
        (topic(refusal="no such encoding"), "an image of /image_raw is refused"),
        (topic(stamps="all stamps are equal"), "wrong stamps: all stamps are equal"),
        (topic(arrived_hz=3.0), "3.0 images per second arrive, but the stamps are of 10.0"),
        (topic(age_s=3600.0), "images of /image_raw are 3600 s old"),
        (topic(age_s=-60.0), "images of /image_raw are -60 s old"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_each_fault_is_told_with_a_remedy(seen: Observation, words: str) -> None:
    told = [said for said in faults(judge(seen)) if words in said]
    assert told, faults(judge(seen))
    assert words == "it hurts" or words == "no message for 5 s" or "; " in told[0]


def test_a_node_that_loads_is_no_fault() -> None:
    report = NodeReport(False, "configuring", {"state": "configuring"})
    seen = but(
        states={"/embedder": "unconfigured", "/describer": ACTIVE},
        reports={**SOUND.reports, "/embedder": report},
    )
    assert faults(judge(seen)) == []
    assert any("call the doctor again" in one.said for one in judge(seen))


def test_nobody_who_listens_is_no_fault_but_told() -> None:
    seen = but(listeners={"/describer/state": 0})
    notes = [one.said for one in judge(seen) if one.grade is Grade.NOTE]
    assert notes == ["nobody subscribes to /describer/state"]


# Without a running system.


def test_what_cannot_be_imported_is_a_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rclpy", None)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    ros, packages = faults(check_packages.check_packages())
    assert (
        NO_ROS.remedy in ros and MISSING_PACKAGES.remedy in packages and "tokenizers" in packages
    )


def test_messages_that_were_built_from_another_source_are_a_fault(tmp_path: Path) -> None:
    assert faults(check_messages()) == []
    folder = tmp_path / "msg"
    folder.mkdir()
    for name in ("States", "Query"):
        text = (SOURCE / "msg" / f"{name}.msg").read_text(encoding="utf-8")
        (folder / f"{name}.msg").write_text(text, encoding="utf-8")
    assert faults(check_messages(tmp_path)) == []
    with (folder / "Query.msg").open("a") as file:
        file.write("string[] hints  # new\n")
    (only,) = faults(check_messages(tmp_path))
    assert "Query.msg" in only and "States" not in only


def test_a_bundle_with_a_changed_file_is_a_fault(bundle: str, tmp_path: Path) -> None:
    assert faults(check_bundle(bundle)) == []
    (only,) = faults(check_bundle(str(tmp_path)))
    assert "manifest.json" in only


def test_processes_that_do_not_find_each_other_are_a_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(check_transport, "_exchange", lambda *_: None)
    (only,) = faults(check_loopback())
    assert "did not find each other" in only


def test_lost_images_are_a_fault_unless_running_nodes_get_theirs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(check_transport, "_exchange", lambda *_: 3)
    grades = {proven: list(check_loopback(proven=proven))[1].grade for proven in (False, True)}
    assert grades == {False: Grade.FAIL, True: Grade.NOTE}


def test_the_profile_of_the_shell_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in check_transport._PROFILES:
        monkeypatch.delenv(name, raising=False)
    assert "no Fast DDS profile" in profile_in_words()
    monkeypatch.setenv(check_transport._PROFILES[0], str(ROOT / "config" / "fastdds.xml"))
    assert "its segment holds 33554 KB" in profile_in_words()
    monkeypatch.setenv(check_transport._PROFILES[0], "/nowhere.xml")
    assert "cannot be read" in profile_in_words()


def test_a_recording_is_read(tmp_path: Path) -> None:
    recording = str(ROOT / "demo" / "recording.mp4")
    (only,) = check_recording(recording)
    assert only.grade is Grade.OK and "480 x 360 bgr8, 10.0 images per second" in only.said
    (missing,) = faults(check_recording(str(tmp_path / "none.mp4")))
    assert "does not exist" in missing


def test_the_exit_status_tells_whether_a_check_failed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert examination.main(["--video", str(ROOT / "demo" / "recording.mp4")]) == 0
    assert examination.main(["--bag", str(tmp_path / "none")]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert all(re.match(r"(ok|note|FAIL) +\S", line) for line in printed if "failed" not in line)
    assert printed[-1] == "1 check failed"


# Over real DDS.


@pytest.fixture(autouse=True)
def _short_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observer, "_DISCOVERY_S", 0.5)


@contextmanager
def filming(ros: Bench) -> Iterator[None]:
    """Show red to whoever looks, five times a second, with even stamps from now on."""
    camera, stamps = ros.camera(), count(ros.node.get_clock().now().nanoseconds, 2 * PERIOD)

    def shoot() -> None:
        camera.send(scene_frame("red"), next(stamps))

    timer = ros.node.create_timer(0.2, shoot)
    camera.wait_matched()
    yield
    timer.cancel()


def look(ros: Bench, seconds: float = 1.5) -> Observation:
    node = Node("doctor", context=ros.context)
    executor = SingleThreadedExecutor(context=ros.context)
    executor.add_node(node)
    try:
        return observer.observe(node, executor, seconds)
    finally:
        executor.shutdown(0.0)
        node.destroy_node()


def test_a_running_system_that_is_sound(ros: Bench, bundle: str) -> None:
    states = ros.inbox(States, "describer/states", latched(1))
    ros.add(Embedder, bundle=bundle)
    ros.add(Describer, bundle=bundle)
    with filming(ros):
        states.wait_for(lambda message: message.states, "a state")
        seen = look(ros)
    told = {one.check: one.said for one in judge(seen) if one.grade is Grade.OK}
    assert faults(judge(seen)) == []
    assert "/describer/states (1)" in told["subscribers"]
    assert re.match(r"/image_raw: 1?\d\.\d images per second, \d+ x \d+ rgb8", told["images"])
    assert told["space"] == "/embedder and /describer are of colour-1"
    assert told["backend"].startswith("/embedder: onnxruntime")


def test_a_running_system_with_many_faults(ros: Bench, bundle: str, default_bundle: Path) -> None:
    reports = ros.diagnostics("describer")
    ros.add(Embedder, bundle=bundle, use_sim_time=True)
    ros.add(Describer, bundle=str(default_bundle))
    ros.add(lambda **options: Node("describer", **options))
    reports.wait_for(lambda report: report.values["state"] == "active", "an active describer")
    told = faults(judge(look(ros)))
    for words in (
        NAMESAKES.told(2, "/describer"),
        TWO_CLOCKS.told("/embedder", "/describer"),
        NO_PUBLISHER.remedy,
        OTHER_SPACE.why,
    ):
        assert any(words in one for one in told), (words, told)


def test_a_node_that_nobody_configured(ros: Bench, bundle: str) -> None:
    reports = ros.diagnostics("embedder")
    ros.add(Embedder, bundle=bundle, autostart=False)
    reports.wait(1)
    told = faults(judge(look(ros, 0.5)))
    assert f"/embedder: {UNCONFIGURED.told()}" in told


def test_the_program_tries_the_middleware_and_tells_of_a_fault(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vljepa_ros.nodes.doctor", "--seconds", "0", "--bundle", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=3 * DEADLINE_S,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^FAIL  bundle: .*manifest.json", done.stdout, re.MULTILINE)
    assert re.search(r"^ok    discovery: ", done.stdout, re.MULTILINE)
    assert re.search(r"^ok    large images: \d+ of 20 images of 921 KB", done.stdout, re.MULTILINE)
    assert done.stdout.endswith("1 check failed\n")
