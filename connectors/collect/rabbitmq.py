"""A bridge from a RabbitMQ queue to Kafka: a message is acknowledged to RabbitMQ only after Kafka has acknowledged it.

So each arrives at least once, and, its bytes being left alone, exactly once after deduplication. What no event is
becomes a reject of cleaning, with its bytes; what Kafka would never take is replaced by its beginning and length.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from connectors.collect.files import Line, cut_line
from connectors.collect.jsonl import converter
from connectors.kafka.messages import MAX_EVENT_BYTES, Destination, Message
from connectors.kafka.producers import AsyncProducer, NotDelivered, QueueFull
from connectors.logs import log
from connectors.rabbitmq import lost_connection, with_channel
from connectors.service import metrics_on, run, within
from dmp.errors import UserError

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

LOGGER = logging.getLogger("dmp.collect.rabbitmq")
LOOK_SECONDS = 2.0


class Bridge:
    """From `queue` to Kafka; at most `prefetch` messages are under way at once."""

    def __init__(self, queue: str, declare: bool, prefetch: int, producer: AsyncProducer) -> None:
        self._queue, self._declare, self._prefetch = queue, declare, prefetch
        self._producer = producer
        self._losses = lost_connection()
        self._under_way = 0
        self.received = self.acknowledged = self.cut = 0

    async def work(self, channel: AbstractChannel, end: asyncio.Event) -> None:
        """Until `end`; then what is under way is finished, as far as the connection allows."""
        await channel.set_qos(prefetch_count=self._prefetch)
        queue = await self._open(channel)

        async def take(incoming: AbstractIncomingMessage) -> None:
            self.received += 1
            self._under_way += 1
            try:
                await self._deliver(incoming.body)
                await incoming.ack()
                self.acknowledged += 1
            except (NotDelivered, QueueFull) as error:
                log(LOGGER, "Kafka does not take messages, going on trying", logging.WARNING, reason=str(error))
                end.set()  # RabbitMQ will deliver again what is not acknowledged when this connection ends
            except self._losses:
                pass  # likewise
            finally:
                self._under_way -= 1

        tag = await queue.consume(take)
        log(LOGGER, "taking messages", queue=self._queue)
        while not await within(LOOK_SECONDS, end):
            # Nobody tells a consumer that its queue was deleted.
            if not (await self._open(channel)).declaration_result.consumer_count:
                return
        if not channel.is_closed:
            await queue.cancel(tag)
        while self._under_way:
            await asyncio.sleep(self._producer.POLL_SECONDS)

    async def _open(self, channel: AbstractChannel) -> Any:
        from aio_pika.exceptions import ChannelNotFoundEntity

        if self._declare:
            return await channel.declare_queue(self._queue, durable=True)
        try:
            return await channel.get_queue(self._queue)
        except ChannelNotFoundEntity:
            raise UserError(f"RabbitMQ has no queue {self._queue}: declare it first, or add --declare") from None

    async def _deliver(self, body: bytes) -> None:
        line = Line(0, body, len(body))
        if len(body) <= MAX_EVENT_BYTES:
            try:
                return await self._producer.deliver([_message(line)])
            except NotDelivered as error:
                if not error.permanent:
                    raise
        self.cut += 1
        return await self._producer.deliver([Message(cut_line(line))])

    def collect_metrics(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for name, help_text, value in (
            ("received", "Messages from RabbitMQ, repeated ones too", self.received),
            ("acknowledged", "Messages that Kafka has acknowledged, and we to RabbitMQ", self.acknowledged),
            ("cut", "Messages of which Kafka takes only the beginning", self.cut),
        ):
            yield CounterMetricFamily(f"dmp_rabbitmq_{name}", help_text, value=value)
        yield GaugeMetricFamily("dmp_rabbitmq_under_way", "Messages that wait for Kafka", value=self._under_way)


_message = converter(b"")


def serve(queue: str, declare: bool, prefetch: int, metrics_port: int, destination: Destination) -> None:
    """Bridge until SIGINT or SIGTERM. UserError when RabbitMQ, the queue or Kafka is missing in the beginning."""

    async def main(stop: asyncio.Event) -> None:
        bridge = Bridge(queue, declare, prefetch, AsyncProducer(destination))
        with metrics_on(metrics_port, bridge.collect_metrics):
            await with_channel(bridge.work, stop)
        counts = {"received": bridge.received, "acknowledged": bridge.acknowledged, "cut": bridge.cut}
        log(LOGGER, "stopped", **counts)

    run(main)
