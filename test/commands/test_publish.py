# SPDX-License-Identifier: Apache-2.0
"""``vljepa publish`` and ``vljepa fetch`` of the result: what comes is what was published."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="signatures need cryptography")
pytest.importorskip("huggingface_hub", reason="downloads need huggingface_hub")

from support.loopback_hub import LoopbackHub
from vljepa_ros.commands.main import main
from vljepa_ros.runtime.bundle import MANIFEST, SIGNATURE, Bundle

CARD = "README.md"


def vljepa(*words) -> int:
    return main([str(word) for word in words])


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def sha256(bundle: Path) -> str:
    return hashlib.sha256((bundle / MANIFEST).read_bytes()).hexdigest()


def packed(members: dict[str, bytes], archive: Path) -> Path:
    """Write an archive of somebody who means no good."""
    with tarfile.open(archive, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive


@pytest.fixture
def bundle(colour_bundle: Path, tmp_path: Path) -> Path:
    """A bundle that a test may change, with a card."""
    shutil.copytree(colour_bundle, tmp_path / "mine")
    (tmp_path / "mine" / CARD).write_text("sees colours")
    return tmp_path / "mine"


@pytest.fixture
def signed(bundle: Path, tmp_path: Path) -> Path:
    """An archive, signed with tmp_path/my.key."""
    archive = tmp_path / "colours.tar"
    assert vljepa("publish", bundle, "--out", archive, "--new-key", tmp_path / "my.key") == 0
    return archive


def fetch(what, out: Path, *more) -> int:
    return vljepa("fetch", what, "--out", out, "--accept-licences", *more)


def test_an_archive_comes_back_whole_and_says_how_to_launch_it(
    bundle: Path, tmp_path: Path, capsys
) -> None:
    signed, new_key = tmp_path / "colours.tar", tmp_path / "my.key"
    assert vljepa("publish", bundle, "--out", signed, "--new-key", new_key) == 0
    said = capsys.readouterr().out
    key = re.search(r"vljepa fetch URL --key (\S+)", said)[1]
    assert fetch(signed, tmp_path / "theirs", "--key", key) == 0
    came = files(tmp_path / "theirs")
    assert came.pop(SIGNATURE)
    assert came == files(bundle)
    said = capsys.readouterr().out
    assert "ok: all graphs run" in said
    assert f"vljepa.launch.py bundle:={tmp_path / 'theirs'} image_topic:=" in said
    assert SIGNATURE not in files(bundle)  # nothing is written into the bundle itself


def test_the_same_bundle_makes_the_same_archive(bundle: Path, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        assert vljepa("publish", bundle, "--out", tmp_path / name) == 0
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_over_http_with_a_broken_transfer(hub: LoopbackHub, signed: Path, tmp_path: Path) -> None:
    hub.web["colours.tar"] = signed.read_bytes()
    hub.broken_after["/web/"] = 4096
    url = f"{hub.endpoint}/web/colours.tar"
    assert fetch(url, tmp_path / "theirs", "--key", tmp_path / "my.key.pub") == 0
    assert hub.bytes_asked("colours.tar") == [None, "bytes=4096-"]
    assert Bundle.load(tmp_path / "theirs").name == Bundle.load(tmp_path / "mine").name
    assert not (tmp_path / ".theirs.downloads").exists()


@pytest.mark.parametrize("place", ["hub", "web"])
def test_a_folder_on_the_hub_or_on_a_web_server(
    hub: LoopbackHub, bundle: Path, tmp_path: Path, place
) -> None:
    assert vljepa("publish", bundle, "--out", tmp_path / "up", "--new-key", tmp_path / "k") == 0
    published = files(tmp_path / "up")
    hub.repos["me/colours"] = published
    hub.web = {f"colours/{name}": content for name, content in published.items()}
    what = "me/colours" if place == "hub" else f"{hub.endpoint}/web/colours/"
    assert fetch(what, tmp_path / "theirs", "--key", tmp_path / "k.pub") == 0
    assert files(tmp_path / "theirs") == published


def test_files_that_came_before_the_network_went_come_once(
    hub: LoopbackHub, bundle: Path, tmp_path: Path, capsys
) -> None:
    hub.repos["me/colours"] = files(bundle)
    trust = ("--sha256", sha256(bundle))
    large = [
        name for name in Bundle.load(bundle).files if len(hub.repos["me/colours"][name]) > 2000
    ]
    hub.refusals[f"/{large[-1]}"] = [503] * 50
    assert fetch("me/colours", tmp_path / "theirs", *trust) == 1
    assert "the server answers 503: try again later" in capsys.readouterr().err
    assert not (tmp_path / "theirs").exists()
    hub.refusals.clear()
    assert fetch("me/colours", tmp_path / "theirs", *trust) == 0
    assert all(len(hub.bytes_asked(f"/{name}")) == 1 for name in large[:-1])


def test_a_revision_of_a_repository(
    hub: LoopbackHub, bundle: Path, tmp_path: Path, capsys
) -> None:
    hub.repos["me/colours"] = files(bundle)
    trust = ("--sha256", sha256(bundle))
    assert fetch("me/colours@" + "ab" * 20, tmp_path / "theirs", *trust) == 1
    assert "no such revision" in capsys.readouterr().err
    assert fetch(f"me/colours@{hub.commit('me/colours')}", tmp_path / "theirs", *trust) == 0


def test_nobody_vouches_for_it(bundle: Path, signed: Path, tmp_path: Path, capsys) -> None:
    assert fetch(signed, tmp_path / "theirs") == 1
    said = capsys.readouterr().err
    assert f"nobody vouches for this bundle. Its SHA-256 is {sha256(bundle)}" in said
    assert fetch(signed, tmp_path / "theirs", "--sha256", sha256(bundle)) == 0


@pytest.mark.parametrize(
    ("trust", "said"),
    [
        (("--sha256", "ab" * 32), "the SHA-256 of this bundle is .*, not abab"),
        (("--sha256", "ab"), "--sha256 takes 64 characters"),
        (("--key", "nonsense"), "is not in the form of minisign"),
    ],
)
def test_wrong_trust(signed: Path, tmp_path: Path, capsys, trust, said) -> None:
    assert fetch(signed, tmp_path / "theirs", *trust) == 1
    assert re.search(said, capsys.readouterr().err)
    assert not (tmp_path / "theirs").exists()


def test_a_stranger_signed_it(signed: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    assert vljepa("publish", bundle, "--out", tmp_path / "x.tar", "--new-key", tmp_path / "x") == 0
    assert fetch(signed, tmp_path / "theirs", "--key", tmp_path / "x.pub") == 1
    assert "is signed with key" in capsys.readouterr().err


def test_a_file_that_was_changed_after_the_signature(bundle: Path, tmp_path: Path, capsys) -> None:
    members = files(bundle)
    name = next(iter(Bundle.load(bundle).files))
    members[name] = members[name][:-1] + bytes([members[name][-1] ^ 1])
    archive = packed(members, tmp_path / "changed.tar")
    assert fetch(archive, tmp_path / "theirs", "--sha256", sha256(bundle)) == 1
    assert f"{name}: sha256 is" in capsys.readouterr().err
    assert not (tmp_path / "theirs").exists()


def test_a_file_longer_than_announced(bundle: Path, tmp_path: Path, capsys) -> None:
    members = files(bundle)
    name = next(iter(Bundle.load(bundle).files))
    members[name] += b"x"
    archive = packed(members, tmp_path / "long.tar")
    assert fetch(archive, tmp_path / "theirs", "--sha256", sha256(bundle)) == 1
    assert re.search(r"has \d+ bytes, but \d+ were announced", capsys.readouterr().err)


def test_only_what_the_manifest_names_is_unpacked(bundle: Path, tmp_path: Path) -> None:
    members = {**files(bundle), "../evil": b"x", "/tmp/vljepa_evil": b"x", "more.txt": b"x"}
    archive = packed(members, tmp_path / "more.tar")
    assert fetch(archive, tmp_path / "theirs", "--sha256", sha256(bundle)) == 0
    assert files(tmp_path / "theirs") == files(bundle)
    assert not (tmp_path / "evil").exists() and not Path("/tmp/vljepa_evil").exists()


@pytest.mark.parametrize(
    "name", ["../evil.npy", "/tmp/evil.npy", "a/../../evil.npy", MANIFEST, CARD]
)
def test_a_manifest_that_leaves_the_folder(bundle: Path, tmp_path: Path, capsys, name) -> None:
    manifest = json.loads((bundle / MANIFEST).read_text())
    manifest["files"][name] = {"sha256": hashlib.sha256(b"x").hexdigest(), "bytes": 1}
    (bundle / MANIFEST).write_text(json.dumps(manifest))
    archive = packed({**files(bundle), name: b"x"} | files(bundle), tmp_path / "evil.tar")
    assert fetch(archive, tmp_path / "theirs", "--sha256", sha256(bundle)) == 1
    assert "do not use" in capsys.readouterr().err
    assert not (tmp_path / "theirs").exists() and not (tmp_path / "evil.npy").exists()


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_an_archive_with_something_other_than_files(tmp_path: Path, capsys, kind) -> None:
    with tarfile.open(tmp_path / "links.tar", "w") as tar:
        member = tarfile.TarInfo(MANIFEST)
        member.type, member.linkname = kind, "/etc/passwd"
        tar.addfile(member)
    assert fetch(tmp_path / "links.tar", tmp_path / "theirs", "--sha256", "ab" * 32) == 1
    assert "no regular file or is there twice" in capsys.readouterr().err


def test_what_is_no_archive(tmp_path: Path, capsys) -> None:
    (tmp_path / "x.tar").write_bytes(b"nothing" * 200)
    assert fetch(tmp_path / "x.tar", tmp_path / "theirs", "--sha256", "ab" * 32) == 1
    assert "is damaged, or no tar file" in capsys.readouterr().err


def test_terms_that_nobody_accepts(signed: Path, tmp_path: Path, capsys) -> None:
    key = ("--key", tmp_path / "my.key.pub")
    assert vljepa("fetch", signed, "--out", tmp_path / "theirs", *key) == 1
    caught = capsys.readouterr()
    assert "Terms:" in caught.out and "add --accept-licences if you do" in caught.err
    assert not (tmp_path / "theirs").exists()


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("", 1), ("no", 1)])
def test_terms_at_a_prompt(signed: Path, tmp_path: Path, monkeypatch, answer, status) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: answer)
    key = ("--key", tmp_path / "my.key.pub")
    assert vljepa("fetch", signed, "--out", tmp_path / "theirs", *key) == status
    assert (tmp_path / "theirs").exists() == (status == 0)


def test_nothing_of_a_user_is_replaced(signed: Path, bundle: Path, tmp_path: Path, capsys) -> None:
    key = ("--key", tmp_path / "my.key.pub")
    assert fetch(signed, tmp_path / "theirs", *key) == 0
    assert fetch(signed, tmp_path / "theirs", *key) == 0  # it is there: nothing to do
    manifest = json.loads((bundle / MANIFEST).read_text())
    (bundle / MANIFEST).write_text(json.dumps({**manifest, "name": "another"}))
    assert vljepa("publish", bundle, "--out", tmp_path / "new.tar") == 0
    before = files(tmp_path / "theirs")
    capsys.readouterr()
    assert fetch(tmp_path / "new.tar", tmp_path / "theirs", "--sha256", sha256(bundle)) == 1
    assert "holds another bundle already: name another folder" in capsys.readouterr().err
    assert files(tmp_path / "theirs") == before
    assert vljepa("publish", bundle, "--out", signed) == 1
    assert vljepa("publish", bundle, "--out", tmp_path / "theirs") == 1


def test_a_signature_that_minisign_made_beside_the_manifest_goes_along(
    bundle: Path, tmp_path: Path
) -> None:
    minisign = pytest.importorskip("minisign", reason="the reference is py-minisign")
    pair = minisign.KeyPair.generate()
    signature = pair.secret_key.sign((bundle / MANIFEST).read_bytes())
    (bundle / SIGNATURE).write_bytes(bytes(signature))
    assert vljepa("publish", bundle, "--out", tmp_path / "x.tar") == 0
    key = pair.public_key.to_base64().decode()
    assert fetch(tmp_path / "x.tar", tmp_path / "theirs", "--key", key) == 0


def test_a_damaged_bundle_is_not_published(bundle: Path, tmp_path: Path, capsys) -> None:
    (bundle / next(iter(Bundle.load(bundle).files))).write_bytes(b"")
    assert vljepa("publish", bundle, "--out", tmp_path / "x.tar") == 1
    assert "but the manifest says" in capsys.readouterr().err
    assert not (tmp_path / "x.tar").exists()


def test_what_is_nothing_to_fetch(tmp_path: Path, capsys) -> None:
    assert vljepa("fetch", "open-vljpea") == 1
    assert "no file, no address and none of open-vljepa, vjepa2-vitl" in capsys.readouterr().err
    for address in ("ftp://example.org/x.tar", "http://", "https:///x.tar"):
        assert fetch(address, tmp_path / "theirs", "--sha256", "ab" * 32) == 1
        assert "is no file, no address" in capsys.readouterr().err
    assert vljepa("fetch") == 1
    assert "--list shows what there is" in capsys.readouterr().err
