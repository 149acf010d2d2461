"""`dmp sample`: how the jobs are doing, sample by sample."""

from __future__ import annotations

import json
import time

import click

from dmp.cli import pass_config
from dmp.config import Config

POLL_SECONDS = 0.2


@click.command()
@click.option(
    "--every", default=10.0, show_default=True, type=click.FloatRange(1, 3600), help="Seconds between samples."
)
@click.option("--once", is_flag=True, help="One sample, shown as JSON lines, too.")
@pass_config
@click.pass_context
def sample(ctx: click.Context, config: Config, every: float, once: bool) -> None:
    """Send rates, lag and checkpoints of the jobs to dmp.operations, until it is stopped.

    They come from Flink's REST interface; job index takes them to Elasticsearch.
    """
    from connectors.kafka.producers import Producer
    from connectors.stop import StopRequest
    from dmp.jobs import Cluster
    from dmp.sampling import take_samples
    from schemas.topics import OPERATIONS

    cluster = Cluster(config)
    producer = Producer(config.kafka, [OPERATIONS.name])
    due = time.monotonic()
    with StopRequest() as stop:
        while stop.signal is None:
            rows = take_samples(cluster, time.time_ns() // 1_000_000)
            for row in rows:
                producer.send(OPERATIONS.name, json.dumps(row).encode(), key=row["job"].encode())
            producer.flush()
            if once:
                click.echo("\n".join(json.dumps(row) for row in rows))
                return
            due += every
            while stop.signal is None and time.monotonic() < due:
                time.sleep(POLL_SECONDS)
    ctx.exit(stop.exit_status)
