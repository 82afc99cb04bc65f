# SPDX-License-Identifier: Apache-2.0
"""The launch files start what their arguments say, with the right names, topics and parameters."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.launch_api import Described, Node, described
from vljepa_ros.commands.build_engine import _parser

ROOT = Path(__file__).resolve().parent.parent.parent
VLJEPA = ROOT / "launch" / "vljepa.launch.py"
DEMO = ROOT / "launch" / "demo.launch.py"
NAV2_NAMES = {
    "namespace",
    "params_file",
    "use_sim_time",
    "autostart",
    "log_level",
    "use_respawn",
    "use_composition",
}


@pytest.fixture(autouse=True)
def _own_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A launch leaves its parameter file behind, for processes that are started again."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def executables(result: Described) -> list[str]:
    return [node.executable for node in result.nodes]


def parameters(node: Node) -> dict[str, Any]:
    """Return what the node's parameter file says, section by section."""
    (path,) = node.parameters
    assert isinstance(path, str)
    content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return {name: section["ros__parameters"] for name, section in content.items()}


def own_file(folder: Path, **sections: dict[str, Any]) -> str:
    path = folder / "params.yaml"
    content = {name: {"ros__parameters": values} for name, values in sections.items()}
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize("path", [VLJEPA, DEMO])
def test_every_argument_has_a_description_and_a_default(path: Path) -> None:
    for name, argument in described(path).arguments.items():
        assert argument.description.endswith("."), name
        assert argument.default_value is not None, name


def test_the_arguments_have_nav2s_names() -> None:
    assert set(described(VLJEPA).arguments) >= NAV2_NAMES


def test_by_default_one_process_runs_both_nodes() -> None:
    result = described(VLJEPA)
    assert executables(result) == ["pipeline"]
    assert result.nodes[0].package == "vljepa_ros"
    assert result.nodes[0].name is None  # a name would be given to both


def test_without_composition_there_are_two_named_processes() -> None:
    result = described(VLJEPA, use_composition="false")
    assert [(node.executable, node.name) for node in result.nodes] == [
        ("embedder", "embedder"),
        ("describer", "describer"),
    ]


def test_rviz_brings_the_visualizer_along() -> None:
    result = described(VLJEPA, rviz="true")
    assert executables(result) == ["pipeline", "visualizer", "rviz2"]
    flag, config = result.node("rviz2").arguments
    assert flag == "-d"
    assert Path(config).is_file()


def test_the_visualizer_can_run_without_rviz() -> None:
    assert executables(described(VLJEPA, visualizer="True")) == ["pipeline", "visualizer"]


def test_each_camera_has_a_visualizer_and_rviz_shows_the_first(tmp_path: Path) -> None:
    file = own_file(
        tmp_path, visualizer={"max_rate_hz": 3.0}, wrist_visualizer={"text_size_m": 1.0}
    )
    result = described(
        VLJEPA,
        cameras="front,wrist",
        image_topic="/{camera}/color",
        rviz="true",
        namespace="arm",
        params_file=file,
    )
    assert executables(result) == ["pipeline", "visualizer", "visualizer", "rviz2"]
    front, wrist = result.nodes[1:3]
    assert [front.name, wrist.name] == ["front_visualizer", "wrist_visualizer"]
    assert wrist.remappings.items() >= {
        ("image_raw", "/wrist/color"),
        ("image_raw/compressed", "/wrist/color/compressed"),
        ("describer/state", "describer/wrist/state"),
        ("embedder/embedding", "embedder/wrist/embedding"),
    }
    assert parameters(front)["/arm/front_visualizer"]["max_rate_hz"] == 3.0
    both = parameters(wrist)["/arm/wrist_visualizer"]
    assert (both["max_rate_hz"], both["text_size_m"]) == (3.0, 1.0)
    assert both["use_sim_time"] is False
    assert result.node("rviz2").remappings == {
        "/visualizer/overlay": "/arm/front_visualizer/overlay",
        "/visualizer/markers": "/arm/front_visualizer/markers",
    }


def test_the_visualizers_of_cameras_look_at_the_topics_that_the_embedder_has() -> None:
    wrist = described(VLJEPA, cameras="front,wrist", visualizer="true").nodes[2]
    assert wrist.remappings["image_raw"] == "wrist/image_raw"


def test_the_camera_topic_is_mapped_in_both_transports() -> None:
    node = described(VLJEPA, image_topic="/front/image").nodes[0]
    assert node.remappings == {
        "image_raw": "/front/image",
        "image_raw/compressed": "/front/image/compressed",
    }


def test_each_camera_has_a_topic_of_its_own(tmp_path: Path) -> None:
    topics = {
        f"{camera}/image_raw{kind}": f"/{camera}_camera/image{kind}"
        for camera in ("left", "right")
        for kind in ("", "/compressed")
    }
    file = own_file(tmp_path, embedder={"cameras": ["left", "right"]})
    for given in ({"cameras": "left, right"}, {"params_file": file}):
        node = described(VLJEPA, image_topic="/{camera}_camera/image", **given).nodes[0]
        assert node.remappings == topics
        assert parameters(node)["/embedder"]["cameras"] == ["left", "right"]
        assert described(VLJEPA, **given).nodes[0].remappings == {}
        with pytest.raises(ValueError, match=r"for several cameras and needs a \{camera\}"):
            described(VLJEPA, image_topic="/image", **given)


@pytest.mark.parametrize(
    ("namespace", "section"),
    [("", "/embedder"), ("robot1", "/robot1/embedder"), ("/a/b/", "/a/b/embedder")],
)
def test_parameters_are_found_in_every_namespace(namespace: str, section: str) -> None:
    node = described(VLJEPA, namespace=namespace).nodes[0]
    assert node.namespace == namespace
    given = yaml.safe_load((ROOT / "config" / "vljepa.yaml").read_text())
    assert (
        given["embedder"]["ros__parameters"].items()
        <= {
            **parameters(node)[section],
            **{name: given["embedder"]["ros__parameters"].get(name) for name in ("autostart",)},
        }.items()
    )


def test_a_users_file_is_used_and_full_names_in_it_stay(tmp_path: Path) -> None:
    path = own_file(tmp_path, describer={"threshold": 0.5}, **{"/other/node": {"a": 1}})
    read = parameters(described(VLJEPA, namespace="r", params_file=path).nodes[0])
    assert read["/r/describer"]["threshold"] == 0.5
    assert read["/other/node"] == {"a": 1}


def test_an_empty_section_in_a_users_file_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("embedder:\ndescriber:\n  ros__parameters:\n")
    read = parameters(described(VLJEPA, params_file=str(path)).nodes[0])
    assert read["/embedder"]["autostart"] is True


def test_arguments_win_over_the_file(tmp_path: Path) -> None:
    values = {"autostart": True, "bundle": "/old", "image_transport": "raw", "use_sim_time": False}
    path = own_file(tmp_path, embedder=values)
    result = described(
        VLJEPA,
        params_file=path,
        autostart="false",
        bundle="/new",
        image_transport="compressed",
        use_sim_time="true",
    )
    assert parameters(result.nodes[0])["/embedder"] == {
        "autostart": False,
        "bundle": "/new",
        "image_transport": "compressed",
        "use_sim_time": True,
    }


def test_the_visualizer_sees_the_same_images_as_the_embedder() -> None:
    result = described(VLJEPA, visualizer="true", image_transport="compressed")
    read = parameters(result.node("visualizer"))
    assert read["/visualizer"]["image_transport"] == read["/embedder"]["image_transport"]


def test_arguments_that_are_not_given_leave_the_file_alone(tmp_path: Path) -> None:
    path = own_file(tmp_path, embedder={"bundle": "/mine", "image_transport": "compressed"})
    read = parameters(described(VLJEPA, params_file=path).nodes[0])["/embedder"]
    assert (read["bundle"], read["image_transport"]) == ("/mine", "compressed")


def test_decoder_and_cameras_reach_the_describer_only_where_given(tmp_path: Path) -> None:
    given = parameters(described(VLJEPA, decoder="sentences", cameras="left, right").nodes[0])
    assert given["/describer"]["decoder"] == "sentences"
    assert given["/describer"]["cameras"] == ["left", "right"]
    file = own_file(tmp_path, describer={"decoder": "sentences", "cameras": ["wrist"]})
    kept = parameters(described(VLJEPA, params_file=file).nodes[0])["/describer"]
    assert (kept["decoder"], kept["cameras"]) == ("sentences", ["wrist"])


def test_respawn_and_log_level_reach_the_processes() -> None:
    node = described(VLJEPA, use_respawn="true", log_level="debug").nodes[0]
    assert node.respawn is True
    assert list(node.arguments) == ["--ros-args", "--log-level", "debug"]


def test_a_flag_that_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(ValueError, match="use_respawn:=maybe is neither true nor false"):
        described(VLJEPA, use_respawn="maybe")


def test_the_demo_replays_the_shipped_recording_to_the_same_topic() -> None:
    result = described(DEMO)
    assert executables(result) == ["pipeline", "visualizer", "replay"]
    (values,) = result.node("replay").parameters
    assert isinstance(values, dict)
    assert Path(values["source"]).name == "recording.mp4"
    assert values["loop"] is True
    for node in result.nodes:
        assert node.remappings["image_raw"] == "image_raw"


def test_the_demos_arguments_reach_replay_and_nodes() -> None:
    result = described(
        DEMO, namespace="r", image_topic="/cam", source="/a/bag", rate="2.0", rviz="true"
    )
    (values,) = result.node("replay").parameters
    assert isinstance(values, dict)
    assert (values["source"], values["rate"]) == ("/a/bag", 2.0)
    assert {node.namespace for node in result.nodes} == {"r"}
    assert result.node("replay").remappings == {"image_raw": "/cam"}
    assert result.node("pipeline").remappings["image_raw"] == "/cam"
    assert "rviz2" in executables(result)


PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


@pytest.fixture
def no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROFILES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("no_profile")
@pytest.mark.parametrize(
    ("distro", "name"), [("humble", PROFILES[0]), ("jazzy", PROFILES[0]), ("kilted", PROFILES[1])]
)
def test_the_demo_lets_large_images_through(
    monkeypatch: pytest.MonkeyPatch, distro: str, name: str
) -> None:
    monkeypatch.setenv("ROS_DISTRO", distro)
    environment = described(DEMO).environment
    assert list(environment) == [name]
    assert Path(environment[name]).is_file()


@pytest.mark.usefixtures("no_profile")
def test_the_demo_sets_both_names_where_the_distribution_is_not_known(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    assert set(described(DEMO).environment) == set(PROFILES)


@pytest.mark.usefixtures("no_profile")
@pytest.mark.parametrize("name", PROFILES)
def test_the_demo_leaves_the_users_own_profile(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "/my/own.xml")
    assert described(DEMO).environment == {}


def test_build_only_builds_the_engines_of_the_embedders_bundle_and_runs_no_node(
    tmp_path: Path,
) -> None:
    (build,) = described(VLJEPA, build_only="true", rviz="true").nodes
    assert (build.package, build.executable, build.respawn) == (
        "vljepa_ros",
        "build_engine",
        False,
    )
    assert build.arguments == []
    file = own_file(tmp_path, embedder={"bundle": "/mine", "allow_untrusted_engines": True})
    for given, bundle in ({}, "/mine"), ({"bundle": "/other"}, "/other"):
        (build,) = described(
            VLJEPA, build_only="true", namespace="left", params_file=file, **given
        ).nodes
        assert build.arguments == ["--bundle", bundle, "--allow-untrusted"]
        assert _parser().parse_args(build.arguments).bundle == Path(bundle)
    (build,) = described(VLJEPA, build_only="true", cameras="left,right").nodes
    assert _parser().parse_args(build.arguments).cameras == 2
