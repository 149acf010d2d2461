"""Kafka clients with the suite's settings.

One client for each purpose: kafka-python administers and reads, where speed does not matter; librdkafka
(confluent-kafka) produces, because it is ten times and more as fast (figures in docs/decisions.md): `Producer` for
programs that do one thing at a time, `AsyncProducer` for servers.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from random import Random
from typing import Any, NamedTuple, Optional, TypedDict, Union

import confluent_kafka
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ConfigResource
from kafka.consumer.fetcher import Fetcher
from kafka.errors import AuthorizationError, KafkaError, RetriableError, TopicAuthorizationFailedError
from kafka.structs import OffsetAndMetadata

from connectors.partitioning import DEFAULT, Partitioner, make_partitioner
from dmp.config import KafkaSection
from dmp.errors import UserError
from dmp.secrets import kafka_login

REACH_SECONDS = 5
"""A broker that has not answered after this time counts as away."""

RETURN_SECONDS = 30
"""A broker that is coming back has as long."""

DELIVERY_SECONDS = 60
"""A message that Kafka has not acknowledged after this time counts as not delivered."""

FLUSH_POLL_SECONDS = 0.02

TRANSACTION_SECONDS = 20
"""Kafka ends a transaction that has been open for so long."""

BY_KAFKA = -1
"""librdkafka chooses the partition itself."""

SAMPLED_BLOCK = 500
"""Messages in a row that a sample takes: one request to the broker brings about so many."""

MAX_EVENT_BYTES = 512 * 1024
"""Collectors never send more in one message: a reject carries it in base64 and must still fit into Kafka's default
limit of 1 MiB."""

# Both libraries log every failed connection attempt, where one UserError says it all.
logging.getLogger("kafka").setLevel(logging.CRITICAL)
_SILENT = logging.getLogger("dmp.librdkafka")
_SILENT.addHandler(logging.NullHandler())
_SILENT.propagate = False

# After being shut out by a newer producer of the same transactional id, librdkafka may answer just "fatal".
_TAKEN_OVER = (
    confluent_kafka.KafkaError._FENCED,
    confluent_kafka.KafkaError._FATAL,
    confluent_kafka.KafkaError.INVALID_PRODUCER_EPOCH,
)


Headers = dict[str, Union[str, bytes, None]]


class Message(NamedTuple):
    """One message on its way to a topic; without a value it deletes what a compacted topic has of its key."""

    value: Optional[bytes]
    key: Optional[bytes] = None
    headers: Optional[Headers] = None


class Destination(NamedTuple):
    """Where a collector's events go: a topic, and the strategy that chooses its partitions."""

    kafka: KafkaSection
    topic: str
    partitioner: str = DEFAULT


def _python_settings(kafka: KafkaSection) -> dict[str, Any]:
    """How kafka-python gets in."""
    settings = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "bootstrap_timeout_ms": REACH_SECONDS * 1000,
    }
    if kafka.security == "PLAINTEXT":
        return settings
    user, password = kafka_login(os.environ)
    return {
        **settings,
        "security_protocol": kafka.security,
        "ssl_cafile": str(kafka.ca_file),
        "sasl_mechanism": kafka.mechanism,
        "sasl_plain_username": user,
        "sasl_plain_password": password,
    }


def silent_settings(kafka: KafkaSection) -> dict[str, Any]:
    """How librdkafka gets in; the settings that all its clients begin with."""
    settings = {"bootstrap.servers": kafka.bootstrap_servers, "logger": _SILENT}
    if kafka.security == "PLAINTEXT":
        return settings
    user, password = kafka_login(os.environ)
    return {
        **settings,
        "security.protocol": kafka.security,
        "ssl.ca.location": str(kafka.ca_file),
        "sasl.mechanism": kafka.mechanism,
        "sasl.username": user,
        "sasl.password": password,
    }


class Topic(TypedDict):
    """A topic as it should be; `config` has Kafka's topic settings, e.g. {"cleanup.policy": "compact"}."""

    name: str
    partitions: int
    config: Mapping[str, str]


def ensure_topics(kafka: KafkaSection, topics: Sequence[Topic]) -> None:
    """Create the topics that are missing and set the configuration of those that exist. Harmless to repeat.

    The number of partitions of an existing topic stays, because a change would move keys to other partitions:
    UserError if it differs from what is wanted. UserError, too, if the broker is away or refuses a setting.
    """
    with closing(_admin(kafka)) as admin:
        try:
            existing = set(admin.list_topics())
            missing = {
                topic["name"]: {"num_partitions": topic["partitions"], "configs": dict(topic["config"])}
                for topic in topics
                if topic["name"] not in existing
            }
            if missing:
                _create(admin, missing)
            _update(admin, [topic for topic in topics if topic["name"] in existing])
        except AuthorizationError as error:
            raise _denied(kafka, error) from error
        except KafkaError as error:
            raise UserError(f"Kafka at {kafka.bootstrap_servers} cannot set up the topics: {error}") from error


def _create(admin: KafkaAdminClient, missing: Mapping[str, Any]) -> None:
    answers = admin.create_topics(missing, raise_errors=False)["topics"]  # another process may be creating them, too
    denied = [answer["name"] for answer in answers if answer["error_code"] == TopicAuthorizationFailedError.errno]
    if denied:
        raise TopicAuthorizationFailedError(", ".join(denied))
    admin.wait_for_topics(list(missing))


def _update(admin: KafkaAdminClient, topics: Sequence[Topic]) -> None:
    if not topics:
        return
    found = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics([t["name"] for t in topics])}
    for topic in topics:
        name, wanted = topic["name"], topic["partitions"]
        if found[name] != wanted:
            raise UserError(
                f"topic {name} has {found[name]} partitions but {wanted} are configured: set kafka.partitions to "
                f"{found[name]}, or start anew with `dmp down --purge`"
            )
    configured = [ConfigResource("TOPIC", topic["name"], dict(topic["config"])) for topic in topics if topic["config"]]
    if configured:
        try:
            admin.alter_configs(configured)
        except ValueError as error:  # it looks up what settings there are, and is shown none without the right to
            raise TopicAuthorizationFailedError(str(error)) from None


def _admin(kafka: KafkaSection) -> KafkaAdminClient:
    try:
        return KafkaAdminClient(**_python_settings(kafka))
    except KafkaError as error:
        raise _away(kafka) from error


def _away(kafka: KafkaSection) -> UserError:
    servers = kafka.bootstrap_servers
    refusal = None if kafka.security == "PLAINTEXT" else _refusal(kafka)
    if refusal == confluent_kafka.KafkaError._AUTHENTICATION:
        return UserError(
            f"Kafka at {servers} refuses the user or the password: mend DMP_KAFKA_USER, DMP_KAFKA_PASSWORD or its "
            "_FILE, or kafka.mechanism"
        )
    if refusal == confluent_kafka.KafkaError._SSL:
        return UserError(
            f"Kafka at {servers} shows no certificate that {kafka.ca_file} vouches for: mend kafka.ca_file, or the "
            "address in kafka.bootstrap_servers"
        )
    return UserError(
        f"Kafka does not answer at {servers}: start the stack with `dmp up`, or set kafka.bootstrap_servers"
    )


def _refusal(kafka: KafkaSection) -> Optional[int]:
    """Why a broker that is there lets nobody in. Clients try again and again and call it a timeout; librdkafka tells
    its callback why."""
    reasons: list[int] = []
    client = AdminClient({**silent_settings(kafka), "error_cb": lambda error: reasons.append(error.code())})
    with suppress(KafkaException):
        client.list_topics(timeout=REACH_SECONDS / 2)
    client.poll(0)
    told = (confluent_kafka.KafkaError._AUTHENTICATION, confluent_kafka.KafkaError._SSL)
    return next((reason for reason in reasons if reason in told), None)


def _denied(kafka: KafkaSection, error: Union[KafkaError, str]) -> UserError:
    return UserError(
        f"Kafka at {kafka.bootstrap_servers} does not let this user do that ({error}): give it the rights that "
        "docs/security.md lists"
    )


def _no_topic(kafka: KafkaSection, topic: str) -> UserError:
    hidden = "" if kafka.security == "PLAINTEXT" else ", or this user may not see it: see docs/security.md"
    servers = kafka.bootstrap_servers
    return UserError(f"Kafka at {servers} has no topic {topic}: create the topics with `dmp up`{hidden}")


def read_committed(kafka: KafkaSection, topic: str, wait_for_open: bool = False) -> Iterator[Any]:
    """Every committed record that `topic` holds now (kafka-python's ConsumerRecord), in order within each partition.

    Records behind an open transaction of any writer are left out; with `wait_for_open`, it waits until these
    transactions have ended. UserError when the broker is away or the topic does not exist.
    """
    with _reading(kafka), closing(_consumer(kafka, "read_committed")) as consumer:
        partitions = _partitions(kafka, consumer, topic)
        consumer.assign(partitions)
        if wait_for_open:
            with closing(_consumer(kafka, "read_uncommitted")) as ahead:
                end = ahead.end_offsets(partitions)
        else:
            end = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < end[partition] for partition in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                yield from records


def latest(kafka: KafkaSection, topic: str, wait_for_open: bool = False) -> dict[bytes, bytes]:
    """What a compacted topic holds: the last value of each key that was not deleted. Otherwise as `read_committed`."""
    found: dict[bytes, bytes] = {}
    for record in read_committed(kafka, topic, wait_for_open):
        if record.value is None:
            found.pop(record.key, None)
        else:
            found[record.key] = record.value
    return found


def has_messages(kafka: KafkaSection, topic: str) -> bool:
    """Whether anything was ever written to `topic`. UserError as for `read_committed`."""
    with _reading(kafka), closing(_consumer(kafka, "read_uncommitted")) as consumer:
        partitions = _partitions(kafka, consumer, topic)
        return any(consumer.end_offsets(partitions).values())


class Sample(NamedTuple):
    """What a topic holds. sizes: messages of each partition, by its offsets, which also count those that compaction or
    an aborted transaction has left out. found: how many of the messages read lie in which partition with which key.
    complete: whether all messages were read."""

    sizes: Sequence[int]
    found: Counter[tuple[int, Optional[bytes]]]
    complete: bool


def sample_keys(kafka: KafkaSection, topic: str, at_most: Optional[int]) -> Sample:
    """Keys of about `at_most` committed messages of a topic; of all with None, or when there are no more.

    Sampling is systematic: blocks of SAMPLED_BLOCK offsets in a row, at even distances over the whole of each
    partition, so that a partition's part of the sample is its part of the topic. UserError as for `read_committed`.
    """
    with _reading(kafka), closing(_consumer(kafka, "read_committed")) as consumer:
        partitions = _partitions(kafka, consumer, topic)
        begin, end = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        sizes = [end[partition] - begin[partition] for partition in partitions]
        complete = at_most is None or sum(sizes) <= at_most
        found: Counter[tuple[int, Optional[bytes]]] = Counter()
        for partition, size in zip(partitions, sizes):
            share = size if complete else round(size * (at_most or 0) / sum(sizes))
            for start, stop in _blocks(begin[partition], end[partition], share):
                found.update((partition.partition, record.key) for record in _read(consumer, partition, start, stop))
        return Sample(sizes, found, complete)


def _blocks(begin: int, end: int, wanted: int) -> Iterator[tuple[int, int]]:
    """Spans of offsets that hold `wanted` of those from `begin` to `end`, at even distances."""
    if wanted >= end - begin:
        yield begin, end
        return
    count = -(-wanted // SAMPLED_BLOCK)
    for number in range(count):
        start = begin + (end - begin) * number // count
        yield start, start + wanted * (number + 1) // count - wanted * number // count


def _read(consumer: KafkaConsumer, partition: TopicPartition, start: int, stop: int) -> Iterator[Any]:
    """The records with offsets from `start` to before `stop`."""
    consumer.assign([partition])
    consumer.seek(partition, start)
    while consumer.position(partition) < stop:
        for records in consumer.poll(timeout_ms=500).values():
            yield from (record for record in records if record.offset < stop)


class Follower:
    """Reads a topic from where a group has come to, and remembers that in Kafka; one at a time for each group.

    UserError when the broker is away or the topic does not exist.
    """

    def __init__(self, kafka: KafkaSection, topic: str, group: str) -> None:
        self._kafka, self._topic = kafka, topic
        self._consumer = _consumer(kafka, "read_committed", group)
        try:
            partitions = _partitions(kafka, self._consumer, topic)
        except UserError:
            self.close()
            raise
        self._consumer.assign(partitions)
        with _reading(kafka):
            committed = {partition: self._consumer.committed(partition) for partition in partitions}
        #: Whether the group has never committed anything.
        self.is_new = not any(offset is not None for offset in committed.values())
        end = self._consumer.end_offsets(partitions)
        self._start = {partition: end[partition] if self.is_new else committed[partition] or 0 for partition in end}
        self._end = end
        for partition, offset in self._start.items():
            self._consumer.seek(partition, offset)

    def before(self) -> Iterator[Any]:
        """The records behind the group: for a new one, all there are."""
        for record in read_committed(self._kafka, self._topic):
            if record.offset < self._start[TopicPartition(record.topic, record.partition)]:
                yield record

    def records(self, until_end: bool = False) -> Iterator[Any]:
        """Records as they come, and None now and then when there are none; with `until_end` those that were there."""
        while not until_end or any(self._consumer.position(part) < offset for part, offset in self._end.items()):
            with _reading(self._kafka):
                polled = self._consumer.poll(timeout_ms=500)
            for records in polled.values():
                yield from records
            if not polled:
                yield None

    def commit(self, record: Any) -> None:
        """The group has come past this record."""
        self._commit({TopicPartition(record.topic, record.partition): record.offset + 1})

    def commit_start(self) -> None:
        """The group begins where this follower began."""
        self._commit(self._start)

    def _commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._consumer.commit({part: OffsetAndMetadata(offset, "", -1) for part, offset in offsets.items()})

    def close(self) -> None:
        self._consumer.close()


def _has_abort_marker(_: Any, batch: Any) -> bool:
    """Whether a batch tells that a transaction was aborted."""
    marker = next(batch, None) if batch.is_control_batch else None
    return marker is not None and marker.abort


# Compaction empties control batches and keeps them as long as their producer is known. kafka-python (3.0.12) expects a
# record in each, fails, and the topic could not be read any more. Kafka's own client looks first, and so does this.
Fetcher.PartitionRecords._contains_abort_marker = _has_abort_marker


def _consumer(kafka: KafkaSection, isolation_level: str, group: Optional[str] = None) -> KafkaConsumer:
    try:
        return KafkaConsumer(
            **_python_settings(kafka),
            group_id=group,
            isolation_level=isolation_level,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            allow_auto_create_topics=False,
        )
    except KafkaError as error:
        raise _away(kafka) from error


def _partitions(kafka: KafkaSection, consumer: KafkaConsumer, topic: str) -> list[TopicPartition]:
    """Those of a topic. A broker that stood still comes back to a cluster without brokers; that passes in seconds.
    UserError when it does not pass, or there is no such topic."""
    deadline = time.monotonic() + RETURN_SECONDS
    while True:
        try:
            numbers = consumer.partitions_for_topic(topic)
            break
        except RetriableError as error:
            if time.monotonic() > deadline:
                raise _away(kafka) from error
            time.sleep(0.2)
    if not numbers:
        raise _no_topic(kafka, topic)
    return [TopicPartition(topic, number) for number in sorted(numbers)]


@contextmanager
def _reading(kafka: KafkaSection) -> Iterator[None]:
    try:
        yield
    except AuthorizationError as error:
        raise _denied(kafka, error) from error


def _partitioning(named: str, partitions: int) -> Callable[[Optional[bytes]], int]:
    choose: Partitioner = make_partitioner(named, Random(), partitions)
    return lambda key: choose(key, partitions)


def partitions_of(
    client: Union[confluent_kafka.Producer, confluent_kafka.Consumer, AdminClient], kafka: KafkaSection, topic: str
) -> int:
    """How many there are. UserError if the broker does not answer or has no such topic."""
    try:
        existing = client.list_topics(timeout=REACH_SECONDS).topics
    except KafkaException as error:
        raise _away(kafka) from error
    if topic not in existing:
        raise _no_topic(kafka, topic)
    return len(existing[topic].partitions)


def refuse_missing(kafka: KafkaSection, topics: Sequence[str]) -> None:
    """UserError if the broker does not answer, lets us not in, or lacks one of the topics."""
    client = AdminClient(silent_settings(kafka))
    for topic in topics:
        partitions_of(client, kafka, topic)


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
                    raise _denied(kafka, error.args[0].str()) from error
                raise _away(kafka) from error

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
