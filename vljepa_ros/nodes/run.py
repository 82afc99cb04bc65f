# SPDX-License-Identifier: Apache-2.0
"""The main function of every node: spin until asked to end, and end without noise.

Nodes are made inside the try block: a signal during construction must end the process as quietly
as one while spinning. Entities are not destroyed by hand at the end; the middleware's own shutdown
does that, and doing it twice races with a second signal.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import rclpy
from rclpy.exceptions import ParameterException
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor

from vljepa_ros.nodes.lifecycle import ManagedNode
from vljepa_ros.nodes.parameters import ParameterError
from vljepa_ros.nodes.worker import THREADS

_BAD_USAGE = 2


def run(*factories: Callable[[], ManagedNode]) -> int:
    """Make the nodes and spin them in one thread until SIGINT, SIGTERM or shutdown.

    Returns:
        The exit status: 0, or 2 where a parameter cannot be used.
    """
    nodes: list[ManagedNode] = []
    try:
        rclpy.init()
        executor = SingleThreadedExecutor()
        for factory in factories:
            nodes.append(factory())
            executor.add_node(nodes[-1])
        executor.spin()
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (ParameterError, ParameterException) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return _BAD_USAGE
    finally:
        _close(nodes)
    return 0


def _close(nodes: list[ManagedNode]) -> None:
    """Stop the nodes' threads; leave at once where one is stuck in a model.

    A thread inside a native library cannot be interrupted, and taking the library down under it
    crashes; nothing is left to write at this point.
    """
    for node in nodes:
        node.close()
    if any(thread.name.startswith(THREADS) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
