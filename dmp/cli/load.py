"""Options that describe a load and the system that serves it, shared by `dmp plan` and `dmp simulate`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dmp.core.capacity import COSTS, GB, MB, Costs, Have, Load, Rules, measured_costs, plan
from dmp.errors import UserError

if TYPE_CHECKING:
    from dmp.core.capacity import Plan

COUNT = click.IntRange(1, 1_000_000)
POSITIVE = click.FloatRange(0, min_open=True)
RULES = Rules()

_OPTIONS = [
    click.option("--rate", required=True, type=POSITIVE, help="Events a second, the mean over days."),
    click.option("--peak", type=POSITIVE, help="The highest rate that lasts (default: 3 times the mean)."),
    click.option("--event-bytes", default=600.0, show_default=True, type=POSITIVE, help="Bytes of an event as JSON."),
    click.option("--retention", default=7.0, show_default=True, type=POSITIVE, help="Days that Kafka keeps events."),
    click.option("--identifiers", required=True, type=POSITIVE, help="Cookies, devices, contacts, logins ever seen."),
    click.option("--window-seconds", default=10.0, show_default=True, type=POSITIVE, help="Length of a window."),
    click.option("--window-days", default=365.0, show_default=True, type=POSITIVE, help="Days that windows are kept."),
    click.option(
        "--utilisation", default=RULES.utilisation, show_default=True, type=click.FloatRange(0.01, 0.99),
        help="How busy machines may be at the peak.",
    ),
    click.option("--replication", default=RULES.replication, show_default=True, type=COUNT, help="Copies in Kafka."),
    click.option(
        "--replicas", default=RULES.replicas, show_default=True, type=click.IntRange(0, 100),
        help="Further copies in Elasticsearch.",
    ),
    click.option("--cores", default=RULES.cores, show_default=True, type=COUNT, help="Of a broker or node."),
    click.option("--disk-gb", default=RULES.disk / GB, show_default=True, type=POSITIVE, help="Of a broker or node."),
    click.option("--network-mb", default=RULES.network / MB, show_default=True, type=POSITIVE, help="Of each."),
    click.option("--taskmanager-slots", default=RULES.slots_per_taskmanager, show_default=True, type=COUNT),
    click.option(
        "--checkpoint-seconds", default=RULES.checkpoint_seconds, show_default=True, type=POSITIVE,
        help="Between checkpoints.",
    ),
    click.option(
        "--variation", default=RULES.variation, show_default=True, type=click.FloatRange(0, 100),
        help="Standard deviation of service times divided by their mean; 1: exponential.",
    ),
    click.option("--partitions", type=COUNT, help="Of a topic, if given: what would these do?"),
    click.option("--brokers", type=COUNT, help="Likewise."),
    click.option("--slots", type=COUNT, help="Likewise, of Flink."),
    click.option("--nodes", type=COUNT, help="Likewise, of Elasticsearch."),
    click.option(
        "--measured", multiple=True, type=click.Path(path_type=Path),
        help="JSON of bench/footprint.py or bench/identity.py; may be repeated, later ones count.",
    ),
]  # fmt: skip


def load_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the options, which `planned` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def planned(
    rate: float, peak: float | None, event_bytes: float, retention: float, identifiers: float, window_seconds: float,
    window_days: float, utilisation: float, replication: int, replicas: int, cores: int, disk_gb: float,
    network_mb: float, taskmanager_slots: int, checkpoint_seconds: float, variation: float, partitions: int | None,
    brokers: int | None, slots: int | None, nodes: int | None, measured: tuple[Path, ...],
) -> tuple[Load, Costs, Rules, Plan]:  # fmt: skip
    """The plan of the options, and what it was made of. UserError when they contradict each other."""
    load = Load(
        rate, 3 * rate if peak is None else peak, event_bytes, retention, identifiers, window_seconds, window_days
    )
    rules = Rules(
        utilisation=utilisation, replication=replication, replicas=replicas, cores=cores, disk=disk_gb * GB,
        network=network_mb * MB, slots_per_taskmanager=taskmanager_slots, checkpoint_seconds=checkpoint_seconds,
        variation=variation,
    )  # fmt: skip
    costs = COSTS
    for file in measured:
        costs = _measured(costs, file)
    try:
        return load, costs, rules, plan(load, costs, rules, Have(partitions, brokers, slots, nodes))
    except ValueError as error:
        raise UserError(f"this cannot be planned: {error}") from None


def _measured(costs: Costs, file: Path) -> Costs:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None
    except ValueError:
        raise UserError(f"{file} is no JSON: give what bench/footprint.py or bench/identity.py writes") from None
    try:
        return measured_costs(costs, found if isinstance(found, dict) else {})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{file} is not what a bench of this project writes: {error}") from None
