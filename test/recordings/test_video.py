# SPDX-License-Identifier: Apache-2.0
"""Videos as people have them: codecs, containers, uneven times, damage, strange names."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from support.recordings import numbered_pictures, write_film
from vljepa_ros.recordings.pixels import rgb_pixels
from vljepa_ros.recordings.source import Source, SourceError
from vljepa_ros.recordings.time_line import BRIDGE_NS, JUMPED, STEPPED_BACK
from vljepa_ros.recordings.video import VideoSource

MS = 1_000_000
EVEN = [100 * number for number in range(30)]
UNEVEN = [0, 100, 130, 500, 550, 2000, 2100, 2400]
GREY = [np.full((48, 64, 3), 5 + 8 * number, np.uint8) for number in range(30)]
FIELD_REPORTS = Path(__file__).resolve().parents[3] / "shared/data/field_reports"


def stamps_ms(source: Source) -> list[float]:
    return [frame.stamp_ns / MS for frame in source.frames()]


def numbers(source: Source, start_s: float = 0.0) -> list[int]:
    """Return which of the GREY pictures the images are."""
    means = [rgb_pixels(frame).mean() for frame in source.frames(start_s)]
    return [round((mean - 5) / 8) for mean in means]


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "options"),
    [
        ("a.mp4", "libx264", "yuv420p", {"bf": "2", "g": "8"}),
        ("a.mp4", "libx264", "yuv420p", {"bf": "2", "g": "8", "flags": "-cgop"}),
        ("a.mkv", "libx264", "yuv420p", {"bf": "2", "g": "8"}),
        ("a.ts", "libx264", "yuv420p", {"bf": "2", "g": "8"}),
        ("a.flv", "libx264", "yuv420p", {"g": "8"}),
        ("hevc.mp4", "libx265", "yuv420p10le", {"x265-params": "log-level=none:keyint=8"}),
        ("vp9.webm", "libvpx-vp9", "yuv420p", {"g": "8", "deadline": "realtime"}),
        ("vp8.webm", "libvpx", "yuv420p", {"g": "8", "deadline": "realtime"}),
        ("av1.mkv", "libsvtav1", "yuv420p", {"preset": "12", "svtav1-params": "keyint=8"}),
        ("a.mov", "mjpeg", "yuvj420p", {}),
        ("a.gif", "gif", "gray8", {}),
    ],
)
def test_codecs_and_containers(
    tmp_path: Path, name: str, codec: str, pixels: str, options: dict[str, str]
) -> None:
    source = VideoSource(
        write_film(tmp_path / name, GREY, EVEN, codec=codec, pixels=pixels, **options)
    )
    assert numbers(source) == list(range(30))
    assert stamps_ms(source) == pytest.approx(EVEN, abs=0.02)
    assert [stamp / MS for stamp in source.stamps_ns()] == pytest.approx(EVEN, abs=0.02)
    assert numbers(source, 1.75)[-13:] == list(range(17, 30))
    assert not source.problems and not source.notes


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "faststart", ""])
def test_mp4_files_of_every_layout(tmp_path: Path, flags: str) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", container_options={"movflags": flags} if flags else {}) as file:
        stream = file.add_stream("libx264", rate=10, options={"g": "8"})
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for picture in GREY:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode())
    source = VideoSource(path)
    assert numbers(source) == list(range(30))
    assert not source.problems


@pytest.mark.parametrize(("codec", "options"), [("mpeg4", {}), ("libx264", {"bf": "2"})])
def test_avi_says_only_when_images_are_decoded(
    tmp_path: Path, codec: str, options: dict[str, str]
) -> None:
    path = tmp_path / "a.avi"
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=10, options=options)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for picture in GREY:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode())
    source = VideoSource(path)
    assert (numbers(source), stamps_ms(source)) == (list(range(30)), EVEN)
    assert source.stamps_ns() == [stamp * MS for stamp in EVEN]
    assert not source.problems


@pytest.mark.parametrize("name", ["a.mkv", "a.webm"])
def test_uneven_times_stay_and_promise_nothing(tmp_path: Path, name: str) -> None:
    """A container's count of images may be an estimate from its length and rate."""
    codec = {"a.mkv": ("ffv1", "bgr0"), "a.webm": ("libvpx-vp9", "yuv420p")}[name]
    path = write_film(tmp_path / name, GREY[:8], UNEVEN, codec=codec[0], pixels=codec[1])
    source = VideoSource(path)
    assert stamps_ms(source) == UNEVEN
    assert not source.problems


@pytest.mark.parametrize("start_s", [0.0, 0.05, 0.1, 0.13, 0.51, 1.99, 2.0, 2.4, 9.0])
def test_a_later_start_gives_the_same_images_from_no_later_than_the_one_shown_then(
    tmp_path: Path, start_s: float
) -> None:
    path = write_film(tmp_path / "a.mkv", numbered_pictures(8), UNEVEN, g="2")
    source = VideoSource(path)
    every = list(source.frames())
    found = list(source.frames(start_s))
    shown = max(number for number, at in enumerate(UNEVEN) if at <= 1000 * start_s)
    assert found == every[-len(found) :]
    assert len(found) == len(every[shown:]) or shown < 2  # before the second key image


def test_bytes_are_read_as_a_file_is(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mkv", numbered_pictures(8), UNEVEN)
    source = VideoSource(path.read_bytes(), "0001.mkv of a shard")
    assert list(source.frames()) == list(VideoSource(path).frames())
    assert source.name == "video 0001.mkv of a shard"


@pytest.mark.parametrize("degrees", [0, 90, 180, -90])
def test_a_camera_that_was_held_otherwise_gives_upright_images(
    tmp_path: Path, degrees: int
) -> None:
    """OpenCV, which applies the file's rotation too, is the witness."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:24, :32], picture[:24, 32:], picture[24:, :32] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        stream.set_display_rotation(degrees)
        for _ in range(3):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode())
    capture = cv2.VideoCapture(str(path))
    for frame in VideoSource(path).frames():
        _, witness = capture.read()
        np.testing.assert_array_equal(rgb_pixels(frame), witness[..., ::-1])


@pytest.mark.parametrize(
    ("codec", "name", "options"),
    [
        ("libx264", "a.mp4", {"x264-params": "interlaced=1:log-level=0"}),
        ("mpeg2video", "a.mkv", {"flags": "+ildct+ilme"}),
    ],
)
def test_interlaced_images_hold_their_pixels(
    tmp_path: Path, codec: str, name: str, options: dict[str, str]
) -> None:
    path = tmp_path / name
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for picture in GREY:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(stream.encode())
    with av.open(str(path)) as file:
        assert next(file.decode(video=0)).interlaced_frame
    source = VideoSource(path)
    assert numbers(source) == list(range(30))
    assert not source.problems


def test_a_rate_that_had_to_be_guessed_is_told(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.h264", GREY, EVEN, codec="libx264", pixels="yuv420p")
    source = VideoSource(path)
    assert numbers(source) == list(range(30))
    steps = set(np.diff(source.stamps_ns()).tolist())
    (rate,) = {round(1e9 / step) for step in steps}
    assert source.notes == [
        f"{path} does not say when its images are shown: {rate} per second are assumed"
    ]
    assert stamps_ms(source) == [stamp / MS for stamp in source.stamps_ns()]


@pytest.mark.parametrize("later_ms", [10_800_000, 0], ids=["forward", "back"])
def test_joined_parts_are_bridged_in_the_index_too(tmp_path: Path, later_ms: int) -> None:
    parts = [
        write_film(
            tmp_path / f"{begin}.ts",
            GREY[begin : begin + 10],
            [time_ms + shift_ms for time_ms in EVEN[:10]],
            codec="libx264",
            pixels="yuv420p",
        ).read_bytes()
        for begin, shift_ms in ((0, 0), (10, later_ms))
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(parts))
    source = VideoSource(path)
    assert numbers(source) == list(range(20))
    steps = np.diff(stamps_ms(source))
    assert steps[:9].tolist() == steps[10:].tolist() == pytest.approx([100] * 9)
    cause, gap = (JUMPED, BRIDGE_NS / MS) if later_ms else (STEPPED_BACK, 100)
    assert steps[9] == pytest.approx(gap)
    assert source.problems == {cause: 2}  # it was read twice
    assert [stamp / MS for stamp in source.stamps_ns()] == stamps_ms(source)
    assert numbers(source, 0.95 + steps[9] / 1000)[-10:] == list(range(10, 20))


NAMES = [
    "2024-05-01T12:30:00.mp4",
    "run#3.mp4",
    "%03d.mp4",
    "録画.mp4",
    "a b?c=d.mp4",
    "http:x.mp4",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_taken_for_nothing_else(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_film(tmp_path / "a.mp4", GREY[:3], EVEN[:3], codec="mpeg4", pixels="yuv420p")
    (tmp_path / "a.mp4").rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert numbers(VideoSource(Path(name))) == [0, 1, 2]


SESSION = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
NAMES_OTHERS = {
    "session": SESSION + "m=video 45678 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n",
    "playlist": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nhttp://127.0.0.1:9/a.ts\n",
    "list": "ffconcat version 1.0\nfile other.mkv\n",
}


@pytest.mark.parametrize("content", NAMES_OTHERS.values(), ids=NAMES_OTHERS)
def test_a_content_that_names_other_places_is_refused_at_once(
    tmp_path: Path, content: str
) -> None:
    write_film(tmp_path / "other.mkv", GREY[:3], EVEN[:3])
    path = tmp_path / "a.mp4"
    path.write_text(content)
    begin = time.monotonic()
    with pytest.raises(SourceError, match=r"a\.mp4 is not a video"):
        VideoSource(path)
    assert time.monotonic() - begin < 5  # FFmpeg waits much longer for packets


def with_cover(path: Path, *, video: bool, attached: bool) -> Path:
    """Write sound, a cover, and perhaps a video behind it."""
    with av.open(str(path), "w") as file:
        cover = file.add_stream("mjpeg", rate=1)
        cover.height, cover.width, cover.pix_fmt = 48, 64, "yuvj420p"
        if attached:
            cover.disposition = av.stream.Disposition.attached_pic
        sound = file.add_stream("aac", rate=44100)
        film = file.add_stream("libx264", rate=10) if video else None
        if film is not None:
            film.height, film.width, film.pix_fmt = 48, 64, "yuv420p"
        file.mux(cover.encode(av.VideoFrame.from_ndarray(GREY[29], "rgb24")))
        file.mux(cover.encode())
        tone = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        tone.sample_rate, tone.time_base = 44100, Fraction(1, 44100)
        for number in range(20):
            tone.pts = 1024 * number
            file.mux(sound.encode(tone))
            if film is not None:
                file.mux(film.encode(av.VideoFrame.from_ndarray(GREY[number], "rgb24")))
        for stream in (sound, film):
            if stream is not None:
                file.mux(stream.encode())
    return path


@pytest.mark.parametrize("attached", [False, True])
def test_a_cover_is_not_taken_for_the_video(tmp_path: Path, attached: bool) -> None:
    source = VideoSource(with_cover(tmp_path / "a.mkv", video=True, attached=attached))
    assert numbers(source) == list(range(20))


def test_sound_with_a_cover_is_no_video(tmp_path: Path) -> None:
    path = with_cover(tmp_path / "a.mp4", video=False, attached=True)
    with pytest.raises(SourceError, match=r"a\.mp4 holds no video, only audio, video"):
        VideoSource(path)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("good") / "good.mp4"
    noise: list[NDArray[np.uint8]] = numbered_pictures(30, 48, 64)
    return write_film(path, noise, EVEN, codec="libx264", pixels="yuv420p", g="10")


def moov_first(good: Path, folder: Path) -> Path:
    path = folder / "first.mp4"
    with (
        av.open(str(good)) as file,
        av.open(str(path), "w", container_options={"movflags": "faststart"}) as out,
    ):
        stream = out.add_stream_from_template(file.streams.video[0])
        for packet in file.demux(file.streams.video[0]):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    return path


def test_a_file_whose_end_is_missing_is_played_to_there_and_reported(
    good: Path, tmp_path: Path
) -> None:
    path = moov_first(good, tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    source = VideoSource(path)
    count = sum(1 for _ in source.frames())
    assert 10 < count < 20
    assert source.problems[f"video ended after {count} of 30 images"] == 1


def test_damage_in_the_middle_costs_some_images_and_is_counted(good: Path, tmp_path: Path) -> None:
    content = bytearray(good.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 4000] = bytes(4000)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    source = VideoSource(path)
    found = stamps_ms(source)
    assert 15 < len(found) < 30
    assert found[0] == EVEN[0] and found[-1] == EVEN[-1]
    assert set(found) <= set(EVEN)
    assert source.problems["image cannot be decoded"] >= 30 - len(found) - 3


def test_what_lies_before_the_start_is_not_decoded(good: Path, tmp_path: Path) -> None:
    """Damage there costs nothing: every tenth image is a key image."""
    content = bytearray(good.read_bytes())
    begin = content.index(b"mdat") + len(content) // 6
    content[begin : begin + 4000] = bytes(4000)
    path = tmp_path / "damaged.mp4"
    path.write_bytes(content)
    source = VideoSource(path)
    found = list(source.frames(2.0))
    assert not source.problems
    assert found == list(VideoSource(good).frames(2.0))
    assert len(list(source.frames())) < 30 and source.problems


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"this is no video", "is not a video: it is damaged, incomplete, or"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(500), r"has no index \(moov\)"),
    ],
)
def test_what_is_no_video_is_refused_with_the_reason(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=rf"a\.mp4 {says}"):
        VideoSource(path)
    with pytest.raises(SourceError, match=rf"0001 {says}"):
        VideoSource(content, "0001")


def test_images_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    """The header of a small file says 9216 x 9216 pixels."""
    path = write_film(tmp_path / "a.gif", GREY[:3], EVEN[:3], codec="gif", pixels="gray8")
    large = b"GIF89a\x00\x24\x00\x24" + path.read_bytes()[10:]
    path.write_bytes(large)
    with pytest.raises(SourceError, match=r"no image of .*a\.gif can be read"):
        VideoSource(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.mp4 cannot be read: No such file"):
        VideoSource(tmp_path / "gone.mp4")
    with pytest.raises(SourceError, match="is not a regular file"):
        VideoSource(tmp_path)


def test_a_file_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = write_film(tmp_path / "a.mkv", GREY[:3], EVEN[:3])
    assert len(VideoSource(path).stamps_ns()) == 3
    write_film(path, GREY[:5], EVEN[:5])
    assert len(VideoSource(path).stamps_ns()) == 5


REPORTS = {
    "2024-05-01T12:30:00.mp4": (50, {}),
    "base.mp4": (50, {}),
    "cover_first.mkv": (50, {}),
    "cut_tail.mp4": (20, {"image cannot be decoded": 1, "video ended after 20 of 50 images": 1}),
    "interlaced.mp4": (50, {}),
    "raw.h264": (50, {}),
    "time_jump.ts": (50, {JUMPED: 1}),
    "vfr.webm": (35, {}),
}


@pytest.mark.skipif(not FIELD_REPORTS.exists(), reason=f"no field reports at {FIELD_REPORTS}")
@pytest.mark.parametrize("name", REPORTS)
def test_files_of_field_reports(name: str) -> None:
    source = VideoSource(FIELD_REPORTS / name)
    assert (sum(1 for _ in source.frames()), source.problems) == REPORTS[name]
