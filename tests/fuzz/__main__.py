"""`python -m tests.fuzz [--seconds N] [TARGET ...]`: searches each target, with coverage, for bytes that break it.

Prints inputs tried and edges reached. What breaks a target is printed, kept as a file, and ends the run with status 1.
Needs the extra `fuzz`.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from argparse import ArgumentParser
from pathlib import Path

TIMEOUT_SECONDS = 30  # for one input: what takes so long, even on a busy machine, hangs
LONGEST = 40_000  # bytes of an input
CHILD = "--target"


def _child(name: str, arguments: list[str]) -> None:
    """libFuzzer on one target, in this process, which it ends."""
    import atheris

    with atheris.instrument_imports(include=["dmp", "connectors"]):
        from tests.fuzz.targets import TARGETS
    TARGETS[name].run(TARGETS[name].seeds[0])  # loads what is loaded once, which takes long
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name].run)
    atheris.Fuzz()


def _search(name: str, seconds: int, kept: Path) -> bool:
    """Fuzz a target in a process of its own and print what came of it; whether it held."""
    from tests.fuzz.seeds import WORDS
    from tests.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory() as folder:
        corpus, words = Path(folder, "corpus"), Path(folder, "words")
        corpus.mkdir()
        for number, seed in enumerate(TARGETS[name].seeds):
            (corpus / str(number)).write_bytes(seed)
        quoted = ('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in WORDS if word)
        words.write_text("".join(quoted), encoding="ascii")
        options = [
            f"-max_total_time={seconds}", f"-timeout={TIMEOUT_SECONDS}", f"-max_len={LONGEST}", f"-dict={words}",
            "-rss_limit_mb=2048", "-seed=1", f"-artifact_prefix={kept}/{name}-",
        ]  # fmt: skip
        command = [sys.executable, "-m", "tests.fuzz", CHILD, name, *options, str(corpus)]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    runs = re.search(r"Done (\d+) runs", done.stdout)
    edges = re.findall(r"cov: (\d+)", done.stdout)
    if done.returncode or not runs:
        print(f"{name}: BROKEN\n{done.stdout[-4000:]}")
        return False
    print(f"{name}: {int(runs[1]):,} inputs, {edges[-1] if edges else 0} edges, nothing broken", flush=True)
    return True


def main() -> int:
    if sys.argv[1:2] == [CHILD]:
        _child(sys.argv[2], sys.argv[3:])
    parser = ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="default: all of them")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--kept", type=Path, default=Path(tempfile.gettempdir()), help="folder for what breaks it")
    arguments = parser.parse_args()
    from tests.fuzz.targets import TARGETS

    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    held = [_search(name, arguments.seconds, arguments.kept) for name in arguments.targets or TARGETS]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
