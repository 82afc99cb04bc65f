# SPDX-License-Identifier: Apache-2.0
"""``vljepa``: the model's command line (``python -m vljepa_ros``, ``ros2 run vljepa_ros vljepa``).

A subcommand is a module of this room with a docstring, ``add_arguments`` and ``run``. Only the one
that was asked for is imported, so those that need no torch run without it.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from vljepa_ros.runtime.backend import BackendError
from vljepa_ros.runtime.bundle_files import BundleError

SUBCOMMANDS = {
    "teach": ("teach", "make a bundle that knows your robot, from labelled recordings"),
    "import": ("import_", "put a model together from public checkpoints"),
    "inspect": ("inspect_", "show what is in a checkpoint, a model or a bundle"),
    "verify": ("verify", "check that a model or a bundle is complete and computes what it should"),
    "train": ("train", "train a model, stage by stage"),
    "train-decoder": ("train_decoder", "train a decoder of whole sentences for a model"),
    "export": ("export", "make a bundle for the nodes out of a model"),
    "evaluate": ("evaluate", "measure a bundle on annotated clips"),
    "index": ("index", "index recordings, so that they can be searched and reviewed"),
    "search": ("search", "find moments of indexed recordings by their words"),
    "review": ("review", "show an index in the browser, and take corrections"),
    "fetch": ("fetch", "download a public model, or a bundle that somebody published"),
    "publish": ("publish", "make an archive or a folder of a bundle that others can fetch"),
}

MODEL_PACKAGES = {
    "torch": "",
    "transformers": ">=5.20,<6",
    "safetensors": ">=0.5",
    "onnxscript": "",
    "webdataset": ">=0.2.90,<1",
    "tensorboard": "",
    "tqdm": ">=4.60",
}
"""What commands that make models need (requirements/torch.txt, model.txt), and its versions."""

INDEX_PACKAGES = {"lancedb": ">=0.40", "pyarrow": ">=16", "tqdm": ">=4.60"}
"""What an index is kept in and shown with (requirements/index.txt), and its versions."""

FLEET_PACKAGES = {"ray": ">=2.40"}
"""What an index by many machines needs (requirements/fleet.txt), and its versions."""

FETCH_PACKAGES = {"huggingface_hub": ">=1.0", "cryptography": ">=41"}
"""What downloads and signatures need (requirements/fetch.txt), and its versions."""

_USES = (
    (MODEL_PACKAGES, "commands that make or read models"),
    (INDEX_PACKAGES, "commands that index and search recordings"),
    (FLEET_PACKAGES, "indexes by many machines"),
    (FETCH_PACKAGES, "commands that fetch and publish models"),
)


class CommandError(RuntimeError):
    """What was asked cannot be done; the text says why and what to do about it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that the command line names, and return the exit status.

    That is 0 if it did what it should, 1 if it could not, 2 if it was called wrongly or a package
    is missing, 130 after Ctrl-C, and for some subcommands another one.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = next((word for word in words if word in SUBCOMMANDS), "")
    try:
        status = run_subcommand(words, chosen)
        sys.stdout.flush()  # or a pipe that nobody reads would only be found at the exit
        return status
    except ImportError as error:
        if (error.name or "").startswith("vljepa_ros"):
            raise  # a fault of ours
        return _ended(chosen, _missing(error), 2)
    except BrokenPipeError:  # such as that of `vljepa inspect DIR | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (CommandError, BundleError, BackendError, OSError, ValueError) as error:
        return _ended(chosen, _sentence(error), 1)
    except RecursionError:
        return _ended(chosen, "a file is nested too deeply to be read", 1)
    except MemoryError:
        return _ended(chosen, "this machine has too little memory for that", 1)
    except KeyboardInterrupt:
        return _ended(chosen, "stopped", 130)


def run_subcommand(words: Sequence[str], chosen: str) -> int:
    """Run the subcommand ``chosen`` and return its status; its errors come through."""
    parser = argparse.ArgumentParser(prog="vljepa", description=__doc__.splitlines()[0])
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module_name, summary) in SUBCOMMANDS.items():
        subparser = choices.add_parser(name, help=summary, description=summary)
        if name == chosen:
            module = importlib.import_module(f".{module_name}", __package__)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    if not words:
        parser.print_help(sys.stderr)
        return 2
    args = parser.parse_args(words)
    return int(args.run(args) or 0)


def _ended(command: str, sentence: str, status: int) -> int:
    print(f"vljepa {command}: {sentence}", file=sys.stderr)
    return status


def _missing(error: ImportError) -> str:
    """Return what to install if a module is missing or does not load."""
    package = (error.name or "").partition(".")[0]
    for packages, commands in _USES:
        if package in packages or (package, packages) == ("onnx", MODEL_PACKAGES):
            wanted = " ".join(f"'{name}{versions}'" for name, versions in packages.items())
            return (
                f"the Python package {package} is missing. A robot does not need it, but "
                f"{commands} do. Install them in a venv: pip install {wanted}"
            )
    return f"{error}; install that package again (requirements/ lists what is needed)"


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error) or type(error).__name__
