# SPDX-License-Identifier: Apache-2.0
"""Topics of video packets are played as images, with the stamps of their packets."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from support.bags import Topic, write_mcap
from support.recordings import bag_compressed, bag_image, picture, seen, serialised
from vljepa_ros.recordings.open_source import open_source
from vljepa_ros.recordings.source import SourceError
from vljepa_ros.recordings.video_packets import VideoPackets, video_codec
from vljepa_ros.stream.images import ImageError

COLOURS = ["red", "green", "blue", "black"] * 6
STEP_NS = 100_000_000
ENCODERS = {"h264": "libx264", "hevc": "libx265"}


def packets_of(colours: Sequence[str], codec: str = "h264", **options: str) -> list[bytes]:
    """Return the packets of a video, one for each image, in the order of decoding."""
    encoder = av.CodecContext.create(ENCODERS[codec], "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.height, encoder.width = picture("red").shape[:2]
    encoder.pix_fmt = "yuv420p"
    encoder.framerate, encoder.time_base = Fraction(10), Fraction(1, 10)
    encoder.options = options
    packets = []
    for colour in colours:
        packets += encoder.encode(av.VideoFrame.from_ndarray(picture(colour), format="rgb24"))
    return [bytes(packet) for packet in [*packets, *encoder.encode(None)]]


def compressed_images(packets: Sequence[bytes], said: str = "h264") -> Topic:
    messages = [
        (n * STEP_NS, serialised(bag_compressed(data, n * STEP_NS, said)))
        for n, data in enumerate(packets, start=1)
    ]
    return Topic("/camera/h264", messages, "sensor_msgs/msg/CompressedImage")


KEYS = "scenecut=0:keyint=6:min-keyint=6"
LIVE = {"tune": "zerolatency", "x264-params": KEYS, "x265-params": f"{KEYS}:log-level=none"}


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_packets_in_compressed_images_are_played(tmp_path: Path, codec: str) -> None:
    topic = compressed_images(packets_of(COLOURS, codec, **LIVE), codec)
    source = open_source(str(write_mcap(tmp_path / "a.mcap", [topic])))
    assert seen(source) == COLOURS
    stamps = [frame.stamp_ns // STEP_NS for frame in source.frames()]
    assert stamps == list(range(1, len(COLOURS) + 1))
    assert not source.problems


PACKET = "ffmpeg_image_transport_msgs/msg/FFMPEGPacket"
VIDEO = "foxglove_msgs/msg/CompressedVideo"
DEFINITIONS = {
    PACKET: "std_msgs/Header header\nint32 width\nint32 height\nstring encoding\nuint64 pts\n"
    "uint8 flags\nbool is_bigendian\nuint8[] data",
    VIDEO: "builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format",
}


@pytest.mark.parametrize("kind", [PACKET, VIDEO])
@pytest.mark.parametrize("said", ["h264", "libx264", "h264;yuv420p;bgr8;bgr8"])
def test_packets_in_messages_of_their_own_are_played(tmp_path: Path, kind: str, said: str) -> None:
    store = get_typestore(Stores.ROS2_HUMBLE)
    store.register(get_types_from_msg(DEFINITIONS[kind], kind))
    header = bag_image("red", STEP_NS).header
    messages = []
    for n, data in enumerate(packets_of(COLOURS, **LIVE), start=1):
        data = bag_compressed(data, 1).data
        message = (
            store.types[kind](header, 64, 48, said, n, 0, False, data)
            if kind == PACKET
            else store.types[kind](header.stamp, "camera", data, said)
        )
        messages.append((n, bytes(store.serialize_cdr(message, kind))))
    source = open_source(str(write_mcap(tmp_path / "a.mcap", [Topic("/video", messages, kind)])))
    assert seen(source) == COLOURS


def test_what_waits_in_the_decoder_is_played_at_the_end(tmp_path: Path) -> None:
    topic = compressed_images(packets_of(COLOURS, bf="0"))
    source = open_source(str(write_mcap(tmp_path / "a.mcap", [topic])))
    assert seen(source) == COLOURS


def test_a_recording_that_begins_amid_the_video_starts_with_its_next_key_frame(
    tmp_path: Path,
) -> None:
    topic = compressed_images(packets_of(COLOURS, **LIVE)[2:])
    source = open_source(str(write_mcap(tmp_path / "a.mcap", [topic])))
    assert seen(source)[-18:] == COLOURS[-18:]
    assert source.problems == {"image cannot be decoded (corrupt)": 4}


def test_a_damaged_packet_does_not_end_the_video(tmp_path: Path) -> None:
    packets = packets_of(COLOURS, **LIVE)
    packets[8] = b"\0\0\0\1" + b"\xff" * 30
    source = open_source(str(write_mcap(tmp_path / "a.mcap", [compressed_images(packets)])))
    assert seen(source)[-12:] == COLOURS[-12:]
    assert source.problems


@pytest.mark.parametrize("said", ["h264", "hevc"])
def test_a_topic_without_a_single_image_is_refused(tmp_path: Path, said: str) -> None:
    topic = compressed_images([b"\0\0\0\1" + bytes(20)] * 3, said)
    with pytest.raises(SourceError, match="no image of.*/camera/h264.*video packet"):
        open_source(str(write_mcap(tmp_path / "a.mcap", [topic])))


@pytest.mark.parametrize(
    ("said", "codec"),
    [
        ("h264", "h264"),
        ("H.264", "h264"),
        ("libx264rgb", "h264"),
        ("hevc_nvenc", "hevc"),
        ("h265", "hevc"),
        ("libsvtav1", "av1"),
        ("jpeg", None),
        ("bgr8; jpeg compressed bgr8", None),
        ("", None),
    ],
)
def test_senders_name_their_codecs_in_many_ways(said: str, codec: str | None) -> None:
    assert video_codec(said) == codec


def test_a_codec_that_is_not_there_is_named() -> None:
    with pytest.raises(ImageError, match="no decoder for betamax") as caught:
        VideoPackets("betamax")
    assert caught.value.cause == "encoding"
