"""`python -m tests.chaos [--seed N] [--faults N]`: faults in a stack of its own, and whether results are exact after
each.

Prints each fault, then a table; `--out` takes a JSON file. Ends with status 1 at the first difference. Root can have
all kinds of faults; others are told which ones are left out.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from contextlib import ExitStack
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from tests.chaos.faults import FAULTS, Site
from tests.chaos.faults.disk import small_disk
from tests.chaos.inflow import Inflow
from tests.chaos.report import summary, table
from tests.chaos.run import Outcome, disturbed, new_traffic, undisturbed
from tests.chaos.schedule import schedule
from tests.pipeline.platform import Platform
from tests.stacks import made_stacks


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # its servers and its disk go first
    with ExitStack() as open_:
        stack = open_.enter_context(made_stacks())()
        open_.enter_context(small_disk(stack.config))
        open_.callback(stack.dmp, "down")  # before the disk goes
        platform = Platform(stack)
        platform.dmp("up")
        platform.dmp("submit", "all")
        folder = Path(open_.enter_context(tempfile.TemporaryDirectory()))
        site = Site(platform, open_.enter_context(Inflow(stack, folder)), new_traffic(arguments.seed))
        found = _run(site, arguments)
    if arguments.out:
        arguments.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return 1 if found["differences"] else 0


def _arguments() -> Namespace:
    parser = ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", type=int, default=104, help="how many")
    parser.add_argument("--seconds-between", type=float, default=0, help="rest after each")
    parser.add_argument("--out", type=Path, help="JSON file for the results")
    return parser.parse_args()


def _run(site: Site, arguments: Namespace) -> dict[str, Any]:
    missing = {name: why for name, kind in FAULTS.items() if (why := kind(site, 0).missing())}
    for name, why in missing.items():
        print(f"left out: {name}, because {why}")
    calm = undisturbed(site)
    _tell(0, calm)
    outcomes: list[Outcome] = []
    steps = schedule(arguments.seed, arguments.faults, [name for name in FAULTS if name not in missing])
    for outcome in disturbed(site, steps, arguments.seconds_between):
        outcomes.append(outcome)
        _tell(len(outcomes), outcome)
    found = summary(outcomes)
    print(f"\n{found['faults']} faults, {found['events']} events, {found['differences']} differences")
    print(f"undisturbed: {calm.seconds:.1f} s\n\n{table(found)}", flush=True)
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"), "seed": arguments.seed, **found,
        "undisturbed_seconds": round(calm.seconds, 1), "left_out": missing, "outcomes": list(map(asdict, outcomes)),
    }  # fmt: skip


def _tell(number: int, outcome: Outcome) -> None:
    what = f"DIFFERS: {outcome.difference}" if outcome.difference else "results exact"
    print(f"{number:4} {outcome.kind}: {what} after {outcome.seconds:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
