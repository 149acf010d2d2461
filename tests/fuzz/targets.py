"""What is fuzzed: for each entrance of the platform a function that takes any bytes and checks what must hold for all.

No crash, no loss (each message becomes an event, a reject or an error for people, with every byte accounted for), no
value of the input in a reject's detail, nothing too large for a message of Kafka or a term of Elasticsearch. A hang is
the fuzzer's to notice. `python -m tests.fuzz` searches with coverage, test_fuzz.py for seconds without.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from connectors.collect import jsonl, text, udp
from connectors.collect.access_log import AccessLog
from connectors.collect.csv_file import CsvFormat
from connectors.collect.files import Line, read_lines
from connectors.collect.http.segment import CALLS, Client, Refused, events, message, parse, unzip, write_key
from connectors.collect.mapping import load_mapping
from connectors.kafka.messages import Message
from dmp import alerting
from dmp.config import load_config
from dmp.core import cleaning, commands, identifiers, timestamps
from dmp.core.cleaning import MAX_TRAIT_BYTES, MAX_TRAITS, Cleaner, CleanEvent, Reject
from dmp.core.commands import CommandParser
from dmp.core.identifiers import Blocklist, CleaningRules
from dmp.core.privacy import PrivacyKeys
from dmp.core.segments import RulesError, read_rules
from dmp.errors import UserError
from tests.fuzz import seeds

KAFKA_BYTES = 1_048_576  # max.request.size of Kafka's producers
TERM_BYTES = 32_766  # Lucene's longest term
KEYS = PrivacyKeys(b"a key of the fuzzer")
CLEANER = Cleaner(CleaningRules(block=("test-.*", "(a|a)*b")), KEYS)
COMMANDS = CommandParser(CleaningRules(), KEYS)
RECEIVED = "2026-01-31T08:00:10.000Z"

_WORD = re.compile(r"[^\W\d_]+")
_OWN_WORDS = frozenset(
    _WORD.findall("".join(map(inspect.getsource, (cleaning, commands, identifiers, timestamps))))
)


@dataclass(frozen=True)
class Target:
    """`run` raises for bytes that break a promise; `seeds` are good inputs to begin with."""

    run: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def clean(data: bytes) -> None:
    """Cleaning: a clean event that its topics can hold, or a reject that tells nothing of the event."""
    result = CLEANER.clean(data)
    if isinstance(result, Reject):
        assert result.reason in cleaning.REJECT_REASONS
        _assert_own_words(result.detail)
        return
    assert len(_row(result)) + len((result.subject_id or "").encode()) < KAFKA_BYTES
    traits = orjson.loads(result.traits or "{}")
    assert len(traits) <= MAX_TRAITS
    for name, value in traits.items():
        assert len(orjson.dumps({name: value})) <= MAX_TRAIT_BYTES < TERM_BYTES
    for name in _names([traits, orjson.loads(result.properties or "{}")]):
        assert "\0" not in name


def _row(event: CleanEvent) -> bytes:
    """The event as it goes into Kafka."""
    row = event._asdict()
    traits = orjson.loads(event.traits or "{}")
    row["traits"] = {name: orjson.dumps(value).decode() for name, value in traits.items()}
    return orjson.dumps(row)


def _names(value: Any) -> Iterator[str]:
    """The names of all members, however deep."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names(inner)


def _assert_own_words(detail: str) -> None:
    """A detail has words of ours and numbers, never a word of the input."""
    assert detail and "\n" not in detail
    assert _OWN_WORDS.issuperset(_WORD.findall(detail)), detail


def command(data: bytes) -> None:
    """A command, which its own message gives again, or a reject that tells nothing of it."""
    result = COMMANDS.parse(data)
    if isinstance(result, Reject):
        assert result.reason == commands.BAD_COMMAND
        _assert_own_words(result.detail)
    else:
        assert COMMANDS.parse(commands.message(result)) == result


def _take(messages: list[Message]) -> None:
    """What collectors send is never nothing, and cleaning says what becomes of it."""
    for sent in messages:
        assert sent.value
        clean(sent.value)


def access_log(data: bytes) -> None:
    """Each line becomes an event, or stays as it is."""
    convert = AccessLog(b"key").converter(b"first")
    with _file(data) as file:
        lines = list(read_lines(file, 0))
    assert sum(line.length for line in lines) == len(data)
    for line in lines:
        sent = convert(line)
        assert sent is not None
        assert sent.value == line.data or b'"messageId":"log-' in sent.value
        clean(sent.value)


def csv_rows(data: bytes) -> None:
    """A mapping, a line of `---`, and a file: each byte of it is in a row, and each row but the header is sent."""
    mapping, _, rows = data.partition(b"\n---\n")
    with _file(mapping) as description, _file(rows) as file:
        try:
            form = CsvFormat(load_mapping(_name(description)), b"key")
            convert = form.converter(rows.partition(b"\n")[0])
        except UserError as error:
            _assert_one_line(error)
            return
        lines = list(form.read(file, 0))
        assert sum(line.length for line in lines) == len(rows)
        messages = [convert(line) for line in lines if line.data]
    assert messages.count(None) <= 1
    _take([sent for sent in messages if sent and sent.value])


def lines(data: bytes) -> None:
    """JSON lines stay as they are; lines of text are in the event, and a datagram's are one or the other."""
    line = Line(0, data, len(data))
    assert jsonl.converter(b"")(line) is not None
    _take([text.converter(b"")(line)])  # type: ignore[list-item]
    if data.strip():
        _take([udp.message(udp.Line(data, "203.0.113.9", 1_769_846_410_000))])


def http(data: bytes) -> None:
    """A call, a line end, and a body, packed or not: events in the number given, or an answer that says why not."""
    name, _, body = data.partition(b"\n")
    call = CALLS.get(name.decode("latin-1"), "batch")
    try:
        content = unzip(body, call) if body.startswith(b"\x1f\x8b") else body
        payload = parse(content)
        write_key(name.decode("latin-1"), payload)
        write_key(None, payload)
        found = events(call, payload)
        count = len(payload["batch"]) if call == "batch" else 1
        messages = [message(event, RECEIVED, Client("203.0.113.9", "browser"), {}) for event in found]
    except Refused as refused:
        assert 400 <= refused.status < 500 and refused.code
        return
    assert len(messages) == count
    _take(messages)


def config(data: bytes) -> None:
    """A configuration, whose patterns take no text long, or one line that says what is wrong."""
    with _file(data) as file:
        try:
            rules = load_config(Path(_name(file))).cleaning_rules()
        except UserError as error:
            _assert_one_line(error)
            return
    blocklist = Blocklist(rules.block)
    for text_ in ("a" * 20_000 + "!", data.decode("utf-8", "replace")):
        blocklist.blocks(text_)


def segment_rules(data: bytes) -> None:
    """Rules, each condition without anything that is not understood, or a line for each problem."""
    try:
        rules = read_rules(data.decode("utf-8", "replace"))
    except RulesError as error:
        assert error.problems
        for problem in error.problems:
            assert problem and "\n" not in problem
        return
    assert len(rules.version) == 12
    for segment in rules.segments:
        without_texts = re.sub("'(?:[^']|'')*'", "''", segment.condition)
        assert not re.search(r";|--|/\*|\"", without_texts), segment.condition


def alert_rules(data: bytes) -> None:
    """Rules, or one line that says what is wrong."""
    with _file(data) as file:
        try:
            alerting.load_rules(Path(_name(file)), 10)
        except UserError as error:
            _assert_one_line(error)


def _assert_one_line(error: UserError) -> None:
    assert str(error) and "\n" not in str(error)


@contextmanager
def _file(data: bytes) -> Iterator[Any]:
    """A file in memory."""
    with os.fdopen(os.memfd_create("fuzz"), "w+b") as file:
        file.write(data)
        file.seek(0)
        yield file


def _name(file: Any) -> str:
    return f"/proc/self/fd/{file.fileno()}"


TARGETS = {
    "cleaning": Target(clean, seeds.EVENTS),
    "commands": Target(command, seeds.COMMANDS),
    "access_log": Target(access_log, seeds.ACCESS_LOG),
    "csv": Target(csv_rows, seeds.CSV),
    "lines": Target(lines, (*seeds.EVENTS, b"plain text")),
    "http": Target(http, tuple(seeds.HTTP)),
    "config": Target(config, seeds.CONFIG),
    "segment_rules": Target(segment_rules, seeds.SEGMENT_RULES),
    "alert_rules": Target(alert_rules, seeds.ALERT_RULES),
}
