# SPDX-License-Identifier: Apache-2.0
"""Replay a recording as a camera topic.

The images of a video, a folder, a bag or a local camera become messages on `image_raw`. The first
carries the node's clock, or its own stamp if `stamps` is `recorded`; the others follow at the
source's own distances, so that clips cut by time stamp see the true speed at whatever rate the
replay runs. At `rate` 1 all stamps are the clock at publication, unless they are the recorded
ones; at other rates they run ahead of it or fall behind.

A worker thread reads and publishes, because reading blocks. Before it waits for long, in a gap of
the recording, it says so. At the end `~/finished` (latched) turns true and the node deactivates
itself; activate it again to replay again.
"""

from __future__ import annotations

import array
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

from rclpy.duration import Duration
from rclpy.publisher import Publisher
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Bool

from vljepa_ros.nodes.common.conversions import to_stamp
from vljepa_ros.nodes.common.diagnostics import Health, Level, Rate
from vljepa_ros.nodes.common.lifecycle import ManagedNode
from vljepa_ros.nodes.common.parameters import Phase
from vljepa_ros.nodes.common.qos import latched, reliable
from vljepa_ros.nodes.common.run import run
from vljepa_ros.nodes.common.subscribers import Subscribers
from vljepa_ros.nodes.parameter_tables import RECORDED, REPLAY
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.recordings.timetable import Pace, Timetable

PROBLEMS = "recording"  # on /diagnostics the counts of what was left out begin with this
PUBLISHED = "published"
NEXT_IMAGE = "next image in [s]"  # on /diagnostics during a long wait
_LONG_WAIT_S = 5.0  # from here on a wait is told
_MATCH_CHECK_S = 0.05
_ACKNOWLEDGE_CHECK = Duration(seconds=0.2)
_MOST_BEHIND_S = 1.0
_THREAD_END_S = 5.0


class Replay(ManagedNode):
    """Publishes the images of a source on `image_raw`."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; configuring opens the source."""
        self._source: Source | None = None
        self._images: Publisher | None = None
        self._finished: Publisher | None = None
        self._worker: threading.Thread | None = None
        self._stop = threading.Event()
        self._rate = Rate()
        self._next_image_s: float | None = None  # steady clock; during a long wait
        self._ready: int | None = None  # subscribers; while they are waited for
        super().__init__("replay", REPLAY, **options)
        self._problems = self.tally.part(PROBLEMS)
        self._told: Counter[str] = Counter()  # problems of the source that were counted
        self._end = self.create_guard_condition(self._deactivate_at_end)

    def load(self) -> None:
        """Open the source, which proves that it can be read and may take long."""
        self._source = open_source(
            self.parameters["source"],
            self.parameters["topic"],
            self.parameters["folder_rate_hz"],
        )
        self._told.clear()

    def do_configure(self) -> None:
        """Create the publishers, and say what a user should know of the source."""
        assert self._source is not None, "load opened it"
        self._images = self.create_publisher(
            Image,
            "image_raw",
            reliable(5),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._finished = self.create_publisher(Bool, "~/finished", latched(1))
        self.get_logger().info(f"ready to replay {self._source.name}")
        for note in self._source.notes:
            self.get_logger().info(note)

    def do_activate(self) -> None:
        """Begin from the first image."""
        self._stop.clear()
        self._worker = threading.Thread(target=self._work, name="vljepa replay", daemon=True)
        self._worker.start()

    def do_deactivate(self) -> None:
        """Stop publishing."""
        self.close()

    def do_cleanup(self) -> None:
        """Give the source back and withdraw the topics."""
        for publisher in (self._images, self._finished):
            if publisher is not None:
                self.destroy_publisher(publisher)
        self._images = self._finished = None
        if self._source is not None:
            self._source.close()
            self._source = None

    def close(self) -> None:
        """Stop the worker."""
        self._stop.set()
        if self._worker is not None and self._worker is not threading.current_thread():
            self._worker.join(_THREAD_END_S)

    def health(self) -> Health:
        """Report what is replayed, how fast and to how many, or what is waited for."""
        subscribers = self._images.get_subscription_count() if self._images else 0
        ready = subscribers if self._ready is None else self._ready
        values = {
            "source": self._source.name if self._source else "",
            PUBLISHED: self._rate.total,
            "rate [Hz]": self._rate.read(),
            "subscribers": subscribers,
            **self.tally.values(),
        }
        if missing := self._missing(ready):
            return Health(Level.WARN, missing, values)
        next_image_s = self._next_image_s
        if next_image_s is None:
            return Health(Level.OK, "replaying", values)
        wait_s = max(0.0, next_image_s - time.monotonic())
        summary = f"the next image comes in {wait_s:.0f} s"
        return Health(Level.OK, summary, {**values, NEXT_IMAGE: wait_s})

    def _missing(self, ready: int) -> str:
        """Say that there are fewer subscribers than are waited for; empty if there are enough."""
        wanted = max(1, self.parameters["wait_for_subscribers"])
        if ready >= wanted:
            return ""
        some = f"only {ready} of {wanted} subscribe" if ready else "nobody subscribes"
        return f"{some} to {self.resolve_topic_name('image_raw')}, or is active yet"

    def _work(self) -> None:
        """Replay in the worker thread, up to the end or to the order to stop."""
        try:
            self._announce(finished=False)
            if self._wait_for_subscribers():
                self._play()
            if not self._stop.is_set():
                self._announce(finished=True)
                self._end.trigger()  # transitions belong to the executor's thread
        except Exception as error:  # whatever a decoder raises is told, and ends no thread
            if self.context.ok():
                self.deactivate_because(f"replay failed: {error or type(error).__name__}")

    def _wait_for_subscribers(self) -> bool:
        """Return True when images may start, False on the order to stop."""
        subscribers = Subscribers(self, self.resolve_topic_name("image_raw"))
        self._ready = 0
        try:
            while self._ready < self.parameters["wait_for_subscribers"]:
                if self._stop.wait(_MATCH_CHECK_S):
                    return False
                self._ready = subscribers.count_ready()
            return not self._stop.is_set()
        finally:
            self._ready = None
            subscribers.close()

    def _play(self) -> None:
        assert self._source is not None
        pace = Pace(self.get_clock().now().nanoseconds)
        first_ns: int | None = None  # the first image's own stamp
        for offset_ns, frame in self._rounds(self._source):
            first_ns = frame.stamp_ns if first_ns is None else first_ns
            if self._source.live:
                stamp_ns = self.get_clock().now().nanoseconds
            else:
                stamp_ns = self._wait_for(pace, offset_ns)
                if self.parameters["stamps"] == RECORDED:
                    stamp_ns = first_ns + offset_ns
            if self._stop.is_set():
                return
            self._publish(frame, stamp_ns)
            self._report_problems(self._source)
        self._report_problems(self._source)

    def _rounds(self, source: Source) -> Iterator[tuple[int, SourceFrame]]:
        """Yield the images with their offsets from the first, again and again if asked to loop."""
        table = Timetable()
        while True:
            frame: SourceFrame | None = None
            for frame in source.frames():
                yield table.offset_ns(frame.stamp_ns), frame
            if frame is None:
                raise SourceError(f"{source.name} can no longer be read")
            if source.live or not self.parameters["loop"]:
                return
            table.begin_again()

    def _wait_for(self, pace: Pace, offset_ns: int) -> int:
        """Wait until the image at an offset is due, and return its stamp by the clock."""
        rate = self.parameters["rate"]
        if rate == 0.0:
            self._wait_until_acknowledged()
        elif (wait_s := pace.wait_s(offset_ns, rate)) > 0:
            self._wait(wait_s)
        elif wait_s < -_MOST_BEHIND_S:
            pace.forgive(-wait_s)
            self.tally.warn(
                "fell behind", f"images cannot be read at rate {rate:g}; the replay goes on late"
            )
        return pace.stamp_ns(offset_ns)

    def _wait(self, seconds: float) -> None:
        """Wait, unless told to stop. A long wait is told, so that nobody takes it for a fault."""
        if seconds > _LONG_WAIT_S:
            self._next_image_s = time.monotonic() + seconds
            self.get_logger().info(f"the next image comes in {seconds:.0f} s")
        self._stop.wait(seconds)
        self._next_image_s = None

    def _wait_until_acknowledged(self) -> None:
        assert self._images is not None
        while not self._stop.is_set():
            if self._images.wait_for_all_acked(_ACKNOWLEDGE_CHECK):
                return

    def _publish(self, frame: SourceFrame, stamp_ns: int) -> None:
        assert self._images is not None
        message = Image(
            height=frame.height,
            width=frame.width,
            encoding=frame.encoding,
            step=frame.step,
            is_bigendian=int(frame.is_bigendian),
        )
        message.header.stamp = to_stamp(stamp_ns)
        message.header.frame_id = frame.frame_id or self.parameters["frame_id"]
        pixels = array.array("B")
        pixels.frombytes(frame.data)
        message.data = pixels
        self._images.publish(message)
        self._rate.tick()

    def _report_problems(self, source: Source) -> None:
        for cause in (source.problems - self._told).elements():
            self._problems.warn(cause, cause)
        self._told.update(source.problems - self._told)

    def _announce(self, *, finished: bool) -> None:
        assert self._finished is not None
        self._finished.publish(Bool(data=finished))

    def _deactivate_at_end(self) -> None:
        if self.phase is Phase.ACTIVE:
            self.get_logger().info(f"finished after {self._rate.total} images")
            self.diagnostics.publish()  # the last counts: an inactive node reports none
            self.trigger_deactivate()


def main() -> int:
    """Run the node."""
    return run(Replay)


if __name__ == "__main__":
    sys.exit(main())
