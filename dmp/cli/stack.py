"""`dmp up`, `dmp down`, `dmp status`: the local stack. `dmp setup`: what the jobs rely on, on any servers."""

from __future__ import annotations

import json
from typing import Any

import click

from dmp.cli import pass_config
from dmp.config import Config


@click.command()
@click.option("--no-setup", is_flag=True, help="Leave topics and indices as they are: somebody else runs dmp setup.")
@pass_config
def up(config: Config, no_setup: bool) -> None:
    """Start Kafka, Elasticsearch and Flink on this machine, wait until they are ready, and set them up.

    Kafka and Elasticsearch are not started when the configuration has them elsewhere.
    """
    from dmp.stack import Stack

    stack = Stack(config)
    stack.up(set_up=not no_setup)
    _print_table(stack.status())


@click.command()
@pass_config
def setup(config: Config) -> None:
    """Create the topics in Kafka, and templates and indices in Elasticsearch; dmp up does it, too. Safe to repeat."""
    from schemas.setup import apply

    apply(config)


@click.command()
@click.option("--purge", is_flag=True, help="Also remove the data folder: topics, indices, checkpoints, keys, logs.")
@pass_config
def down(config: Config, purge: bool) -> None:
    """Stop the servers of the local stack."""
    from dmp.stack import Stack

    Stack(config).down(purge=purge)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: each server by name.")
@click.pass_context
@pass_config
def status(config: Config, ctx: click.Context, as_json: bool) -> None:
    """Show each server's address and whether it is ready.

    Exit status: 0 when all are ready, else 1.
    """
    from dmp.stack import Stack

    servers = Stack(config).status()
    if as_json:
        click.echo(json.dumps(servers, indent=2))
    else:
        _print_table(servers)
    ctx.exit(0 if all(server["ready"] for server in servers.values()) else 1)


def _print_table(servers: dict[str, dict[str, Any]]) -> None:
    for name, server in servers.items():
        state = "ready" if server["ready"] else "not ready" if server["pid"] else "stopped"
        memory = f"{server['memory_mb']} MiB" if server["pid"] else ""
        click.echo(f"{name:<18} {state:<10} {server['address']:<24} {memory:>9}  {server['log']}")
