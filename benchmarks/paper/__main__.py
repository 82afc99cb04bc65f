# SPDX-License-Identifier: Apache-2.0
"""``python -m benchmarks.paper``; see :mod:`.command`."""

if __name__ == "__main__":  # and not in the processes of contestants, which do not need all that
    from benchmarks.paper.command import main

    main()
