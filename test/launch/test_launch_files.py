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
    """A launch leaves a parameter file beside its logs, for nodes that respawn."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.fixture(autouse=True)
def rviz2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An rviz2 that launch would find."""
    program = tmp_path / "ros" / "lib" / "rviz2" / "rviz2"
    program.parent.mkdir(parents=True)
    program.touch()
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"/nowhere:{tmp_path / 'ros'}")
    return program


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
    assert result.node("rviz2").remappings == {
        "/visualizer/overlay": "/arm/front_visualizer/overlay",
        "/visualizer/markers": "/arm/front_visualizer/markers",
    }


def test_the_visualizers_of_cameras_look_at_the_topics_that_the_embedder_has() -> None:
    wrist = described(VLJEPA, cameras="front,wrist", visualizer="true").nodes[2]
    assert wrist.remappings["image_raw"] == "wrist/image_raw"


def test_the_live_view_shows_the_cameras_of_the_embedder_to_this_machine(tmp_path: Path) -> None:
    file = own_file(tmp_path, embedder={"cameras": ["front", "wrist"]})
    given = {"image_topic": "/{camera}/color", "params_file": file}
    node = described(VLJEPA, web="true", **given).node("live_view")
    assert node.remappings["wrist/image_raw"] == "/wrist/color"
    assert parameters(node)["/live_view"] == {"cameras": ["front", "wrist"]}
    assert executables(described(VLJEPA)) == ["pipeline"]


def test_who_may_see_the_live_view_and_write_is_said_by_arguments() -> None:
    given = {"host": "0.0.0.0", "port": "0", "web_write": "true"}
    node = described(VLJEPA, web="true", **given).node("live_view")
    read = parameters(node)["/live_view"]
    assert (read["host"], read["port"], read["web_write"]) == ("0.0.0.0", 0, True)
    with pytest.raises(ValueError, match="port:=99999 is no number"):
        described(VLJEPA, web="true", port="99999")


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
    assert parameters(node)[section] == given["embedder"]["ros__parameters"]


def test_the_namespace_of_a_launch_file_around_this_one_counts() -> None:
    outer = {"ros_namespace": "/fleet"}  # what launch_ros.actions.PushRosNamespace sets
    assert "/fleet/embedder" in parameters(described(VLJEPA, outer).nodes[0])
    assert "/fleet/a/embedder" in parameters(described(VLJEPA, outer, namespace="a").nodes[0])
    assert "/a/embedder" in parameters(described(VLJEPA, outer, namespace="/a").nodes[0])


def test_a_users_file_is_used_and_full_names_in_it_stay(tmp_path: Path) -> None:
    sections = {"/r/visualizer": {"text_size_m": 2.0}, "/other/embedder": {"rate_hz": 1.0}}
    path = own_file(tmp_path, describer={"threshold": 0.5}, **sections)
    read = parameters(described(VLJEPA, namespace="r", params_file=path).nodes[0])
    assert read == {"/r/describer": {"threshold": 0.5}, "/r/visualizer": {"text_size_m": 2.0}}


def test_an_empty_section_in_a_users_file_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("embedder:\ndescriber:\n  ros__parameters:\n")
    node = described(VLJEPA, params_file=str(path), autostart="true").nodes[0]
    assert parameters(node)["/embedder"] == {"autostart": True}
    assert described(VLJEPA, params_file=str(path)).nodes[0].parameters == []


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


def test_the_file_of_queries_reaches_the_embedder_only_if_given(tmp_path: Path) -> None:
    given = parameters(described(VLJEPA, queries_file="~/mine.yaml").nodes[0])
    assert given["/embedder"]["queries_file"] == "~/mine.yaml"
    assert "queries_file" not in given["/describer"]
    file = own_file(tmp_path, embedder={"queries_file": "/other.yaml"})
    kept = parameters(described(VLJEPA, params_file=str(file)).nodes[0])["/embedder"]
    assert kept["queries_file"] == "/other.yaml"


def test_decoder_and_cameras_reach_the_describer_only_if_given(tmp_path: Path) -> None:
    given = parameters(described(VLJEPA, decoder="sentences", cameras="left, right").nodes[0])
    assert given["/describer"]["decoder"] == "sentences"
    assert given["/describer"]["cameras"] == ["left", "right"]
    file = own_file(tmp_path, describer={"decoder": "sentences", "cameras": ["wrist"]})
    kept = parameters(described(VLJEPA, params_file=file).nodes[0])["/describer"]
    assert (kept["decoder"], kept["cameras"]) == ("sentences", ["wrist"])


def test_the_file_of_examples_reaches_the_describer_only_if_given(tmp_path: Path) -> None:
    given = parameters(described(VLJEPA, examples_file="~/cup.npz").nodes[0])
    assert given["/describer"]["examples_file"] == "~/cup.npz"
    assert "examples_file" not in given["/embedder"]
    file = own_file(tmp_path, describer={"examples_file": "/other.npz"})
    for through in (VLJEPA, DEMO):
        node = described(through, params_file=file).node("pipeline")
        assert parameters(node)["/describer"]["examples_file"] == "/other.npz"


def test_respawn_and_log_level_reach_the_processes() -> None:
    node = described(VLJEPA, use_respawn="true", log_level="debug").nodes[0]
    assert node.respawn is True
    assert list(node.arguments) == ["--ros-args", "--log-level", "debug"]


def test_a_flag_that_is_neither_true_nor_false_is_refused() -> None:
    with pytest.raises(ValueError, match="use_respawn:=maybe is neither true nor false"):
        described(VLJEPA, use_respawn="maybe")


def replayed(result: Described) -> dict[str, Any]:
    """Return the parameters of the replay."""
    (values,) = parameters(result.node("replay")).values()
    return values


def test_the_demo_replays_the_shipped_recording_to_the_same_topic() -> None:
    result = described(DEMO)
    assert executables(result) == ["pipeline", "visualizer", "replay", "state_printer"]
    values = replayed(result)
    assert Path(values["source"]).name == "recording.mp4"
    assert values["loop"] is True
    for node in result.nodes[:3]:
        assert node.remappings["image_raw"] == "image_raw"


def test_the_demos_arguments_reach_replay_and_nodes() -> None:
    result = described(
        DEMO, namespace="r", image_topic="/cam", source="/a/bag", rate="2.0", rviz="true"
    )
    values = replayed(result)
    assert (values["source"], values["rate"]) == ("/a/bag", 2.0)
    assert {node.namespace for node in result.nodes} == {"r"}
    assert result.node("replay").remappings == {"image_raw": "/cam"}
    assert result.node("pipeline").remappings["image_raw"] == "/cam"
    assert "rviz2" in executables(result)


def test_the_demos_arguments_win_over_the_file_and_the_file_over_its_defaults(
    tmp_path: Path,
) -> None:
    own = {"source": "/my/bag", "loop": False, "rate": 3.0, "folder_rate_hz": 5.0}
    file = own_file(tmp_path, replay=own, embedder={"rate_hz": 2.0})
    result = described(DEMO, namespace="r", params_file=file)
    assert replayed(result) == own
    assert parameters(result.node("pipeline"))["/r/embedder"] == {"rate_hz": 2.0}
    given = {"source": "/other", "loop": "true", "rate": "1", "topic": "/t"}
    given["stamps"] = "recorded"
    expected = {**own, "source": "/other", "loop": True, "rate": 1.0, "topic": "/t"}
    expected["stamps"] = "recorded"
    assert replayed(described(DEMO, namespace="r", params_file=file, **given)) == expected


PROFILES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


@pytest.fixture
def no_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROFILES:
        monkeypatch.delenv(name, raising=False)


BOTH = pytest.mark.parametrize("path", [VLJEPA, DEMO])


@BOTH
@pytest.mark.usefixtures("no_profile")
@pytest.mark.parametrize(
    ("distro", "name"), [("humble", PROFILES[0]), ("jazzy", PROFILES[0]), ("kilted", PROFILES[1])]
)
def test_large_images_pass(
    monkeypatch: pytest.MonkeyPatch, path: Path, distro: str, name: str
) -> None:
    monkeypatch.setenv("ROS_DISTRO", distro)
    environment = described(path).environment
    assert list(environment) == [name]
    assert Path(environment[name]).is_file()


@BOTH
@pytest.mark.usefixtures("no_profile")
def test_both_names_are_set_if_the_distribution_is_not_known(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    monkeypatch.delenv("ROS_DISTRO", raising=False)
    assert set(described(path).environment) == set(PROFILES)


@BOTH
@pytest.mark.usefixtures("no_profile")
@pytest.mark.parametrize("name", PROFILES)
def test_the_users_own_profile_stays(
    monkeypatch: pytest.MonkeyPatch, path: Path, name: str
) -> None:
    monkeypatch.setenv(name, "/my/own.xml")
    assert described(path).environment == {}


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
    file = own_file(tmp_path, embedder={"backend": "tensorrt_rtx"})
    (build,) = described(VLJEPA, build_only="true", params_file=file).nodes
    assert build.arguments == ["--backend", "tensorrt_rtx"]
    assert _parser().parse_args(build.arguments).backend == "tensorrt_rtx"
    (build,) = described(VLJEPA, build_only="true", cameras="left,right").nodes
    assert _parser().parse_args(build.arguments).cameras == 2


@pytest.mark.parametrize("section", ["embedder", "/**", "/embedder", "/**/embedder"])
def test_the_file_counts_unless_an_argument_is_given(tmp_path: Path, section: str) -> None:
    values = {"autostart": False, "use_sim_time": True}
    file = own_file(tmp_path, **{section: values})
    read = parameters(described(VLJEPA, params_file=file).nodes[0])
    assert read["/embedder"] == values
    given = described(VLJEPA, params_file=file, autostart="true", use_sim_time="false").nodes[0]
    assert parameters(given)["/embedder"] == {"autostart": True, "use_sim_time": False}


def test_rviz_has_the_clock_of_the_file(tmp_path: Path) -> None:
    file = own_file(tmp_path, **{"/**": {"use_sim_time": True}})
    rviz = described(VLJEPA, params_file=file, rviz="true").node("rviz2")
    assert rviz.arguments[-3:] == ["--ros-args", "-p", "use_sim_time:=true"]
    wall = described(VLJEPA, params_file=file, rviz="true", use_sim_time="false").node("rviz2")
    assert "--ros-args" not in wall.arguments


def test_cameras_of_every_kind_of_section_have_their_topics(tmp_path: Path) -> None:
    file = own_file(tmp_path, **{"/**": {"cameras": ["front", "wrist"]}})
    node = described(VLJEPA, params_file=file, image_topic="/{camera}/color").nodes[0]
    assert node.remappings["wrist/image_raw"] == "/wrist/color"
    assert parameters(node)["/describer"]["cameras"] == ["front", "wrist"]


def test_unrelated_topics_are_given_one_by_one() -> None:
    result = described(
        VLJEPA, cameras="front,wrist", image_topics="/a/image, b/rgb", visualizer="true"
    )
    pipeline, _, wrist = result.nodes
    assert pipeline.remappings == {
        "front/image_raw": "/a/image",
        "front/image_raw/compressed": "/a/image/compressed",
        "wrist/image_raw": "b/rgb",
        "wrist/image_raw/compressed": "b/rgb/compressed",
    }
    assert wrist.remappings["image_raw"] == "b/rgb"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"cameras": "a,b", "image_topics": "/x"}, "1 topics for 2 names"),
        ({"image_topics": "/x,/y"}, "2 topics for 0 names"),
        ({"cameras": "a", "image_topics": "/x", "image_topic": "/y"}, "leave one of them out"),
    ],
)
def test_topics_that_do_not_fit_the_cameras_are_refused(
    given: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        described(VLJEPA, **given)


def test_sections_that_no_node_reads_are_named(tmp_path: Path) -> None:
    (warning,) = described(
        VLJEPA, params_file=own_file(tmp_path, embeder={"rate_hz": 1.0}, **{"/lidar": {"a": 1}})
    ).warnings
    assert "embeder (did you mean embedder?)" in warning and "/lidar" in warning
    for path in (VLJEPA, DEMO):
        assert described(path).warnings == []
    file = own_file(tmp_path, front_visualizer={"text_size_m": 1.0})
    assert described(VLJEPA, params_file=file, cameras="front").warnings == []


def test_a_home_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    own_file(tmp_path, embedder={"rate_hz": 2.0})
    node = described(VLJEPA, params_file="~/params.yaml").nodes[0]
    assert parameters(node)["/embedder"] == {"rate_hz": 2.0}
    rviz = described(VLJEPA, rviz="true", rviz_config="~/my.rviz").node("rviz2")
    assert rviz.arguments[1] == str(tmp_path / "my.rviz")


@pytest.mark.parametrize("path", [VLJEPA, DEMO])
def test_what_a_node_that_respawns_reads_is_beside_the_logs(path: Path, tmp_path: Path) -> None:
    before = set(tmp_path.iterdir())
    result = described(path, use_respawn="true", rviz="true", use_sim_time="true")
    files = {Path(str(one)).parent for node in result.nodes for one in node.parameters}
    assert files == {tmp_path / "ros_log"} == set(tmp_path.iterdir()) - before
    for node in result.nodes:  # launch_ros writes a dictionary to a file in /tmp
        assert all(isinstance(one, str) for one in node.parameters)


@pytest.mark.parametrize("path", [VLJEPA, DEMO])
def test_a_file_that_cannot_be_used_is_refused(path: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"cannot read params_file .*: No such file"):
        described(path, params_file=str(tmp_path / "none.yaml"))


def test_without_rviz2_everything_else_starts_with_a_warning(rviz2: Path) -> None:
    rviz2.unlink()
    result = described(VLJEPA, rviz="true")
    assert executables(result) == ["pipeline", "visualizer"]
    (warning,) = result.warnings
    assert "rviz2 is not installed" in warning


def test_the_fixed_frame_reaches_rviz() -> None:
    rviz = described(VLJEPA, rviz="true", fixed_frame="left_optical").node("rviz2")
    assert rviz.arguments[2:] == ["-f", "left_optical"]


def test_lists_that_nodes_share_are_written_without_aliases(tmp_path: Path) -> None:
    file = own_file(tmp_path, **{"/**": {"cameras": ["front", "wrist"]}})
    (path,) = described(VLJEPA, params_file=file).nodes[0].parameters
    assert "*" not in Path(str(path)).read_text()


def test_missing_messages_are_told_before_anything_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("vljepa_ros.nodes.start._NEEDED", "no_such_package_of_messages")
    with pytest.raises(RuntimeError, match="no_such_package_of_messages is missing: build"):
        described(VLJEPA)
