"""`dmp vault`: originals of e-mails and phones, for those who keep them."""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING

import click

from dmp.cli import pass_config
from dmp.cli.commands import IDENTIFIER_HELP, command_parser, user_name
from dmp.config import Config
from dmp.errors import UserError

if TYPE_CHECKING:
    from dmp.core.vault import Vault


@click.group()
def vault() -> None:
    """Read encrypted originals of e-mails and phones, and replace the key that they are under."""


@vault.command(epilog=IDENTIFIER_HELP)
@click.argument("identifier", metavar="ID")
@click.pass_context
@pass_config
def show(config: Config, ctx: click.Context, identifier: str) -> None:
    """Print the original of the e-mail or phone ID, given as its pseudonym (email:0a1b...) or as itself.

    That you asked is written down in dmp.vault.reads, but not for whom. Exit status 1 when there is none.
    """
    from connectors.vault import entries, record_read
    from dmp.core.vault import CONTACT_TYPES, message_key

    opened = _open()
    try:
        kind, pseudonym = command_parser(config).identifier(identifier)
    except ValueError as error:
        raise UserError(f"cannot show: {error}") from None
    if kind not in CONTACT_TYPES:
        raise UserError(f"the vault has originals of {' and '.join(CONTACT_TYPES)} only: a {kind} is stored as it is")
    entry = entries(config.kafka).get(message_key(kind, pseudonym))
    record_read(config.kafka, time.time_ns() // 1_000_000, user_name(), kind, entry is not None)
    if entry is None:
        click.echo("the vault has no original of it: never seen while job vault ran, or erased", err=True)
        ctx.exit(1)
    try:
        click.echo(opened.open(entry))
    except ValueError as error:
        raise UserError(f"cannot show: {error}; give that key in DMP_VAULT_OLD_KEYS") from None


@vault.command()
@click.pass_context
@pass_config
def rotate(config: Config, ctx: click.Context) -> None:
    """Put every original under the key DMP_VAULT_KEY that is under one of DMP_VAULT_OLD_KEYS, while jobs go on.

    Harmless to repeat and to interrupt. Exit status 0 when nothing is left under another key, else 1.
    """
    from connectors.progress import Progress
    from connectors.vault import entries, erased, reseal
    from dmp.jobs import Cluster
    from dmp.stack.keys import replace_vault_key

    opened, parser = _open(), command_parser(config)
    replace_vault_key(config)
    Cluster(config).wait_for_checkpoint("vault")
    stale = {key: entry for key, entry in entries(config.kafka, wait_for_open=True).items() if opened.is_stale(entry)}
    with Progress("Re-encrypting", len(stale), "originals") as progress:
        written = 0
        for count in reseal(config.kafka, opened, stale, lambda: erased(config.kafka, parser)):
            progress.advance(count)
            written += count
        progress.summary(f"{written:,} original(s) re-encrypted under key {opened.current_id}")
    ctx.exit(_tell_what_is_left(config, opened))


def _tell_what_is_left(config: Config, opened: Vault) -> int:
    """Say how many originals are under which key; returns the exit status."""
    from connectors.vault import entries
    from dmp.core.vault import key_id_of

    counts = Counter(key_id_of(entry) for entry in entries(config.kafka, wait_for_open=True).values())
    current = counts.pop(opened.current_id, 0)
    click.echo(f"{current:,} original(s) are under key {opened.current_id}, {sum(counts.values()):,} under others")
    for named, count in counts.items():
        click.echo(f"{count:,} under key {named}: run this again with it in DMP_VAULT_OLD_KEYS", err=True)
    if not counts:
        click.echo("no older key is needed any more: destroy it and unset DMP_VAULT_OLD_KEYS")
    return 1 if counts else 0


def _open() -> Vault:
    """The vault with the keys of the environment; UserError without any."""
    from dmp.core.vault import Vault
    from dmp.secrets import require_vault_keys

    return Vault(require_vault_keys(os.environ))
