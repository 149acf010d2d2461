"""`dmp plan`: what a load takes."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from dmp.cli.load import load_options, planned

if TYPE_CHECKING:
    from rich.table import Table

    from dmp.core.capacity import Costs, Figure, Load, Plan, Rules

BYTES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


@click.command()
@load_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def plan(as_json: bool, **options: Any) -> None:
    """Show what a load takes: partitions, brokers, slots, memory, checkpoints, shards, nodes, disk and bandwidth.

    Every figure has its formula and where that comes from; docs/capacity.md tells more. With --slots, --brokers,
    --nodes or --partitions it shows how a system that is there stands up to the load, and what gives way first.
    """
    load, costs, rules, made = planned(**options)
    if as_json:
        click.echo(json.dumps(_described(load, costs, rules, made)))
    else:
        _print(load, costs, rules, made)


def _described(load: Load, costs: Costs, rules: Rules, made: Plan) -> dict[str, Any]:
    described = {
        "load": asdict(load),
        "costs": asdict(costs),
        "rules": asdict(rules),
        "figures": [figure._asdict() for figure in made.figures],
        "stations": [
            {name: value._asdict() if isinstance(value, tuple) else value for name, value in station._asdict().items()}
            for station in made.stations
        ],
        "limits": [limit._asdict() for limit in made.limits],
        "catch_up_seconds": made.catch_up_seconds,
    }
    return finite(described)  # type: ignore[no-any-return]


def finite(value: Any) -> Any:
    """JSON knows no infinity: null stands for it."""
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(load: Load, costs: Costs, rules: Rules, made: Plan) -> None:
    from rich.console import Console

    from dmp.core.capacity import SOURCES

    console = Console(highlight=False, markup=False)
    console.print(
        f"{load.rate:,.0f} events/s, {load.peak:,.0f} at the peak, of {load.event_bytes:,.0f} bytes; "
        f"{load.identifiers:,.0f} identifiers; Kafka keeps events for {load.retention_days:g} days"
    )
    console.print(
        f"An event takes {costs.kafka * 1e6:,.0f} µs of a core in Kafka, {costs.flink * 1e6:,.0f} µs in Flink, "
        f"{costs.elasticsearch * 1e6:,.0f} µs in Elasticsearch; machines may be {rules.utilisation:.0%} busy"
    )
    console.print(_figures(made.figures))
    console.print(_queues(made))
    console.print(_limits(made))
    first = made.limits[0]
    headroom = first.times_the_load - 1
    keeps_up = f"headroom {headroom:.0%}" if headroom >= 0 else "it cannot keep up: the queue grows without end"
    console.print(f"First bottleneck: {first.name}, {first.times_the_load:.2f} times the load ({keeps_up})")
    console.print(
        f"After {seconds_text(rules.outage_seconds)} away Flink has caught up, at the mean rate, within "
        f"{seconds_text(made.catch_up_seconds)}"
    )
    for name in dict.fromkeys(figure.source for figure in made.figures):
        console.print(f"  {name}: {SOURCES[name]}")


def _figures(figures: list[Figure]) -> Table:
    table = _table("what", "formula", "source", right=("value",))
    part = ""
    for figure in figures:
        if figure.part != part:
            part = figure.part
            table.add_section()
            table.add_row(part)
        table.add_row(f"  {figure.name}", _amount(figure.value, figure.unit), figure.formula, figure.source)
    return table


def _queues(made: Plan) -> Table:
    table = _table("at the peak", right=("servers", "busy", "waits", "M/M/c", "M/G/c", "99th", "by key", "queue"))
    for station in made.stations:
        peak = station.at_peak
        table.add_row(
            station.name,
            f"{station.servers:,}",
            f"{peak.utilisation:.0%}",
            f"{peak.waits:.1%}",
            seconds_text(peak.wait),
            seconds_text(station.general.wait),
            seconds_text(station.general.wait_p99),
            seconds_text(station.keyed.wait),
            "grows" if math.isinf(station.general.length) else f"{station.general.length:,.1f}",
        )
    table.caption = (
        "busy: utilisation; waits: share of events that wait (Erlang C); then the mean wait by M/M/c, by M/G/c (Allen "
        "and Cunneen), its 99th percentile, and the mean where each server has its own keys (M/G/1); queue: events "
        "that wait. This is for service alone: checkpoints, fetches and refreshes (1 s) come on top."
    )
    return table


def _limits(made: Plan) -> Table:
    table = _table("what gives way first", right=("times the load",))
    for limit in made.limits:
        table.add_row(limit.name, f"{limit.times_the_load:,.2f}")
    return table


def _table(first: str, *more: str, right: tuple[str, ...] = ()) -> Table:
    from rich.table import Table

    table = Table(caption_justify="left")
    table.add_column(first, no_wrap=True)
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    for name in more:
        table.add_column(name)
    return table


def _amount(value: float, unit: str) -> str:
    if not unit.startswith("bytes"):
        return f"{value:,.0f} {unit}".rstrip()
    size = 0
    while value >= 1000 and size < len(BYTES) - 1:
        value, size = value / 1000, size + 1
    return f"{value:,.3g} {BYTES[size]}{unit[len('bytes') :]}"


def seconds_text(value: float) -> str:
    """A time as people read it."""
    if not math.isfinite(value):
        return "endless" if value > 0 else "none"
    for size, unit in ((60, "min"), (1, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if value >= size and not (unit == "min" and value < 120):
            return f"{value / size:,.3g} {unit}"
    return "0" if value < 1e-9 else f"{value * 1e9:,.3g} ns"
