"""`dmp link`, `dmp unlink`, `dmp erase`: commands about identities."""

from __future__ import annotations

import getpass
import os
import sys
import time
from typing import TYPE_CHECKING, Optional

import click

from dmp.cli import pass_config
from dmp.config import Config
from dmp.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from connectors.erasure import Person
    from dmp.core.commands import CommandParser

WAIT_SECONDS = 60
SHOWN_IDENTIFIERS = 3  # of each type

IDENTIFIER_HELP = "An identifier is TYPE:VALUE, such as user_id:u1 or email:ann@example.com."


@click.command(epilog=IDENTIFIER_HELP)
@click.argument("a")
@click.argument("b")
@pass_config
def link(config: Config, a: str, b: str) -> None:
    """Link the identifiers A and B, as an event with both does. It also takes back an unlink of the two.

    Shared identifiers and limits can still refuse the link: see dmp-refused.
    """
    _send_pair(config, "link", a, b)


@click.command(epilog=IDENTIFIER_HELP)
@click.argument("a")
@click.argument("b")
@pass_config
def unlink(config: Config, a: str, b: str) -> None:
    """Suspend the link of the identifiers A and B until a later link command, whatever events say.

    They stay one person's if other links join them.
    """
    _send_pair(config, "unlink", a, b)


def _send_pair(config: Config, op: str, a: str, b: str) -> None:
    from connectors.commands import send
    from dmp.core.commands import readable
    from schemas.topics import COMMANDS

    try:
        command = command_parser(config).command(_now_ms(), op, a, b)
    except ValueError as error:
        raise UserError(f"cannot {op}: {error}") from None
    send(config.kafka, COMMANDS.name, [command])
    rules = config.cleaning_rules()
    click.echo(f"{op} sent: {readable(a, rules)} and {readable(b, rules)}")


@click.command(epilog=IDENTIFIER_HELP)
@click.argument("identifier", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--wait/--no-wait", default=True, help="Wait until Elasticsearch has none of it (default), or do not.")
@click.option(
    "--timeout", default=WAIT_SECONDS, show_default=True, type=click.IntRange(1), help="Seconds to wait at most."
)
@click.pass_context
@pass_config
def erase(config: Config, ctx: click.Context, identifier: str, yes: bool, wait: bool, timeout: int) -> None:
    """Erase the person whom the identifier ID belongs to, with all identifiers, for good.

    Shows what will be removed and asks first. Exit status: 0 when it was done (with --no-wait: sent), else 1.
    """
    from connectors.elasticsearch import session
    from connectors.erasure import find_person
    from dmp.core.commands import readable

    try:
        asked = command_parser(config).identifier(identifier)
    except ValueError as error:
        raise UserError(f"cannot erase: {error}") from None
    if not yes and not sys.stdin.isatty():
        raise UserError("erasing asks for a confirmation, and standard input is no terminal: add --yes")
    with session(config.elasticsearch) as client:
        person = find_person(client, asked)
    _show(readable(identifier, config.cleaning_rules()), person)
    if not yes and not click.confirm("Erase this for good?"):
        click.echo("nothing was erased")
        ctx.exit(1)
    ctx.exit(_erase(config, person, timeout if wait else None))


def _erase(config: Config, person: Person, wait_seconds: Optional[int]) -> int:
    """Send the commands, wait unless `wait_seconds` is None, and leave a record; returns the exit status."""
    from connectors.commands import send
    from connectors.elasticsearch import session
    from connectors.erasure import record, wait_until_gone
    from connectors.profile_edits import forget
    from connectors.stop import StopRequest
    from connectors.vault import forget as forget_originals
    from dmp.core.commands import Command
    from schemas.topics import COMMANDS

    kafka = config.kafka
    asked_ms, begin = _now_ms(), time.monotonic()
    with StopRequest() as stop:  # an interrupted wait leaves its record, too
        with session(config.elasticsearch) as client:
            forget(client, person.identifiers)  # first: if it fails, nothing has been sent
        send(kafka, COMMANDS.name, [Command(asked_ms, "erase", *named, None, None) for named in person.identifiers])
        forget_originals(kafka, person.identifiers)
        sent = f"{len(person.identifiers):,} erase command(s) sent"
        if wait_seconds is None:
            record(kafka, person, user_name(), asked_ms, None)
            click.echo(sent)
            return 0
        click.echo(f"{sent}; waiting until Elasticsearch has none of it, at most {wait_seconds} s")
        with session(config.elasticsearch) as client:
            left = wait_until_gone(client, person, wait_seconds, stop)
        seconds = time.monotonic() - begin
        record(kafka, person, user_name(), asked_ms, None if left else round(seconds, 1))
    if not left:
        click.echo(f"gone after {seconds:.1f} s")
        return 0
    click.echo(
        f"after {seconds:.0f} s Elasticsearch still has {left:,} document(s) of it: the commands stay in Kafka and are "
        "carried out as soon as the jobs run; look at `dmp status` and Flink's page",
        err=True,
    )
    return stop.exit_status or 1


def _show(asked: str, person: Person) -> None:
    """What will be removed, for people to read: no raw contacts."""
    from rich.console import Console

    console = Console(highlight=False, markup=False, soft_wrap=True)
    if person.profile_id is None:
        console.print(f"{asked} is unknown to Elasticsearch: erasing it concerns only events still to come.")
    else:
        console.print(f"{asked} belongs to person {person.profile_id}:")
        console.print(_table(person))
    console.print(
        f"Documents to be removed: {len(person.identities):,} in dmp-identities, {1 if person.profile else 0} in "
        f"dmp-profiles, {person.merges:,} in dmp-merges, {person.refused:,} in dmp-refused.\n"
        "This cannot be undone: erased identifiers stay erased, and their events count for nobody, whenever they come."
    )


def _table(person: Person) -> Table:
    from rich.table import Table
    from rich.text import Text

    from dmp.core.commands import readable_id

    table = Table()
    table.add_column("what")
    table.add_column("count", justify="right")
    table.add_column("which")
    for kind, count in person.counts().items():
        some = [readable_id(*named) for named in person.identifiers if named[0] == kind][:SHOWN_IDENTIFIERS]
        more = [f"and {count - len(some):,} more"] if count > len(some) else []
        if count:
            table.add_row(kind, f"{count:,}", Text("\n".join(some + more)))
    profile = person.profile or {"events": 0, "first_seen": None, "last_seen": None}
    seen = f"{profile['first_seen']} to {profile['last_seen']}" if profile["first_seen"] else "none of them counted"
    table.add_row("events", f"{profile['events']:,}", seen)
    return table


def command_parser(config: Config) -> CommandParser:
    """What reads identifiers as users type them."""
    from dmp.core.commands import CommandParser
    from dmp.secrets import load_keys
    from dmp.stack.keys import secret_variables

    return CommandParser(config.cleaning_rules(), load_keys(secret_variables(config)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def user_name() -> str:
    """Who runs this command, for records."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return str(os.getuid())
