# SPDX-License-Identifier: Apache-2.0
"""From an entry of the catalogue to a bundle: download, import, verify, export, verify.

Every step is a subcommand that a user could call, and is shown as one.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from datetime import date
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from tokenizers import Tokenizer

from vljepa_ros.commands.main import CommandError, run_subcommand
from vljepa_ros.files import new_file
from vljepa_ros.hub.catalogue import PublicModel, PublicPart
from vljepa_ros.hub.catalogue_table import about, figures
from vljepa_ros.hub.consent import accept
from vljepa_ros.hub.disk_space import check_space, gigabytes
from vljepa_ros.runtime.bundle import Bundle
from vljepa_ros.runtime.phrases import PhraseBank
from vljepa_ros.runtime.queries_file import read_queries_file
from vljepa_ros.runtime.reference import Reference
from vljepa_ros.shipped import shipped

AUTO = "auto"
_DOWNLOADS, _MODEL, _BUNDLE = "downloads", "model", "bundle"


def make_bundle(model: PublicModel, args: argparse.Namespace) -> None:
    """Download an entry; if it is a whole model, make a bundle of it and say how to launch it.

    Raises:
        FetchError: a file does not come, or nobody accepts the terms.
        CommandError: a step fails.
    """
    _check_installed(model)
    out = args.out or Path(model.name)
    print("\n".join([*about(model), figures(model)]))
    _warn_of_memory(model)
    accepted = f"{date.today().isoformat()}, {accept(model.licences, args.accept_licences)}"
    queries = None if model.queries is None else _queries_file(shipped(model.queries), out)
    sources = _download(model, out) | {"accepted": accepted}
    if queries is None:
        _say_import(model, out)
        return
    _import(out, sources)
    _export(out, queries, args)
    say_launch(out / _BUNDLE)


def _check_installed(model: PublicModel) -> None:
    """Import what will be needed, so that a missing package is told before the download."""
    import_module("vljepa_ros.hub.public_files")
    if model.queries is not None:
        import_module("vljepa_ros.commands.import_")
        import_module("vljepa_ros.commands.export")


def _warn_of_memory(model: PublicModel) -> None:
    if model.memory_gb is None:
        return
    has = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    if has < model.memory_gb:
        print(
            f"  this machine has {has:.1f} GB of memory, and import and export take about "
            f"{model.memory_gb:g} GB: make the bundle on another one, and `vljepa publish` it"
        )


def _download(model: PublicModel, out: Path) -> dict[str, str]:
    """Return where each file came from, for people, when all are there."""
    from vljepa_ros.hub.public_files import PublicFiles

    downloads = out / _DOWNLOADS
    files = PublicFiles(model, downloads)
    made = int((model.disk_gb or 0) * 1e9) if not (out / _BUNDLE).exists() else 0
    check_space([(downloads, files.bytes_to_come), (out, made)])
    print(f"{gigabytes(files.bytes_to_come)} to download, into {downloads}", flush=True)
    sources = {}
    for name, record in files.fetch().items():
        compared = " and ".join(record.compared_with) or "nothing, because no hash of it is known"
        print(f"ok: {name}, sha256 {record.sha256[:16]}..., compared with {compared}")
        revision = f" at {record.revision}" if record.revision else ""
        sources[f"source: {name}"] = f"{record.source}{revision}, sha256 {record.sha256}"
    for part in model.parts:
        _check_tokens(part, downloads / part.name)
    return sources


def _check_tokens(part: PublicPart, folder: Path) -> None:
    """Check that a tokenizer is the one that the weights were trained with."""
    if not part.tokens:
        return
    file = folder / part.files[0].name
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises plain Exception
        raise CommandError(f"{file} is no tokenizer ({error}): remove it, fetch again") from error
    for token, number in part.tokens.items():
        if tokenizer.token_to_id(token) != number:
            raise CommandError(
                f"{file} is another tokenizer: {token} is {tokenizer.token_to_id(token)} in it, "
                f"not {number}; remove it and look at the catalogue"
            )


def _say_import(model: PublicModel, out: Path) -> None:
    (part,) = model.parts
    place = out / _DOWNLOADS / part.name
    if part.url is not None:
        place /= part.files[0].name
    print("An encoder alone says nothing. It becomes part of a model with (docs/checkpoints.md):")
    print(f"  vljepa import --x-encoder {place} --predictor LLAMA --y-encoder GEMMA --out MODEL")


def _import(out: Path, sources: Mapping[str, str]) -> None:
    """Put the model together, unless it was made of the same files before."""
    from vljepa_ros.model.directory import LICENCES, open_directory

    folder, downloads = out / _MODEL, out / _DOWNLOADS
    if folder.is_dir():
        before = open_directory(folder).licences
        if all(before.get(key) == value for key, value in sources.items() if key != "accepted"):
            print(f"{folder} was made of these files before")
            return
    tokenizers = [downloads / f"{kind}_tokenizer" / "tokenizer.json" for kind in ("query", "text")]
    given = ["--x-encoder", downloads / "x_encoder", "--tokenizer", *tokenizers]
    run_shown("import", *given, "--open-vljepa", downloads / "checkpoint/best.pt", "--out", folder)
    run_shown("verify", folder)
    licences = {**open_directory(folder).licences, **sources}
    with new_file(folder / LICENCES) as stream:
        stream.write((json.dumps(licences, indent=2, ensure_ascii=False) + "\n").encode())


def _queries_file(common: Path, out: Path) -> Path:
    """Return the file of questions and phrases that the user may edit; copy ``common`` at first.

    Raises:
        QueriesFileError: it cannot be used.
    """
    file = out / common.name
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with new_file(file) as stream:
            stream.write(common.read_bytes())
    print(f"Questions and phrases: {file}. Edit it and run the same command again to change them.")
    read_queries_file(file, known={})  # a fault in it is told before the download
    return file


def _export(out: Path, queries: Path, args: argparse.Namespace) -> None:
    given = ["--model", out / _MODEL, "--out", out / _BUNDLE, "--queries-file", queries]
    run_shown("export", *given, *_precision(args))
    run_shown("verify", out / _BUNDLE)
    print("Of the shipped recording, a simulated robot, it says:")
    print("\n".join(_sights(Bundle.load(out / _BUNDLE))))


def _sights(bundle: Bundle) -> Iterator[str]:
    """Yield what the bundle says of its own clip, a part of the shipped recording."""
    bank = PhraseBank.from_bundle(bundle)
    embeddings = Reference.from_bundle(bundle).embeddings
    for query, embedding in zip(bundle.queries, embeddings, strict=True):
        best = bank.best(query, embedding)
        yield f"  {query}: {best.text} (cosine {best.cosine:.2f})"


def _precision(args: argparse.Namespace) -> list[str]:
    """Return the options of the export for the precision that was chosen."""
    python = ["--modelopt-python", str(args.modelopt_python)] if args.modelopt_python else []
    if args.precision != AUTO:
        return ["--precision", args.precision, *python]
    if find_spec("tensorrt") is None:
        print("precision fp32: this machine has no TensorRT, and without it fp16 is not faster")
        return []
    if not python and find_spec("modelopt") is None:
        print("precision fp32: TensorRT is here, but nvidia-modelopt is not (docs/export.md)")
        return []
    print("precision fp16: TensorRT is here")
    return ["--precision", "fp16", *python]


def run_shown(*words: object) -> None:
    """Run another subcommand, and show how somebody would call it."""
    texts = [str(word) for word in words]
    print(f"$ vljepa {shlex.join(texts)}", flush=True)
    run_subcommand(texts, texts[0])


def say_launch(bundle: Path) -> None:
    """Print how to run a bundle."""
    print("Run it on a camera:")
    print(
        f"  ros2 launch vljepa_ros vljepa.launch.py bundle:={shlex.quote(str(bundle.resolve()))} "
        "image_topic:=/camera/image_raw"
    )
