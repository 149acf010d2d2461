"""A run of the simulation as a picture: what came, who waited, how long it took, over time."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from dmp.simulation.model import Burst, Run, Scenario, by_time, percentile

BINS = 120
COLOURS = ("#4477aa", "#ee6677", "#228833", "#ccbb44")  # told apart by the colour-blind, too (Paul Tol)
LATENCIES = ((0.5, "median", "#777777"), (0.99, "99th percentile", "#aa3377"))


def draw(scenario: Scenario, run: Run, batch: int, title: str, path: Path) -> None:
    """Write the picture, of the kind that the path's ending says; `batch` is how many events a customer stands for.

    ValueError for an ending of no known kind, OSError when it cannot be written.
    """
    figure = Figure(figsize=(11, 8), layout="constrained")
    arrivals, queues, latency = figure.subplots(3, 1, sharex=True)
    figure.suptitle(title, fontsize=12)
    _arrivals(arrivals, scenario, run, batch)
    _queues(queues, run, batch)
    _latency(latency, run)
    latency.set_xlabel("seconds")
    latency.set_xlim(0, scenario.seconds)
    for axes in (arrivals, queues, latency):
        _spans(axes, scenario, labelled=axes is arrivals)
        axes.grid(True, color="#eeeeee")
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="upper left", bbox_to_anchor=(1, 1), fontsize=9, frameon=False)
    figure.savefig(path, dpi=120)


def _arrivals(axes: Any, scenario: Scenario, run: Run, batch: int) -> None:
    width = scenario.seconds / BINS
    counts = Counter(int(arrived / width) for arrived in run.arrivals)
    edges = [number * width for number in range(BINS + 1)]
    axes.stairs([counts[number] * batch / width for number in range(BINS)], edges, color="#333333", baseline=None)
    axes.set_ylim(bottom=0)
    axes.set_ylabel("events/s in")
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _queues(axes: Any, run: Run, batch: int) -> None:
    for (name, lengths), colour in zip(run.queues.items(), COLOURS):
        axes.plot(run.times, [length * batch for length in lengths], label=name, color=colour)
    axes.set_ylabel("events waiting")
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter("{x:,.0f}")


def _latency(axes: Any, run: Run) -> None:
    spans = by_time(run, BINS)
    for share, name, colour in LATENCIES:
        axes.plot(
            [time for time, _ in spans], [percentile(found, share) for _, found in spans], label=name, color=colour
        )
    axes.set_ylabel("time to the end")
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(EngFormatter("s"))


def _spans(axes: Any, scenario: Scenario, labelled: bool) -> None:
    """Shades what is not as usual."""
    shaded = [
        ("burst", "#ccbb44", scenario.bursts),
        ("servers away", "#ee6677", scenario.failures),
        ("warm-up,\nnot counted", "#bbbbbb", [Burst(1, 0, scenario.warm_up)] if scenario.warm_up else []),
    ]
    for label, colour, spans in shaded:
        for number, span in enumerate(spans):
            named = {"label": label} if labelled and number == 0 else {}
            axes.axvspan(span.start, span.start + span.seconds, color=colour, alpha=0.2, lw=0, zorder=0, **named)
