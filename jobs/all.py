"""Several jobs by one program, NAME or NAME=STATE to start from: the JVM of `flink run` starts once, and plans all but
the first one warm."""

from __future__ import annotations

from argparse import ArgumentParser
from importlib import import_module


def main() -> None:
    parser = ArgumentParser(prog="jobs/all.py", description=__doc__)
    parser.add_argument("--config", help="as for each of the jobs")
    parser.add_argument("jobs", metavar="NAME[=STATE]", nargs="+")
    arguments = parser.parse_args()
    config = ["--config", arguments.config] if arguments.config else []
    for word in arguments.jobs:
        name, _, state = word.partition("=")
        import_module(f"jobs.{name}").main([*config, *(["--restore", state] if state else [])])


if __name__ == "__main__":
    main()
