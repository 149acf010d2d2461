"""How far a run has come over time, and what is made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Optional

from bench.processes import Watch
from bench.topics import Windows

STEADY = (0.2, 0.8)
"""The steady rate is that between these shares of the messages: start-up and the last checkpoint stay out of it."""
MIDDLE_SAMPLES = 3
"""With fewer samples between the two, nobody can tell what was start-up."""


class Sample(NamedTuple):
    """Messages read so many seconds after the beginning."""

    seconds: float
    messages: int


class Checkpoint(NamedTuple):
    """The whole state, how much of it was written anew, and how long that took, so many seconds after the beginning."""

    seconds: float
    state_mib: float
    written_mib: float
    took_seconds: float


class Run(NamedTuple):
    """One run over a topic of raw messages.

    seconds: from the command to the last result. start_seconds: until the first message was read. rate: messages a
    second of all that time. steady_rate: see `steady_rate`. cpu_seconds, peak_mib: by kind of process. checkpoints:
    those of the job that reads the messages, as far as they were seen.
    """

    seconds: float
    start_seconds: float
    rate: float
    steady_rate: Optional[float]
    cpu_seconds: dict[str, float]
    peak_mib: dict[str, int]
    windows: Windows
    samples: list[Sample]
    checkpoints: Sequence[Checkpoint]


def measured(
    seconds: float,
    samples: list[Sample],
    total: int,
    watch: Watch,
    windows: Windows,
    checkpoints: Sequence[Checkpoint] = (),
) -> Run:
    start = next(sample.seconds for sample in samples if sample.messages)
    used = {kind: round(cpu, 2) for kind, cpu in sorted(watch.cpu_seconds.items())}
    peaks = dict(sorted(watch.peak_mib.items()))
    return Run(seconds, start, total / seconds, steady_rate(samples, total), used, peaks, windows, samples, checkpoints)


def steady_rate(samples: list[Sample], total: int) -> Optional[float]:
    """Messages a second over the middle of a run; None when the samples are too few to tell."""
    first, last = (share * total for share in STEADY)
    if sum(first < sample.messages < last for sample in samples) < MIDDLE_SAMPLES:
        return None
    return rate_between(samples, first, last)


def rate_between(samples: list[Sample], first: float, last: float) -> Optional[float]:
    """Messages a second from the first so many to the last; None when so many were never read."""
    begin, end = reached(samples, first), reached(samples, last)
    return None if begin is None or end is None else (last - first) / (end - begin)


def reached(samples: list[Sample], messages: float) -> Optional[float]:
    """When so many had been read, between two samples on a straight line."""
    before = Sample(0.0, 0)
    for sample in samples:
        if sample.messages >= max(messages, 1):
            share = (messages - before.messages) / (sample.messages - before.messages)
            return before.seconds + share * (sample.seconds - before.seconds)
        before = sample
    return None
