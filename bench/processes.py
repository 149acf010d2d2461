"""What processes take: processor seconds and peak resident memory, sampled while something runs."""

from __future__ import annotations

import threading
from collections import Counter
from types import TracebackType
from typing import Optional

import psutil

SAMPLE_SECONDS = 0.5


class Watch:
    """Follows some processes, by name, and all that they start.

    `cpu_seconds` and `peak_mib` are by kind: the name of a process, with `: program` behind it for what it started.
    Processor seconds count from the beginning of the watch; of a process that ends, its last half-second is missed.
    Peaks are sums over all processes of the kind at one moment.
    """

    def __init__(self, roots: dict[str, int]) -> None:
        self.peak_mib: Counter[str] = Counter()
        self._roots = {name: psutil.Process(pid) for name, pid in roots.items()}
        self._first: dict[psutil.Process, float] = {}
        self._last: dict[psutil.Process, tuple[str, float]] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def cpu_seconds(self) -> Counter[str]:
        used: Counter[str] = Counter()
        for process, (kind, seconds) in self._last.items():
            used[kind] += seconds - self._first[process]
        return used

    def __enter__(self) -> Watch:
        self._sample(first=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self._done.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._done.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self, first: bool = False) -> None:
        memory: Counter[str] = Counter()
        for name, root in self._roots.items():
            for process in _family(root):
                try:
                    kind = name if process == root else f"{name}: {_program(process)}"
                    times, resident = process.cpu_times(), process.memory_info().rss
                except psutil.Error:  # gone meanwhile
                    continue
                seconds = times.user + times.system
                self._first.setdefault(process, seconds if first else 0.0)
                self._last[process] = (kind, seconds)
                memory[kind] += resident
        for kind, resident in memory.items():
            self.peak_mib[kind] = max(self.peak_mib[kind], resident >> 20)


def _family(root: psutil.Process) -> list[psutil.Process]:
    try:
        return [root, *root.children(recursive=True)]
    except psutil.Error:
        return []


def _program(process: psutil.Process) -> str:
    name = process.name()
    return "python" if name.startswith("python") else name
