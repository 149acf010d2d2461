"""Reading lines, and knowing a file again: the parts of collecting that need no Kafka."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.collect.files import Line, cut_line, open_text, read_lines, resume_offset, take_checkpoint
from connectors.collect.jsonl import converter
from connectors.kafka.messages import MAX_EVENT_BYTES
from connectors.keys import message_key
from dmp.core.cleaning import Cleaner, Reject
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys
from dmp.errors import UserError


def lines(data: bytes, offset: int = 0) -> list[Line]:
    file = io.BytesIO(data)
    file.seek(offset)
    return list(read_lines(file, offset))


def test_line_ends_are_taken_off_once() -> None:
    assert lines(b"a\nb\r\n\n\r\nc\r\r\n \nd") == [
        (0, b"a", 2), (2, b"b", 3), (5, b"", 1), (6, b"", 2), (8, b"c\r", 4), (12, b" ", 2), (14, b"d", 1),
    ]  # fmt: skip


@given(st.binary(max_size=300), st.integers(0, 300))
def test_lengths_add_up_and_reading_can_begin_at_any_line(data: bytes, choice: int) -> None:
    whole = lines(data)
    assert sum(line.length for line in whole) == len(data)
    start = whole[choice % len(whole)].offset if whole else 0
    assert lines(data, start) == [line for line in whole if line.offset >= start]


@pytest.mark.parametrize("excess", [-1, 0, 1, 2, 3, MAX_EVENT_BYTES, 3 * MAX_EVENT_BYTES])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b""])
def test_only_lines_that_are_too_long_are_cut(excess: int, end: bytes) -> None:
    data = b"x" * (MAX_EVENT_BYTES + excess)
    first, second = lines(data + end + (b"next" if end else b"\nnext"))
    assert first.length == len(data) + max(len(end), 1)
    assert second.data == b"next"
    assert (first.data == data) if excess <= 0 else (len(first.data) == MAX_EVENT_BYTES + 1)


def test_cut_line_is_rejected_as_too_large_and_fits_into_kafka() -> None:
    for byte in (b"x", b"\x00", b"\xff", b'"'):
        (line,) = lines(byte * (2 * MAX_EVENT_BYTES))
        value = cut_line(line)
        result = Cleaner(CleaningRules(), PrivacyKeys(b"test")).clean(value)
        assert isinstance(result, Reject) and result.reason == "too_large"
        assert len(value) <= MAX_EVENT_BYTES
        assert json.loads(value)["cutLine"]["bytes"] == line.length


def resume(path: Path, offset: int, change: Callable[[bytes], bytes]) -> int:
    """Where a file is read on that was sent up to `offset` and then changed in place."""
    with path.open("rb") as file:
        checkpoint = take_checkpoint(file, path, offset)
    path.write_bytes(change(path.read_bytes()))
    with path.open("rb") as file:
        return resume_offset(file, checkpoint)


CONTENT = b"".join(b"line %d\n" % number for number in range(1000))


@pytest.mark.parametrize(
    ("offset", "change", "expected"),
    [
        (70, lambda data: data, 70),
        (len(CONTENT), lambda data: data + b"more\n", len(CONTENT)),
        (7, lambda data: data + b"more\n", 7),
        (5000, lambda data: data[:4000], 0),  # truncated
        (5000, lambda data: b"other file\n" * 1000, 0),  # inode used again
        (5000, lambda data: data[:4500] + b"OTHER" + data[4505:], 0),  # same beginning, overwritten further on
    ],
)
def test_going_on_where_it_stopped(
    tmp_path: Path, offset: int, change: Callable[[bytes], bytes], expected: int
) -> None:
    path = tmp_path / "log"
    path.write_bytes(CONTENT)
    assert resume(path, offset, change) == expected


@pytest.mark.parametrize("added", [b"", b"\n", b"\r\n", b"\nnext\n"])
def test_last_line_without_its_end_is_not_sent_again_when_the_end_follows(tmp_path: Path, added: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"one\ntwo")
    assert resume(path, 7, lambda data: data + added) == 7


@pytest.mark.parametrize("before", [b"", b"one\n", b"long" * 1000 + b"\n"])
def test_last_line_that_has_grown_is_sent_again_as_a_whole(tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "log"
    half = b"two" * 1000
    path.write_bytes(before + half)
    assert resume(path, len(before + half), lambda data: data + b" and the rest\n") == len(before)


@pytest.mark.parametrize(
    ("content", "what"),
    [(b"\x1f\x8b\x08", "gzip"), (b"PK\x03\x04", "zip"), (b"\xff\xfea\x00", "UTF-16"), (b"PAR1", "Parquet")],
)
def test_files_that_are_no_lines_are_refused(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(UserError, match=what):
        open_text(path)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        open_text(tmp_path / "missing")
    with pytest.raises(UserError, match="no regular file"):
        open_text(tmp_path)


@given(st.binary())
def test_jsonl_leaves_the_bytes_alone(data: bytes) -> None:
    assert converter(b"")(Line(0, data, len(data))).value == data


@pytest.mark.parametrize(
    ("event", "key"),
    [
        ({"userId": "u", "anonymousId": "a", "properties": {"email": "e"}}, b"u"),
        ({"userId": 7}, b"7"),
        ({"userId": " ", "anonymousId": "a"}, b"a"),
        ({"userId": True, "anonymousId": ["a"]}, None),
        ({"type": "identify", "traits": {"email": "e", "phone": "p"}, "anonymousId": "a"}, b"e"),
        ({"type": "group", "traits": {"email": "company"}, "anonymousId": "a"}, b"a"),
        ({"context": {"traits": {"phone": "p"}, "device": {"id": "d"}}}, b"p"),
        ({"context": {"device": {"id": "d"}}, "anonymousId": "a"}, b"d"),
        ({"context": "x", "properties": None, "traits": []}, None),
        ({"userId": "\ud800"}, b"?"),
        ({"userId": "x" * 5000}, b"x" * 1024),
        ([], None),
        (None, None),
    ],
)
def test_message_key(event: object, key: object) -> None:
    assert message_key(event) == key
