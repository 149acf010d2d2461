"""`dmp dashboards`: for Kibana as a file or by its import, and as a local page."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Optional

import click

from dmp.cli import pass_config
from dmp.config import Config
from dmp.errors import UserError

PORT = 8090


@click.group()
def dashboards() -> None:
    """Dashboards of every result: in Kibana, or as a local page."""


@dashboards.command()
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="A file named *.ndjson (default: standard output)."
)
def build(out: Optional[Path]) -> None:
    """Write the dashboards as saved objects of Kibana, 8.17 and later, for its import by hand."""
    from dashboards.kibana import ndjson

    if out is None:
        click.echo(ndjson(), nl=False)
        return
    if out.suffix != ".ndjson":
        raise click.UsageError("the file of --out must end in .ndjson: Kibana imports no other")
    try:
        out.write_text(ndjson(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}") from None


@dashboards.command(name="import")
@click.option("--kibana", "url", required=True, help="Address of Kibana; with /s/NAME behind it, of one of its spaces.")
def import_(url: str) -> None:
    """Bring the dashboards into Kibana. Run again, it replaces them by those of this version.

    DMP_KIBANA_API_KEY, or DMP_KIBANA_USER and DMP_KIBANA_PASSWORD, are for a Kibana that asks who you are; key and
    password may stand in files that the variables with _FILE behind them name.
    """
    from dashboards.catalogue import DASHBOARDS
    from dashboards.kibana import ndjson
    from dashboards.kibana_import import import_objects

    count = import_objects(url, ndjson())
    click.echo(f"{count} objects are in Kibana, {len(DASHBOARDS)} of them dashboards:")
    for dashboard in DASHBOARDS:
        click.echo(f"  {url.rstrip('/')}/app/dashboards#/view/dmp-{dashboard.id}")


@dashboards.command()
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@pass_config
def serve(config: Config, port: int) -> None:
    """Show the dashboards on a page of this machine, with the numbers of its Elasticsearch, until it is stopped."""
    missing = [name for name in ("starlette", "uvicorn", "vl_convert") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"{', '.join(missing)} must be installed for this: pip install 'dmp-flink[serve]'")
    import uvicorn

    from connectors.elasticsearch import connect, refuse_denied
    from dashboards.libraries import vega_script
    from dashboards.server import create_app, listen
    from schemas.topics import METRICS

    script = vega_script(config.stack.cache_dir)
    with listen(port) as server, connect(config.elasticsearch, timeout_seconds=10) as client:
        refuse_denied(client, config.elasticsearch, str(METRICS.index))
        app = create_app(client, config.elasticsearch, script)
        click.echo(f"Dashboards at http://127.0.0.1:{server.getsockname()[1]} (Ctrl+C ends it)")
        sys.stdout.flush()
        uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off")).run(sockets=[server])
