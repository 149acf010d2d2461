"""What benches leave behind: JSON with everything, a table in Markdown, a picture, and on which machine that was."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, Optional

import psutil

SHOWN_MIB = 20
"""Kinds of processes that never need so much are left out of tables of memory."""


def machine() -> dict[str, Any]:
    """The machine, and how busy it is with whatever else it does."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "processors": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": platform.platform(),
        "load": round(psutil.getloadavg()[0], 1),
    }


@contextmanager
def until_stopped() -> Iterator[None]:
    """For a long measurement: when it is stopped by Ctrl-C or SIGTERM, what was measured until then is reported."""
    try:
        yield
    except KeyboardInterrupt:
        print("stopped: this was measured until then", flush=True)


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown: the first column is text, the others are numbers."""
    lines = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def memory(peaks: dict[str, dict[str, int]]) -> str:
    """A table of peak resident memory in MiB: a line for each run, a column for each kind of process that ever needs
    much."""
    kinds = sorted({kind for run in peaks.values() for kind, peak in run.items() if peak >= SHOWN_MIB})
    rows = [[name, *(f"{run[kind]:,}" if kind in run else "" for kind in kinds)] for name, run in peaks.items()]
    return table(["peak MiB", *kinds], rows)


def facts(about: dict[str, Any]) -> str:
    """What a bench says of its surroundings, as a list in Markdown."""
    return "\n".join(f"- {key}: {value}" for key, value in about.items()) + "\n"


def write(folder: Optional[Path], name: str, everything: dict[str, Any], text: str) -> None:
    """Print the text; with a folder, also leave it there as NAME.md, and everything as NAME.json."""
    print(f"\n{text}")
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        dated = {"date": date.today().isoformat(), **everything}
        (folder / f"{name}.json").write_text(json.dumps(dated, indent=1) + "\n", encoding="utf-8")
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def bars(file: Path, title: str, unit: str, groups: dict[str, dict[str, Optional[float]]]) -> None:
    """A picture of bars: one group below the other, each with a bar for every name; none without groups."""
    if not groups:
        return
    from matplotlib.figure import Figure

    heights = [len(values) for values in groups.values()]
    figure = Figure(figsize=(8, 1.2 + 0.32 * sum(heights)), layout="constrained")
    grid = {"height_ratios": heights}
    axes = figure.subplots(len(groups), 1, squeeze=False, sharex=True, gridspec_kw=grid)[:, 0]
    for axis, (group, values) in zip(axes, groups.items()):
        drawn = axis.barh(list(values), [value or 0 for value in values.values()], color="#3b6ea5")
        axis.bar_label(drawn, [f"{value:,.0f}" if value else "" for value in values.values()], padding=3)
        axis.invert_yaxis()
        axis.set_title(group, loc="left", fontsize=10)
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.15)
    axes[-1].set_xlabel(unit)
    figure.suptitle(title)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
