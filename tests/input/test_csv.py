"""Rows of CSV files as events."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connectors.collect.csv_file import CsvFormat
from connectors.collect.files import Line
from connectors.collect.mapping import Mapping, load_mapping
from dmp.core.cleaning import Cleaner, CleanEvent, Reject
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys
from dmp.errors import UserError

CLEANER = Cleaner(CleaningRules(), PrivacyKeys(b"test"))
TYPE_AND_TIME = {
    "type": {"constant": "track"},
    "event": {"constant": "x"},
    "timestamp": {"column": "at", "time": "epoch"},
}


def mapping(event: Optional[dict[str, Any]] = None, **how: Any) -> Mapping:
    return Mapping.model_validate({"csv": how, "event": {**TYPE_AND_TIME, **(event or {})}})


def messages(path: Path, content: bytes, mapped: Mapping, with_last: bool = True) -> list[bytes]:
    """What a file of this content becomes."""
    path.write_bytes(content)
    form = CsvFormat(mapped, b"key")
    with path.open("rb") as file:
        convert = form.converter(file.readline())
        file.seek(0)
        made = [convert(line) for line in form.read(file, 0, with_last) if line.data]
    return [message.value for message in made if message]


def events(path: Path, content: bytes, mapped: Mapping) -> list[dict[str, Any]]:
    return [json.loads(value) for value in messages(path, content, mapped)]


def test_the_shipped_mapping_reads_a_shops_behaviour_log(tmp_path: Path) -> None:
    content = b"1,2268318,2520377,pv,1511544070\n1,2333346,2520771,buy,1511561733\r\n100,5,6,cart,1511561734"
    first, second, third = events(tmp_path / "log", content, load_mapping("shop-behaviour"))
    assert first.pop("messageId").startswith("csv-")
    assert first == {
        "type": "track", "event": "Product Viewed", "timestamp": "2017-11-24T17:21:10.000Z",
        "userId": second["userId"], "properties": {"product_id": "2268318", "category": "2520377"},
        "context": {"channel": "web", "library": {"name": "dmp-csv", "version": "1"}},
    }  # fmt: skip
    assert len(first["userId"]) == 32 and third["userId"] != first["userId"]
    assert (second["event"], third["event"]) == ("Order Completed", "Product Added")
    for event in (first, second, third):
        assert isinstance(CLEANER.clean(json.dumps(event).encode()), CleanEvent)


def test_every_option_of_a_field(tmp_path: Path) -> None:
    fields = {
        "userId": {"column": "user", "prefix": "shop-"},
        "timestamp": {"column": "at", "time": "%d.%m.%Y %H:%M", "zone": "Asia/Shanghai"},
        "event": {"column": "what", "values": {"1": "Bought"}, "otherwise": "Other"},
        "properties.revenue": {"column": "price", "number": True},
        "context.device.id": {"column": "device"},
        "context.consent.categoryPreferences.marketing": {"constant": False},
    }
    content = "user;at;what;price;device\nann;31.01.2026 16:00;1;9.5;\n;31.01.2026 16:00;2;n/a;d1\n"
    first, second = events(tmp_path / "f", content.encode(), mapping(fields, delimiter=";"))
    assert (first["userId"], first["event"], first["timestamp"]) == ("shop-ann", "Bought", "2026-01-31T08:00:00.000Z")
    assert first["properties"] == {"revenue": 9.5} and "device" not in first["context"]
    assert first["context"]["consent"] == {"categoryPreferences": {"marketing": False}}
    assert "userId" not in second and second["event"] == "Other" and second["properties"] == {"revenue": "n/a"}
    assert second["context"]["device"] == {"id": "d1"}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "latin-1"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    word = "naïve" if encoding == "latin-1" else "你好"
    content = f"at,note\n1511544070,{word}\n".encode(encoding)
    (event,) = events(tmp_path / "f", content, mapping({"name": {"column": "note"}}, encoding=encoding))
    assert event["name"] == word


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"1511544070", "not_an_object"),
        (b"1511544070,a,b", "malformed_json"),
        (b'1511544070,"a"b', "malformed_json"),
        (b"1511544070,\xff", "malformed_json"),
        (b"yesterday,a", "bad_timestamp"),
        (b",a", "bad_timestamp"),
    ],
)
def test_rows_that_do_not_fit_are_rejected_and_the_rest_goes_on(tmp_path: Path, row: bytes, reason: str) -> None:
    content = b"at,note\n" + row + b"\n1511544070,fine\n"
    bad, good = messages(tmp_path / "f", content, mapping({"name": {"column": "note"}}))
    result = CLEANER.clean(bad)
    assert isinstance(result, Reject) and result.reason == reason
    assert reason == "bad_timestamp" or bad == row
    assert json.loads(good)["name"] == "fine"


@pytest.mark.parametrize("number", ["9" * 20, "-" + "9" * 30, "9" * 5000, "1e999", "1_0", "\u0661"])
def test_what_no_json_number_can_hold_stays_text(tmp_path: Path, number: str) -> None:
    """The first stopped the collector, the fourth became null."""
    content = f"at,n\n1511544070,{number}\n".encode()
    (event,) = events(tmp_path / "f", content, mapping({"n": {"column": "n", "number": True}}))
    assert event["n"] == number


@pytest.mark.parametrize(
    ("time", "cell"),
    [("epoch", "-99999999999"), ("%Y-%m-%d", "0001-01-01"), ("%Y-%m-%d %H", "9999-12-31 23")],
)
def test_times_beyond_the_calendar_stay_text(tmp_path: Path, time: str, cell: str) -> None:
    zone = "America/New_York" if cell.startswith("9999") else "Asia/Shanghai"
    field = {"t": {"column": "t", "time": time, "zone": zone}}
    (event,) = events(tmp_path / "f", f"at,t\n1511544070,{cell}\n".encode(), mapping(field))
    assert event["t"] == cell


def test_half_a_surrogate_pair_is_rejected_with_its_row(tmp_path: Path) -> None:
    odd = mapping({"name": {"column": "note"}}, encoding="raw_unicode_escape")
    row = rb"1511544070,\ud800"
    assert messages(tmp_path / "f", b"at,note\n" + row + b"\n", odd) == [row]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=12), max_size=20))
@example(['say "hi"', "two\nlines", "\r\n", '"', ",", "\n\n\n"])
def test_whatever_a_csv_writer_writes_comes_back(tmp_path: Path, notes: list[str]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerows([["at", "note"], *(["1511544070", note] for note in notes)])
    found = events(tmp_path / "f", text.getvalue().encode(), mapping({"name": {"column": "note"}}))
    assert [event.get("name", "") for event in found] == [note.strip() for note in notes]
    assert len({event["messageId"] for event in found}) == len(notes)


def test_a_quote_that_nothing_ends_spoils_only_its_row(tmp_path: Path) -> None:
    rows = [b'1511544070,"open'] + [b"1511544070,fine"] * 10_000
    values = messages(tmp_path / "f", b"at,note\n" + b"\n".join(rows) + b"\n", mapping({"name": {"column": "note"}}))
    assert values[0] == rows[0]
    assert [json.loads(value)["name"] for value in values[1:]] == ["fine"] * 10_000


def test_a_row_that_is_still_being_written_waits(tmp_path: Path) -> None:
    for unfinished in (b"1511544070,b", b'1511544070,"two\nlines'):
        content = b"at,note\n1511544070,a\n" + unfinished
        assert len(messages(tmp_path / "f", content, mapping(), with_last=False)) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("event: {type: {constant: track}}", "event must have the field timestamp"),
        ("[1, 2", "no YAML"),
        ("- list", "event: Field required"),
        ("event: {type: {constant: a, column: b}, timestamp: {column: c}}", "give either column or constant"),
        ("event: {type: {constant: a}, timestamp: {column: c, colour: d}}", "event.timestamp.colour: Extra inputs"),
        ("event: {type: {constant: a}, timestamp: {column: c, zone: Mars}}", "no time zone"),
        ("event: {type: {constant: a}, timestamp: {column: c}, a: {column: c}, a.b: {column: c}}", "both a and a.b"),
        ("csv: {encoding: hex}\nevent: {type: {constant: a}, timestamp: {column: c}}", "no encoding"),
        ("event: {type: {constant: .inf}, timestamp: {column: c}}", "no text and no finite number of 64 bits"),
        (f"event: {{type: {{constant: {10**30}}}, timestamp: {{column: c}}}}", "no finite number of 64 bits"),
        ("[" * 3000, "no YAML"),
        ("event: !!int x", "no YAML"),
        ("csv: {encoding: klingon}\nevent: {type: {constant: a}, timestamp: {column: c}}", "no encoding"),
    ],
)
def test_bad_mappings_are_told_in_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    file = tmp_path / "mapping.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=complaint) as error:
        load_mapping(str(file))
    assert "\n" not in str(error.value)


def test_a_mapping_that_is_not_there() -> None:
    with pytest.raises(UserError, match="give a file or one of shop-behaviour"):
        load_mapping("nowhere.yaml")


def test_a_column_that_the_file_has_not(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has not: at; it has time, note"):
        messages(tmp_path / "f", b"time,note\n", mapping())


def test_ids_are_of_file_position_and_row() -> None:
    convert = CsvFormat(mapping(), b"key").converter(b"at\n")
    lines = [Line(3, b"1511544070", 11), Line(14, b"1511544070", 11), Line(3, b"1511544071", 11)]
    assert len({json.loads(message.value)["messageId"] for line in lines if (message := convert(line))}) == 3
