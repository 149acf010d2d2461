"""`dmp demo`: the whole path once, by the same commands that a user types, and what came out of it."""

from __future__ import annotations

import secrets
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dmp.cli import pass_config
from dmp.config import Config
from dmp.errors import UserError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch
    from rich.console import Console

ACCESS_LOG = Path(__file__).resolve().parents[1] / "demo_data" / "access.log"
GENERATED_EVENTS = 20_000
ARRIVAL_SECONDS = 300
SHOWN_ROWS = 5
Totals = Counter[tuple[str, str]]
"""(measure, label) of dmp-quality -> sum over all windows."""


@click.command()
@pass_config
def demo(config: Config) -> None:
    """Start everything, send an access log and generated traffic, wait for the results and show them."""
    from rich.console import Console

    from connectors.elasticsearch import session
    from dmp.jobs import Cluster

    _dmp("up")
    _dmp("submit", "all")
    cluster = Cluster(config)
    with session(config.elasticsearch) as client:
        earlier, before, windows_before = _raw_messages(config), _totals(client), _window_events(client)
        _dmp("collect", "access-log", str(ACCESS_LOG))
        _dmp("generate", "--events", str(GENERATED_EVENTS), "--seed", str(secrets.randbelow(10**6)), "--to", "kafka")
        sent = _raw_messages(config) - earlier
        console = Console(highlight=False)
        with console.status(f"Waiting until {sent:,} events have become windows in Elasticsearch"):
            totals = _wait_for_results(client, cluster, sent, before, windows_before)
        _show_totals(console, sent, totals)
        _show_persons(console, client)
        _show_segments(console, client)
        _show_campaigns(console, client)
        _show_windows(console, client)
    _show_next_steps(console, config)


def _dmp(*arguments: str) -> None:
    click.echo(f"$ dmp {' '.join(arguments)}")
    command = [sys.executable, "-c", "from dmp.cli import main; main()", *arguments]
    status = subprocess.run(command).returncode
    if status:
        raise click.exceptions.Exit(status)


def _raw_messages(config: Config) -> int:
    """Counted in Kafka itself, not by those who sent or read them."""
    from connectors.kafka.consumers import read_committed
    from schemas.topics import EVENTS_RAW

    return sum(1 for _ in read_committed(config.kafka, EVENTS_RAW.name))


def _wait_for_results(client: Elasticsearch, cluster: Any, sent: int, before: Totals, windows_before: int) -> Totals:
    """What the platform counted of the events sent, once all of them are in windows in Elasticsearch."""
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < deadline:
        totals = Counter(_totals(client))
        totals.subtract(before)
        rejected = sum(count for (measure, _), count in totals.items() if measure == "rejected")
        accepted = totals["accepted", ""]
        adds_up = sent == totals["received", ""] == accepted + rejected + totals["duplicates", ""]
        if adds_up and _window_events(client) - windows_before == accepted - totals["suppressed", ""]:
            return totals
        time.sleep(1)
    failures = "; ".join(f"{name}: {cluster.failure(job)}" for name, job in cluster.running().items())
    raise UserError(
        f"after {ARRIVAL_SECONDS} s only {totals['received', '']:,} of {sent:,} events have come through ({failures}); "
        f"see {cluster.rest}"
    )


def _totals(client: Elasticsearch) -> Totals:
    total = {"total": {"sum": {"field": "value"}}}
    labels = {"labels": {"terms": {"field": "label", "size": 100}, "aggs": total}}
    answer = client.search(
        index="dmp-quality", size=0, aggs={"measures": {"terms": {"field": "measure", "size": 100}, "aggs": labels}}
    )
    return Counter(
        {
            (measure["key"], label["key"]): round(label["total"]["value"])
            for measure in answer["aggregations"]["measures"]["buckets"]
            for label in measure["labels"]["buckets"]
        }
    )


def _window_events(client: Elasticsearch) -> int:
    answer = client.search(index="dmp-metrics", size=0, aggs={"events": {"sum": {"field": "events"}}})
    return round(answer["aggregations"]["events"]["value"])


def _show_totals(console: Console, sent: int, totals: Totals) -> None:
    from rich.table import Table

    table = Table(title="What was sent, and what became of it (dmp-quality)", title_justify="left")
    table.add_column("measure")
    table.add_column("events", justify="right")
    table.add_row("sent to Kafka", f"{sent:,}", style="bold")
    table.add_row("= accepted", f"{totals['accepted', '']:,}")
    for (measure, reason), count in sorted(totals.items()):
        if measure == "rejected" and count:
            table.add_row(f"+ rejected: {reason}", f"{count:,}")
    table.add_row("+ duplicates", f"{totals['duplicates', '']:,}", end_section=True)
    among = {"late": "late, counted in their windows", "bots": "from bots", "no_identifier": "without any identifier"}
    if totals["suppressed", ""]:
        among["suppressed"] = "of erased identifiers, counted nowhere"
    for measure, text in among.items():
        table.add_row(f"accepted {text}", f"{totals[measure, '']:,}")
    console.print(table)


def _show_persons(console: Console, client: Elasticsearch) -> None:
    from rich.table import Table

    identifiers, profiles = (client.count(index=f"dmp-{name}")["count"] for name in ("identities", "profiles"))
    console.print(f"{identifiers:,} identifiers (dmp-identities) are {profiles:,} persons")
    table = Table(title="Who spent most (dmp-profiles)", title_justify="left")
    for name in ("person", "identifiers", "sessions", "events", "revenue"):
        table.add_column(name, justify="left" if name == "person" else "right")
    for hit in client.search(index="dmp-profiles", size=SHOWN_ROWS, sort="revenue:desc")["hits"]["hits"]:
        row = hit["_source"]
        amounts = [sum(row["identifiers"].values()), row["sessions"], row["events"]]
        name = row["email"] or row["phone"] or row["profile_id"]
        table.add_row(name, *(f"{amount:,}" for amount in amounts), f"{row['revenue']:,.2f}")
    console.print(table)


def _show_segments(console: Console, client: Elasticsearch) -> None:
    from rich.table import Table

    sizes = {"sizes": {"terms": {"field": "segment", "size": 100}}}
    table = Table(title="Who is in which segment so far (dmp-segments)", title_justify="left")
    table.add_column("segment")
    table.add_column("persons", justify="right")
    for row in client.search(index="dmp-segments", size=0, aggs=sizes)["aggregations"]["sizes"]["buckets"]:
        table.add_row(row["key"], f"{row['doc_count']:,}")
    console.print(table)


def _show_campaigns(console: Console, client: Elasticsearch) -> None:
    with_campaign = {"bool": {"must_not": {"term": {"campaign": ""}}}}
    rows = _grouped(client, {"field": "campaign", "order": {"events": "desc"}}, with_campaign)
    _show(console, "Top campaigns (dmp-metrics)", "campaign", rows)


def _show_windows(console: Console, client: Elasticsearch) -> None:
    rows = _grouped(client, {"field": "window_start", "order": {"_key": "desc"}}, {"match_all": {}})
    _show(console, "Latest windows of 10 seconds (dmp-metrics)", "window", rows)


def _grouped(client: Elasticsearch, terms: dict[str, Any], query: dict[str, Any]) -> Any:
    sums = {name: {"sum": {"field": name}} for name in ("events", "revenue")}
    groups = {"terms": {"size": SHOWN_ROWS, **terms}, "aggs": sums}
    answer = client.search(index="dmp-metrics", size=0, query=query, aggs={"groups": groups})
    return answer["aggregations"]["groups"]["buckets"]


def _show(console: Console, title: str, name: str, rows: Any) -> None:
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    table.add_column(name)
    table.add_column("events", justify="right")
    table.add_column("revenue", justify="right")
    for row in rows:
        label = row.get("key_as_string") or str(row["key"])
        table.add_row(label, f"{row['events']['value']:,.0f}", f"{row['revenue']['value']:,.2f}")
    console.print(table)


def _show_next_steps(console: Console, config: Config) -> None:
    search = config.elasticsearch.url
    console.print(
        f"""Everything stays up. What to try next (dmp is .venv/bin/dmp):
  curl -s '{search}/dmp-metrics/_search?size=3&sort=window_start:desc&pretty'
  curl -s '{search}/dmp-quality/_search?q=measure:rejected&pretty'
  curl -s '{search}/dmp-merges/_search?sort=at:desc&size=3&pretty'
  dmp rejected list                      events that were refused, and why
  dmp erase email:ANY                    forget a person
  dmp segments train --from elasticsearch --out model.json
  dmp generate --rate 500 --events 30000 a minute of live traffic
  dmp sql                                Flink's SQL client: SELECT * FROM events_clean;
  dmp dashboards serve                   all results as a page, http://127.0.0.1:8090
  http://127.0.0.1:{config.ports.flink_rest}                  Flink's own page
  make down                              stop everything""",
        markup=False,
        soft_wrap=True,
    )
