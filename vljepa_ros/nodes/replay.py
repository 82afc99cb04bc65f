# SPDX-License-Identifier: Apache-2.0
"""Replay a recording as a camera topic.

The images of a video, a folder, a bag or a local camera become messages on `image_raw`. The first
carries the node's clock; the others follow at the source's own distances, so that clips cut by
time stamp see the true speed at whatever rate the replay runs. At `rate` 1 all stamps are the
clock at publication; at other rates they run ahead of it or fall behind.

A worker thread reads and publishes, because reading blocks. At the end `~/finished` (latched)
turns true and the node deactivates itself; activate it again to replay again.
"""

from __future__ import annotations

import array
import sys
import threading
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
from vljepa_ros.nodes.common.parameters import Change, ParameterSpec, Phase
from vljepa_ros.nodes.common.qos import latched, reliable
from vljepa_ros.nodes.common.run import run
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import Source, SourceError, SourceFrame
from vljepa_ros.recordings.timetable import Pace, Timetable

PARAMETERS = (
    ParameterSpec(
        "source",
        "",
        "What to replay: video file, folder of images, rosbag2 (folder, .mcap, .db3) or camera "
        "(/dev/video0).",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "topic",
        "",
        "Image topic in the bag; empty: its first, if possible no depth.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "folder_rate_hz",
        10.0,
        "Images per second of a folder whose file names are no times.",
        Change.UNCONFIGURED,
        0.01,
        1000.0,
    ),
    ParameterSpec(
        "rate",
        1.0,
        "Speed: 2.0 is twice as fast. 0.0 only waits until reliable subscribers have received an "
        "image, and their queues may still overflow.",
        Change.LIVE,
        0.0,
        1000.0,
    ),
    ParameterSpec("loop", False, "Begin again at the end; not for cameras.", Change.LIVE),
    ParameterSpec(
        "frame_id", "camera", "frame_id of images for which the source has none.", Change.INACTIVE
    ),
    ParameterSpec(
        "wait_for_subscribers",
        1,
        "Subscribers to wait for before the first image; 0 starts at once.",
        Change.INACTIVE,
        0,
        100,
    ),
)

_MATCH_CHECK_S = 0.05
_ACKNOWLEDGE_CHECK = Duration(seconds=0.2)
_MOST_BEHIND_S = 1.0
_THREAD_END_S = 5.0


class Replay(ManagedNode):
    """Publishes the images of a source on `image_raw`."""

    def __init__(self, **options: Any) -> None:
        """Declare the parameters; the source is opened on configure."""
        self._source: Source | None = None
        self._images: Publisher | None = None
        self._finished: Publisher | None = None
        self._worker: threading.Thread | None = None
        self._stop = threading.Event()
        self._rate = Rate()
        super().__init__("replay", PARAMETERS, **options)
        self._end = self.create_guard_condition(self._deactivate_at_end)

    def do_configure(self) -> None:
        """Open the source, which proves that it can be read, and create the publishers."""
        self._source = open_source(
            self.parameters["source"],
            self.parameters["topic"],
            self.parameters["folder_rate_hz"],
        )
        self._images = self.create_publisher(
            Image,
            "image_raw",
            reliable(5),
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        self._finished = self.create_publisher(Bool, "~/finished", latched(1))
        self.get_logger().info(f"ready to replay {self._source.name}")

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
        """Report what is replayed, how fast, and to how many."""
        subscribers = self._images.get_subscription_count() if self._images else 0
        values = {
            "source": self._source.name if self._source else "",
            "published": self._rate.total,
            "rate [Hz]": self._rate.read(),
            "subscribers": subscribers,
            **self.tally.values(),
        }
        wanted = max(1, self.parameters["wait_for_subscribers"])
        if subscribers < wanted:
            some = f"only {subscribers} of {wanted} subscribe"
            topic = self.resolve_topic_name("image_raw")
            summary = f"{some if subscribers else 'nobody subscribes'} to {topic}"
            return Health(Level.WARN, summary, values)
        return Health(Level.OK, "replaying", values)

    def _work(self) -> None:
        """Replay in the worker thread, up to the end or to the order to stop."""
        try:
            self._announce(finished=False)
            if self._wait_for_subscribers():
                self._play()
            if not self._stop.is_set():
                self._announce(finished=True)
                self._end.trigger()  # transitions belong to the executor's thread
        except Exception as error:  # whatever a decoder raises must be told, not end the thread
            if self.context.ok():
                self.deactivate_because(f"replay failed: {error or type(error).__name__}")

    def _wait_for_subscribers(self) -> bool:
        """Return True when images may start, False on the order to stop."""
        assert self._images is not None
        while self._images.get_subscription_count() < self.parameters["wait_for_subscribers"]:
            if self._stop.wait(_MATCH_CHECK_S):
                return False
        return not self._stop.is_set()

    def _play(self) -> None:
        assert self._source is not None
        pace = Pace(self.get_clock().now().nanoseconds)
        for offset_ns, frame in self._rounds(self._source):
            if self._source.live:
                stamp_ns = self.get_clock().now().nanoseconds
            else:
                stamp_ns = self._wait_for(pace, offset_ns)
            if self._stop.is_set():
                return
            self._publish(frame, stamp_ns)
            self._report_problems(self._source)
        self._report_problems(self._source)

    def _rounds(self, source: Source) -> Iterator[tuple[int, SourceFrame]]:
        """Yield the images with their offsets from the first, again and again if asked to loop."""
        table = Timetable()
        for frame in source.frames():
            yield table.offset_ns(frame.stamp_ns), frame
        while self.parameters["loop"] and not source.live:
            offset_ns = table.begin_again
            for frame in source.frames():
                yield offset_ns(frame.stamp_ns), frame
                offset_ns = table.offset_ns
            if offset_ns == table.begin_again:
                raise SourceError(f"{source.name} can no longer be read")

    def _wait_for(self, pace: Pace, offset_ns: int) -> int:
        """Wait until the image at `offset_ns` is due and return its stamp."""
        rate = self.parameters["rate"]
        if rate == 0.0:
            self._wait_until_acknowledged()
        elif (wait_s := pace.wait_s(offset_ns, rate)) > 0:
            self._stop.wait(wait_s)
        elif wait_s < -_MOST_BEHIND_S:
            pace.forgive(-wait_s)
            self.tally.warn(
                "fell behind", f"images cannot be read at rate {rate:g}; the replay goes on late"
            )
        return pace.stamp_ns(offset_ns)

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
        for cause, count in source.problems.items():
            while self.tally[cause] < count:
                self.tally.warn(cause, f"{source.name}: {cause}")

    def _announce(self, *, finished: bool) -> None:
        assert self._finished is not None
        self._finished.publish(Bool(data=finished))

    def _deactivate_at_end(self) -> None:
        if self.phase is Phase.ACTIVE:
            self.get_logger().info(f"finished after {self._rate.total} images")
            self.trigger_deactivate()


def main() -> int:
    """Run the node."""
    return run(Replay)


if __name__ == "__main__":
    sys.exit(main())
