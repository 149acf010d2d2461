"""The `dmp` command: its sub-commands are imported only when used, errors are one line and exit status 2."""

from __future__ import annotations

import functools
import importlib.util
import sys
from pathlib import Path
from typing import Any, Callable

import click

from dmp.errors import UserError

COMMANDS: dict[str, str] = {
    "up": "dmp.cli.stack",
    "down": "dmp.cli.stack",
    "setup": "dmp.cli.stack",
    "status": "dmp.cli.stack",
    "submit": "dmp.cli.jobs",
    "stop": "dmp.cli.jobs",
    "sql": "dmp.cli.sql",
    "generate": "dmp.cli.events",
    "collect": "dmp.cli.collect",
    "forward": "dmp.cli.collect",
    "rejected": "dmp.cli.events",
    "partitions": "dmp.cli.partitions",
    "link": "dmp.cli.commands",
    "unlink": "dmp.cli.commands",
    "erase": "dmp.cli.commands",
    "vault": "dmp.cli.vault",
    "profile": "dmp.cli.profile",
    "segments": "dmp.cli.segments",
    "replay": "dmp.cli.replay",
    "alerts": "dmp.cli.alerts",
    "dashboards": "dmp.cli.dashboards",
    "sample": "dmp.cli.sample",
    "plan": "dmp.cli.plan",
    "simulate": "dmp.cli.simulate",
    "demo": "dmp.cli.demo",
}
"""Where each command is defined, as a click command of the same name. These modules import quickly: what is large
(servers' clients, pyflink) they import within their functions."""


class LazyGroup(click.Group):
    """A group whose commands are imported by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(COMMANDS[cmd_name]), cmd_name)
        return command


@click.command(cls=LazyGroup, no_args_is_help=False)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file (default: $DMP_CONFIG, else ./dmp.toml if it exists).",
)
@click.pass_context
def cli(ctx: click.Context, config: Path | None) -> None:
    """Real-time data management platform on Apache Flink."""
    ctx.obj = config


def pass_config(command: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator: the command gets the loaded Config as its first argument."""

    @click.pass_obj
    @functools.wraps(command)
    def wrapper(path: Path | None, *args: Any, **kwargs: Any) -> Any:
        from dmp.config import load_config

        return command(load_config(path), *args, **kwargs)

    return wrapper


def config_path() -> Path | None:
    """The file that the effective configuration was read from."""
    from dmp.config import config_file

    return config_file(click.get_current_context().find_root().params["config"])


def main() -> None:
    """Run the command. Exit status 2 for whatever the user can mend; other exceptions keep their traceback."""
    try:
        status = cli.main(standalone_mode=False)
    except click.UsageError as error:
        _fail(f"{error.format_message()} See `{error.ctx.command_path if error.ctx else 'dmp'} --help`.")
    except click.ClickException as error:
        _fail(error.format_message())
    except UserError as error:
        _fail(str(error))
    except click.Abort:
        click.echo("dmp: interrupted", err=True)
        sys.exit(130)
    else:
        sys.exit(status if isinstance(status, int) else 0)


def _fail(message: str) -> None:
    click.echo(f"dmp: {' '.join(message.split())}", err=True)
    sys.exit(2)
