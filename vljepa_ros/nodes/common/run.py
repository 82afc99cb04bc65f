# SPDX-License-Identifier: Apache-2.0
"""The main function of every node: spin until asked to end, and end without noise.

What cannot start says why in one line and ends with an exit status that is not 0: rcl's own
complaint about a parameter file, a remap rule, a name or a log level, or a parameter's value.

A signal deactivates the nodes, which may have last words to publish, and then ends the context,
and with it spinning, at the line that expects it. rclpy's own handlers end the context at once,
and Python's own answer to Ctrl-C is an exception at whatever line runs; both are switched off.
Later signals are ignored: a terminal and `ros2 launch` both send one, and the second must not kill
a process that is already ending. If the interpreter can end normally, entities are not
destroyed by hand; the middleware's own shutdown does that.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress

import cv2
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.signals import SignalHandlerOptions

from vljepa_ros.nodes.common.executor import GuardedExecutor
from vljepa_ros.nodes.common.fresh_ports import fresh_ports
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.parameters import ParameterError
from vljepa_ros.nodes.common.unknown_parameters import unknown_parameters
from vljepa_ros.nodes.common.worker import THREADS

_FATAL, _BAD_USAGE = 1, 2
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_PATIENCE_S = 2.0  # for a callback that runs when a signal comes, and for last words


def run(*factories: Callable[[], ManagedNode]) -> int:
    """Make the nodes and spin them in one thread until SIGINT, SIGTERM or shutdown.

    Args:
        factories: Make the nodes, in this order.

    Returns:
        The exit status: 0; 1 if only a new process can go on, so that a launch file's respawn
        starts one; 2 if an argument of ROS or a parameter cannot be used.
    """
    first_signal = _catch_signals()
    cv2.setNumThreads(1)  # to shrink one frame takes less than to wake other threads for it
    try:
        rclpy.init(signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:  # RCLError and UnknownROSArgsError, which have no public names
        return _refuse(_reason(error))
    domain = rclpy.get_default_context().get_domain_id()
    nodes: list[ManagedNode] = []
    try:
        executor = GuardedExecutor()
        watch = threading.Thread(target=_end_on, args=(first_signal, executor, nodes), daemon=True)
        watch.start()
        for factory in factories:
            with fresh_ports(domain):  # the first node makes the participant
                nodes.append(factory())
            executor.add_node(nodes[-1])
        _report_unknown_parameters(nodes)
        executor.spin()
    except (ParameterError, ParameterException) as error:
        return _refuse(str(error))
    except Exception:
        if rclpy.ok():
            raise
        # The usual end, or what a node that was still being made met after a signal.
    finally:
        _end(nodes)
    return 0


def _refuse(reason: str) -> int:
    """Say why the process cannot start, and return its exit status."""
    print(f"cannot start: {reason}", file=sys.stderr)
    return _BAD_USAGE


def _reason(error: RuntimeError) -> str:
    """Return what rcl says, without its lines of C and the states of its parser."""
    if text := re.fullmatch(r"\[.*\]", str(error)):  # UnknownROSArgsError is only a list
        return f"unknown ROS arguments {text.group()}"
    reason = re.sub(r"^failed to initialize rcl: |,? at \S+:\d+", "", str(error))
    form = "It must be NAME:=VALUE, without characters that ROS does not allow in names"
    return re.sub(r"Error: Expected lexeme type.*", form, reason)


def _report_unknown_parameters(nodes: Sequence[ManagedNode]) -> None:
    for node in nodes:
        for complaint in unknown_parameters(node):
            node.get_logger().warning(complaint)


def _catch_signals() -> int:
    """Return a file descriptor that can be read from when a signal has come.

    A handler in Python would not do: it waits until the thread that spins leaves the middleware.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: None)
    return reader


def _end_on(first_signal: int, executor: GuardedExecutor, nodes: list[ManagedNode]) -> None:
    """Wait for a signal, deactivate the nodes in the executor, and end the context."""
    os.read(first_signal, 1)
    left = threading.Event()

    def leave() -> None:
        try:
            for node in nodes:
                node.leave()
        finally:
            left.set()

    executor.create_task(leave)
    left.wait(_PATIENCE_S)
    rclpy.try_shutdown()


def _end(nodes: list[ManagedNode]) -> None:
    """Stop the nodes' threads; leave at once if one is stuck in a model or a device is lost.

    A thread inside a native library cannot be interrupted, and taking the library down under it
    crashes, as freeing what a lost device held may. The nodes are destroyed before: else they stay
    in the graph, and a camera counts a dead subscriber, until their lease ends after 20 s, and
    their shared memory is left behind.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    for node in nodes:
        node.close()
    fatal = any(node.fatal for node in nodes)
    if fatal or any(thread.name.startswith(THREADS) for thread in threading.enumerate()):
        for node in nodes:
            with suppress(Exception):  # nothing may keep the process from ending
                node.destroy_node()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(_FATAL if fatal else 0)
