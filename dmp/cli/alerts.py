"""`dmp alerts`: rules of alerts, tried on recorded windows, and telling a webhook of alerts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Optional

import click

from dmp.cli import pass_config
from dmp.config import Config
from dmp.errors import UserError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
RULES = click.option("--rules", type=FILE, help="Rules to use [default: alerts.rules, else those of the platform].")


@click.group()
def alerts() -> None:
    """Try rules on recorded windows, and tell a webhook of alerts. The job itself: dmp submit alerts."""


@alerts.command()
@RULES
@pass_config
def check(config: Config, rules: Optional[Path]) -> None:
    """Say whether the rules are in order, and what they watch."""
    from dmp.alerting import configured_rules, load_rules

    found = load_rules(rules, config.windows.seconds) if rules else configured_rules(config)
    for rule in found:
        by = f" by {', '.join(rule.by)}" if rule.by else ""
        click.echo(f"{rule.name}: {rule.kind} of {rule.watch}{by}, windows of {rule.window} s, {rule.severity}")
    click.echo(f"{len(found)} rules, all in order")


@alerts.command()
@RULES
@click.option(
    "--metrics",
    "files",
    required=True,
    multiple=True,
    type=FILE,
    help="Rows of dmp.metrics and dmp.quality as JSON lines, such as the metrics.jsonl of dmp replay; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@pass_config
def test(config: Config, rules: Optional[Path], files: tuple[Path, ...], as_json: bool) -> None:
    """Run the rules over windows in files, and print the alerts that come of it."""
    from dmp.alerting import alerts_of, configured_rules, load_rules, read_windows

    known = load_rules(rules, config.windows.seconds) if rules else configured_rules(config)
    found = alerts_of(known, (row for file in files for row in read_windows(file)))
    for alert in found:
        if as_json:
            click.echo(json.dumps(alert))
        else:
            until = alert["resolved_at"] or "still open"
            click.echo(f"{alert['started_at']} - {until}  {alert['severity']}  {alert['rule']}: {alert['summary']}")
    if not as_json:
        click.echo(f"{len(found):,} alerts")


@alerts.command()
@click.option("--url", help="Where to [default: alerts.webhook].")
@click.option("--updates", is_flag=True, help="Also each update of an open alert.")
@click.option("--until-end", is_flag=True, help="End when everything that is there now was told.")
@click.pass_context
@pass_config
def deliver(config: Config, ctx: click.Context, url: Optional[str], updates: bool, until_end: bool) -> None:
    """Post each alert to a webhook when it opens, resolves or is withdrawn; runs until it is stopped.

    At least once, in order; what cannot be delivered is tried again until it can, also by the next run. With
    DMP_WEBHOOK_SECRET or DMP_WEBHOOK_SECRET_FILE posts are signed, see docs/alerts.md.
    """
    from connectors.notify import Notifier
    from connectors.stop import StopRequest
    from connectors.webhook import Webhook
    from dmp.secrets import read_secret
    from schemas.topics import ALERTS

    target = url or config.alerts.webhook
    if not target or not target.startswith(("http://", "https://")):
        raise UserError("there is no address to post alerts to: give --url http..., or set alerts.webhook")
    webhook = Webhook(target, read_secret(os.environ, "DMP_WEBHOOK_SECRET"))
    with StopRequest() as stop:
        notifier = Notifier(webhook, updates, lambda line: click.echo(line, err=True), stop)
        notifier.run(config.kafka, ALERTS.name, until_end)
    click.echo(f"{notifier.delivered:,} alerts delivered, {notifier.refused:,} refused")
    ctx.exit(stop.exit_status)
