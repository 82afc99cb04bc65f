# SPDX-License-Identifier: Apache-2.0
"""Put hostile inputs to every door and print what came of them: ``make fuzz``.

Each door has a process of its own, so that one that is brought down is seen as that. An input
follows from its door, its number and the seed; ``--door NAME --first NUMBER --inputs 1`` puts one
of them again. Ends with status 1 if anything but the documented refusals came.
"""

from __future__ import annotations

import argparse
import sys
import time

from fuzz.all_doors import door, doors, try_apart
from fuzz.door import Outcome


def main(arguments: list[str] | None = None) -> int:
    """Try all doors, or one, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=300_000, help="for all doors together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--door", help="only this one, which gets all inputs")
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    given = parser.parse_args(arguments)
    failed, total = False, 0
    for name, module in doors().items():
        if given.door not in (None, name):
            continue
        share = 1.0 if given.door else door(module, name).share
        numbers = range(given.first, given.first + max(1, round(share * given.inputs)))
        began_s = time.monotonic()
        outcome = try_apart(module, name, numbers, given.seed)
        total += outcome.inputs
        failed |= bool(outcome.faults)
        _print(name, outcome, time.monotonic() - began_s)
    print(f"{total} inputs: {'FAULTS, see above' if failed else 'no fault'}")
    return int(failed)


def _print(name: str, outcome: Outcome, seconds: float) -> None:
    results = ", ".join(f"{word} {count}" for word, count in outcome.results.most_common(12))
    print(
        f"{name:20} {outcome.inputs:7} inputs in {seconds:5.0f} s, slowest "
        f"{outcome.slowest_s:5.2f} s, memory +{outcome.grown_bytes >> 20} MiB: {results}",
        flush=True,
    )
    for fault in outcome.faults:
        print(f"    {fault}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
