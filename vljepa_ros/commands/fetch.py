# SPDX-License-Identifier: Apache-2.0
"""``vljepa fetch``: download a public model and make a bundle of it, or fetch a bundle.

Terms are shown first, and somebody has to accept them. What was downloaded is compared with every
hash that is known, and a download that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from datetime import date
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from tokenizers import Tokenizer

from vljepa_ros.commands.main import CommandError, run_subcommand
from vljepa_ros.files import new_file
from vljepa_ros.hub.bundle_place import bundle_place, usual_name
from vljepa_ros.hub.catalogue import CATALOGUE, PublicModel, PublicPart, read_catalogue
from vljepa_ros.hub.catalogue_table import about, figures, table
from vljepa_ros.hub.consent import FLAG, accept
from vljepa_ros.hub.disk_space import check_space, gigabytes
from vljepa_ros.hub.fetch_error import FetchError
from vljepa_ros.runtime.bundle_files import BundleError
from vljepa_ros.runtime.queries_file import read_queries_file
from vljepa_ros.shipped import shipped

AUTO = "auto"
_DOWNLOADS, _MODEL, _BUNDLE = "downloads", "model", "bundle"
_SHA256 = re.compile(r"[0-9a-f]{64}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command line may hold."""
    parser.add_argument(
        "what",
        nargs="?",
        metavar="WHAT",
        help="a name of --list; or a bundle: URL of a .tar or of a folder, OWNER/NAME[@REVISION] "
        "on the hub, or a .tar on this disk",
    )
    parser.add_argument("--list", action="store_true", help="show what public models there are")
    parser.add_argument("--out", type=Path, help="folder to write; default: named after WHAT")
    parser.add_argument(FLAG, action="store_true", help="accept the terms that are shown")
    parser.add_argument(
        "--key", help="bundle: public key (minisign) of whom published it, or file"
    )
    parser.add_argument("--sha256", help="bundle: SHA-256 of its manifest, as `publish` prints it")
    parser.add_argument(
        "--catalogue", type=Path, default=CATALOGUE, help="a copy of config/public_models.yaml"
    )
    parser.add_argument(
        "--precision",
        choices=(AUTO, "fp32", "fp16", "int8", "fp8"),
        default=AUTO,
        help="of the bundle (docs/export.md); default: what suits this machine",
    )
    parser.add_argument(
        "--modelopt-python", type=Path, help="the Python that has nvidia-modelopt, if another one"
    )


def run(args: argparse.Namespace) -> int:
    """List, or fetch and say how to launch it.

    Raises:
        CommandError: it cannot be fetched; the text says why.
        BundleError: a published bundle is damaged.
        OSError: a file cannot be written.
    """
    try:
        return _list(args) if args.list else _fetch(args)
    except FetchError as error:
        raise CommandError(str(error)) from error
    except KeyboardInterrupt:
        print("\nWhat was downloaded stays: the same command goes on from there.", file=sys.stderr)
        raise


def _list(args: argparse.Namespace) -> int:
    print("\n".join(table(read_catalogue(args.catalogue).values())))
    return 0


def _fetch(args: argparse.Namespace) -> int:
    if args.what is None:
        raise CommandError("say what to fetch; --list shows what there is")
    catalogue = read_catalogue(args.catalogue)
    if args.what in catalogue:
        _public_model(catalogue[args.what], args)
    else:
        _published_bundle(args, catalogue)
    return 0


def _public_model(model: PublicModel, args: argparse.Namespace) -> None:
    if model.queries is not None:
        _check_installed()
    out = args.out or Path(model.name)
    print("\n".join([*about(model), figures(model)]))
    _warn_of_memory(model)
    accepted = f"{date.today().isoformat()}, {accept(model.licences, args.accept_licences)}"
    sources = _download(model, out) | {"accepted": accepted}
    if model.queries is None:
        _say_import(model, out)
        return
    _import(out, sources)
    _export(model, out, args)
    _say_launch(out / _BUNDLE)


def _check_installed() -> None:
    """Import what makes a bundle, so that a missing package is told before the download."""
    import vljepa_ros.commands.export
    import vljepa_ros.commands.import_  # noqa: F401


def _warn_of_memory(model: PublicModel) -> None:
    if model.memory_gb is None:
        return
    has = _memory_gb()
    if has is not None and has < model.memory_gb:
        print(
            f"  this machine has {has:.1f} GB of memory, and import and export take about "
            f"{model.memory_gb:g} GB: make the bundle on another one, and `vljepa publish` it"
        )


def _memory_gb() -> float | None:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) / 1e6 for line in lines if line.startswith("MemTotal"))
    except (OSError, StopIteration, ValueError):
        return None


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
    _vljepa("import", *given, "--open-vljepa", downloads / "checkpoint/best.pt", "--out", folder)
    licences = {**open_directory(folder).licences, **sources}
    with new_file(folder / LICENCES) as stream:
        stream.write((json.dumps(licences, indent=2, ensure_ascii=False) + "\n").encode())
    _vljepa("verify", folder)


def _export(model: PublicModel, out: Path, args: argparse.Namespace) -> None:
    """Make the bundle, with the queries and phrases of the file that the user may edit."""
    assert model.queries is not None, "encoders are not exported"
    queries_file = out / Path(model.queries).name
    if not queries_file.exists():
        with new_file(queries_file) as stream:
            stream.write(shipped(model.queries).read_bytes())
    queries = read_queries_file(queries_file, known={})
    with TemporaryDirectory() as folder:
        given = []
        texts = {name: query.text for name, query in queries.items()}
        phrases = {name: list(query.phrases) for name, query in queries.items()}
        for option, values in (("--queries-file", texts), ("--phrases-file", phrases)):
            file = Path(folder) / f"{option[2:]}.json"
            file.write_text(json.dumps(values), encoding="utf-8")
            given += [option, file]
        _vljepa(
            "export", "--model", out / _MODEL, "--out", out / _BUNDLE, *given, *_precision(args)
        )
    _vljepa("verify", out / _BUNDLE)
    print(f"Questions and phrases: edit {queries_file}, then run the same command again.")


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


def _published_bundle(args: argparse.Namespace, catalogue: Mapping[str, PublicModel]) -> None:
    from vljepa_ros.hub.published_bundle import Trust, install_bundle
    from vljepa_ros.hub.signature import public_key

    if args.sha256 is not None and not _SHA256.fullmatch(args.sha256):
        raise CommandError("--sha256 takes 64 characters 0-9 and a-f, as `vljepa publish` prints")
    trust = Trust(public_key(args.key) if args.key else None, args.sha256)
    out = args.out or Path(usual_name(args.what))
    downloads = out.with_name(f".{out.name}.downloads")
    place = bundle_place(args.what, downloads, catalogue)
    consent = partial(accept, given=args.accept_licences)
    try:
        install_bundle(place, out, trust, consent)
    except BundleError:
        shutil.rmtree(downloads, ignore_errors=True)  # or the wrong file would stay
        raise
    shutil.rmtree(downloads, ignore_errors=True)
    _vljepa("verify", out)
    _say_launch(out)


def _vljepa(*words: object) -> None:
    """Run another subcommand, and show how somebody would call it."""
    texts = [str(word) for word in words]
    print(f"$ vljepa {shlex.join(texts)}", flush=True)
    run_subcommand(texts, texts[0])


def _say_launch(bundle: Path) -> None:
    print("Run it on a camera:")
    print(
        f"  ros2 launch vljepa_ros vljepa.launch.py bundle:={shlex.quote(str(bundle.resolve()))} "
        "image_topic:=/camera/image_raw"
    )
