"""`dmp simulate`: the system of a plan as a discrete-event simulation."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import click

from dmp.cli.load import load_options, planned
from dmp.cli.plan import finite, seconds_text
from dmp.errors import UserError

if TYPE_CHECKING:
    from dmp.core.capacity import Plan
    from dmp.simulation.model import Run, Scenario

CUSTOMERS = 40_000
"""So many are simulated, unless asked for otherwise: some ten seconds."""

SHARES = (0.5, 0.9, 0.99, 0.999)


class Parts(click.ParamType):
    """Values with colons in between, such as 3:20:10."""

    def __init__(self, form: str, *types: Callable[[str], Any]) -> None:
        self.name = form
        self._types = types

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        try:
            parts = tuple(kind(part) for kind, part in zip(self._types, value.split(":")))
        except ValueError:
            parts = ()
        numbers = [part for part in parts if not isinstance(part, str)]
        if value.count(":") != len(self._types) - 1 or len(parts) != len(self._types) or not _sensible(numbers):
            self.fail(f"{value!r} is not of the form {self.name}, with numbers that are not negative", param, ctx)
        return parts


def _sensible(numbers: list[float]) -> bool:
    return all(0 <= number < math.inf for number in numbers)


@click.command()
@load_options
@click.option("--at", "at", default="peak", show_default=True, type=click.Choice(["peak", "rate"]), help="What comes.")
@click.option("--seconds", default=60.0, show_default=True, type=click.FloatRange(0.001), help="To simulate.")
@click.option("--warm-up", default=0.1, show_default=True, type=click.FloatRange(0, 0.9), help="Share not counted.")
@click.option(
    "--batch", type=click.IntRange(1), help=f"Events that travel together (default: for {CUSTOMERS:,} batches)."
)
@click.option("--seed", default=1, show_default=True, type=click.IntRange(0), help="The same seed, the same run.")
@click.option(
    "--service",
    default="exponential",
    show_default=True,
    type=click.Choice(["exponential", "log-normal"]),
    help="Service times; log-normal ones have --variation.",
)
@click.option(
    "--discipline",
    default="fifo",
    show_default=True,
    type=click.Choice(["fifo", "priority"]),
    help="Who is next in a queue.",
)
@click.option("--urgent", default=0.1, show_default=True, type=click.FloatRange(0, 1), help="Share that has priority.")
@click.option("--keyed", is_flag=True, help="Each slot of Flink has a queue of its own, as keys decide on the slot.")
@click.option(
    "--burst",
    "bursts",
    multiple=True,
    type=Parts("FACTOR:START:SECONDS", float, float, float),
    help="So many times as many events for a while; may be repeated.",
)
@click.option(
    "--fail",
    "failures",
    multiple=True,
    type=Parts("STATION:SERVERS:START:SECONDS", str, int, float, float),
    help="Servers of kafka, flink or elasticsearch (cores, slots) that are away for a while; may be repeated.",
)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="A picture: .png, .svg or .pdf.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def simulate(as_json: bool, out: Path | None, **options: Any) -> None:
    """Simulate what `dmp plan` plans from the same options, event by event or in batches.

    Shows percentiles of the time that events take, beside what queueing theory says, and draws queues and times.
    """
    own = {name: options.pop(name) for name in _OWN}
    if own["service"] == "exponential" and options["variation"] != 1:
        raise click.UsageError("--variation goes with --service log-normal: exponential times have 1")
    try:
        from dmp.simulation.model import simulate as run_scenario
    except ModuleNotFoundError as error:
        raise UserError(f"simulating needs {error.name}: pip install 'dmp-flink[simulate]'") from None
    load, _, _, made = planned(**options)
    events = load.peak if own["at"] == "peak" else load.rate
    batch = own["batch"] or max(1, math.ceil(events * own["seconds"] / CUSTOMERS))
    scenario = _scenario(made, events, batch, options["variation"], own)
    try:
        run = run_scenario(scenario)
    except ValueError as error:
        raise UserError(f"this cannot be simulated: {error}; the stations are kafka, flink, elasticsearch") from None
    if out:
        _draw(scenario, run, batch, events, out)
    described = _described(scenario, run, batch)
    if as_json:
        click.echo(json.dumps(finite(described)))
    else:
        _print(described, out)


_OWN = ("at", "seconds", "warm_up", "batch", "seed", "service", "discipline", "urgent", "keyed", "bursts", "failures")


def _scenario(made: Plan, events: float, batch: int, variation: float, own: dict[str, Any]) -> Scenario:
    from dmp.simulation.model import Burst, Failure, Scenario, Station

    stations = [
        Station(one.name, one.servers, batch / one.service_rate, own["keyed"] and one.name == "flink")
        for one in made.stations
    ]
    return Scenario(
        stations,
        events / batch,
        own["seconds"],
        own["warm_up"] * own["seconds"],
        own["seed"],
        own["service"],
        variation,
        own["discipline"],
        own["urgent"],
        [Burst(*parts) for parts in own["bursts"]],
        [Failure(*parts) for parts in own["failures"]],
    )


def _draw(scenario: Scenario, run: Run, batch: int, events: float, out: Path) -> None:
    from dmp.simulation.picture import draw

    servers = ", ".join(f"{one.name} {one.servers:,}" for one in scenario.stations)
    title = f"{events:,.0f} events/s, {scenario.service} service, {scenario.discipline}; servers: {servers}"
    try:
        draw(scenario, run, batch, title, out)
    except (OSError, ValueError) as error:
        raise UserError(f"cannot draw {out}: {error}") from None


def _described(scenario: Scenario, run: Run, batch: int) -> dict[str, Any]:
    """The figures of a run; times in seconds, queues in events."""
    from dmp.core.queueing import mgc, split
    from dmp.simulation.model import percentile

    stations = []
    for number, station in enumerate(scenario.stations):
        waits = [customer.waits[number] for customer in run.customers]
        theory = (split if station.keyed else mgc)(
            scenario.rate, 1 / station.service_seconds, station.servers, scenario.variation
        )
        stations.append(
            {
                "name": station.name,
                "servers": station.servers,
                "busy": run.busy[station.name],
                "busy_in_theory": theory.utilisation,
                "wait": sum(waits) / len(waits) if waits else math.nan,
                "wait_in_theory": theory.wait,
                "longest_queue": max(run.queues[station.name]) * batch,
            }
        )
    classes = {"all": run.customers}
    if scenario.discipline == "priority":
        classes["urgent"] = [one for one in run.customers if one.urgent]
        classes["others"] = [one for one in run.customers if not one.urgent]
    latency = {}
    for name, customers in classes.items():
        times = sorted(one.latency for one in customers)
        latency[name] = {f"p{share * 100:g}": percentile(times, share) for share in SHARES}
        latency[name]["max"] = times[-1] if times else math.nan
    return {
        "batch": batch,
        "events": len(run.customers) * batch,
        "unfinished": run.unfinished * batch,
        "latency": latency,
        "stations": stations,
    }


def _print(described: dict[str, Any], out: Path | None) -> None:
    from rich.console import Console
    from rich.table import Column, Table

    console = Console(highlight=False, markup=False)
    console.print(
        f"{described['events']:,} events in batches of {described['batch']:,}; {described['unfinished']:,} were still "
        "under way at the end"
    )
    table = Table("time to the end", *described["latency"]["all"])
    for name, times in described["latency"].items():
        table.add_row(name, *(seconds_text(time) for time in times.values()))
    console.print(table)
    table = Table(Column("station", no_wrap=True), "servers", "busy", "in theory", "mean wait", "in theory", "queue")
    for one in described["stations"]:
        table.add_row(
            one["name"],
            f"{one['servers']:,}",
            f"{one['busy']:.1%}",
            f"{one['busy_in_theory']:.1%}",
            seconds_text(one["wait"]),
            seconds_text(one["wait_in_theory"]),
            f"{one['longest_queue']:,}",
        )
    console.print(table)
    console.print(
        "Theory: M/G/c by Allen and Cunneen (with --keyed M/G/1), without bursts and failures. Queue: the longest."
    )
    if out:
        console.print(f"Picture: {out}")
