# SPDX-License-Identifier: Apache-2.0
"""Signatures are those of minisign: another implementation makes and reads the same files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="signatures need cryptography")

from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.hub.signature import new_signing_key, public_key, signing_key

CONTENT = b'{"a": 1}'


@pytest.fixture
def key(tmp_path: Path):
    return new_signing_key(tmp_path / "my.key")


def test_a_key_is_read_as_it_was_made(key, tmp_path: Path) -> None:
    assert signing_key(tmp_path / "my.key").public == key.public
    assert public_key(str(tmp_path / "my.key.pub")) == key.public
    assert public_key(str(key.public)) == key.public
    assert stat.S_IMODE((tmp_path / "my.key").stat().st_mode) == 0o600


def test_a_signature_holds_for_its_content_and_comment(key) -> None:
    signature = key.sign(CONTENT, "bundle 1.0")
    assert key.public.verify(CONTENT, signature, "m.json") == "bundle 1.0"
    for wrong in (CONTENT + b" ", b""):
        with pytest.raises(FetchError, match="m.json is not what the owner of this key signed"):
            key.public.verify(wrong, signature, "m.json")
    with pytest.raises(FetchError, match="not what the owner of this key signed"):
        key.public.verify(CONTENT, signature.replace(b"1.0", b"2.0"), "m.json")


def test_another_key_is_named(key, tmp_path: Path) -> None:
    other = new_signing_key(tmp_path / "other.key")
    with pytest.raises(FetchError, match="is signed with key [0-9A-F]{16}, not with [0-9A-F]{16}"):
        other.public.verify(CONTENT, key.sign(CONTENT, "x"), "m.json")


@pytest.mark.parametrize("text", [b"", b"\xff", b"a\nb\nc\nd\n", b"one line"])
def test_what_is_no_signature(key, text) -> None:
    with pytest.raises(FetchError, match="the signature of m.json"):
        key.public.verify(CONTENT, text, "m.json")


@pytest.mark.parametrize("text", ["", "AAAA", "no key", "x" * 56])
def test_what_is_no_public_key(text) -> None:
    with pytest.raises(FetchError, match="minisign"):
        public_key(text)


def test_no_key_is_overwritten(key, tmp_path: Path) -> None:
    before = (tmp_path / "my.key").read_bytes()
    with pytest.raises(FetchError, match=r"my.key is there already"):
        new_signing_key(tmp_path / "my.key")
    assert (tmp_path / "my.key").read_bytes() == before


def test_minisign_reads_our_keys_and_signatures(key, tmp_path: Path) -> None:
    minisign = pytest.importorskip("minisign", reason="the reference is py-minisign")
    signature = minisign.Signature.from_bytes(key.sign(CONTENT, "bundle 1.0"))
    theirs = minisign.PublicKey.from_file(tmp_path / "my.key.pub")
    theirs.verify(CONTENT, signature)
    assert signature.trusted_comment == "bundle 1.0"
    secret = minisign.SecretKey.from_file(tmp_path / "my.key")
    assert secret.get_public_key().to_base64().decode() == str(key.public)


@pytest.mark.parametrize("prehash", [True, False])
def test_we_read_what_minisign_signed(tmp_path: Path, prehash) -> None:
    minisign = pytest.importorskip("minisign", reason="the reference is py-minisign")
    pair = minisign.KeyPair.generate()
    ours = public_key(pair.public_key.to_base64().decode())
    signature = pair.secret_key.sign(CONTENT, prehash=prehash, trusted_comment="t")
    assert ours.verify(CONTENT, bytes(signature), "m.json") == "t"
    (tmp_path / "theirs.key").write_bytes(bytes(pair.secret_key) + b"\n")
    assert signing_key(tmp_path / "theirs.key").public == ours


def test_a_key_with_a_password_is_left_to_minisign(tmp_path: Path) -> None:
    minisign = pytest.importorskip("minisign", reason="the reference is py-minisign")
    pair = minisign.KeyPair.generate()
    pair.secret_key.encrypt("word", opslimit=32768, memlimit=1 << 20)
    (tmp_path / "theirs.key").write_bytes(bytes(pair.secret_key))
    with pytest.raises(FetchError, match="has a password, .*minisign -Sm"):
        signing_key(tmp_path / "theirs.key")
