"""`dmp collect`, `dmp forward`: events from elsewhere into the platform, results from it to elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Optional

import click

from dmp.cli import pass_config
from dmp.cli.events import PARTITIONER
from dmp.config import Config

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from connectors.collect.files import Format
    from connectors.kafka.messages import Destination


@click.group()
def collect() -> None:
    """Send events from elsewhere into the platform."""


HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")


def _metrics_port(default: int) -> Callable[[Any], Any]:
    return click.option(
        "--metrics-port",
        default=default,
        show_default=True,
        type=click.IntRange(1, 65535),
        help="Where /metrics answers on 127.0.0.1, for Prometheus.",
    )


FILE = click.argument("file", type=click.Path(path_type=Path))
RESTART = click.option("--restart", is_flag=True, help="Read the file from its beginning again.")
FOLLOW = click.option(
    "--follow",
    is_flag=True,
    help="Go on with new lines as they come, like tail -F, through rotation and truncation, until interrupted.",
)


@collect.command("access-log")
@FILE
@FOLLOW
@RESTART
@PARTITIONER
@click.pass_context
@pass_config
def access_log(config: Config, ctx: click.Context, file: Path, follow: bool, restart: bool, partitioner: str) -> None:
    """Lines of an Apache or NGINX access log (combined format) as page events.

    Interrupted and run again it goes on where it stopped: no line is lost or sent twice.
    """
    from connectors.collect.access_log import AccessLog
    from connectors.collect.files import Format, read_lines

    form = Format("access-log", AccessLog(_pii_key(config)).converter, read_lines)
    ctx.exit(_collect_file(config, file, form, follow, restart, partitioner))


@collect.command()
@FILE
@FOLLOW
@RESTART
@PARTITIONER
@click.pass_context
@pass_config
def jsonl(config: Config, ctx: click.Context, file: Path, follow: bool, restart: bool, partitioner: str) -> None:
    """Events in the form of the Segment spec, one JSON object a line.

    Interrupted and run again it goes on where it stopped: no line is lost or sent twice.
    """
    from connectors.collect.files import Format, read_lines
    from connectors.collect.jsonl import converter

    ctx.exit(_collect_file(config, file, Format("jsonl", converter, read_lines), follow, restart, partitioner))


@collect.command()
@FILE
@FOLLOW
@RESTART
@PARTITIONER
@click.pass_context
@pass_config
def text(config: Config, ctx: click.Context, file: Path, follow: bool, restart: bool, partitioner: str) -> None:
    """Lines of any text, each as a track event "Text Received" that happens when it is read.

    Interrupted and run again it goes on where it stopped: no line is lost or sent twice.
    """
    from connectors.collect.files import Format, read_lines
    from connectors.collect.text import converter

    ctx.exit(_collect_file(config, file, Format("text", converter, read_lines), follow, restart, partitioner))


@collect.command("csv")
@FILE
@click.option("--mapping", required=True, help="YAML file, or the name of one that is shipped: shop-behaviour.")
@FOLLOW
@RESTART
@PARTITIONER
@click.pass_context
@pass_config
def csv_file(
    config: Config, ctx: click.Context, file: Path, mapping: str, follow: bool, restart: bool, partitioner: str
) -> None:
    """Rows of a CSV file, as the mapping says which column goes into which field.

    Interrupted and run again it goes on where it stopped: no row is lost or sent twice.
    """
    from connectors.collect.csv_file import CsvFormat
    from connectors.collect.files import Format
    from connectors.collect.mapping import load_mapping

    mapped = load_mapping(mapping)
    rows = CsvFormat(mapped, _pii_key(config) if mapped.hashes else b"")
    ctx.exit(_collect_file(config, file, Format("csv", rows.converter, rows.read), follow, restart, partitioner))


def _destination(config: Config, partitioner: str) -> Destination:
    from connectors.kafka.messages import Destination
    from schemas.topics import EVENTS_RAW

    return Destination(config.kafka, EVENTS_RAW.name, partitioner)


def _pii_key(config: Config) -> bytes:
    from dmp.secrets import load_keys
    from dmp.stack.keys import secret_variables

    return load_keys(secret_variables(config)).pii_key


def _collect_file(config: Config, file: Path, form: Format, follow: bool, restart: bool, partitioner: str) -> int:
    from connectors.collect import files
    from connectors.collect.follow import follow as follow_file
    from connectors.logs import log_as_json
    from connectors.progress import Progress
    from connectors.stop import StopRequest

    size = file.stat().st_size if file.is_file() and not follow else 0
    with StopRequest() as stop, Progress(file.name, size, "bytes") as progress:
        target = files.Target(_destination(config, partitioner), stop, progress.advance)
        if follow:
            log_as_json()
            summary = follow_file(file, form, target, restart)
        else:
            summary = files.collect(file, form, target, restart)
    notes = [f"{summary.sent:,} events sent of {summary.sent + summary.empty:,} lines ({summary.empty:,} empty)"]
    if summary.cut:
        notes.append(f"{summary.cut:,} lines too long even to be kept as rejects were cut")
    if summary.resumed_at:
        notes.append(f"went on at byte {summary.resumed_at:,}")
    if not summary.finished:
        notes.append("interrupted: run it again to go on")
    progress.summary("; ".join(notes))
    return 0 if follow else stop.exit_status


PEM = click.Path(path_type=Path)


@collect.command()
@HOST
@click.option("--port", default=8088, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@click.option(
    "--rate-limit",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0),
    help="Events a second of each write key, above which requests are answered with 429. 0: no limit.",
)
@click.option(
    "--allow-origin", multiple=True, help="Only pages from here may send, such as https://example.com (default: all)."
)
@click.option(
    "--trusted-proxies", default="", help="Addresses of proxies whose X-Forwarded-For is believed, with commas."
)
@click.option("--tls-certificate", type=PEM, help="Serve HTTPS with this certificate and those that vouch for it, PEM.")
@click.option("--tls-key", type=PEM, help="Its private key, PEM without a password.")
@PARTITIONER
@pass_config
def http(
    config: Config, host: str, port: int, workers: int, rate_limit: float, allow_origin: tuple[str, ...],
    trusted_proxies: str, tls_certificate: Optional[Path], tls_key: Optional[Path], partitioner: str,
) -> None:  # fmt: skip
    """Serve the Segment HTTP Tracking API, for the SDKs of Segment and RudderStack, browsers and other programs.

    Write keys come from DMP_WRITE_KEYS or DMP_WRITE_KEYS_FILE, one NAME=KEY a line or between commas.
    """
    import os

    from connectors.collect.http.server import Tls, serve
    from connectors.collect.http.write_keys import load_write_keys

    load_write_keys(os.environ)
    if bool(tls_certificate) != bool(tls_key):
        raise click.UsageError("--tls-certificate and --tls-key belong together: give both or neither.")
    tls = Tls(tls_certificate, tls_key) if tls_certificate and tls_key else None
    serve(host, port, workers, _destination(config, partitioner), rate_limit, allow_origin, trusted_proxies, tls)


@collect.command()
@HOST
@click.option(
    "--port", default=8125, show_default=True, type=click.IntRange(0, 65535), help="UDP port; 0: any that is free."
)
@click.option("--queue", default=10_000, show_default=True, type=click.IntRange(1), help="Lines that may wait.")
@click.option(
    "--workers",
    default=5,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Batches on their way to Kafka at once.",
)
@PARTITIONER
@_metrics_port(9251)
@pass_config
def udp(
    config: Config, host: str, port: int, queue: int, workers: int, partitioner: str, metrics_port: int
) -> None:  # fmt: skip
    """Lines in datagrams, as JSON events or as text.

    When more comes than Kafka takes, the oldest lines that wait are dropped, and counted.
    """
    from connectors.collect.udp import serve

    serve(host, port, queue, workers, metrics_port, _destination(config, partitioner))


@collect.command()
@click.argument("queue")
@click.option("--declare", is_flag=True, help="Make the queue, durable, if it is missing.")
@click.option(
    "--prefetch", default=1000, show_default=True, type=click.IntRange(1, 65535), help="Messages under way at once."
)
@PARTITIONER
@_metrics_port(9252)
@pass_config
def rabbitmq(
    config: Config, queue: str, declare: bool, prefetch: int, partitioner: str, metrics_port: int
) -> None:  # fmt: skip
    """Messages of a RabbitMQ queue, each acknowledged only after Kafka has it.

    The server is DMP_RABBITMQ_URL (amqp://USER:PASSWORD@HOST:PORT/VHOST), or stands in the file DMP_RABBITMQ_URL_FILE.
    """
    from connectors.collect.rabbitmq import serve

    serve(queue, declare, prefetch, metrics_port, _destination(config, partitioner))


@click.group()
def forward() -> None:
    """Send results on to other systems."""


@forward.command("rabbitmq")
@click.argument("topic")
@click.option("--exchange", required=True, help="A durable topic exchange; made if it is missing.")
@click.option("--routing-key", help="Default: the topic's name.")
@click.option("--group", help="Consumer group that remembers the position. Default: made of topic and exchange.")
@_metrics_port(9253)
@pass_config
def forward_rabbitmq(
    config: Config, topic: str, exchange: str, routing_key: Optional[str], group: Optional[str], metrics_port: int
) -> None:
    """Messages of a topic to a RabbitMQ exchange, from where the last run stopped, at first from the beginning.

    The server is DMP_RABBITMQ_URL (amqp://USER:PASSWORD@HOST:PORT/VHOST), or stands in the file DMP_RABBITMQ_URL_FILE.
    """
    from connectors.forward import serve

    group = group or f"dmp.forward.{topic}.{exchange}"
    serve(topic, exchange, routing_key or topic, group, metrics_port, config.kafka)
