# SPDX-License-Identifier: Apache-2.0
"""A bundle is used only if it is whole, and every refusal says which file, why, and what to do."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.colour_bundle import QUERIES, SIZE, build_bare_bundle, build_colour_bundle, seal
from vljepa_ros import shipped
from vljepa_ros.runtime.bundle import (
    Bundle,
    BundleError,
    bundle_parts,
    default_bundle_path,
    write_manifest,
)
from vljepa_ros.runtime.model import VLJepa

FILES = (
    "frame_encoder.onnx",
    "x_encoder.onnx",
    "predictor.onnx",
    "y_encoder.onnx",
    "tokenizer.json",
    "phrases.json",
    "phrases.npy",
    "reference.npz",
)


@pytest.fixture
def bundle(colour_bundle: Path, tmp_path: Path) -> Path:
    """Return a copy of the colour bundle to damage."""
    return Path(shutil.copytree(colour_bundle, tmp_path / "copy"))


def edit_manifest(bundle: Path, change: Callable[[dict[str, Any]], object]) -> None:
    file = bundle / "manifest.json"
    manifest = json.loads(file.read_text(encoding="utf-8"))
    change(manifest)
    file.write_text(json.dumps(manifest), encoding="utf-8")


def refusal(bundle: Path) -> BundleError:
    """Load the bundle, which must be refused with a file, a cause and a remedy."""
    with pytest.raises(BundleError) as caught:
        Bundle.load(bundle)
    error = caught.value
    assert error.cause
    assert error.remedy
    assert str(error) == f"{error.file}: {error.cause}; {error.remedy}"
    return error


def test_a_whole_bundle_is_read_with_all_its_fields(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    assert loaded.root == bundle.resolve()
    assert (loaded.name, loaded.version, loaded.space_id) == ("colour", "1", "colour-1")
    assert (loaded.frame.height, loaded.frame.width) == (SIZE, SIZE)
    assert (loaded.clip.frames, loaded.clip.rate_hz) == (4, 10.0)
    assert loaded.queries == QUERIES
    assert set(loaded.files) == set(FILES)
    assert loaded.read("phrases.json") == (bundle / "phrases.json").read_bytes()


def test_a_text_path_is_a_path(bundle: Path) -> None:
    assert Bundle.load(str(bundle)).root == bundle.resolve()


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    error = refusal(bundle)
    assert error.file == bundle.resolve() / name
    assert "missing" in error.cause


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("size", [0, 1, -1])
def test_a_truncated_file_is_named_with_both_sizes(bundle: Path, name: str, size: int) -> None:
    whole = (bundle / name).read_bytes()
    (bundle / name).write_bytes(whole[:size])
    error = refusal(bundle)
    assert error.file == bundle.resolve() / name
    assert str(len(whole[:size])) in error.cause
    assert str(len(whole)) in error.cause


@pytest.mark.parametrize("name", FILES)
def test_a_longer_file_is_refused(bundle: Path, name: str) -> None:
    with (bundle / name).open("ab") as stream:
        stream.write(b"\0")
    assert refusal(bundle).file == bundle.resolve() / name


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_found(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
    error = refusal(bundle)
    assert error.file == bundle.resolve() / name
    assert "sha256" in error.cause


def test_a_folder_in_the_place_of_a_file_is_refused(bundle: Path) -> None:
    (bundle / "phrases.npy").unlink()
    (bundle / "phrases.npy").mkdir()
    assert "not a regular file" in refusal(bundle).cause


def test_a_pipe_in_the_place_of_a_file_does_not_hang(bundle: Path) -> None:
    (bundle / "phrases.npy").unlink()
    os.mkfifo(bundle / "phrases.npy")
    assert "not a regular file" in refusal(bundle).cause


def test_a_file_that_is_swapped_after_loading_is_not_handed_out(bundle: Path) -> None:
    loaded = Bundle.load(bundle)
    data = bytearray((bundle / "x_encoder.onnx").read_bytes())
    data[-1] ^= 1
    (bundle / "x_encoder.onnx").write_bytes(data)
    with pytest.raises(BundleError, match=r"x_encoder\.onnx: sha256"):
        loaded.read("x_encoder.onnx")


def test_links_to_the_right_content_are_followed(bundle: Path, tmp_path: Path) -> None:
    """``colcon build --symlink-install`` installs nothing but links."""
    linked = tmp_path / "linked"
    linked.mkdir()
    for file in bundle.iterdir():
        (linked / file.name).symlink_to(file)
    assert Bundle.load(linked).name == "colour"
    (linked / "phrases.json").unlink()
    (linked / "phrases.json").symlink_to("/etc/passwd")
    assert refusal(linked).file.name == "phrases.json"


def test_no_folder_is_said_so(tmp_path: Path) -> None:
    error = refusal(tmp_path / "nowhere")
    assert error.file == tmp_path / "nowhere"
    assert "no such folder" in error.cause
    assert "'bundle'" in error.remedy


def test_a_folder_without_a_manifest_is_said_so(tmp_path: Path) -> None:
    error = refusal(tmp_path)
    assert error.file == tmp_path / "manifest.json"
    assert "missing" in error.cause


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{", id="cut off"),
        pytest.param(b'{"format": 1,}', id="comma"),
        pytest.param(b"\xff\xfe\x00", id="not utf-8"),
        pytest.param(b"[" * 200_000, id="deep"),
    ],
)
def test_bad_json_is_said_so(bundle: Path, text: bytes) -> None:
    (bundle / "manifest.json").write_bytes(text)
    error = refusal(bundle)
    assert error.file == bundle.resolve() / "manifest.json"
    assert "JSON" in error.cause


@pytest.mark.parametrize("text", ["[]", "null", "3", '"text"'])
def test_json_that_is_no_object_is_said_so(bundle: Path, text: str) -> None:
    (bundle / "manifest.json").write_text(text, encoding="utf-8")
    assert "object" in refusal(bundle).cause


@pytest.mark.parametrize("number", [0, 2, 99])
def test_a_format_of_another_release_is_refused_with_both_numbers(
    bundle: Path, number: int
) -> None:
    edit_manifest(bundle, lambda manifest: manifest.update(format=number))
    error = refusal(bundle)
    assert "format" in error.cause
    if number:
        assert f"format {number}" in error.cause
        assert "format 3" in error.cause
        assert "release" in error.remedy


def fields() -> list[tuple[str, ...]]:
    plain = ["format", "name", "version", "space_id", "dimension", "logit_scale", "frame", "clip"]
    plain += ["stream_rate_hz", "queries", "graphs", "tokenizer", "max_query_tokens", "phrases"]
    plain += ["max_text_tokens", "precision", "licences", "files", "query_tokens", "parity"]
    plain += ["int8_weights"]
    nested: list[tuple[str, ...]] = [
        ("frame", "height"),
        ("frame", "width"),
        ("clip", "frames"),
        ("clip", "rate_hz"),
    ]
    nested += [("phrases", "texts"), ("phrases", "embeddings"), ("files", "phrases.npy")]
    nested += [("files", "phrases.npy", "sha256"), ("files", "phrases.npy", "bytes")]
    nested += [("graphs", "predictor"), ("queries", "colour"), ("query_tokens", "source")]
    return [(name,) for name in plain] + [(*path,) for path in nested]


def parent(manifest: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for key in path[:-1]:
        manifest = manifest[key]
    return manifest


@pytest.mark.parametrize("path", [path for path in fields() if path != ("queries", "colour")])
def test_a_missing_field_is_named(bundle: Path, path: tuple[str, ...]) -> None:
    edit_manifest(bundle, lambda manifest: parent(manifest, path).pop(path[-1]))
    assert path[-1] in refusal(bundle).cause


@pytest.mark.parametrize("path", fields())
@pytest.mark.parametrize("value", [None, True, -1, [], "", float("nan")])
def test_a_field_of_the_wrong_kind_is_named(
    bundle: Path, path: tuple[str, ...], value: object
) -> None:
    if (path, value) == (("int8_weights",), []):
        pytest.skip("an empty list is right here")
    edit_manifest(bundle, lambda manifest: parent(manifest, path).update({path[-1]: value}))
    error = refusal(bundle)
    assert error.file == bundle.resolve() / "manifest.json"
    assert ".".join(path) in error.cause


@pytest.mark.parametrize(
    ("memory", "cause"),
    [
        ({"window": 1, "pairs": 1}, "memory.state is missing"),
        ({"window": 1, "pairs": 1, "state": {}}, "memory.state has 0 values"),
        ({"window": 1, "pairs": 0, "state": {"x": [3, 3]}}, "memory.pairs must be"),
        ({"window": 0, "pairs": 1, "state": {"x": [3, 3]}}, "memory.window must be"),
        ({"window": 1, "pairs": 1, "state": {"x": [3, 0]}}, "memory.state.x must be"),
        ({"window": 1, "pairs": 1, "state": {"x": [1 << 20, 1 << 20]}}, "values, at most"),
    ],
)
def test_a_memory_that_cannot_be_is_refused(
    bundle: Path, memory: dict[str, Any], cause: str
) -> None:
    edit_manifest(bundle, lambda manifest: manifest.update(memory=memory))
    assert cause in refusal(bundle).cause


def test_a_graph_that_keeps_something_else_than_the_manifest_says_is_refused(
    bundle: Path,
) -> None:
    memory = {"window": 1, "pairs": 1, "state": {"summaries": [3, 3]}}
    edit_manifest(bundle, lambda manifest: manifest.update(memory=memory))
    with pytest.raises(BundleError, match="as x_encoder it must take .*past_summaries"):
        VLJepa.load(bundle)


def test_a_bundle_without_queries_is_refused(bundle: Path) -> None:
    edit_manifest(bundle, lambda manifest: manifest.update(queries={}))
    assert "queries" in refusal(bundle).cause


@pytest.mark.parametrize(
    "name", ["../outside", "a/../../outside", "/etc/passwd", "..", "", "..\\outside"]
)
def test_a_name_that_leaves_the_folder_is_refused_unread(bundle: Path, name: str) -> None:
    outside = bundle.parent / "outside"
    outside.write_bytes(b"secret")
    entry = {"sha256": hashlib.sha256(b"secret").hexdigest(), "bytes": 6}
    edit_manifest(bundle, lambda manifest: manifest["files"].update({name: entry}))
    assert "leaves the folder" in refusal(bundle).cause


@pytest.mark.parametrize(
    "path", [("graphs", "predictor"), ("phrases", "texts"), ("phrases", "embeddings")]
)
def test_only_listed_files_are_used(bundle: Path, path: tuple[str, str]) -> None:
    (bundle / "extra").write_bytes(b"extra")
    edit_manifest(bundle, lambda manifest: manifest[path[0]].update({path[1]: "extra"}))
    assert "'extra'" in refusal(bundle).cause


@pytest.mark.parametrize("name", ["x_encoder", "predictor"])
def test_a_bundle_without_a_graph_that_every_model_has_is_refused(bundle: Path, name: str) -> None:
    edit_manifest(bundle, lambda manifest: manifest["graphs"].pop(name))
    assert "expected x_encoder, predictor and perhaps" in refusal(bundle).cause


def test_a_graph_that_is_not_known_is_refused(bundle: Path) -> None:
    edit_manifest(bundle, lambda manifest: manifest["graphs"].update(decoder="phrases.json"))
    assert "decoder" in refusal(bundle).cause


def test_queries_must_have_tokens_from_somewhere(bundle: Path) -> None:
    edit_manifest(bundle, lambda manifest: manifest["graphs"].pop("y_encoder"))
    assert "query_tokens" in refusal(bundle).cause
    edit_manifest(bundle, lambda manifest: manifest["query_tokens"].update(source="the sky"))
    assert "'the sky'" in refusal(bundle).cause


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return build_bare_bundle(tmp_path / "bare", table=True)


def test_a_bundle_of_the_least_that_a_robot_needs_is_read(bare: Path) -> None:
    loaded = Bundle.load(bare)
    assert set(loaded.graphs) == {"x_encoder", "predictor"}
    assert loaded.pixels
    assert loaded.tokenizer is None
    assert loaded.query_tokens is not None
    assert loaded.query_tokens.table is not None
    assert loaded.query_tokens.table.rows == "query_table.npy"


@pytest.mark.parametrize("field", ["file", "table", "tokenizer"])
def test_stored_tokens_use_only_listed_files(bare: Path, field: str) -> None:
    edit_manifest(bare, lambda manifest: manifest["query_tokens"].update({field: "extra"}))
    assert "'extra'" in refusal(bare).cause


@pytest.mark.parametrize("field", ["file", "tokenizer"])
def test_a_missing_field_of_stored_tokens_is_named(bare: Path, field: str) -> None:
    edit_manifest(bare, lambda manifest: manifest["query_tokens"].pop(field))
    assert f"query_tokens.{field} is missing" in refusal(bare).cause


def test_parity_and_int8_weights_are_read(bundle: Path) -> None:
    loaded = seal(bundle, parity={"predictor": 2e-6, "x_encoder": 0}, int8_weights=["y_encoder"])
    assert loaded.parity == {"predictor": 2e-6, "x_encoder": 0.0}
    assert loaded.int8_weights == ("y_encoder",)


def test_the_model_card_may_be_edited(bundle: Path) -> None:
    (bundle / "README.md").write_text("# Card", encoding="utf-8")
    seal(bundle)
    (bundle / "README.md").write_text("# Better card", encoding="utf-8")
    assert "README.md" not in Bundle.load(bundle).files


def test_a_manifest_lists_every_file_with_folders(bundle: Path) -> None:
    (bundle / "licences").mkdir()
    (bundle / "licences" / "NOTICE").write_bytes(b"notice")
    entry = seal(bundle).files["licences/NOTICE"]
    assert entry.bytes == 6
    assert entry.sha256 == hashlib.sha256(b"notice").hexdigest()


def test_all_files_of_a_bundle_are_its_parts_and_of_anything_else_none(
    bundle: Path, tmp_path: Path
) -> None:
    unlisted = {"README.md", "manifest.json.minisig", "manifest.json"}
    assert {*bundle_parts(bundle)} == {*FILES, *unlisted}
    assert bundle_parts(bundle)[-1] == "manifest.json"
    (bundle / "x_encoder.onnx").write_bytes(b"damaged")
    assert "x_encoder.onnx" in bundle_parts(bundle)
    for foreign in ("{}", "[]", "", '{"manifest_version": 3, "name": "web page"}', "[" * 10**6):
        (bundle / "manifest.json").write_text(foreign)
        assert bundle_parts(bundle) == ()
    assert bundle_parts(tmp_path / "nowhere") == ()


def test_the_signature_of_a_manifest_is_not_in_it(bundle: Path) -> None:
    (bundle / "manifest.json.minisig").touch()
    assert set(seal(bundle).files) == set(FILES)


def test_a_manifest_that_was_half_written_by_a_killed_program_is_no_part(bundle: Path) -> None:
    (bundle / ".manifest.json.0123456789abcdef.part").touch()
    assert set(seal(bundle).files) == set(FILES)
    assert not (bundle / ".manifest.json.0123456789abcdef.part").exists()


def test_writing_a_manifest_with_bad_fields_is_refused(bundle: Path) -> None:
    with pytest.raises(BundleError, match="is missing"):
        write_manifest(bundle, {"version": "1"})


def test_the_variable_chooses_the_default_bundle(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLJEPA_BUNDLE", str(bundle))
    assert default_bundle_path() == bundle
    monkeypatch.setenv("VLJEPA_BUNDLE", "~/model")
    assert default_bundle_path() == Path.home() / "model"


@pytest.fixture
def moved_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the code believe that it lies in a tree of its own; return the root of that tree."""
    tree = tmp_path / "tree"
    monkeypatch.setattr(shipped, "__file__", str(tree / "vljepa_ros" / "shipped.py"))
    monkeypatch.delenv("VLJEPA_BUNDLE", raising=False)
    monkeypatch.delenv("AMENT_PREFIX_PATH", raising=False)
    return tree


def test_an_installed_bundle_is_found_and_the_own_source_tree_comes_first(
    moved_code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = tmp_path / "install"
    monkeypatch.setenv("AMENT_PREFIX_PATH", f"{tmp_path / 'other'}:{prefix}")
    installed = prefix / "share" / "vljepa_ros" / "engines" / "default"
    build_colour_bundle(installed)
    assert default_bundle_path() == installed
    build_colour_bundle(moved_code / "engines" / "default")
    assert default_bundle_path() == moved_code / "engines" / "default"


def test_without_any_default_bundle_every_place_and_the_way_out_are_named(
    moved_code: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(tmp_path / "install"))
    with pytest.raises(BundleError) as caught:
        default_bundle_path()
    text = str(caught.value)
    assert str(moved_code / "engines" / "default") in text
    assert str(tmp_path / "install") in text
    assert "VLJEPA_BUNDLE" in text
