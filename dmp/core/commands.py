"""Commands about identities: the messages of `dmp.commands` and the lines of a commands file.

    {"at": "2026-01-31T08:00:00Z", "op": "link", "a": "user_id:u1", "b": "email:ann@example.com"}

`op` is link, unlink or erase; `b` is the other end, so erase has none. Identifiers hold raw values and become what
cleaning makes of them. For a contact its pseudonym may stand instead, 64 lower-case hex digits: `dmp` writes no e-mail
address or phone into Kafka.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, NamedTuple

import orjson

from dmp.core.cleaning import Reject
from dmp.core.identifiers import CleaningRules, normalise, normalise_email, normalise_phone, parse_identifier
from dmp.core.privacy import PrivacyKeys, mask_email, mask_embedded_emails, mask_phone
from dmp.core.timestamps import MAX_EVENT_MS, MIN_EVENT_MS, parse_rfc3339, rfc3339

OPERATIONS = ("link", "unlink", "erase")
BAD_COMMAND = "bad_command"

_FIELDS = ("at", "op", "a", "b")
_CONTACTS = ("email", "phone")
_PSEUDONYM = re.compile("[0-9a-f]{64}").fullmatch
# Characters of an identifier that people are shown: enough to tell a person's identifiers apart.
_PSEUDONYM_SHOWN = 8
_ID_SHOWN = 40


class Command(NamedTuple):
    """One command. command_ms: epoch milliseconds. The ids of contacts are pseudonyms; erase has no b (None)."""

    command_ms: int
    op: str
    a_type: str
    a_id: str
    b_type: str | None
    b_id: str | None


class CommandParser:
    """Reads commands by the rules and keys of cleaning."""

    def __init__(self, rules: CleaningRules, keys: PrivacyKeys) -> None:
        self._rules = rules
        self._keys = keys

    def parse(self, raw: bytes) -> Command | Reject:
        """The command in one message or line, or why it is none (`bad_command`). Never raises, whatever the bytes.

        The detail has names of fields, never values (PII); the name of an unknown field is a value, too.
        """
        try:
            fields = _fields(raw)
            return self.command(_time(fields["at"]), fields["op"], fields["a"], fields["b"])
        except ValueError as error:
            return Reject(BAD_COMMAND, str(error))

    def command(self, command_ms: int, op: object, a: object, b: object = None) -> Command:
        """The command with these fields; `b` is None for erase. Raises ValueError, one line without any value."""
        if op not in OPERATIONS:
            raise ValueError(f"op must be one of {', '.join(OPERATIONS)}")
        if op == "erase" and b is not None:
            raise ValueError("erase concerns one identifier: leave out b")
        first = self._end("a", a)
        second = (None, None) if op == "erase" else self._end("b", b)
        if first == second:
            raise ValueError(f"a and b are the same identifier: there is nothing to {op}")
        return Command(command_ms, str(op), *first, *second)

    def identifier(self, text: str) -> tuple[str, str]:
        """Type and id of one `type:value`. Raises ValueError, one line without the value."""
        try:
            text.encode()
        except UnicodeEncodeError:  # its own message would quote the text
            raise ValueError("this is not valid Unicode") from None
        kind, _, value = text.partition(":")
        normal = normalise(value)
        if kind in _CONTACTS and _PSEUDONYM(normal):
            return kind, normal
        return parse_identifier(text, self._rules, self._keys)

    def _end(self, name: str, value: object) -> tuple[str, str]:
        """The identifier in the field `name`."""
        if not isinstance(value, str):
            raise ValueError(f"{name} must be an identifier: text of the form type:value")
        try:
            return self.identifier(value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None


def message(command: Command) -> bytes:
    """The command as a message: what `CommandParser.parse` makes the same command of, without raw contacts."""
    fields = {"at": rfc3339(command.command_ms), "op": command.op, "a": f"{command.a_type}:{command.a_id}"}
    if command.b_type is not None:
        fields["b"] = f"{command.b_type}:{command.b_id}"
    return orjson.dumps(fields)


def readable(text: str, rules: CleaningRules) -> str:
    """A valid `type:value` as people may see it: contacts masked, the rest as `readable_id` shows it."""
    kind, _, value = text.partition(":")
    normal = normalise(value)
    email = normalise_email(normal) if kind == "email" else None
    phone = normalise_phone(normal, rules.phone_region) if kind == "phone" else None
    if email is not None:
        return f"email:{mask_email(email)}"
    if phone is not None:
        return f"phone:{mask_phone(phone)}"
    return readable_id(kind, normal)


def readable_id(kind: str, value: str) -> str:
    """A stored identifier as people may see it: shortened, e-mail addresses masked, nothing that moves a cursor."""
    longest = _PSEUDONYM_SHOWN if kind in _CONTACTS else _ID_SHOWN
    masked = mask_embedded_emails(value)
    shown = masked if len(masked) <= longest else masked[:longest] + "…"
    return f"{kind}:{''.join(letter if letter.isprintable() else '?' for letter in shown)}"


def _fields(raw: bytes) -> dict[str, Any]:
    """All fields of a command, None where absent; ValueError without any value."""
    try:
        fields = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"not JSON in UTF-8, at character {error.pos} of line {error.lineno}") from None
    if type(fields) is not dict:
        raise ValueError("the JSON text is no object")
    unknown = [name for name in fields if name not in _FIELDS]
    if unknown:
        raise ValueError(f"{len(unknown)} unknown field(s){_suggestion(unknown[0])}; known: {', '.join(_FIELDS)}")
    return {name: fields.get(name) for name in _FIELDS}


def _suggestion(name: str) -> str:
    close = difflib.get_close_matches(name.lower().strip(), _FIELDS, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _time(value: object) -> int:
    """Epoch milliseconds of the field `at`."""
    moment = parse_rfc3339(value.strip()) if isinstance(value, str) else None
    if moment is None:
        raise ValueError("at must be RFC 3339 with an offset, such as 2026-01-31T08:00:00Z")
    if not MIN_EVENT_MS <= moment <= MAX_EVENT_MS:
        raise ValueError("at is before the year 2000 or after 9999")
    return moment
