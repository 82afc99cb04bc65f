# SPDX-License-Identifier: Apache-2.0
"""Terms are shown before anything is downloaded, and somebody has to accept them."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from vljepa_ros.hub.fetch_error import FetchError

FLAG = "--accept-licences"


def accept(licences: Mapping[str, str], given: bool) -> str:
    """Show the terms, and return how they were accepted.

    Args:
        licences: terms, by what they are about.
        given: whether the command line accepts them.

    Raises:
        FetchError: nobody accepted them.
    """
    print("Terms:")
    for name, terms in licences.items():
        print(f"  {name}: {terms}")
    if given:
        return f"with {FLAG}"
    if not sys.stdin.isatty():
        raise FetchError(f"nobody is there to accept these terms: add {FLAG} if you do")
    if input("Do you accept them? [y/N] ").strip().lower() not in ("y", "yes"):
        raise FetchError("the terms were not accepted, so nothing was downloaded")
    return "at the prompt"
