# SPDX-License-Identifier: Apache-2.0
"""How far a build is, out of the phases within phases that TensorRT reports."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass
class _Phase:
    parent: str | None
    steps: int
    done: int = 0


class PhaseTree:
    """Phases that are under way. TensorRT reports them from several threads."""

    def __init__(self) -> None:
        """Begin at nothing done."""
        self._phases: dict[str, _Phase] = {}
        self._lock = threading.Lock()
        self._fraction = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> float:
        """Note that a phase of so many steps begins, and return what is done of all."""
        with self._lock:
            self._phases[name] = _Phase(parent, max(1, steps))
            return self._advance()

    def step(self, name: str, step: int) -> float:
        """Note that a step, counted from 0, is done, and return what is done of all."""
        with self._lock:
            if name in self._phases:
                self._phases[name].done = step + 1
            return self._advance()

    def finish(self, name: str) -> float:
        """Note that a phase is over, and return what is done of all.

        TensorRT does not tell the last steps of some phases, the outermost one among them.
        """
        with self._lock:
            if name in self._phases:
                self._phases[name].done = self._phases[name].steps
            fraction = self._advance()
            self._phases.pop(name, None)
            return fraction

    def _advance(self) -> float:
        """Return the fraction 0..1 that the outermost phase is at; it never goes back."""
        outermost = [name for name, phase in self._phases.items() if phase.parent is None]
        self._fraction = max([self._fraction, *map(self._done, outermost)])
        return self._fraction

    def _done(self, name: str) -> float:
        phase = self._phases[name]
        inner = [child for child, found in self._phases.items() if found.parent == name]
        part = max(map(self._done, inner), default=0.0)
        return min(1.0, (phase.done + part) / phase.steps)


def progress_monitor(trt: Any, report: Callable[[float], None]) -> Any:
    """Return a ``trt.IProgressMonitor`` that reports the fraction done at every whole percent.

    An exception out of ``report`` cannot pass through TensorRT: it ends the build at TensorRT's
    next step and is kept in ``interruption`` for the caller to raise.
    """

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self.interruption: BaseException | None = None
            self._tree = PhaseTree()
            self._percent = 0

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._note(self._tree.start, phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            self._note(self._tree.step, phase_name, step)
            return self.interruption is None

        def phase_finish(self, phase_name: str) -> None:
            self._note(self._tree.finish, phase_name)

        def _note(self, change: Callable[..., float], *arguments: object) -> None:
            if self.interruption is not None:
                return
            try:
                percent = int(100 * change(*arguments))
                if percent != self._percent:
                    self._percent = percent
                    report(percent / 100)
            except BaseException as error:  # see above
                self.interruption = error

    return Monitor()
