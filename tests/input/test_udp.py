"""Datagrams into a real Kafka: exact counts above capacity, kills and restarts."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.collect.udp import DroppingQueue, Line, Rates, message
from dmp.core.cleaning import Cleaner, CleanEvent, Reject
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys
from tests.input.running import Running, free_port, get, kafka_away, message_ids, metric
from tests.input.written import Raw
from tests.stacks import StackUnderTest

NOW_MS = 1_769_846_405_000
CLEANER = Cleaner(CleaningRules(), PrivacyKeys(b"test"))


def line(data: bytes) -> Line:
    return Line(data, "203.0.113.9", NOW_MS)


@given(st.lists(st.one_of(st.integers(1, 5), st.binary(max_size=8)), max_size=60), st.integers(1, 6))
def test_queue_keeps_the_newest_and_counts_the_rest(steps: list[Any], capacity: int) -> None:
    """A number takes so many lines, bytes are a line that comes."""

    async def play() -> None:
        queue, model, dropped = DroppingQueue(capacity, max_bytes=20), [], 0
        for step in steps:
            if isinstance(step, bytes):
                queue.put(line(step))
                model.append(step)
                while len(model) > capacity or sum(map(len, model)) > 20:
                    model.pop(0)
                    dropped += 1
            elif model:
                assert [taken.data for taken in await queue.take(step)] == model[:step]
                model = model[step:]
            assert (len(queue), queue.dropped) == (len(model), dropped)
        queue.drop_all()
        assert (len(queue), queue.dropped) == (0, dropped + len(model))

    asyncio.run(play())


def test_growth_is_arrivals_less_service() -> None:
    assert Rates(500, 300).growth == 200
    assert Rates(500, 300).seconds_to_full(1000) == 5
    assert Rates(300, 500).seconds_to_full(1000) == Rates(300, 300).seconds_to_full(1) == float("inf")


def test_json_keeps_what_it_says_and_text_becomes_an_event() -> None:
    event = {"type": "track", "event": "x", "deviceId": 1, "messageId": "m", "timestamp": "2026-01-31T08:00:00Z"}
    value = json.loads(message(line(json.dumps(event).encode())).value)
    assert value == {**event, "originalTimestamp": event["timestamp"], "receivedAt": "2026-01-31T08:00:05.000Z"}
    text = json.loads(message(line("温度 21\xff".encode() + b"\xff")).value)
    assert text["properties"] == {"text": "温度 21\xff\N{REPLACEMENT CHARACTER}"} and text["messageId"]
    assert isinstance(CLEANER.clean(message(line(b"temperature 21")).value), CleanEvent)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"type":', "malformed_json"),
        (b"[]", "not_an_object"),
        (b'{"type":"track","event":"' + b"x" * 33_000 + b'"}', "too_large"),
        (b"x" * 33_000, "malformed_json"),
        (b'{"type":"buy"}', "unknown_type"),
        (b'{"a":' * 500 + b"1" + b"}" * 500, "unknown_type"),
    ],
)
def test_what_is_no_event_is_rejected_with_a_reason(data: bytes, reason: str) -> None:
    result = CLEANER.clean(message(line(data)).value)
    assert isinstance(result, Reject) and result.reason == reason


@given(st.binary(min_size=1))
def test_any_line_becomes_a_message(data: bytes) -> None:
    assert message(line(data)).value


class Collector(Running):
    """A running UDP collector."""

    def __init__(self, stack: StackUnderTest, log: Path, *options: str) -> None:
        self.port, self._metrics_port = free_port(socket.SOCK_DGRAM), free_port()
        ports = ("--port", str(self.port), "--metrics-port", str(self._metrics_port))
        super().__init__(stack.env, "collect", "udp", *ports, *options, log=log)

    def start(self) -> None:
        super().start()
        self.wait_for("the collector", self.metrics)

    def metrics(self) -> str:
        return get(f"http://127.0.0.1:{self._metrics_port}/metrics")

    def counts(self) -> dict[str, Any]:
        """The last line of its log."""
        last = json.loads(self.log.read_text().splitlines()[-1])
        assert last["message"] == "stopped"
        return last


def datagram(number: int) -> bytes:
    return json.dumps({"type": "track", "event": "x", "userId": "u", "messageId": f"event-{number}"}).encode()


def send(port: int, numbers: range) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in numbers:
            sender.sendto(datagram(number), ("127.0.0.1", port))


@pytest.mark.stack
def test_above_capacity_everything_received_is_delivered_or_dropped(
    stack: StackUnderTest, raw: Raw, tmp_path: Path
) -> None:
    with Collector(stack, tmp_path / "udp.log", "--queue", "500") as collector:
        process = psutil.Process(collector.pid)
        send(collector.port, range(20_000))
        collector.wait_for("the overflow", lambda: metric(collector.metrics(), "dmp_udp_dropped_total") > 0)
        memory = process.memory_info().rss
        for start in range(20_000, 200_000, 20_000):
            send(collector.port, range(start, start + 20_000))
        shown = collector.metrics()
        assert metric(shown, "dmp_udp_growth_per_second") == pytest.approx(
            metric(shown, "dmp_udp_arrivals_per_second") - metric(shown, "dmp_udp_service_per_second")
        )
        assert metric(shown, "dmp_udp_queued") <= metric(shown, "dmp_udp_queue_capacity") == 500
        growth = process.memory_info().rss - memory
        assert collector.stop() == 0
    counts = collector.counts()
    assert counts["received"] + counts["dropped_by_kernel"] == 200_000
    assert counts["received"] == counts["delivered"] + counts["dropped"] and counts["dropped"] > 0
    assert (counts["queued"], counts["in_hand"]) == (0, 0)
    assert len(set(message_ids([found.value() for found in raw.messages()]))) == counts["delivered"]
    assert growth < 48 * 1024 * 1024  # librdkafka's own queue may fill up to 32 MiB


@pytest.mark.stack
def test_kafka_away_fills_the_queue_and_nothing_in_it_is_lost(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    with Collector(stack, tmp_path / "udp.log") as collector:
        send(collector.port, range(500))
        with kafka_away(stack):
            send(collector.port, range(500, 1000))
        send(collector.port, range(1000, 1500))
        collector.wait_for("everything", lambda: metric(collector.metrics(), "dmp_udp_delivered_total") == 1500)
        assert collector.stop() == 0
    assert collector.counts()["dropped"] == 0
    assert set(message_ids([found.value() for found in raw.messages()])) == {f"event-{n}" for n in range(1500)}


@pytest.mark.stack
def test_killed_and_restarted_it_goes_on(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    """Datagrams are not acknowledged: what a killed collector held is gone, what Kafka had acknowledged is there."""
    with Collector(stack, tmp_path / "udp.log") as collector:
        send(collector.port, range(1000))
        delivered = collector.wait_for("deliveries", lambda: metric(collector.metrics(), "dmp_udp_delivered_total"))
        collector.kill()
        collector.start()
        send(collector.port, range(1000, 2000))
        collector.wait_for("the rest", lambda: metric(collector.metrics(), "dmp_udp_delivered_total") == 1000)
        assert collector.stop() == 0
    found = set(message_ids([message.value() for message in raw.messages()]))
    assert found >= {f"event-{number}" for number in range(1000, 2000)}
    assert len(found) >= 1000 + delivered


@pytest.mark.stack
def test_a_port_in_use_is_told_in_one_line(stack: StackUnderTest) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        done = stack.dmp("collect", "udp", "--port", str(holder.getsockname()[1]))
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "cannot listen" in done.stderr
