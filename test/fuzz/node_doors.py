# SPDX-License-Identifier: Apache-2.0
"""The running nodes over DDS: hostile messages, requests and parameters.

The nodes are a process of their own, as on a robot. It must live, and go on to report.
"""

from __future__ import annotations

import array
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import Parameter, ParameterType, ParameterValue
from rcl_interfaces.srv import DescribeParameters, GetParameters, SetParameters
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image

from fuzz.door import Attempt, Door
from fuzz.mutations import strange_text
from support.colour_bundle import DIMENSION, build_colour_bundle
from vljepa_msgs.msg import Embedding, ModelInfo, Query
from vljepa_msgs.srv import (
    AddPhrases,
    Ask,
    Describe,
    EmbedText,
    ListPhrases,
    RemovePhrases,
    SetQueries,
)
from vljepa_ros.nodes.common.conversions import to_stamp
from vljepa_ros.nodes.common.qos import latched, reliable

_ANSWER_S = 8.0
_REPORT_S = 8.0
_NODES = ("embedder", "describer")
_CHECK_EVERY = 200  # attempts between two looks at what the nodes report


class _Client:
    """Talks to the nodes, and says whether they live."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._node = Node("fuzz")
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._reported = {name: threading.Event() for name in _NODES}
        self._ready = threading.Event()
        self._attempts = 0
        create = self._node.create_subscription
        create(DiagnosticArray, "/diagnostics", self._on_report, 50)
        create(ModelInfo, "embedder/model_info", lambda _: self._ready.set(), latched(1))
        self.images = self._node.create_publisher(Image, "image_raw", 10)
        self.embeddings = self._node.create_publisher(
            Embedding, "embedder/embedding", reliable(100)
        )
        self.infos = self._node.create_publisher(ModelInfo, "embedder/model_info", latched(1))
        self._thread = threading.Thread(target=self._executor.spin, daemon=True)
        self._thread.start()
        assert self._ready.wait(60.0), "the nodes do not start"
        self._clients: dict[str, Any] = {}

    def call(self, kind: Any, service: str, request: Any) -> str:
        """Call a service and tell that it answered."""
        if service not in self._clients:
            self._clients[service] = self._node.create_client(kind, service)
            assert self._clients[service].wait_for_service(_ANSWER_S), f"no service {service}"
        done = threading.Event()
        future = self._clients[service].call_async(request)
        future.add_done_callback(lambda _: done.set())
        self.check_life()
        assert done.wait(_ANSWER_S), f"no answer from {service}"
        response = future.result()
        success = getattr(response, "success", None)
        return "answered" if success is None else f"answered: {success}"

    def check_life(self) -> None:
        """Fail if the process has ended or a node does not report any more."""
        status = self._process.poll()
        assert status is None, f"the process of the nodes ended with status {status}"
        self._attempts += 1
        if self._attempts % _CHECK_EVERY == 0:
            for name, reported in self._reported.items():
                reported.clear()
                assert reported.wait(_REPORT_S), f"{name} does not report any more"

    def close(self) -> None:
        """Leave."""
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()

    def _on_report(self, report: DiagnosticArray) -> None:
        for status in report.status:
            if status.name in self._reported:
                self._reported[status.name].set()


def _image(client: _Client, rng: np.random.Generator) -> str:
    width, height = (int(one) for one in rng.integers(0, 40, 2))
    step = int(rng.choice([0, width, 3 * width, 2**32 - 1]))
    message = Image(width=width, height=height, step=step, encoding=_text(rng))
    if rng.random() < 0.7:
        message.encoding = str(rng.choice(["rgb8", "mono8", "yuv422", "nv12", "32FC1"]))
    message.data = array.array("B", bytes(min(step * height, 10_000)))
    message.header.stamp = to_stamp(int(rng.integers(0, 2**31)) * 1_000_000_000)
    message.header.frame_id = _text(rng)
    client.images.publish(message)
    client.check_life()
    return "sent"


def _embedding(client: _Client, rng: np.random.Generator) -> str:
    size = DIMENSION if rng.random() < 0.7 else int(rng.integers(0, 2000))
    values = rng.normal(size=size).astype(np.float32)
    if size and rng.random() < 0.2:
        values[0] = rng.choice([np.nan, np.inf, -np.inf])
    message = Embedding(space_id="colour-1" if rng.random() < 0.8 else _text(rng))
    message.query = str(rng.choice(["colour", "brightness", _text(rng)]))
    message.data = array.array("f", values.tobytes())
    message.unfamiliarity = float(rng.choice([0.0, 0.5, 1.0, -1.0, np.nan, np.inf]))
    message.image_fault = int(rng.integers(0, 256))
    message.header.stamp = to_stamp(int(rng.integers(0, 2**31)) * 1_000_000_000)
    client.embeddings.publish(message)
    client.check_life()
    return "sent"


def _parameter(client: _Client, rng: np.random.Generator) -> str:
    names = ("queries", "rate_hz", "max_gap_s", "evidence_s", "bundle", "cameras", _text(rng))
    value = ParameterValue(
        type=int(rng.choice([*range(ParameterType.PARAMETER_STRING_ARRAY + 1), 10, 255])),
        double_value=float(rng.choice([np.nan, np.inf, -1.0, 0.0, 1e300])),
        integer_value=int(rng.integers(-(2**62), 2**62)),
        string_value=_text(rng),
        string_array_value=[_text(rng) for _ in range(int(rng.integers(0, 80)))],
    )
    request = SetParameters.Request(
        parameters=[Parameter(name=str(rng.choice(names)), value=value)]
    )
    return client.call(SetParameters, f"{rng.choice(_NODES)}/set_parameters", request)


def _names(client: _Client, rng: np.random.Generator) -> str:
    names = [_text(rng) for _ in range(int(rng.integers(0, 20)))]
    kind, service = (
        (GetParameters, "get_parameters"),
        (DescribeParameters, "describe_parameters"),
    )[int(rng.integers(2))]
    return client.call(kind, f"{rng.choice(_NODES)}/{service}", kind.Request(names=names))


def _queries(client: _Client, rng: np.random.Generator) -> str:
    count = int(rng.choice([0, 1, 2, 64, 65, 3000]))
    queries = [Query(name=f"q{n}" if n else _text(rng), text=_text(rng)) for n in range(count)]
    if rng.random() < 0.2:
        queries = [Query(name="colour"), Query(name="brightness")]
    for query in queries[:2]:
        query.phrases = _texts(rng)
    return client.call(SetQueries, "embedder/set_queries", SetQueries.Request(queries=queries))


def _embed(client: _Client, rng: np.random.Generator) -> str:
    return client.call(EmbedText, "embedder/embed_text", EmbedText.Request(text=_text(rng)))


def _ask(client: _Client, rng: np.random.Generator) -> str:
    answers = [_text(rng) for _ in range(int(rng.choice([0, 1, 3, 64, 65, 2000])))]
    request = Ask.Request(question=_text(rng), answers=answers, camera=_text(rng)[:4])
    return client.call(Ask, "embedder/ask", request)


def _describe(client: _Client, rng: np.random.Generator) -> str:
    request = Describe.Request(query=_text(rng), camera=_text(rng)[:4])
    return client.call(Describe, "describer/describe", request)


def _phrases(client: _Client, rng: np.random.Generator) -> str:
    query = str(rng.choice(["colour", "brightness", _text(rng)]))
    kind, service = ((AddPhrases, "add_phrases"), (RemovePhrases, "remove_phrases"))[
        int(rng.integers(2))
    ]
    request = kind.Request(query=query, texts=_texts(rng))
    return client.call(kind, f"describer/{service}", request)


def _list(client: _Client, rng: np.random.Generator) -> str:
    query = str(rng.choice(["", "colour", _text(rng)]))
    request = ListPhrases.Request(query=query)
    return client.call(ListPhrases, "describer/list_phrases", request)


def _info(client: _Client, rng: np.random.Generator) -> str:
    message = ModelInfo(space_id="colour-1" if rng.random() < 0.8 else _text(rng))
    for _ in range(int(rng.choice([0, 1, 3, 100]))):
        name = str(rng.choice(["colour", "brightness", _text(rng)]))
        message.queries.append(Query(name=name, text=_text(rng), phrases=_texts(rng)))
    client.infos.publish(message)
    client.check_life()
    return "sent"


def _texts(rng: np.random.Generator) -> list[str]:
    return [_text(rng) for _ in range(int(rng.choice([0, 1, 3, 65, 2000])))]


def _text(rng: np.random.Generator) -> str:
    return strange_text(rng).replace("\0", "").encode("utf-8", "replace").decode("utf-8")


_ACTIONS: tuple[Callable[[_Client, np.random.Generator], str], ...] = (
    *([_image, _embedding] * 4),
    _parameter,
    _names,
    _queries,
    _embed,
    _ask,
    _describe,
    _phrases,
    _list,
    _info,
)


@contextmanager
def _nodes() -> Iterator[Attempt]:
    with tempfile.TemporaryDirectory() as folder:
        bundle = build_colour_bundle(Path(folder) / "bundle")
        command = [sys.executable, "-m", "vljepa_ros.nodes.pipeline"]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [*command, "--ros-args", "-p", f"bundle:={bundle}"],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        rclpy.init()
        try:
            client = _Client(process)

            def attempt(rng: np.random.Generator) -> str:
                action = _ACTIONS[int(rng.integers(len(_ACTIONS)))]
                return f"{action.__name__[1:]} {action(client, rng)}"

            yield attempt
            client.close()
        finally:
            rclpy.try_shutdown()
            process.terminate()
            process.wait(10.0)


DOORS = (Door("running nodes", 0.03, _nodes),)
