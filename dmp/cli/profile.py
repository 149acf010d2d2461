"""`dmp profile`: what is known of a person, and fields that people keep by hand."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import click

from dmp.cli import pass_config
from dmp.cli.commands import IDENTIFIER_HELP, command_parser, user_name
from dmp.config import Config
from dmp.errors import UserError

if TYPE_CHECKING:
    from elasticsearch import Elasticsearch

    from connectors.erasure import Person
    from dmp.core.edits import Identifier

IDENTIFIER = click.argument("identifier", metavar="ID")


@click.group()
def profile() -> None:
    """Look at profiles, and edit fields of them by hand."""


@profile.command("set", epilog=IDENTIFIER_HELP)
@IDENTIFIER
@click.argument("changes", metavar="FIELD=VALUE...", nargs=-1, required=True)
@pass_config
def set_fields(config: Config, identifier: str, changes: tuple[str, ...]) -> None:
    """Set fields of the person whom ID belongs to: FIELD=VALUE, FIELD+=NUMBER to add, FIELD=null to remove.

    VALUE is a number, true, false, or text; e-mails and phones in it are masked. The fields belong to the identifier
    ID: when that moves to another person, they go with it. All changes are made at once or none is, and no change of
    another writer is lost.
    """
    from connectors.elasticsearch import session
    from connectors.profile_edits import edit
    from dmp.core.edits import apply_changes, parse_change
    from dmp.core.timestamps import rfc3339

    try:
        parsed = [parse_change(change, config.cleaning.phone_region) for change in changes]
        with session(config.elasticsearch) as client:
            asked, _ = _find(config, client, identifier)
            now, who = rfc3339(time.time_ns() // 1_000_000), user_name()
            fields = edit(client, asked, lambda before: apply_changes(before, parsed, now, who))
    except ValueError as error:
        raise UserError(f"cannot set this: {error}") from None
    for name in dict.fromkeys(change.field for change in parsed):
        value = fields.get(name, {}).get("value")
        click.echo(f"{name}: {'removed' if value is None else json.dumps(value, ensure_ascii=False)}")


@profile.command(epilog=IDENTIFIER_HELP)
@IDENTIFIER
@pass_config
def show(config: Config, identifier: str) -> None:
    """Show the person whom ID belongs to, as one JSON object: the profile and what people have set.

    Of a field that several identifiers of the person have, the latest edit counts.
    """
    from connectors.elasticsearch import session
    from connectors.profile_edits import edits_of
    from dmp.core.edits import of_person

    with session(config.elasticsearch) as client:
        _, person = _find(config, client, identifier)
        edits = of_person(edits_of(client, person.identifiers))
    described = {
        "profile_id": person.profile_id,
        "profile": person.profile,
        "edits": {
            name: {"value": edit.value, "at": edit.at, "by": edit.by, "identifier": ":".join(edit.identifier)}
            for name, edit in edits.items()
        },
    }
    click.echo(json.dumps(described, indent=2, ensure_ascii=False))


def _find(config: Config, client: Elasticsearch, identifier: str) -> tuple[Identifier, Person]:
    """The identifier as stored, and its person; UserError when Elasticsearch knows none."""
    from connectors.erasure import find_person

    try:
        asked = command_parser(config).identifier(identifier)
    except ValueError as error:
        raise UserError(f"{error}") from None
    person = find_person(client, asked)
    if person.profile_id is None:
        raise UserError("Elasticsearch knows nobody with this identifier: check it, or wait until its event is through")
    return asked, person
