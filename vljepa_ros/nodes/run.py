# SPDX-License-Identifier: Apache-2.0
"""The main function of every node: spin until asked to end, and end without noise.

A signal ends the context, and with it spinning, in the place where that is expected; Python's own
answer to Ctrl-C, an exception at whatever line runs, is switched off. From then on signals are
ignored: a terminal and `ros2 launch` both send one, and the second must not kill a process that is
already ending. Entities are not destroyed by hand where the interpreter can end normally; the
middleware's own shutdown does that.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

import cv2
import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import SingleThreadedExecutor

from vljepa_ros.nodes.lifecycle import ManagedNode
from vljepa_ros.nodes.parameters import ParameterError
from vljepa_ros.nodes.worker import THREADS

_FATAL, _BAD_USAGE = 1, 2


def run(*factories: Callable[[], ManagedNode]) -> int:
    """Make the nodes and spin them in one thread until SIGINT, SIGTERM or shutdown.

    Returns:
        The exit status: 0, 1 where only a new process can go on, so that a launch file's respawn
        starts one, or 2 where a parameter cannot be used.
    """
    signal.signal(signal.SIGINT, lambda *_: None)  # rclpy's handler calls this after its own work
    cv2.setNumThreads(1)  # to shrink one frame takes less than to wake other threads for it
    nodes: list[ManagedNode] = []
    try:
        rclpy.init()
        executor = SingleThreadedExecutor()
        for factory in factories:
            nodes.append(factory())
            executor.add_node(nodes[-1])
        executor.spin()
    except (ParameterError, ParameterException) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return _BAD_USAGE
    except Exception:
        if rclpy.ok():
            raise
        # The usual end, or what a node that was still being made met after a signal.
    finally:
        _end(nodes)
    return 0


def _end(nodes: list[ManagedNode]) -> None:
    """Stop the nodes' threads; leave at once where one is stuck in a model, or a device is lost.

    A thread inside a native library cannot be interrupted, and taking the library down under it
    crashes, as freeing what a lost device held may. The nodes are destroyed before: else they stay
    in the graph, and a camera counts a dead subscriber, until their lease ends after 20 s, and
    their shared memory is left behind.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
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
