# SPDX-License-Identifier: Apache-2.0
"""Signatures of minisign: Ed25519, in small text files that its own tool makes and checks as well.

A key file is a comment and one line of base64, a signature is that and the same for a trusted
comment. The cryptography is that of the package ``cryptography``, which robots have for SROS 2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from vljepa_ros.hub.fetch_error import FetchError

SIGNATURE_BYTES = 4096
"""No signature file is larger."""

_ED25519, _PREHASHED, _PLAIN, _BLAKE2B = b"Ed", b"ED", b"\0\0", b"B2"
_ID, _KEY, _SIGNED = 8, 32, 64  # bytes
_PUBLIC = 2 + _ID + _KEY
_SECRET = 6 + 32 + 16 + _ID + 2 * _KEY + 32  # algorithms, salt, limits, the key itself, checksum
_UNTRUSTED, _TRUSTED = "untrusted comment: ", "trusted comment: "


@dataclass(frozen=True)
class PublicKey:
    """Who has it knows what its owner signed.

    Attributes:
        number: tells keys apart; nothing else is known by it.
        key: what signatures are checked with.
    """

    number: bytes
    key: bytes

    def __str__(self) -> str:
        return base64.b64encode(_ED25519 + self.number + self.key).decode()

    def verify(self, content: bytes, signature: bytes, name: str) -> str:
        """Return the trusted comment of a signature of ``content``.

        Args:
            content: what was signed.
            signature: content of the signature file.
            name: what was signed, for people.

        Raises:
            FetchError: it is no signature of this key of this content.
        """
        lines = _lines(signature, 4, f"the signature of {name}")
        signed = _decoded(lines[1], 2 + _ID + _SIGNED, f"the signature of {name}")
        whole = _decoded(lines[3], _SIGNED, f"the signature of {name}")
        algorithm, number, own = signed[:2], signed[2 : 2 + _ID], signed[2 + _ID :]
        if number != self.number:
            raise FetchError(
                f"{name} is signed with key {number[::-1].hex().upper()}, not with "
                f"{self.number[::-1].hex().upper()}: do not use it unless you know why"
            )
        comment = lines[2].removeprefix(_TRUSTED)
        message = hashlib.blake2b(content).digest() if algorithm == _PREHASHED else content
        try:
            public = Ed25519PublicKey.from_public_bytes(self.key)
            public.verify(own, message)
            public.verify(whole, own + comment.encode())
        except InvalidSignature as error:
            raise FetchError(
                f"{name} is not what the owner of this key signed: do not use it"
            ) from error
        return comment


@dataclass(frozen=True)
class SigningKey:
    """A secret key, and its public half."""

    public: PublicKey
    secret: Ed25519PrivateKey

    def sign(self, content: bytes, comment: str) -> bytes:
        """Return the signature file of ``content`` with a trusted comment of one line."""
        own = self.secret.sign(hashlib.blake2b(content).digest())
        whole = self.secret.sign(own + comment.encode())
        return _text(
            f"{_UNTRUSTED}signature of a vljepa_ros bundle",
            base64.b64encode(_PREHASHED + self.public.number + own).decode(),
            f"{_TRUSTED}{comment}",
            base64.b64encode(whole).decode(),
        )


def public_key(given: str) -> PublicKey:
    """Read a public key, as minisign prints it or in a file.

    Raises:
        FetchError: it is none.
    """
    text = given
    if Path(given).is_file():
        text = _lines(Path(given).read_bytes()[:SIGNATURE_BYTES], 2, given)[1]
    data = _decoded(text, _PUBLIC, f"the key {given!r}")
    if data[:2] != _ED25519:
        raise FetchError(f"{given!r} is no public key of minisign")
    return PublicKey(data[2 : 2 + _ID], data[2 + _ID :])


def signing_key(file: Path) -> SigningKey:
    """Read a secret key that has no password.

    Raises:
        FetchError: it is none, or has a password.
        OSError: the file cannot be read.
    """
    data = _decoded(
        _lines(file.read_bytes()[:SIGNATURE_BYTES], 2, str(file))[1], _SECRET, str(file)
    )
    if data[:2] != _ED25519 or data[4:6] != _BLAKE2B:
        raise FetchError(f"{file} is no secret key of minisign")
    if data[2:4] != _PLAIN:
        raise FetchError(
            f"{file} has a password, which only minisign itself asks for: sign with "
            "`minisign -Sm BUNDLE/manifest.json`, then publish without --key"
        )
    number, secret = data[54 : 54 + _ID], data[54 + _ID : 54 + _ID + _KEY]
    return _signing_key(number, Ed25519PrivateKey.from_private_bytes(secret))


def new_signing_key(file: Path) -> SigningKey:
    """Make a key pair: ``file``, which only its owner may read, and ``file`` with ``.pub``.

    Raises:
        FetchError: there is a file of that name.
        OSError: a file cannot be written.
    """
    made = _signing_key(secrets.token_bytes(_ID), Ed25519PrivateKey.generate())
    raw = made.secret.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    pair = made.public.number + raw + made.public.key
    checksum = hashlib.blake2b(_ED25519 + pair, digest_size=32).digest()
    head = _ED25519 + _PLAIN + _BLAKE2B + bytes(32 + 16)
    secret = base64.b64encode(head + pair + checksum).decode()
    number = made.public.number[::-1].hex().upper()
    _write_new(file, _text(f"{_UNTRUSTED}minisign secret key {number}", secret), 0o600)
    public = file.with_name(file.name + ".pub")
    _write_new(public, _text(f"{_UNTRUSTED}minisign public key {number}", str(made.public)), 0o644)
    return made


def _signing_key(number: bytes, secret: Ed25519PrivateKey) -> SigningKey:
    key = secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return SigningKey(PublicKey(number, key), secret)


def _write_new(file: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise FetchError(f"{file} is there already, and no key is overwritten") from error
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)


def _text(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _lines(content: bytes, least: int, name: str) -> list[str]:
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise FetchError(f"{name} is no file of minisign") from error
    if len(lines) < least:
        raise FetchError(f"{name} is no file of minisign")
    return lines


def _decoded(text: str, length: int, name: str) -> bytes:
    try:
        data = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != length:
        raise FetchError(f"{name} is not in the form of minisign")
    return data
