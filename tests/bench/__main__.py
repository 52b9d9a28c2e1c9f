"""``python -m tests.bench [--only NAME] [--quick] [--json]``.

Measures Covey and, in the same run, the npm implementation where Node and its packages
are installed. NAME is a group or a part of a figure's name.
"""

from __future__ import annotations

import argparse
import json
import sys

from tests.bench.contenders import npm
from tests.bench.registry import MODULES, Row, Settings, load_group


def main(arguments: list[str] | None = None) -> int:
    """Run the groups asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--only", metavar="NAME", help="one group, or one figure")
    parser.add_argument("--quick", action="store_true", help="small and once")
    parser.add_argument("--json", action="store_true", help="one object a line")
    options = parser.parse_args(arguments)
    groups = [
        name
        for name in MODULES
        if options.only is None or options.only.split(".")[0] == name
    ]
    if not groups:
        print(f"no such group; there are {', '.join(MODULES)}", file=sys.stderr)
        return 2
    if npm() is None:
        print("npm peers are not installed: Covey alone is measured", file=sys.stderr)
    settings = Settings(quick=options.quick)
    for group in groups:
        for row in load_group(group).measure(settings):
            if options.only in (None, group, row.bench):
                _print_row(row, as_json=options.json)
    return 0


def _print_row(row: Row, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(row.as_json()), flush=True)
        return
    line = f"{row.bench:24} {row.covey:12,.2f} {row.unit:5} ({row.better} is better)"
    if row.peerValue is not None and row.ratio is not None:
        line += f"   {row.peer} {row.peerValue:12,.2f}   ratio {row.ratio:.2f}"
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
