"""`dmp generate`, `dmp rejected`: made-up events, and those that cleaning has refused."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import click

from dmp.cli import pass_config
from dmp.config import Config
from dmp.errors import UserError

if TYPE_CHECKING:
    from connectors.generate import Incident, Sink

SHARE = click.FloatRange(0, 1)
OUT_FILE = click.Path(dir_okay=False, path_type=Path)


PARTITIONER = click.option(
    "--partitioner",
    default="murmur2",
    show_default=True,
    metavar="NAME[:OPTIONS]",
    help="What chooses the partition of an event in Kafka: murmur2, sha1, consistent-hash, range:g,n,t, random, "
    "round-robin, weighted-random:3,1,1. The last three keep no order.",
)


class Moment(click.ParamType):
    """An RFC 3339 time with an offset, as microseconds since 1970."""

    name = "time"

    def convert(self, value: str, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> int:
        try:
            moment = datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
        except ValueError:
            moment = datetime.min
        if moment.tzinfo is None or moment.year <= 2000:  # cleaning rejects what happened before 2000
            self.fail(f"{value!r} is no time after 2000 with an offset, such as 2026-01-31T08:00:00Z", param, ctx)
        return round(moment.astimezone(timezone.utc).timestamp() * 1_000_000)


class PlannedIncident(click.ParamType):
    """KIND@SECONDS+SECONDS, as an Incident."""

    name = "kind@start+seconds"

    def convert(self, value: str, param: Optional[click.Parameter], ctx: Optional[click.Context]) -> Incident:
        from connectors.generate import INCIDENTS, Incident

        kind, _, times = value.partition("@")
        start, _, seconds = times.partition("+")
        try:
            incident = Incident(kind, float(start), float(seconds))
        except ValueError:
            incident = Incident("", 0, 0)
        if incident.kind not in INCIDENTS or not (incident.start_s >= 0 and 0 < incident.seconds < 1e9):
            kinds = ", ".join(f"{name} ({what})" for name, what in INCIDENTS.items())
            self.fail(f"{value!r} is no incident such as outage@60+30; kinds: {kinds}", param, ctx)
        return incident


@click.command()
@click.option("--events", default=10_000, show_default=True, type=click.IntRange(1), help="Messages to send.")
@click.option(
    "--rate",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Mean messages a second, Poisson arrivals. 0: as fast as possible; by their times, events then are 1,000/s.",
)
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0),
    help="The same seed and options, --start among them, give the same bytes.",
)
@click.option(
    "--to",
    "sink",
    default="kafka",
    show_default=True,
    type=click.Choice(["kafka", "file", "stdout", "http", "udp", "rabbitmq"]),
)
@click.option("--out", type=OUT_FILE, help="The file for --to file.")
@click.option(
    "--address",
    help="http: URL (default http://127.0.0.1:8088), udp: HOST:PORT (127.0.0.1:8125), rabbitmq: queue.",
)
@PARTITIONER
@click.option("--start", type=Moment(), help="First arrival, RFC 3339 (default: now; with rate 0, the end is now).")
@click.option("--people", default=10_000, show_default=True, type=click.IntRange(1), help="People who visit the shop.")
@click.option("--duplicates", default=0.02, show_default=True, type=SHARE, help="Share of repeated messages.")
@click.option("--malformed", default=0.01, show_default=True, type=SHARE, help="Share of messages to be rejected.")
@click.option("--old", default=0.02, show_default=True, type=SHARE, help="Share of events that arrive minutes late.")
@click.option(
    "--profile",
    default="constant",
    show_default=True,
    type=click.Choice(["constant", "day", "bursts"]),
    help="How the rate varies about its mean: not, by the hour of the day (UTC), or in bursts of six seconds a minute.",
)
@click.option(
    "--incident",
    "incidents",
    multiple=True,
    type=PlannedIncident(),
    help="Something that goes wrong: outage, surge, rejects, payments or slow, at so many seconds after the beginning, "
    "for so many seconds, such as outage@60+30. May be repeated; the manifest has them, too.",
)
@click.option(
    "--service",
    type=click.Choice(["exponential", "log-normal"]),
    help="Pages and screens tell in service_ms how long they took to be served, with this distribution.",
)
@click.option("--service-ms", default=100.0, show_default=True, type=click.FloatRange(0.1), help="The mean of that.")
@click.option("--manifest", type=OUT_FILE, help="Write what was sent, and what must become of it, as JSON.")
@click.pass_context
@pass_config
def generate(
    config: Config,
    ctx: click.Context,
    events: int,
    rate: float,
    seed: int,
    sink: str,
    out: Optional[Path],
    partitioner: str,
    start: Optional[int],
    people: int,
    duplicates: float,
    malformed: float,
    old: float,
    address: Optional[str],
    profile: str,
    incidents: tuple[Incident, ...],
    service: Optional[str],
    service_ms: float,
    manifest: Optional[Path],
) -> None:
    """Send the traffic of a made-up shop: sessions, log-ins, orders, and whatever real data has wrong with it."""
    from connectors.generate import NOMINAL_RATE, REASONS_BEHIND, Traffic
    from connectors.generate import generate as send
    from connectors.progress import Progress
    from connectors.stop import StopRequest

    if (sink == "file") != (out is not None):
        raise click.UsageError("--to file needs --out FILE, and --out goes with --to file only")
    if start is None:
        start = time.time_ns() // 1000 - (0 if rate else round(events / NOMINAL_RATE * 1e6))
    traffic = Traffic(
        events, rate, seed, start, people, duplicates, malformed, old, profile, incidents, service or "", service_ms
    )
    if sink in REASONS_BEHIND:
        traffic = traffic._replace(reasons=REASONS_BEHIND[sink])
    target = _sink(config, sink, out, address, partitioner)
    with StopRequest() as stop, Progress("generate", events, "events") as progress:
        tally = send(traffic, target, stop, progress.advance).as_dict()
    if manifest:
        described = {**traffic._asdict(), "incidents": [incident._asdict() for incident in incidents]}
        _write(manifest, json.dumps({**tally, "traffic": described}, indent=2) + "\n")
    rejected = sum(tally["rejected"].values())
    progress.summary(
        f"{tally['sent']:,} events sent: {tally['accepted']:,} to accept ({tally['old']:,} of them old), "
        f"{rejected:,} to reject, {tally['duplicates']:,} duplicates"
    )
    ctx.exit(stop.exit_status)


def _sink(config: Config, kind: str, out: Optional[Path], address: Optional[str], partitioner: str) -> Sink:
    import os

    from connectors.collect.http.write_keys import load_write_keys
    from connectors.generate import HttpSink, KafkaSink, LinesSink, RabbitMqSink, UdpSink
    from connectors.rabbitmq import load_url
    from schemas.topics import EVENTS_RAW

    if kind == "http":
        first_key = next(iter(load_write_keys(os.environ).values()))
        return HttpSink(address or "http://127.0.0.1:8088", first_key)
    if kind == "udp":
        host, _, port = (address or "127.0.0.1:8125").rpartition(":")
        if not host or not port.isdigit():
            raise click.UsageError("--address must be HOST:PORT for --to udp")
        return UdpSink(host, int(port))
    if kind == "rabbitmq":
        if address is None:
            raise click.UsageError("--to rabbitmq needs --address QUEUE")
        return RabbitMqSink(load_url(os.environ), address)
    if kind == "kafka":
        return KafkaSink(config.kafka, EVENTS_RAW.name, partitioner)
    return LinesSink(out)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; choose another file") from error


@click.group()
def rejected() -> None:
    """Look at events that cleaning has refused, and put them back."""


def _known_reason(ctx: click.Context, param: click.Parameter, value: Optional[str]) -> Optional[str]:
    from dmp.core.cleaning import REJECT_REASONS

    if value is not None and value not in REJECT_REASONS:
        raise click.BadParameter(f"{value!r} is none of {', '.join(REJECT_REASONS)}", ctx, param)
    return value


REASON = click.option("--reason", callback=_known_reason, help="Only rejects with this reason.")


@rejected.command("list")
@REASON
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many, the latest.")
@click.option("--raw", "show_raw", is_flag=True, help="With the event itself, which may hold personal data.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; raw is base64.")
@pass_config
def list_rejected(config: Config, reason: Optional[str], limit: int, show_raw: bool, as_json: bool) -> None:
    """Show rejects: when, why, and where the raw event is (topic/partition/offset)."""
    import base64
    import heapq

    from connectors.rejected import rejects, replayed_sources
    from schemas.topics import EVENTS_REJECTED

    kafka = config.kafka
    found = rejects(kafka, EVENTS_REJECTED.name, reason)
    latest = heapq.nlargest(limit, found, key=lambda reject: reject.received_at.rstrip("Z"))
    replayed = replayed_sources(kafka)
    for reject in latest:
        row = {**reject._asdict(), "replayed": reject.source in replayed}
        if as_json:
            row["raw"] = base64.b64encode(reject.raw).decode()
            click.echo(json.dumps({name: row[name] for name in row if show_raw or name != "raw"}))
        else:
            mark = "  (replayed)" if row["replayed"] else ""
            click.echo(f"{reject.received_at}  {reject.source}  {reject.reason}: {reject.detail}{mark}")
            if show_raw:
                click.echo(f"    {reject.raw.decode('utf-8', 'backslashreplace')}")


@rejected.command()
@REASON
@click.option(
    "--mend",
    metavar="COMMAND",
    help="Shell command that gets an event on standard input and prints it mended, or nothing to leave it rejected.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, send nothing.")
@click.pass_context
@pass_config
def replay(config: Config, ctx: click.Context, reason: Optional[str], mend: Optional[str], dry_run: bool) -> None:
    """Put rejects back among the raw events, as they are or mended; each of them once, however often this is run."""
    from connectors.rejected import replay as put_back
    from connectors.stop import StopRequest
    from schemas.topics import EVENTS_RAW, EVENTS_REJECTED

    with StopRequest() as stop:
        outcome = put_back(
            config.kafka, EVENTS_REJECTED.name, EVENTS_RAW.name, reason, mend, dry_run, stop
        )
    for name, count in sorted(outcome.replayed.items()):
        click.echo(f"{name}: {count:,}")
    click.echo(
        f"{sum(outcome.replayed.values()):,} events {'to replay' if dry_run else 'replayed'}, "
        f"{outcome.left:,} left by the mending command, {outcome.earlier:,} replayed before"
    )
    ctx.exit(stop.exit_status)
