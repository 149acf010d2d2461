"""What the HTTP collector makes of requests, without a server."""

from __future__ import annotations

import base64
import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.collect.http.rate_limit import RateLimit
from connectors.collect.http.segment import Client, Refused, events, message, parse, unzip, write_key
from connectors.collect.http.write_keys import WriteKeys, load_write_keys
from dmp.core.cleaning import Cleaner, CleanEvent
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys
from dmp.errors import UserError
from tests.stacks import ENVIRONMENT

NOW = "2026-01-31T08:00:10.000Z"
SERVER = None
patient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # busy machines are slow
BROWSER = Client("203.0.113.9", "Mozilla/5.0")
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


def taken(call: str, payload: dict[str, Any], client: Optional[Client] = SERVER) -> list[Any]:
    return [
        json.loads(message(event, NOW, client, {}).value) for event in events(call, parse(json.dumps(payload).encode()))
    ]


def test_the_path_names_the_type_and_the_key_is_not_stored() -> None:
    (event,) = taken(
        "page", {"writeKey": "secret", "type": "track", "userId": "u", "timestamp": "2026-01-31T08:00:00Z"}
    )
    assert event.pop("messageId").startswith("hash-")
    assert event == {
        "type": "page", "userId": "u", "timestamp": "2026-01-31T08:00:00Z",
        "originalTimestamp": "2026-01-31T08:00:00Z", "receivedAt": NOW,
    }  # fmt: skip


def test_a_batch_shares_its_context_and_sending_time() -> None:
    batch = [
        {"type": "track", "event": "a", "messageId": "1", "writeKey": "secret", "context": {"ip": "1.1.1.1"}},
        {"type": "track", "event": "b", "messageId": "2", "sentAt": "2026-01-31T08:00:01Z"},
        "no event",
        {"type": "track", "event": "c", "messageId": "3", "context": "odd"},
    ]
    shared = {"context": {"ip": "9.9.9.9", "channel": "app"}, "sentAt": "2026-01-31T08:00:09Z", "writeKey": "secret"}
    a, b, other, c = taken("batch", {"batch": batch, **shared})
    assert a["context"] == {"ip": "1.1.1.1", "channel": "app"} and a["sentAt"] == "2026-01-31T08:00:09Z"
    assert b["context"] == {"ip": "9.9.9.9", "channel": "app"} and b["sentAt"] == "2026-01-31T08:00:01Z"
    assert other == "no event" and c["context"] == "odd"
    assert "secret" not in json.dumps([a, b, other, c])


def test_the_clock_of_the_sender_is_corrected() -> None:
    """Its clock is an hour slow: the event happened 5 s before it was sent."""
    event = {"event": "x", "userId": "u", "timestamp": "2026-01-31T07:00:00Z", "sentAt": "2026-01-31T07:00:05Z"}
    value = message(events("track", event)[0], NOW, SERVER, {}).value
    clean = Cleaner(CleaningRules(), PrivacyKeys(b"test")).clean(value)
    assert isinstance(clean, CleanEvent) and clean.event_ms == 1769846405000


def test_an_event_sent_again_has_the_same_id() -> None:
    event = {"type": "track", "event": "x", "timestamp": "2026-01-31T07:00:00Z"}
    first = taken("batch", {"batch": [event], "sentAt": "2026-01-31T07:00:05Z"})[0]
    again = taken("batch", {"batch": [event], "sentAt": "2026-01-31T07:01:00Z"})[0]
    other = taken("batch", {"batch": [{**event, "event": "y"}]})[0]
    assert first["messageId"] == again["messageId"] != other["messageId"]


@pytest.mark.parametrize("absent", [{}, {"messageId": None}, {"messageId": ""}])
def test_events_without_id_and_time_are_different_events(absent: dict[str, Any]) -> None:
    ids = {taken("track", {"event": "x", **absent})[0]["messageId"] for _ in range(2)}
    assert len(ids) == 2 and all(ids)


def test_only_browsers_speak_for_themselves() -> None:
    assert "context" not in taken("track", {"event": "x"})[0]
    assert taken("track", {"event": "x"}, BROWSER)[0]["context"] == {"ip": "203.0.113.9", "userAgent": "Mozilla/5.0"}
    own = {"ip": None, "userAgent": "own", "page": {}}
    assert taken("track", {"event": "x", "context": own}, BROWSER)[0]["context"] == own


def test_size_is_that_of_the_event_as_sent() -> None:
    def sized(size: int) -> dict[str, Any]:
        empty = {"type": "track", "event": "x", "messageId": "m", "pad": ""}
        return {**empty, "pad": "x" * (size - len(json.dumps(empty, separators=(",", ":"))))}

    value = message(sized(32_768), NOW, BROWSER, {}).value
    assert len(value) == 32_768 and json.loads(value)["messageId"] == "m"
    with pytest.raises(Refused) as refused:
        message(sized(32_769), NOW, BROWSER, {})
    assert refused.value.status == 413


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "malformed_json"), (b"{", "malformed_json"), (b'{"a":NaN}', "malformed_json"),
        (b"\xff", "malformed_json"), (b"[]", "not_an_object"), (b"5", "not_an_object"), (b"{} {}", "malformed_json"),
        (b'{"writeKey":"x"}', "no_batch"), (b'{"batch":{}}', "no_batch"),
        (b'{"batch":[' + b'{"a":' * 400 + b"1" + b"}" * 400 + b"]}", "malformed_json"),
    ],
)  # fmt: skip
def test_what_is_no_batch_is_refused_as_a_whole(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        for event in events("batch", parse(body)):
            message(event, NOW, SERVER, {})
    assert (refused.value.status, refused.value.code) == (400, code)


@patient
@given(st.dictionaries(st.text(), json_values))
def test_any_object_becomes_one_event_that_cleaning_can_read(payload: dict[str, Any]) -> None:
    for client in (SERVER, BROWSER):
        (event,) = taken("identify", payload, client)
        assert event["type"] == "identify" and event["receivedAt"] == NOW
        result = Cleaner(CleaningRules(), PrivacyKeys(b"test")).clean(json.dumps(event).encode())
        assert isinstance(result, CleanEvent) or result.reason in ("bad_timestamp", "malformed_json")


@patient
@given(st.lists(json_values, max_size=5), json_values)
def test_every_member_of_a_batch_becomes_one_message(batch: list[Any], context: Any) -> None:
    assert len(taken("batch", {"batch": batch, "context": context}, BROWSER)) == len(batch)


def test_gzip_is_unpacked_and_bounded() -> None:
    assert unzip(gzip.compress(b"{}"), "track") == b"{}"
    assert unzip(gzip.compress(b" " * 32_768), "track") == b" " * 32_768
    for body, status in (
        (gzip.compress(b" " * 32_769), 413),
        (gzip.compress(b" " * 100_000_000), 413),
        (gzip.compress(b"{}" * 1000)[:-9], 400),
        (gzip.compress(b"{}") + gzip.compress(b"{}"), 400),
        (b"{}", 400),
        (b"", 400),
    ):
        with pytest.raises(Refused) as refused:
            unzip(body, "track")
        assert refused.value.status == status


@pytest.mark.parametrize(
    ("header", "member", "key"),
    [
        ("Basic " + base64.b64encode(b"k1:").decode(), "k2", "k1"),
        ("basic " + base64.b64encode(b"k1:password").decode(), None, "k1"),
        ("Basic " + base64.b64encode(b"k1").decode(), None, "k1"),
        ("Basic no base64!", "k2", ""),
        ("Basic /w==", "k2", ""),
        ("Bearer k1", "k2", ""),
        ("", "k2", ""),
        (None, "k2", "k2"),
        (None, None, ""),
        (None, ["k2"], ""),
    ],
)
def test_write_keys_come_by_header_or_body(header: Optional[str], member: Any, key: str) -> None:
    assert write_key(header, {"writeKey": member}) == key


def test_write_keys_name_sources(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text("# sources\nwebsite = key-website\n\napp=key-of=app\n")
    keys = WriteKeys(load_write_keys({"DMP_WRITE_KEYS_FILE": str(file)}))
    assert keys.sources == ["app", "website"]
    assert [keys.source(key) for key in ("key-website", "key-of=app", "key", "", "\ud800")] == [
        "website", "app", None, None, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ("", "no write keys"), ("# none", "has no write key"), ("secret-1", "NAME=KEY"), ("a b=secret-1", "NAME=KEY"),
        ("a=secret", "at least 8"), ("a=secret-1:", "no colon"), ("a=secret-1,a=secret-2", "twice"),
        ("a=secret-1,b=secret-1", "twice"),
    ],
)  # fmt: skip
def test_bad_write_keys_are_told_without_showing_them(value: str, complaint: str) -> None:
    with pytest.raises(UserError, match=complaint) as error:
        load_write_keys({"DMP_WRITE_KEYS": value})
    assert "secret" not in str(error.value)


def test_rate_limit_lets_through_its_rate_and_a_second_more(tmp_path: Path) -> None:
    limits = [RateLimit(tmp_path / "rates", ["a", "b"], 100) for _ in range(2)]  # two processes
    seconds = [number / 200 for number in range(2000)]
    taken = sum(limits[n % 2].take("a", 1, 1000 + second) is None for n, second in enumerate(seconds))
    assert taken == pytest.approx(100 * (10 + 1), abs=2)
    assert limits[0].take("b", 1, 1010) is None


def test_a_large_batch_comes_in_as_a_whole_and_is_made_up_for(tmp_path: Path) -> None:
    limit = RateLimit(tmp_path / "rates", ["a"], 10)
    assert limit.take("a", 100, 50.0) is None
    wait = limit.take("a", 1, 50.5)
    assert wait == 9
    assert limit.take("a", 1, 50.5 + wait) is None


@pytest.mark.parametrize("package", ["uvicorn", "starlette", "prometheus_client"])
def test_a_missing_package_is_told_in_one_line(package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; from dmp.cli import main; main()"
    env = {**ENVIRONMENT, "DMP_WRITE_KEYS": "website=key-website"}
    command = [sys.executable, "-c", program, "collect", "http"]
    done = subprocess.run(command, env=env, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert package in done.stderr and "pip install 'dmp-flink[collect]'" in done.stderr
