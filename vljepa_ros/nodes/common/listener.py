# SPDX-License-Identifier: Apache-2.0
"""A subscription that says why no message comes, and that survives any message.

"It runs, but nothing happens" is the most frequent complaint about perception nodes: the topic has
another name, nobody publishes, or the quality of service does not fit. Here that is said in words.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_policy_name_from_kind
from rclpy.qos_overriding_options import QoSOverridingOptions

from vljepa_ros.nodes.common.complaints import NO_PUBLISHER, Complaint
from vljepa_ros.nodes.common.diagnostics import Rate, Tally
from vljepa_ros.nodes.common.qos import describe_publishers
from vljepa_ros.nodes.common.silence import why_silent

try:  # Jazzy and later
    from rclpy.event_handler import SubscriptionEventCallbacks, UnsupportedEventTypeError
except ImportError:  # Humble
    from rclpy.qos_event import SubscriptionEventCallbacks, UnsupportedEventTypeError

SILENCE_S = 5.0
MESSAGES_LOST = "messages lost by the middleware"
REMEDY = (
    "If they are images, set the Fast DDS profile for the camera's driver too, or use compressed "
    "images (docs/robot.md, Large images); else the computer is too busy"
)


class Listener:
    """Subscribes to one topic from its creation until :meth:`close`.

    Attributes:
        topic: Full name of the topic.
        rate: Counts the messages.
        lost: Number of messages that the middleware lost, if it tells that.
    """

    def __init__(
        self,
        node: Node,
        kind: type,
        topic: str,
        callback: Callable[[Any], None],
        qos: QoSProfile,
        tally: Tally,
    ) -> None:
        """Subscribe.

        Args:
            node: the node that listens.
            kind: type of the messages.
            topic: name of the topic, as the node writes it.
            callback: takes each message; what it raises is logged and counted.
            qos: the profile, which a user may override with ``qos_overrides`` parameters.
            tally: counts faults.
        """
        self.topic = node.resolve_topic_name(topic)
        self.rate = Rate()
        self.lost = 0
        self._node = node
        self._callback = callback
        self._tally = tally
        self._kind = kind
        self._heard_s = time.monotonic()
        self._silence_logged = False
        self._subscription = self._subscribe(kind, topic, qos)

    def close(self) -> None:
        """Unsubscribe."""
        self._node.destroy_subscription(self._subscription)

    @property
    def silent_s(self) -> float:
        """Seconds since the last message, or since the subscription."""
        return time.monotonic() - self._heard_s

    def complaint(self, no_publisher: Complaint = NO_PUBLISHER) -> str:
        """Say why nothing comes after SILENCE_S without a message, else return an empty text.

        Each silence is logged once.

        Args:
            no_publisher: What to say if the topic has none.
        """
        if self.silent_s < SILENCE_S:
            self._silence_logged = False
            return ""
        complaint = self._why_silent(no_publisher)
        if not self._silence_logged:
            self._node.get_logger().warning(complaint)
            self._silence_logged = True
        return complaint

    def _why_silent(self, no_publisher: Complaint) -> str:
        seconds = f"{self.silent_s:.0f}"
        publishers = describe_publishers(self._node, self.topic)
        facts = f"{publishers}; {self._own_qos()}"
        if not self._node.count_publishers(self.topic):
            return no_publisher.told(seconds, facts)
        qos = self._subscription.qos_profile
        return why_silent(self._node, self.topic, self._kind, qos).told(seconds, facts)

    def _subscribe(self, kind: type, topic: str, qos: QoSProfile) -> Any:
        options: dict[str, Any] = {
            "qos_overriding_options": QoSOverridingOptions.with_default_policies()
        }
        events: dict[str, Any] = {
            "incompatible_qos": self._on_incompatible_qos,
            "message_lost": self._on_message_lost,
        }
        while events:
            callbacks = SubscriptionEventCallbacks(**events)
            with suppress(UnsupportedEventTypeError):  # not every middleware reports all
                return self._node.create_subscription(
                    kind, topic, self._take, qos, event_callbacks=callbacks, **options
                )
            events.popitem()
        return self._node.create_subscription(kind, topic, self._take, qos, **options)

    def _take(self, message: Any) -> None:
        self._heard_s = time.monotonic()
        try:
            self._callback(message)
        except Exception as error:  # counted here, under the name of the camera
            self._tally.count_error(error)
        finally:
            self.rate.tick()

    def _on_incompatible_qos(self, event: Any) -> None:
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self._tally.warn(
            "publishers with incompatible QoS",
            f"a publisher of {self.topic} offers an incompatible {policy}: nothing comes from it. "
            f"{describe_publishers(self._node, self.topic)}; {self._own_qos()}",
        )

    def _on_message_lost(self, event: Any) -> None:
        self.lost += event.total_count_change
        self._tally.warn(
            MESSAGES_LOST,
            f"the middleware lost {event.total_count_change} messages of {self.topic}. {REMEDY}",
            event.total_count_change,
        )

    def _own_qos(self) -> str:
        qos = self._subscription.qos_profile
        return f"this node asks for {qos.reliability.name.lower()}, {qos.durability.name.lower()}"
