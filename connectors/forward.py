"""A topic to a RabbitMQ exchange, for programs that want results as messages.

Each message at least once, in order within a partition: an offset is committed to Kafka only after RabbitMQ has
confirmed everything before it. `message_id` is topic/partition/offset, by which a reader knows a repeated message.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import confluent_kafka
from confluent_kafka import KafkaException, TopicPartition

from connectors.kafka.connection import partitions_of, silent_settings
from connectors.logs import log
from connectors.rabbitmq import confirmed, with_channel
from connectors.service import metrics_on, run
from dmp.config import KafkaSection

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel

LOGGER = logging.getLogger("dmp.forward")
BATCH_MESSAGES = 500
POLL_SECONDS = 0.5
SESSION_SECONDS = 10  # after a kill its partitions wait for so long for the next run


class Forwarder:
    """From what `consumer` is subscribed to, to `exchange`, a durable topic exchange that is made if it is missing."""

    def __init__(self, consumer: confluent_kafka.Consumer, exchange: str, routing_key: str) -> None:
        self._consumer, self._exchange, self._routing_key = consumer, exchange, routing_key
        self._batch: Sequence[confluent_kafka.Message] = ()
        self.confirmed = self.unrouted = 0

    async def work(self, channel: AbstractChannel, end: asyncio.Event) -> None:
        """Until `end`. A batch that was not confirmed is published again the next time."""
        from aio_pika import DeliveryMode, ExchangeType, Message
        from aiormq.abc import DeliveredMessage

        exchange = await channel.declare_exchange(self._exchange, ExchangeType.TOPIC, durable=True)
        log(LOGGER, "publishing", exchange=self._exchange)

        def message(record: confluent_kafka.Message) -> Message:
            topic, partition, offset = record.topic(), record.partition(), record.offset()
            return Message(
                record.value() or b"",
                message_id=f"{topic}/{partition}/{offset}",
                content_type="application/json",
                delivery_mode=DeliveryMode.PERSISTENT,
                headers={
                    "topic": topic,
                    "key": (record.key() or b"").decode("utf-8", "replace"),
                    "deleted": record.value() is None,
                },
            )

        while not end.is_set():
            if not self._batch:
                self._batch = await self._next()
            answers = await confirmed(exchange.publish(message(record), self._routing_key) for record in self._batch)
            self.confirmed += len(answers)
            self.unrouted += sum(isinstance(answer, DeliveredMessage) for answer in answers)  # they came back
            await self._commit()

    async def _next(self) -> Sequence[confluent_kafka.Message]:
        loop = asyncio.get_running_loop()
        records = await loop.run_in_executor(None, self._consumer.consume, BATCH_MESSAGES, POLL_SECONDS)
        for record in records:
            if record.error():
                log(LOGGER, "Kafka reports an error, going on", logging.WARNING, reason=record.error().str())
        return [record for record in records if not record.error()]

    async def _commit(self) -> None:
        """The positions behind the batch. When that fails its messages will come once more."""
        ends = {(record.topic(), record.partition()): record.offset() + 1 for record in self._batch}
        self._batch = ()
        if not ends:
            return
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in ends.items()]

        def commit() -> None:
            self._consumer.commit(offsets=offsets, asynchronous=False)

        try:
            await asyncio.get_running_loop().run_in_executor(None, commit)
        except KafkaException as error:
            log(LOGGER, "Kafka took no offsets, going on", logging.WARNING, reason=error.args[0].str())

    def collect_metrics(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily

        for name, help_text, value in (
            ("confirmed", "Messages that RabbitMQ has confirmed", self.confirmed),
            ("unrouted", "Messages among them that no queue was bound for", self.unrouted),
        ):
            yield CounterMetricFamily(f"dmp_forward_{name}", help_text, value=value)


def serve(topic: str, exchange: str, routing_key: str, group: str, metrics_port: int, kafka: KafkaSection) -> None:
    """Forward until SIGINT or SIGTERM, from where the consumer group `group` stopped, at first from the beginning.

    UserError when Kafka, the topic or RabbitMQ is missing in the beginning.
    """

    async def main(stop: asyncio.Event) -> None:
        consumer = confluent_kafka.Consumer(
            {
                **silent_settings(kafka),
                "group.id": group,
                "session.timeout.ms": SESSION_SECONDS * 1000,
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        partitions_of(consumer, kafka, topic)
        consumer.subscribe([topic])
        forwarder = Forwarder(consumer, exchange, routing_key)
        try:
            with metrics_on(metrics_port, forwarder.collect_metrics):
                await with_channel(forwarder.work, stop)
        finally:
            consumer.close()
        log(LOGGER, "stopped", confirmed=forwarder.confirmed, unrouted=forwarder.unrouted)

    run(main)
