# SPDX-License-Identifier: Apache-2.0
"""What all nodes share: a managed life, parameters from a table, diagnostics and autostart.

Configuring begins with :meth:`ManagedNode.load` in a thread, because a model takes seconds to
load and engines take minutes to build. Meanwhile the node answers, and reports that it is
``configuring`` and how far it is; to ROS, whose transition follows, it is still unconfigured.

rclpy swallows an exception in a transition callback without a word, and lets a request for a
transition that is not possible now (configure twice) end the process. Here the first is logged
with its cause and the second is answered with ``success: false``. A node writes four plain methods
that raise when they fail (:meth:`ManagedNode.do_configure` and so on); this class turns them into
legal transitions.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.service import Service
from rclpy.task import Future

from vljepa_ros.nodes.common.complaints import INACTIVE, UNCONFIGURED
from vljepa_ros.nodes.common.diagnostics import Diagnostics, Health, Level, Tally
from vljepa_ros.nodes.common.missing_clock import missing_clock
from vljepa_ros.nodes.common.namesakes import NamesakeWatch
from vljepa_ros.nodes.common.parameters import Change, Parameters, ParameterSpec, Phase
from vljepa_ros.nodes.common.qos import services
from vljepa_ros.nodes.common.service_answers import answer_always
from vljepa_ros.nodes.common.worker import THREADS, answer

AUTOSTART = ParameterSpec(
    "autostart",
    True,
    "Configure and activate without waiting for a lifecycle manager.",
    Change.START,
)
_SUCCESS = TransitionCallbackReturn.SUCCESS
_FAILURE = TransitionCallbackReturn.FAILURE


class ManagedNode(LifecycleNode):
    """A lifecycle node with parameters from a table, diagnostics and autostart."""

    _guards_services = False  # until rclpy has created its own

    def __init__(self, name: str, table: Sequence[ParameterSpec], **options: Any) -> None:
        """Declare the parameters and start to report on ``/diagnostics``.

        Args:
            name: default name of the node.
            table: its parameters; ``autostart`` is added.
            options: passed to :class:`rclpy.node.Node`.

        Raises:
            ParameterError: a parameter given at start cannot be used.
        """
        super().__init__(name, **options)
        self.phase = Phase.UNCONFIGURED
        self.failure = ""  # why the last transition or the model failed; empty when all is well
        self.fatal = False  # whether the process ends because only a new one can go on
        self.progress = ""  # how far load() is, for people
        self._loading: Future | None = None
        self.tally = Tally(self.get_logger())
        self.parameters = Parameters(
            self,
            (*table, AUTOSTART),
            phase=lambda: self.phase,
            apply=self.apply_parameters,
        )
        self.diagnostics = Diagnostics(self, self._health, self.tally.count_error)
        self.namesakes = NamesakeWatch(self, self.tally)
        self._load_before_transitions()
        for service in self.services:  # those of rclpy; our own follow
            answer_always(service, self.tally.count_error)
        self._guards_services = True
        if self.parameters["autostart"]:
            steady = Clock(clock_type=ClockType.STEADY_TIME)
            self._autostart_timer = self.create_timer(0.0, self._autostart, clock=steady)

    # What a node fills in.

    def load(self) -> None:
        """Do what takes long, in a thread of its own, before :meth:`do_configure`.

        It must leave the node's publishers and the like alone, and may set :attr:`progress`.
        """

    def do_configure(self) -> None:
        """Do what else can fail: read parameters, create publishers."""

    def do_activate(self) -> None:
        """Create subscriptions and begin."""

    def do_deactivate(self) -> None:
        """Destroy subscriptions and forget the stream."""

    def do_cleanup(self) -> None:
        """Undo :meth:`do_configure` and :meth:`load`, also if one stopped half-way."""

    def apply_parameters(self, changed: Mapping[str, Any]) -> None:
        """Take a permitted change (name to new value); ValueError refuses it."""

    def health(self) -> Health:
        """Report on an active node; the other states are reported here."""
        return Health(Level.OK, "active")

    def close(self) -> None:
        """Stop threads at the end of the process; safe in every state and more than once."""

    def destroy_node(self) -> None:
        """Destroy the node with its state machine, whose handle rclpy forgets.

        As long as that handle lives, the node stays in the graph and keeps its shared memory.
        """
        super().destroy_node()
        self._state_machine.destroy_when_not_in_use()

    # What a node uses.

    def create_service(
        self, srv_type: Any, srv_name: str, callback: Callable[..., Any], **options: Any
    ) -> Service:
        """Create a service that answers every request, many at once and also if it fails."""
        if not self._guards_services:  # called by rclpy's constructor
            return super().create_service(srv_type, srv_name, callback, **options)
        options.setdefault("qos_profile", services())
        service = super().create_service(srv_type, srv_name, callback, **options)
        answer_always(service, self.tally.count_error)
        return service

    def deactivate_because(self, cause: str) -> None:
        """Deactivate from any thread, once the executor gets to it, and show ``cause``."""
        self.failure = cause
        if self.executor is not None:
            self.executor.create_task(self._give_up)

    def end_process(self, cause: str) -> None:
        """End the process with an error status, from any thread: only a new one can go on."""
        self.fatal = True
        self.failure = cause
        self.get_logger().fatal(f"ending the process: {cause}")
        self.context.try_shutdown()

    def leave(self) -> None:
        """Deactivate, if the node is active, because the process ends; in the executor."""
        if self.phase is Phase.ACTIVE:
            self.trigger_deactivate()

    def wake(self) -> None:
        """Make the executor look again, from any thread: something that it waits for is done."""
        if self.executor is not None:
            self.executor.wake()

    # What rclpy calls.

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Configure, or stay unconfigured and say why."""
        self.failure = ""
        if not self._run("configure", self._configure):
            self._run("cleanup", self.do_cleanup, keep_failure=True)
            self.phase = Phase.UNCONFIGURED
            return _FAILURE
        self.phase = Phase.INACTIVE
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Activate, or stay inactive and say why."""
        self.failure = ""
        super().on_activate(state)
        if not self._run("activate", self.do_activate):
            self._run("deactivate", self.do_deactivate, keep_failure=True)
            super().on_deactivate(state)
            return _FAILURE
        self.phase = Phase.ACTIVE
        return _SUCCESS

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Deactivate; a fault on the way is logged and does not keep the node active."""
        self.phase = Phase.INACTIVE
        self._run("deactivate", self.do_deactivate)
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let everything go; a fault on the way is logged."""
        self.phase = Phase.UNCONFIGURED
        self._run("cleanup", self.do_cleanup)
        return super().on_cleanup(state)

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let everything go, from whichever state."""
        if self.phase is Phase.ACTIVE:
            self._run("deactivate", self.do_deactivate)
        if self.phase is not Phase.UNCONFIGURED:
            self._run("cleanup", self.do_cleanup)
        self.phase = Phase.FINALIZED
        return super().on_shutdown(state)

    def _run(self, what: str, step: Callable[[], None], *, keep_failure: bool = False) -> bool:
        """Run one step of the life; log and remember why it failed."""
        try:
            step()
        except Exception as error:  # A transition must end in a legal state whatever goes wrong.
            cause = f"{what} failed: {error or type(error).__name__}"
            if not keep_failure:
                self.failure = cause
            if self.context.ok():  # else a signal ended the process in the middle of the step
                self.get_logger().error(cause)
                self.get_logger().debug(traceback.format_exc())
            return False
        return True

    def _configure(self) -> None:
        loading, self._loading = self._loading, None
        if loading is None:  # configured without the service or autostart
            self.load()
        else:
            loading.result()
        self.do_configure()

    async def _load_first(self) -> bool:
        """Load in a thread, and return whether the node can still be configured afterwards."""
        self.phase = Phase.CONFIGURING
        self.failure = self.progress = ""
        self._loading = loading = Future()
        loading.add_done_callback(lambda _: self.wake())
        thread = threading.Thread(target=answer, args=(self.load, loading), daemon=True)
        thread.name = f"{THREADS} loader"
        thread.start()
        with suppress(Exception):  # configuring raises it again
            await loading
        thread.join()  # it has nothing left to do
        if self.phase is Phase.CONFIGURING:
            return self.context.ok()
        self._loading = None  # shut down meanwhile
        self._run("cleanup", self.do_cleanup)
        return False

    def _autostart(self) -> None:
        self.destroy_timer(self._autostart_timer)
        if self.phase is Phase.UNCONFIGURED:  # else a lifecycle manager was faster
            assert self.executor is not None, "it called this"
            self.executor.create_task(self._start)

    async def _start(self) -> None:
        if not await self._load_first():
            return
        if self.trigger_configure() == _SUCCESS and self.context.ok():
            self.trigger_activate()

    def _give_up(self) -> None:
        if self.phase is Phase.ACTIVE:
            cause = self.failure
            self.get_logger().error(f"deactivating: {cause}")
            self.trigger_deactivate()
            self.failure = cause

    def _health(self) -> Health:
        health = self._health_in_phase()
        if health.level is not Level.OK:
            return health
        complaint = self.namesakes.complaint() if self.namesakes.others else missing_clock(self)
        return Health(Level.WARN, complaint, health.values) if complaint else health

    def _health_in_phase(self) -> Health:
        values = {"state": self.phase.value}
        if self.failure:
            return Health(Level.ERROR, self.failure, {**values, **self.tally.values()})
        if self.phase is Phase.CONFIGURING:
            return Health(Level.WARN, self.progress or self.phase.value, values)
        if self.phase is not Phase.ACTIVE:
            complaint = INACTIVE if self.phase is Phase.INACTIVE else UNCONFIGURED
            return Health(Level.WARN, complaint.told(), values)
        health = self.health()
        return Health(health.level, health.summary, {**values, **health.values})

    def _load_before_transitions(self) -> None:
        """Load before a transition that configures, and say which ones are not possible."""
        for service in self.services:
            if service.srv_type is ChangeState:
                service.callback = self._answering(service.callback)
                # A request that waits for a model must not hold up images and reports.
                service.callback_group = ReentrantCallbackGroup()
                service.callback_group.add_entity(service)

    def _answering(self, change_state: Callable[..., Any]) -> Callable[..., Any]:
        async def respond(request: Any, response: Any) -> Any:
            try:
                if _configures(request.transition) and not await self._may_configure():
                    raise RuntimeError("it is being configured, or was")
                return change_state(request, response)
            except RuntimeError as error:  # RCLError, which has no public name, is one.
                wanted = request.transition.label or request.transition.id
                self.get_logger().warning(
                    f"transition {wanted} is not possible while {self.phase.value}: {error}"
                )
                response.success = False
                return response

        return respond

    async def _may_configure(self) -> bool:
        return self.phase is Phase.UNCONFIGURED and await self._load_first()


def _configures(transition: Transition) -> bool:
    if transition.label:
        return bool(transition.label == "configure")
    return bool(transition.id == Transition.TRANSITION_CONFIGURE)
