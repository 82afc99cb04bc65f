# SPDX-License-Identifier: Apache-2.0
"""The nodes as processes: what they print, how they end, and with which status."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.colour_bundle import phrase
from support.film import Film
from support.ros import DEADLINE_S, Bench
from support.speaker import SPACE, meaning
from vljepa_msgs.msg import Embedding, ModelInfo, Segment, StateDescription
from vljepa_ros.nodes import start as start_module
from vljepa_ros.nodes.common.conversions import to_floats
from vljepa_ros.nodes.common.qos import latched, reliable

ROOT = Path(__file__).resolve().parents[2]
END_S = 5.0  # generous: the machine may be loaded; a node that waits for something takes for ever
LEASE_S = 20.0  # after which Fast DDS gives up a process that ended without a word
SIGNALS = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


class Process:
    """A node's process; its lines on stderr, to which ROS logs, can be waited for."""

    def __init__(self, node: str, *arguments: str, code: str = "") -> None:
        how = ["-c", code] if code else ["-m", f"vljepa_ros.nodes.{node}"]
        self._process = subprocess.Popen(
            [sys.executable, *how, *arguments],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log = ""
        self._changed = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def logs(self, words: str, deadline_s: float = DEADLINE_S) -> bool:
        """Tell whether the words are logged within the deadline."""
        with self._changed:
            return self._changed.wait_for(lambda: words in self.log, deadline_s)

    def end(self, *signals: int) -> int:
        """Send signals, if any, and return the exit status."""
        for number in signals:
            self._process.send_signal(number)
        return self.status(END_S if signals else DEADLINE_S)

    def insist(self, number: int) -> int:
        """Send a signal again and again until the process has ended; return its status."""
        for _ in range(int(END_S / 0.01)):
            self._process.send_signal(number)
            try:
                return self.status(0.01)
            except subprocess.TimeoutExpired:
                continue
        return self.status(0.01)

    def status(self, deadline_s: float) -> int:
        """Wait for the end and return the exit status."""
        status = self._process.wait(deadline_s)
        self._reader.join(DEADLINE_S)
        return status

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join(DEADLINE_S)

    def _read(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as lines:
            for line in lines:
                with self._changed:
                    self.log += line
                    self._changed.notify_all()


@pytest.fixture
def start() -> Iterator[type[Process]]:
    started: list[Process] = []

    class Started(Process):
        def __init__(self, *arguments: str, **options: str) -> None:
            super().__init__(*arguments, **options)
            started.append(self)

    yield Started
    for process in started:
        process.kill()


def with_bundle(bundle: str) -> tuple[str, ...]:
    return ("--ros-args", "-p", f"bundle:={bundle}")


def ends_quietly(process: Process, number: int) -> None:
    assert process.end(number) == 0
    is_quiet(process)


def is_quiet(process: Process) -> None:
    # From Kilted on, rclpy itself tells that a signal ended a transition.
    lines = [line for line in process.log.splitlines() if "complete transition" not in line]
    for word in ("Traceback", "ERROR", "exception"):
        assert not any(word in line for line in lines), process.log


@SIGNALS
def test_both_nodes_in_one_process_work_and_end_on_a_signal(
    ros: Bench, bundle: str, start: type[Process], number: int
) -> None:
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    states = ros.inbox(StateDescription, "describer/state", latched(10))
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    process = start("pipeline", *with_bundle(bundle))
    infos.wait(1)
    Film(ros.camera().wait_matched(), embeddings).roll("red")
    states.wait(2)
    ends_quietly(process, number)


@SIGNALS
def test_a_describer_that_ends_on_a_signal_publishes_the_last_segment(
    ros: Bench, bundle: str, start: type[Process], number: int
) -> None:
    states = ros.inbox(StateDescription, "describer/state", latched(10))
    segments = ros.inbox(Segment, "describer/segment", reliable(100))
    process = start("describer", *with_bundle(bundle))
    embeddings = ros.node.create_publisher(Embedding, "embedder/embedding", reliable(10))
    ros.wait(lambda: embeddings.get_subscription_count() == 1, "the describer listens")
    ros.wait(lambda: segments_matched(ros), "the segments have their reader")
    message = Embedding(space_id=SPACE, query="colour", data=to_floats(meaning("red")))
    embeddings.publish(message)
    states.wait(1)
    ends_quietly(process, number)
    (segment,) = segments.wait(1)
    assert (segment.text, segment.samples) == (phrase("red"), 1)
    lost = states.wait(2)[1]
    assert (lost.reason, lost.previous_text) == (StateDescription.LOST, phrase("red"))


def segments_matched(ros: Bench) -> bool:
    """Tell whether the describer is known to publish segments; they are not latched."""
    return ros.node.count_publishers("/describer/segment") == 1


def test_ctrl_c_that_comes_again_is_one(ros: Bench, bundle: str, start: type[Process]) -> None:
    """A terminal sends it to the whole group, and ros2 launch sends it again."""
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    process = start("pipeline", *with_bundle(bundle))
    infos.wait(1)
    assert process.insist(signal.SIGINT) == 0
    is_quiet(process)


@SIGNALS
def test_a_signal_while_the_model_computes_ends_the_process(
    ros: Bench, bundle: str, start: type[Process], number: int
) -> None:
    slow = (
        "import sys\n"
        "from vljepa_ros.nodes.embedder import main\n"
        "from vljepa_ros.runtime.onnx_backend import OnnxBackend\n"
        "encode, calls = OnnxBackend.encode_frames, []\n"
        "def slow(self, frames):\n"
        "    calls.append(1)\n"
        "    if len(calls) > 4:  # the others are those of loading\n"
        "        print('computing', file=sys.stderr, flush=True)\n"
        "        while True:\n"
        "            encode(self, frames)\n"
        "    return encode(self, frames)\n"
        "OnnxBackend.encode_frames = slow\n"
        "sys.exit(main())\n"
    )
    infos = ros.inbox(ModelInfo, "embedder/model_info", latched(1))
    process = start("embedder", *with_bundle(bundle), code=slow)
    infos.wait(1)
    camera = ros.camera().wait_matched()
    film = Film(camera, ros.inbox(Embedding, "embedder/embedding"))
    for _ in range(100):
        film.shoot("red")
        if process.logs("computing", deadline_s=0.05):
            break
    ends_quietly(process, number)
    subscribers, names = camera.publisher.get_subscription_count, ros.node.get_node_names
    ros.wait(lambda: subscribers() == 0, "its subscription is gone", LEASE_S / 2)
    ros.wait(lambda: "embedder" not in names(), "the node is gone", LEASE_S / 2)


@SIGNALS
def test_a_signal_while_loading_ends_the_process(
    bundle: str, start: type[Process], number: int
) -> None:
    slow = (
        "import hashlib, sys\n"
        "from vljepa_ros.nodes.embedder import main\n"
        "from vljepa_ros.runtime.onnx_backend import OnnxBackend\n"
        "init = OnnxBackend.__init__\n"
        "def slow(self, *arguments):\n"
        "    print('loading', file=sys.stderr, flush=True)\n"
        "    hashlib.pbkdf2_hmac('sha256', b'', b'', 4_000_000)  # deaf to signals\n"
        "    init(self, *arguments)\n"
        "OnnxBackend.__init__ = slow\n"
        "sys.exit(main())\n"
    )
    process = start("embedder", *with_bundle(bundle), code=slow)
    assert process.logs("loading")
    ends_quietly(process, number)


@pytest.mark.parametrize("when", ["while loading", "while running"])
def test_a_lost_gpu_ends_the_process_with_an_error_so_that_it_is_started_again(
    ros: Bench, bundle: str, start: type[Process], tmp_path: Path, when: str
) -> None:
    broken = tmp_path / "broken"
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from pytest import MonkeyPatch\n"
        "sys.path.insert(0, 'test')\n"
        "from support import fake_gpu, fake_nvidia\n"
        "from support.driver_stub import build_driver\n"
        "from vljepa_ros.nodes.embedder import main\n"
        "class Gpu(fake_gpu.FakeGpu):\n"
        "    def enter(self, routine, **options):\n"
        f"        if Path({str(broken)!r}).exists():\n"
        "            self.fail('kernel', fake_gpu.ILLEGAL_ADDRESS)\n"
        "        super().enter(routine, **options)\n"
        "patch = MonkeyPatch()\n"
        f"patch.setenv('VLJEPA_ENGINES', {str(tmp_path / 'engines')!r})\n"
        f"fake_nvidia.install(patch, build_driver(Path({str(tmp_path)!r})), gpu=Gpu())\n"
        "sys.exit(main())\n"
    )
    parameters = ("backend:=tensorrt", "allow_build:=true", "allow_untrusted_engines:=true")
    arguments = [word for parameter in parameters for word in ("-p", parameter)]
    embeddings = ros.inbox(Embedding, "embedder/embedding")
    if when == "while loading":
        broken.touch()
    process = start("embedder", *with_bundle(bundle), *arguments, code=code)
    if when == "while running":
        film = Film(ros.camera().wait_matched(), embeddings)
        film.roll("red")
        broken.touch()
        film.shoot("red")
    assert process.end() == 1
    assert "ending the process: computing on the GPU failed" in process.log
    assert "illegal memory access" in process.log


@pytest.mark.parametrize(
    ("node", "parameter", "complaint"),
    [
        ("embedder", "rate_hz:=-5.0", "rate_hz"),
        ("embedder", "rate_hz:=fast", "rate_hz"),
        ("embedder", "image_transport:=pigeon", "one of raw, compressed"),
        ("embedder", "cameras:=[]", "cameras must not be empty"),
        ("embedder", "queries:=[]", "queries must not be empty"),
        ("describer", "evidence_s:=.nan", "evidence_s"),
    ],
)
def test_a_parameter_that_cannot_be_used_ends_the_process_with_one_line(
    start: type[Process], node: str, parameter: str, complaint: str
) -> None:
    process = start(node, "--ros-args", "-p", parameter)
    assert process.end() == 2
    assert complaint in process.log
    assert len(process.log.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--params-file /none.yaml", "'--params-file /none.yaml'. Error: Error opening YAML file"),
        ("--params-file LIST", "params-file"),
        ("--params-file NO_SECTION", "Cannot have a value before ros__parameters at line 2"),
        ("-r image_raw", "remap rule: '-r image_raw'. It must be NAME:=VALUE"),
        ("-r __node:=9x-y", "Couldn't parse remap rule: '-r __node:=9x-y'"),
        ("-r __ns:=9x-y", "Couldn't parse remap rule: '-r __ns:=9x-y'"),
        ("-p rate_hz", "Couldn't parse parameter override rule: '-p rate_hz'"),
        ("--log-level loud", "Couldn't parse log level: '--log-level loud'"),
        ("--frob", "unknown ROS arguments ['--frob']"),
    ],
)
def test_an_argument_that_ros_refuses_ends_the_process_with_the_reason(
    start: type[Process], tmp_path: Path, arguments: str, complaint: str
) -> None:
    for name, text in {"LIST": "[a, b]\n", "NO_SECTION": "embedder:\n  rate_hz: 5.0\n"}.items():
        (tmp_path / name).write_text(text)
        arguments = arguments.replace(name, str(tmp_path / name))
    process = start("embedder", "--ros-args", *arguments.split())
    assert process.end() == 2
    (ours,) = [line for line in process.log.splitlines() if line.startswith("cannot start: ")]
    assert complaint in ours and "project/src" not in ours
    assert len(process.log.splitlines()) <= 3  # rcl logs a line or two of its own


def test_an_unknown_parameter_is_named_with_the_one_that_is_close(
    bundle: str, start: type[Process], tmp_path: Path
) -> None:
    file = tmp_path / "params.yaml"
    own = "decoder: phrases, qos_overrides: {/image_raw: {subscription: {depth: 3}}}"
    file.write_text(f"/**: {{ros__parameters: {{rate_h: 5.0, frobnicate: 1, {own}}}}}\n")
    process = start("embedder", *with_bundle(bundle), "--params-file", str(file))
    assert process.logs("unknown parameter rate_h is ignored; did you mean rate_hz?")
    assert process.logs("unknown parameter frobnicate is ignored\n")
    process.end(signal.SIGINT)
    # The first is the describer's, and the file may be for both; the other is ROS's own.
    assert "decoder" not in process.log and "qos_overrides" not in process.log


def test_an_integer_is_taken_for_a_double(bundle: str, start: type[Process]) -> None:
    process = start("embedder", *with_bundle(bundle), "-p", "rate_hz:=5")
    assert process.logs("loaded")
    ends_quietly(process, signal.SIGINT)


def test_missing_messages_are_told_in_a_sentence(start: type[Process]) -> None:
    code = (
        "import sys\n"
        "from vljepa_ros.nodes import start\n"
        "start._NEEDED = 'no_such_package_of_messages'\n"
        "sys.exit(start.pipeline())\n"
    )
    process = start("", code=code)
    assert process.end() == 2
    assert "no_such_package_of_messages is missing: build the workspace with" in process.log
    assert len(process.log.splitlines()) == 1


def test_ctrl_c_before_there_is_a_node_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("importlib.import_module", interrupted)
    assert start_module.embedder() == 0
