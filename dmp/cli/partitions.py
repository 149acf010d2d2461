"""`dmp partitions`: how messages are spread over a topic's partitions."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Optional

import click

from dmp.cli import pass_config
from dmp.config import Config

if TYPE_CHECKING:
    from rich.table import Table

    from connectors.partition_report import HotKey


@click.group()
def partitions() -> None:
    """Look at how messages are spread over the partitions of a topic."""


@partitions.command()
@click.argument("topic")
@click.option("--sample", default=100_000, show_default=True, type=click.IntRange(1), help="Messages to read at most.")
@click.option("--all", "everything", is_flag=True, help="Read all messages.")
@click.option(
    "--partitions", "counts", multiple=True, type=click.IntRange(1, 10_000),
    help="A number of partitions to try; may be repeated (default: as many as there are, and twice as many).",
)  # fmt: skip
@click.option(
    "--strategy", "strategies", multiple=True, metavar="NAME[:OPTIONS]",
    help="A strategy to try; may be repeated (default: all but weighted-random).",
)  # fmt: skip
@click.option("--top", default=10, show_default=True, type=click.IntRange(0), help="How many hot keys to show.")
@click.option("--keys", "show_keys", is_flag=True, help="Show hot keys as they are; they may be personal data.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@pass_config
def report(
    config: Config,
    topic: str,
    sample: int,
    everything: bool,
    counts: tuple[int, ...],
    strategies: tuple[str, ...],
    top: int,
    show_keys: bool,
    as_json: bool,
) -> None:
    """Show how even TOPIC is, its hot keys, and what other strategies and numbers of partitions would do.

    By default hot keys are shown as the beginning of their SHA-256.
    """
    from connectors.kafka.consumers import sample_keys
    from connectors.partition_report import hot_keys, keys_of, what_if
    from connectors.partitioning import PARTITIONERS
    from dmp.core.balance import balance

    found = sample_keys(config.kafka, topic, None if everything else sample)
    now = len(found.sizes)
    named = strategies or [name for name in PARTITIONERS if name != "weighted-random"]
    facts = {
        "topic": topic,
        "messages": sum(found.sizes),
        "sizes": list(found.sizes),
        "balance": balance(found.sizes)._asdict(),
        "complete": found.complete,
        "keys": keys_of(found)._asdict(),
        "hot_keys": [{**hot._asdict(), "key": _shown(hot, show_keys)} for hot in hot_keys(found, top)],
        "what_if": [
            {**tried._asdict(), "balance": tried.balance._asdict()}
            for count in counts or (now, 2 * now)
            for tried in (what_if(found, name, count) for name in named)
        ],
    }
    if as_json:
        click.echo(json.dumps(facts))
    else:
        _print(facts)


def _shown(hot: HotKey, show_keys: bool) -> str:
    return hot.key.decode("utf-8", "backslashreplace") if show_keys else hashlib.sha256(hot.key).hexdigest()[:12]


def _print(facts: dict[str, Any]) -> None:
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    sizes, keys, even = facts["sizes"], facts["keys"], facts["balance"]
    console.print(
        f"{facts['topic']}: {facts['messages']:,} messages by offsets in {len(sizes)} partitions; max/mean "
        f"{even['max_to_mean']:.2f}, Gini {even['gini']:.3f}, {even['empty']} empty"
    )
    if facts["complete"]:
        console.print(f"All {keys['read']:,} committed messages were read.")
    else:
        console.print(
            f"Keys are those of a sample: {keys['read']:,} messages, in blocks at even distances over each partition. "
            "Shares of keys and what follows from them are estimates; rare keys are missing. --all reads everything."
        )
    console.print(_sizes(sizes))
    console.print(
        f"{keys['distinct']:,} different keys, {keys['without_key']:,} messages without a key, {keys['scattered']:,} "
        "keys in several partitions (their messages have no order)"
    )
    if facts["hot_keys"]:
        console.print(_hot_keys(facts["hot_keys"], len(sizes)))
    console.print(_tried(facts["what_if"]))
    console.print(
        f"The hottest key has {keys['hottest']:.2%} of the messages: no strategy that keeps order brings max/mean in n "
        f"partitions below {keys['hottest']:.4f} × n."
    )


def _sizes(sizes: list[int]) -> Table:
    total = sum(sizes) or 1
    table = _table("partition", "messages", "share")
    for number, size in enumerate(sizes):
        table.add_row(str(number), f"{size:,}", f"{size / total:.1%}")
    return table


def _hot_keys(hot: list[dict[str, Any]], partitions: int) -> Table:
    table = _table("hot key", "messages", "share", "of a partition's mean", "lies in")
    for one in hot:
        places = ", ".join(map(str, one["partitions"]))
        row = (f"{one['messages']:,}", f"{one['share']:.2%}", f"{one['share'] * partitions:.2f}", places)
        table.add_row(one["key"], *row)
    return table


def _tried(tried: list[dict[str, Any]]) -> Table:
    table = _table("what if", "partitions", "max/mean", "Gini", "empty", "order of a key", "moved")
    for one in tried:
        moved: Optional[float] = one["moved"]
        table.add_row(
            one["strategy"],
            str(one["partitions"]),
            f"{one['balance']['max_to_mean']:.2f}",
            f"{one['balance']['gini']:.3f}",
            str(one["balance"]["empty"]),
            "kept" if one["keeps_order"] else "none",
            "" if moved is None else f"{moved:.0%}",
        )
    return table


def _table(first: str, *more: str) -> Table:
    from rich.table import Table

    table = Table()
    table.add_column(first)
    for name in more:
        table.add_column(name, justify="right")
    return table
