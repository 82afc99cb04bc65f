# SPDX-License-Identifier: Apache-2.0
"""The parameters of all nodes."""

from __future__ import annotations

from vljepa_ros.nodes.common.parameters import Change, ParameterSpec
from vljepa_ros.runtime.backend import AUTO, BACKENDS
from vljepa_ros.runtime.decoder import DECODERS, PHRASES
from vljepa_ros.runtime.none_of_these import OFF
from vljepa_ros.runtime.phrases import ANSWER_FROM, OWN
from vljepa_ros.runtime.signals import ANSWERS, COMPARISONS
from vljepa_ros.stream.change import ChangeConfig
from vljepa_ros.stream.doubt import WHEN_UNFAMILIAR, DoubtConfig
from vljepa_ros.stream.preprocess import CROP, FITS
from vljepa_ros.stream.spread import LOOK_BACK

_DAY_S = 86_400.0
_CHANGE, _DOUBT = ChangeConfig(), DoubtConfig()

BUNDLE = ParameterSpec(
    "bundle",
    "",
    "Folder of the model bundle; empty is the default bundle.",
    Change.UNCONFIGURED,
)

IMAGE_TRANSPORT = ParameterSpec(
    "image_transport",
    "raw",
    "Subscribe to image_raw (raw) or to image_raw/compressed (compressed).",
    Change.INACTIVE,
    choices=("raw", "compressed"),
)

EMBEDDER = (
    BUNDLE,
    ParameterSpec(
        "queries",
        ["*"],
        "What the model is asked: '*' is every query of queries_file, or of the bundle if there "
        "is no such file, 'action' the query of that name, 'name: text' a question of your own.",
        Change.LIVE,
    ),
    ParameterSpec(
        "queries_file",
        "",
        "YAML file of queries with the phrases that may answer them, 'name: {text: ..., phrases: "
        "[...]}'; empty is none.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "rate_hz",
        0.0,
        "Highest rate in Hz of frames that are looked at; 0 is the bundle's own rate.",
        Change.LIVE,
        minimum=0.0,
        maximum=120.0,
    ),
    ParameterSpec(
        "max_gap_s",
        1.0,
        "Gap between two images in seconds after which a clip starts anew.",
        Change.LIVE,
        minimum=0.01,
        maximum=_DAY_S,
    ),
    IMAGE_TRANSPORT,
    ParameterSpec(
        "image_fit",
        CROP,
        "How an image is brought to the model's size: crop cuts the centre, as in training; "
        "letterbox shows all of it with black margins; stretch shows all of it, distorted.",
        Change.INACTIVE,
        choices=FITS,
    ),
    ParameterSpec(
        "frozen_after_s",
        3.0,
        "Time in seconds for which images are equal to the last bit before they are frozen; it is "
        "ten times as long for a camera without noise, or endless in simulated time; 0 is never.",
        Change.LIVE,
        minimum=0.0,
        maximum=_DAY_S,
    ),
    ParameterSpec(
        "cameras",
        [""],
        "Names of the cameras that are looked at, each on topics of its own: NAME/image_raw to "
        "~/NAME/embedding; one empty name is a single camera without a name.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "backend",
        AUTO,
        "What runs the model: tensorrt, tensorrt_rtx, onnxruntime, or auto for the first of them "
        "that the machine has.",
        Change.UNCONFIGURED,
        choices=BACKENDS,
    ),
    ParameterSpec(
        "threads",
        1,
        "Compute threads of ONNX Runtime.",
        Change.UNCONFIGURED,
        minimum=1,
        maximum=64,
    ),
    ParameterSpec(
        "allow_build",
        False,
        "Build TensorRT engines that are missing, which takes minutes at the first start.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "allow_untrusted_engines",
        False,
        "Use TensorRT engines that others could have written; an engine is code.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "cuda_graphs",
        False,
        "Start each engine with one call, which helps small models; TensorRT needs cuda-bindings "
        "for it, TensorRT-RTX nothing.",
        Change.UNCONFIGURED,
    ),
)

# One per field of ChangeConfig, under its name.
DETECTOR = (
    ParameterSpec(
        "evidence_s",
        _CHANGE.evidence_s,
        "How long in seconds a wholly different answer has to last to be a change in a stream "
        "without noise; more makes fewer and later descriptions.",
        Change.LIVE,
        minimum=0.001,
        maximum=1.0,
    ),
    ParameterSpec(
        "confirmations",
        _CHANGE.confirmations,
        "Least number of embeddings in a row that make a new state.",
        Change.LIVE,
        minimum=1,
        maximum=LOOK_BACK,
    ),
    ParameterSpec(
        "min_gap_s",
        _CHANGE.min_gap_s,
        "Shortest time in seconds between two descriptions of one query.",
        Change.LIVE,
        minimum=0.0,
        maximum=_DAY_S,
    ),
    ParameterSpec(
        "refresh_s",
        _CHANGE.refresh_s,
        "Longest time in seconds without a description of a query; 0 is no limit.",
        Change.LIVE,
        minimum=0.0,
        maximum=_DAY_S,
    ),
)

DESCRIBER = (
    BUNDLE,
    ParameterSpec(
        "decoder",
        PHRASES,
        "What finds the words: phrases takes the nearest phrase of the bundle's bank, sentences "
        "speaks with the bundle's text decoder.",
        Change.UNCONFIGURED,
        choices=DECODERS,
    ),
    ParameterSpec(
        "answer_from",
        OWN,
        "Which phrases answer a query: own are the query's, so that a query without phrases is "
        "not described; all lets such a query be answered with the phrases of all others.",
        Change.UNCONFIGURED,
        choices=ANSWER_FROM,
    ),
    ParameterSpec(
        "compare",
        ANSWERS,
        "What of two embeddings is compared to find changes: answers are the probabilities of the "
        "query's phrases, embedding the vector itself, for streams that no phrase describes.",
        Change.UNCONFIGURED,
        choices=COMPARISONS,
    ),
    ParameterSpec(
        "cameras",
        [""],
        "Names of the cameras whose embeddings are described, each on topics of its own; "
        "one empty name is a single camera without a name.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "examples_file",
        "",
        "File of visual examples that answer queries, as save_examples writes it; empty is none.",
        Change.UNCONFIGURED,
    ),
    *DETECTOR,
    # A cut of the stream takes 2.4 s without an embedding if the model sees clips of 1.4 s: 1.0 s
    # of gap, and the time until a clip is full again. That is no silence yet.
    ParameterSpec(
        "silence_s",
        3.0,
        "Time in seconds without a new embedding of a query after which its state is lost; it "
        "must be longer than the usual time from one embedding to the next; 0 is never.",
        Change.LIVE,
        minimum=0.0,
        maximum=_DAY_S,
    ),
    ParameterSpec(
        "min_similarity",
        OFF,
        "Least cosine similarity of the nearest phrase; below it the text is empty, which is none "
        "of these; -1 is off.",
        Change.LIVE,
        minimum=-1.0,
        maximum=1.0,
    ),
    ParameterSpec(
        "when_unfamiliar",
        _DOUBT.when,
        "What is told while the scene is unfamiliar or the images are at fault: silent claims "
        "nothing, mark tells the words with the reason UNFAMILIAR, speak tells them as ever.",
        Change.LIVE,
        choices=WHEN_UNFAMILIAR,
    ),
    ParameterSpec(
        "unfamiliar_threshold",
        _DOUBT.threshold,
        "Unfamiliarity above which a clip is strange: 0.99 calls one known clip of a hundred so; "
        "1 is off.",
        Change.LIVE,
        minimum=0.0,
        maximum=1.0,
    ),
    ParameterSpec(
        "unfamiliar_after_s",
        _DOUBT.after_s,
        "Time in seconds for which clips are strange, or images at fault, before that is told.",
        Change.LIVE,
        minimum=0.0,
        maximum=10.0,
    ),
    ParameterSpec(
        "familiar_after_s",
        _DOUBT.back_after_s,
        "Time in seconds for which all is well before states are told again.",
        Change.LIVE,
        minimum=0.0,
        maximum=10.0,
    ),
)

VISUALIZER = (
    IMAGE_TRANSPORT,
    ParameterSpec(
        "max_rate_hz", 15.0, "Highest rate in Hz of overlay images.", Change.LIVE, 0.1, 120.0
    ),
    ParameterSpec(
        "text_size_m", 0.05, "Height of the marker texts in metres.", Change.LIVE, 0.001, 10.0
    ),
    ParameterSpec(
        "text_distance_m",
        1.0,
        "Distance of the marker texts in front of the camera in metres.",
        Change.LIVE,
        0.0,
        100.0,
    ),
)

LIVE_VIEW = (
    IMAGE_TRANSPORT,
    ParameterSpec(
        "cameras",
        [""],
        "Names of the cameras that are shown, as the embedder and the describer have them; one "
        "empty name is a single camera without a name.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "host",
        "127.0.0.1",
        "Address on which the page is served; any but this machine's own asks visitors for the "
        "token that the log prints.",
        Change.UNCONFIGURED,
    ),
    ParameterSpec(
        "port", 8747, "Port on which the page is served; 0 is any.", Change.UNCONFIGURED, 0, 65535
    ),
    ParameterSpec(
        "web_write",
        False,
        "Whether whoever sees the page may add phrases to queries.",
        Change.UNCONFIGURED,
    ),
)

NOW, RECORDED = "now", "recorded"  # values of the parameter stamps

REPLAY = (
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
    ParameterSpec(
        "stamps",
        NOW,
        "Stamps of the images: now is the clock of the node, recorded keeps those of the bag, so "
        "that results can be joined with its other topics.",
        Change.INACTIVE,
        choices=(NOW, RECORDED),
    ),
    ParameterSpec("loop", False, "Begin again at the end; not for cameras.", Change.LIVE),
    ParameterSpec(
        "frame_id", "camera", "frame_id of images for which the source has none.", Change.INACTIVE
    ),
    ParameterSpec(
        "wait_for_subscribers",
        1,
        "Subscribers to wait for before the first image, active ones if they have a lifecycle; "
        "0 starts at once.",
        Change.INACTIVE,
        0,
        100,
    ),
)

TABLES = (EMBEDDER, DESCRIBER, VISUALIZER, LIVE_VIEW, REPLAY)
