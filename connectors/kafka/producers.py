"""Writing to topics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from random import Random
from typing import Any, Optional

import confluent_kafka
from confluent_kafka import KafkaException

from connectors.kafka.connection import REACH_SECONDS, away, denied, partitions_of, silent_settings
from connectors.kafka.messages import Destination, Headers, Message
from connectors.partitioning import DEFAULT, Partitioner, make_partitioner
from dmp.config import KafkaSection
from dmp.errors import UserError

DELIVERY_SECONDS = 60
"""A message that Kafka has not acknowledged after this time counts as not delivered."""

FLUSH_POLL_SECONDS = 0.02

TRANSACTION_SECONDS = 20
"""Kafka ends a transaction that has been open for so long."""

BY_KAFKA = -1
"""librdkafka chooses the partition itself."""

# After being shut out by a newer producer of the same transactional id, librdkafka may answer just "fatal".
_TAKEN_OVER = (
    confluent_kafka.KafkaError._FENCED,
    confluent_kafka.KafkaError._FATAL,
    confluent_kafka.KafkaError.INVALID_PRODUCER_EPOCH,
)


def _partitioning(named: str, partitions: int) -> Callable[[Optional[bytes]], int]:
    choose: Partitioner = make_partitioner(named, Random(), partitions)
    return lambda key: choose(key, partitions)


class _Client:
    """What producers have in common: messages that all replicas acknowledge, in order, without repeats of their own.

    `partitioners` names strategies (see connectors/partitioning.py) by topic, for as many partitions as the topic has
    now; other topics have Kafka's own.
    UserError if the broker does not answer, one of `topics`, where messages will go, does not exist, or a strategy does
    not fit its topic.
    """

    def __init__(
        self, kafka: KafkaSection, topics: Sequence[str], partitioners: Optional[Mapping[str, str]], **settings: Any
    ) -> None:
        self._kafka = kafka
        self._failure: Optional[confluent_kafka.KafkaError] = None
        self._settings: dict[str, Any] = {
            **silent_settings(kafka),
            "acks": "all",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 256 * 1024,
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 128 * 1024,
            "delivery.timeout.ms": DELIVERY_SECONDS * 1000,
            "partitioner": "murmur2_random",  # as Kafka's own clients, so that a key has one home
            **settings,
        }
        self._connect()
        existing = {topic: partitions_of(self._producer, kafka, topic) for topic in topics}
        self._partition = {
            topic: _partitioning(named, existing[topic])
            for topic, named in (partitioners or {}).items()
            if named != DEFAULT  # that one is librdkafka's, too, and much faster in C
        }

    def _connect(self) -> None:
        self._producer = confluent_kafka.Producer(self._settings)

    def _place(self, topic: str, key: Optional[bytes]) -> int:
        """The partition of a message."""
        return self._partition[topic](key) if topic in self._partition else BY_KAFKA

    def _produce(self, topic: str, message: Message, partition: int, **options: Any) -> None:
        """Queue one message. BufferError when the queue is full, KafkaException when no broker would take it."""
        value, key, headers = message
        self._producer.produce(topic, value=value, key=key, headers=headers, partition=partition, **options)

    def _serve(self, seconds: float) -> None:
        """Have librdkafka report. A fatal error is raised once, before the messages that fail by it, and it alone tells
        why."""
        try:
            self._producer.poll(seconds)
        except KafkaException as error:
            self._failure = error.args[0]


class TakenOver(UserError):
    """A newer producer with the same transactional id has shut this one out."""


class Producer(_Client):
    """Writes messages one after the other, for programs that do nothing else meanwhile.

    With a `transactional_id`, what is sent within `transaction()` becomes visible to readers of committed messages
    all at once or never; a second producer with the same id shuts out the first.
    """

    def __init__(
        self,
        kafka: KafkaSection,
        topics: Sequence[str],
        transactional_id: Optional[str] = None,
        partitioners: Optional[Mapping[str, str]] = None,
    ) -> None:
        self._transactional = transactional_id is not None
        settings: dict[str, Any] = {
            "delivery.report.only.error": True,
            "on_delivery": self._on_failed_delivery,
        }
        if transactional_id:
            settings["transactional.id"] = transactional_id
            # For so long a killed producer's open transaction holds back readers of committed messages.
            settings["transaction.timeout.ms"] = settings["delivery.timeout.ms"] = TRANSACTION_SECONDS * 1000
        super().__init__(kafka, topics, partitioners, **settings)
        if transactional_id:
            try:
                self._producer.init_transactions(DELIVERY_SECONDS)
            except KafkaException as error:
                if error.args[0].code() == confluent_kafka.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
                    raise denied(kafka, error.args[0].str()) from error
                raise away(kafka) from error

    def send(
        self, topic: str, value: Optional[bytes], key: Optional[bytes] = None, headers: Optional[Headers] = None
    ) -> None:
        """Queue one message; waits while the queue is full."""
        message, partition = Message(value, key, headers), self._place(topic, key)
        while True:
            try:
                self._produce(topic, message, partition)
                return
            except BufferError:
                self._poll(0.1)
            except KafkaException as error:
                self._serve(0)
                self._failure = self._failure or error.args[0]
                raise self._not_delivered() from error

    def flush(self) -> None:
        """Wait until everything queued is acknowledged. UserError if it was not, after DELIVERY_SECONDS."""
        deadline = time.monotonic() + DELIVERY_SECONDS + REACH_SECONDS
        # Not by librdkafka's flush: its wrapper goes on calling back after it has raised a fatal error.
        while len(self._producer) and not self._failure and time.monotonic() < deadline:
            self._serve(FLUSH_POLL_SECONDS)
        if len(self._producer) or self._failure:
            raise self._not_delivered()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All messages sent inside become visible together at the end, or not at all if anything fails."""
        try:
            self._producer.begin_transaction()
            yield
            self._producer.commit_transaction()
        except KafkaException as error:
            self._failure = self._cause(error.args[0])
            raise self._not_delivered() from error
        except BaseException:
            with suppress(KafkaException):  # what cannot be aborted now is aborted by the next run, or in time by Kafka
                self._producer.abort_transaction(REACH_SECONDS)
            raise

    def _cause(self, failure: confluent_kafka.KafkaError) -> confluent_kafka.KafkaError:
        """A broker that is just shutting this producer out may answer a commit with an unknown error; ending the
        transaction then tells what it was."""
        if failure.code() == confluent_kafka.KafkaError.UNKNOWN:
            try:
                self._producer.abort_transaction(REACH_SECONDS)
            except KafkaException as error:
                return error.args[0]  # type: ignore[no-any-return]
        return failure

    def _poll(self, seconds: float) -> None:
        self._serve(seconds)
        if self._failure:
            raise self._not_delivered()

    def _on_failed_delivery(self, error: Optional[confluent_kafka.KafkaError], _: confluent_kafka.Message) -> None:
        self._failure = self._failure or error

    def _not_delivered(self) -> UserError:
        if self._transactional and self._failure and self._failure.code() in _TAKEN_OVER:
            return TakenOver("another run of this command has taken over its work: let that one finish")
        reason = self._failure.str() if self._failure else "no acknowledgement in time"
        return UserError(
            f"Kafka at {self._kafka.bootstrap_servers} did not take all messages ({reason}): mend it and run this again"
        )


class NotDelivered(Exception):
    """Kafka has not acknowledged all messages. With `permanent` it never will, because of what the messages are."""

    def __init__(self, error: confluent_kafka.KafkaError) -> None:
        super().__init__(error.str())
        self.permanent = error.code() in _REFUSED


class QueueFull(Exception):
    """More messages wait for Kafka than the producer may hold."""


_REFUSED = (
    confluent_kafka.KafkaError.MSG_SIZE_TOO_LARGE,
    confluent_kafka.KafkaError.RECORD_LIST_TOO_LARGE,
    confluent_kafka.KafkaError.INVALID_MSG,
    confluent_kafka.KafkaError.INVALID_RECORD,
)


class _Delivery:
    """Waits for the acknowledgements of messages that belong together; `done` has them, or the first failure."""

    def __init__(self, messages: int) -> None:
        self.left = messages
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failure: Optional[confluent_kafka.KafkaError] = None

    def report(self, error: Optional[confluent_kafka.KafkaError]) -> None:
        self.failure = self.failure or error
        self.left -= 1
        if not self.left and not self.done.done():
            if self.failure:
                self.done.set_exception(NotDelivered(self.failure))
            else:
                self.done.set_result(None)


class AsyncProducer(_Client):
    """Writes messages for a server of asyncio, which goes on with other things until they are acknowledged.

    Made and used within a running loop. A message that Kafka has not acknowledged after `delivery_seconds` has failed;
    it can be there all the same, if only the acknowledgement was lost.
    """

    POLL_SECONDS = 0.002

    def __init__(self, destination: Destination, delivery_seconds: float = DELIVERY_SECONDS) -> None:
        kafka, topic, partitioner = destination
        super().__init__(
            kafka,
            [topic],
            {topic: partitioner},
            **{
                "linger.ms": 5,
                "reconnect.backoff.max.ms": 1000,  # clients wait for the broker's return
                "queue.buffering.max.messages": 50_000,
                "queue.buffering.max.kbytes": 32 * 1024,
                "delivery.timeout.ms": int(delivery_seconds * 1000),
            },
        )
        self._topic = topic
        self.in_flight = 0
        self._broken = False
        self._busy = asyncio.Event()
        self._polling = asyncio.get_running_loop().create_task(self._poll())

    async def deliver(self, messages: Sequence[Message]) -> None:
        """Returns once Kafka has acknowledged all messages.

        NotDelivered if it did not take one of them, QueueFull if not all of them could be queued: others may have come
        through, so that whoever repeats the call relies on deduplication.
        """
        if not messages:
            return
        if self._broken and not self.in_flight:
            self._connect()  # after a fatal error librdkafka takes nothing any more
            self._broken, self._failure = False, None
        delivery = _Delivery(len(messages))

        def report(error: Optional[confluent_kafka.KafkaError], _: Any) -> None:
            self.in_flight -= 1
            self._broken = self._broken or bool(error and error.fatal())
            delivery.report(self._failure if error and self._failure else error)

        self._busy.set()
        try:
            for message in messages:
                self._produce(self._topic, message, self._place(self._topic, message.key), on_delivery=report)
                self.in_flight += 1
            await delivery.done
        except BufferError:
            raise QueueFull from None
        except KafkaException as error:
            self._broken = self._broken or error.args[0].fatal()
            raise NotDelivered(error.args[0]) from None
        finally:
            delivery.done.cancel()  # nobody waits any more

    async def reachable(self) -> bool:
        """Whether a broker answers now."""
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(None, lambda: self._producer.list_topics(timeout=REACH_SECONDS / 2))
        except KafkaException:
            return False
        return True

    async def close(self) -> None:
        """Wait for what is on its way: everything has been acknowledged or has failed."""
        while self.in_flight:
            await asyncio.sleep(self.POLL_SECONDS)
        self._polling.cancel()

    async def _poll(self) -> None:
        """Have librdkafka report in the loop's own thread: cheaper than a thread that hands over every report."""
        while True:
            await self._busy.wait()
            self._serve(0)
            self._broken = self._broken or self._failure is not None
            if not self.in_flight:
                self._busy.clear()
            await asyncio.sleep(self.POLL_SECONDS)
