"""Between a real RabbitMQ and a real Kafka, with restarts and kills of everything."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Callable, Optional

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from connectors.kafka.producers import Producer
from connectors.kafka.topics import ensure_topics
from tests.input.rabbitmq_node import Node, needs_rabbitmq
from tests.input.running import Running, free_port, get, kafka_away, message_ids, metric
from tests.input.written import Raw
from tests.stacks import StackUnderTest

pytestmark = [pytest.mark.stack, needs_rabbitmq]


def ask(rabbitmq: Node, question: Callable[[AbstractChannel], Coroutine[Any, Any, Any]]) -> Any:
    """What an independent client makes of a channel."""

    async def on_channel() -> Any:
        async with await aio_pika.connect(rabbitmq.url) as connection:
            return await question(await connection.channel())

    return asyncio.run(on_channel())


def publish(rabbitmq: Node, queue: str, bodies: list[bytes]) -> None:
    """Persistent messages, all confirmed."""

    async def send(channel: AbstractChannel) -> None:
        await channel.declare_queue(queue, durable=True)
        for start in range(0, len(bodies), 1000):
            messages = (aio_pika.Message(body, delivery_mode=2) for body in bodies[start : start + 1000])
            await asyncio.gather(*(channel.default_exchange.publish(message, queue) for message in messages))

    ask(rabbitmq, send)


def left(rabbitmq: Node, queue: str) -> int:
    """Messages in the queue that nobody holds."""

    async def count(channel: AbstractChannel) -> Optional[int]:
        return (await channel.get_queue(queue)).declaration_result.message_count

    return int(ask(rabbitmq, count))


def events(numbers: range) -> list[bytes]:
    return [
        json.dumps(
            {"type": "track", "event": "x", "userId": "u", "messageId": f"event-{n}", "timestamp": 1769846405}
        ).encode()
        for n in numbers
    ]


def ids(raw: Raw) -> set[str]:
    return set(message_ids([message.value() for message in raw.messages()]))


class Connector(Running):
    """A running `dmp collect rabbitmq` or `dmp forward rabbitmq`."""

    def __init__(self, stack: StackUnderTest, rabbitmq: Node, log: Path, *arguments: str) -> None:
        self._metrics_port = free_port()
        env = {**stack.env, "DMP_RABBITMQ_URL": rabbitmq.url}
        super().__init__(env, *arguments, "--metrics-port", str(self._metrics_port), log=log)

    def count(self, name: str) -> float:
        return metric(get(f"http://127.0.0.1:{self._metrics_port}/metrics"), name)

    def wait_for_count(self, name: str, least: int) -> None:
        self.wait_for(name, lambda: self.count(name) >= least)


RESULTS = "dmp.test.results"
ACKNOWLEDGED, CONFIRMED = "dmp_rabbitmq_acknowledged_total", "dmp_forward_confirmed_total"


def test_every_message_arrives_as_it_was_and_poison_ends_as_a_reject(
    stack: StackUnderTest, raw: Raw, rabbitmq: Node, tmp_path: Path
) -> None:
    poison = [b"", b"\xff\x00", b"not json", b"[1]", b'{"type":"track","event":"' + b"x" * 1_000_000 + b'"}']
    bodies = [*events(range(500)), *poison]
    publish(rabbitmq, "poisoned", bodies)
    with Connector(stack, rabbitmq, tmp_path / "log", "collect", "rabbitmq", "poisoned") as collector:
        collector.wait_for_count(ACKNOWLEDGED, len(bodies))
        assert collector.stop() == 0
    assert left(rabbitmq, "poisoned") == 0
    messages = raw.messages()
    values = Counter(message.value() for message in messages)
    assert sum(values.values()) == len(bodies)
    assert all(values[body] == 1 for body in bodies[:-1])
    (cut,) = (value for value in values if b"cutLine" in value)
    assert json.loads(cut)["cutLine"]["bytes"] == len(poison[-1]) and len(cut) > 32_768
    assert {message.key() for message in messages} == {b"u", None}


def test_restarts_of_rabbitmq_and_kafka_and_kills_lose_nothing(
    stack: StackUnderTest, raw: Raw, rabbitmq: Node, tmp_path: Path
) -> None:
    everything = {f"event-{number}" for number in range(20_000)}
    publish(rabbitmq, "events", events(range(10_000)))
    arguments = ("collect", "rabbitmq", "events", "--prefetch", "100")
    with Connector(stack, rabbitmq, tmp_path / "log", *arguments) as collector:
        collector.wait_for_count(ACKNOWLEDGED, 500)
        collector.kill()
        collector.start()
        collector.wait_for_count(ACKNOWLEDGED, 500)
        rabbitmq.kill()
        rabbitmq.start()
        before = collector.count(ACKNOWLEDGED)
        publish(rabbitmq, "events", events(range(10_000, 20_000)))
        collector.wait_for_count(ACKNOWLEDGED, int(before) + 500)
        with kafka_away(stack):
            pass
        collector.wait_for("all events", lambda: left(rabbitmq, "events") == 0)
        assert collector.stop() == 0
    assert left(rabbitmq, "events") == 0
    assert ids(raw) == everything


def test_a_queue_that_is_deleted_is_noticed(stack: StackUnderTest, raw: Raw, rabbitmq: Node, tmp_path: Path) -> None:
    publish(rabbitmq, "short-lived", events(range(10)))
    with Connector(stack, rabbitmq, tmp_path / "log", "collect", "rabbitmq", "short-lived") as collector:
        collector.wait_for_count(ACKNOWLEDGED, 10)
        ask(rabbitmq, lambda channel: channel.queue_delete("short-lived"))
        assert collector.wait() == 2
    assert "RabbitMQ has no queue short-lived" in collector.log.read_text().splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["collect", "rabbitmq", "missing"], "RabbitMQ has no queue missing"),
        (["forward", "rabbitmq", "dmp.missing", "--exchange", "e"], "has no topic dmp.missing"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    stack: StackUnderTest, rabbitmq: Node, arguments: list[str], complaint: str, tmp_path: Path
) -> None:
    with Connector(stack, rabbitmq, tmp_path / "log", *arguments) as connector:
        assert connector.wait() == 2
    assert connector.log.read_text().count("\n") == 1 and complaint in connector.log.read_text()


@pytest.mark.parametrize("address", ["guest:wrong-secret@127.0.0.1:{port}", "guest:secret@127.0.0.1:9"])
def test_without_rabbitmq_one_line_says_so(stack: StackUnderTest, rabbitmq: Node, tmp_path: Path, address: str) -> None:
    env = {**stack.env, "DMP_RABBITMQ_URL": f"amqp://{address.format(port=rabbitmq.port)}/"}
    with Running(env, "collect", "rabbitmq", "q", log=tmp_path / "log") as connector:
        assert connector.wait() == 2
    text = connector.log.read_text()
    assert text.count("\n") == 1 and "RabbitMQ does not let us in" in text and "secret" not in text


def test_results_are_forwarded_through_restarts_and_kills(
    stack: StackUnderTest, rabbitmq: Node, tmp_path: Path
) -> None:
    rows = {f"row-{number}": json.dumps({"n": number}).encode() for number in range(6000)}
    kafka = stack.config.kafka
    ensure_topics(kafka, [{"name": RESULTS, "partitions": 2, "config": {}}])
    producer = Producer(kafka, [RESULTS])

    async def subscribe(channel: AbstractChannel) -> None:
        exchange = await channel.declare_exchange("results", aio_pika.ExchangeType.TOPIC, durable=True)
        await (await channel.declare_queue("downstream", durable=True)).bind(exchange, "quality.#")

    async def read_all(channel: AbstractChannel) -> list[Any]:
        queue = await channel.get_queue("downstream")
        found = []
        while message := await queue.get(no_ack=True, fail=False):
            found.append(message)
        return found

    def send(numbers: range) -> None:
        for number in numbers:
            producer.send(RESULTS, rows[f"row-{number}"], f"row-{number}".encode())
        producer.flush()

    ask(rabbitmq, subscribe)
    send(range(3000))
    arguments = ("forward", "rabbitmq", RESULTS, "--exchange", "results", "--routing-key", "quality.live")
    with Connector(stack, rabbitmq, tmp_path / "log", *arguments) as forwarder:
        forwarder.wait_for_count(CONFIRMED, 500)
        forwarder.kill()
        forwarder.start()
        forwarder.wait_for_count(CONFIRMED, 1)
        rabbitmq.kill()
        rabbitmq.start()
        send(range(3000, 6000))
        forwarder.wait_for("all rows", lambda: left(rabbitmq, "downstream") >= 6000 and forwarder.count(CONFIRMED))
        found: list[Any] = []

        def complete() -> bool:
            found.extend(ask(rabbitmq, read_all))
            return {message.headers["key"] for message in found} >= set(rows)

        forwarder.wait_for("all rows", complete)
        assert forwarder.stop() == 0
        forwarder.start()
        forwarder.wait_for("its position", lambda: "publishing" in forwarder.log.read_text().splitlines()[-1])
        assert forwarder.stop() == 0
        found += ask(rabbitmq, read_all)
    nowhere = ("forward", "rabbitmq", RESULTS, "--exchange", "nowhere")
    with Connector(stack, rabbitmq, tmp_path / "nowhere", *nowhere) as forwarder:
        forwarder.wait_for_count("dmp_forward_unrouted_total", len(rows))
    once = {message.message_id: (message.headers["key"], message.body) for message in found}
    ours = {key: body for key, body in once.values() if key in rows}
    assert ours == rows
    assert sum(key in rows for key, _ in once.values()) == len(rows)  # each row has one message_id
    assert {message.routing_key for message in found} == {"quality.live"}
