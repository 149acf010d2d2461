"""`python -m bench NAME [OPTION]...`, in the project's folder: one measurement; without a name, which there are."""

from __future__ import annotations

import signal
import sys
from importlib import import_module

from dmp.errors import UserError

BENCHES = ("throughput", "growth", "index", "latency", "identity", "cleaning", "footprint", "collector", "alerts")


def main() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in BENCHES:
        lines = [f"  {bench:<11} {summary(bench)}" for bench in BENCHES]
        sys.exit("\n".join(["python -m bench NAME [OPTION]..., NAME being one of", *lines]))
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: what it made on the stack goes first
    sys.argv = [f"python -m bench {name}", *sys.argv[2:]]
    try:
        import_module(f"bench.{name}").main()
    except UserError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def summary(bench: str) -> str:
    """The first line of what a bench says of itself."""
    return str(import_module(f"bench.{bench}").__doc__).splitlines()[0].split(": `")[0].rstrip(".")


if __name__ == "__main__":
    main()
