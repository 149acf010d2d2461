"""`dmp sql`: Flink's SQL client, saved questions, and the SQL gateway."""

from __future__ import annotations

import csv
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import click

from dmp.cli import config_path, pass_config
from dmp.config import Config
from dmp.errors import UserError

if TYPE_CHECKING:
    from connectors.gateway import Result

POLL_SECONDS = 0.5


@click.command()
@click.option("-f", "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Run this script.")
@click.option("--list", "list_questions", is_flag=True, help="Show the saved questions and their parameters.")
@click.option("-q", "--question", "names", multiple=True, metavar="NAME", help="Answer a saved question. Repeatable.")
@click.option("-p", "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="A parameter of the question.")
@click.option("--csv", "as_csv", is_flag=True, help="Answer as CSV instead of a table.")
@click.option("--gateway", is_flag=True, help="Run the SQL gateway until Ctrl-C: SQL over REST for other programs.")
@click.option("--init", "show_init", is_flag=True, help="Print the script that every session starts with.")
@pass_config
def sql(
    config: Config,
    file: Optional[Path],
    list_questions: bool,
    names: tuple[str, ...],
    parameters: tuple[str, ...],
    as_csv: bool,
    gateway: bool,
    show_init: bool,
) -> None:
    """Open Flink's SQL client with every topic as a table, or answer saved questions."""
    chosen = [bool(file), list_questions, bool(names), gateway, show_init]
    if sum(chosen) > 1:
        raise UserError("choose one of --file, --list, --question, --gateway and --init")
    if (parameters or as_csv) and not names:
        raise UserError("--param and --csv belong to --question NAME: 'dmp sql --list' shows the questions")
    if list_questions:
        _list()
    elif show_init:
        click.echo(_init_script(config), nl=False)
    elif gateway:
        _serve(config)
    elif names:
        _answer(config, names, _values(parameters), as_csv)
    else:
        _client(config, file)


def _client(config: Config, file: Optional[Path]) -> None:
    from dmp.stack import Stack

    stack = Stack(config)
    client = stack.flink_command().with_name("sql-client.sh")
    if not client.exists():
        raise UserError(f"there is no SQL client at {client}: start the stack with 'dmp up'")
    init = config.stack.data_dir / "flink" / "init.sql"
    init.write_text(_init_script(config), encoding="utf-8")
    command = [str(client), "-i", str(init), *(["-f", str(file.absolute())] if file else [])]
    status = subprocess.run(command, env=stack.environment()).returncode
    if status:
        raise click.exceptions.Exit(status)


def _init_script(config: Config) -> str:
    from schemas.sql_client import init_script

    return init_script(config.kafka, config.archive.path, _package(config))


def _package(config: Config) -> Optional[Path]:
    """A zip of this project for the Python workers; None as long as there is no local Flink."""
    from dmp.jobs import Cluster

    return Cluster(config, config_path()).pack() if (config.stack.data_dir / "flink").exists() else None


def _list() -> None:
    from dmp.questions import read_questions

    for question in read_questions().values():
        click.echo(f"{question.name:<20} {question.title}")
        for parameter in question.parameters:
            default = "" if parameter.default is None else f" (default: {parameter.default})"
            click.echo(f"{'':<22}{parameter.name}: {parameter.meaning}{default}")


def _values(parameters: Sequence[str]) -> dict[str, str]:
    for parameter in parameters:
        if "=" not in parameter:
            raise UserError(f"--param {parameter}: give it as NAME=VALUE")
    return dict(parameter.split("=", 1) for parameter in parameters)  # type: ignore[arg-type]


def _answer(config: Config, names: Sequence[str], values: dict[str, str], as_csv: bool) -> None:
    from connectors.gateway import Session
    from dmp.questions import find_question
    from schemas.sql_client import USE_SNAPSHOT, init_statements

    questions = [find_question(name) for name in names]
    known = {parameter.name for question in questions for parameter in question.parameters}
    statements = []
    for question in questions:
        # With several questions a parameter belongs to those that have it.
        own = {n: v for n, v in values.items() if n not in known or n in {p.name for p in question.parameters}}
        statements.append(question.statement(own, lambda text: _pseudonym(config, text)))
    with _gateway(config) as url, Session(url) as session:
        kafka, archive = config.kafka, config.archive.path
        session.run([*init_statements(kafka, archive, _package(config)), *USE_SNAPSHOT])
        for question, statement in zip(questions, statements):
            try:
                result = session.query(statement)
            except UserError as error:
                raise UserError(f"question {question.name}: {error}") from None
            if as_csv:
                csv.writer(sys.stdout).writerows([result.columns, *result.rows])
            else:
                _print_table(question.title, result)


def _pseudonym(config: Config, identifier: str) -> str:
    from dmp.cli.commands import command_parser

    try:
        return ":".join(command_parser(config).identifier(identifier))
    except ValueError as error:
        raise UserError(f"--param identifier: {error}") from None


@contextmanager
def _gateway(config: Config) -> Iterator[str]:
    """The address of the gateway that runs, or else of one of our own for the moment."""
    from dmp.stack import Stack
    from dmp.stack.gateway import answers, running_gateway

    url = f"http://127.0.0.1:{config.ports.sql_gateway}"
    if answers(url):
        yield url
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with running_gateway(Stack(config), port):
        yield f"http://127.0.0.1:{port}"


def _serve(config: Config) -> None:
    from connectors.stop import StopRequest
    from dmp.stack import Stack
    from dmp.stack.gateway import running_gateway

    port = config.ports.sql_gateway
    with StopRequest() as stop, running_gateway(Stack(config), port) as process:
        click.echo(f"SQL gateway: http://127.0.0.1:{port}/v1/info, Ctrl-C ends it")
        while process.poll() is None and not stop.signal:
            time.sleep(POLL_SECONDS)


def _print_table(title: str, result: Result) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for number, column in enumerate(result.columns):
        numeric = any(isinstance(row[number], (int, float)) for row in result.rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in result.rows:
        table.add_row(*(Text("" if value is None else str(value)) for value in row))
    Console(highlight=False).print(table)
    click.echo(f"{len(result.rows):,} row(s)")
