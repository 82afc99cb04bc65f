# SPDX-License-Identifier: Apache-2.0
"""``vljepa``: the model's command line (``python -m vljepa_ros``, ``ros2 run vljepa_ros vljepa``).

A subcommand is a module of this room with a docstring, ``add_arguments`` and ``run``. Only the one
that was asked for is imported, so those that need no torch run without it.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

SUBCOMMANDS = {
    "import": ("import_", "put a model together from public checkpoints"),
    "inspect": ("inspect_", "show what is in a checkpoint, a model or a bundle"),
    "verify": ("verify", "check that a model or a bundle is complete and computes what it should"),
    "train": ("train", "train a model, stage by stage"),
    "train-decoder": ("train_decoder", "train a decoder of whole sentences for a model"),
    "export": ("export", "make a bundle for the nodes out of a model"),
    "evaluate": ("evaluate", "measure a bundle on annotated clips"),
}


class CommandError(RuntimeError):
    """What was asked cannot be done; the text says why and what to do about it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the subcommand that the command line names, and return the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="vljepa", description=__doc__.splitlines()[0])
    choices = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((word for word in words if word in SUBCOMMANDS), None)
    for name, (module_name, summary) in SUBCOMMANDS.items():
        subparser = choices.add_parser(name, help=summary, description=summary)
        if name == chosen:
            module = importlib.import_module(f".{module_name}", __package__)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    args = parser.parse_args(words)
    try:
        return int(args.run(args) or 0)
    except (CommandError, OSError, ValueError) as error:
        print(f"vljepa {args.command}: {error}", file=sys.stderr)
        return 1
