"""Where generated messages go."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Optional, Protocol

from urllib3 import PoolManager, Retry, Timeout, make_headers
from urllib3.exceptions import HTTPError

from connectors.kafka.producers import Producer
from connectors.rabbitmq import confirmed, connect, lost_connection
from dmp.config import KafkaSection
from dmp.errors import UserError

if TYPE_CHECKING:
    from aio_pika.abc import AbstractConnection


class Sink(Protocol):
    """Takes messages in order. After `close` everything sent has arrived; UserError if it has not."""

    def send(self, values: list[bytes], keys: list[Optional[bytes]]) -> None: ...

    def close(self) -> None: ...


class LinesSink:
    """One message a line, to a file or, without a path, to standard output; keys are left out."""

    def __init__(self, path: Optional[Path]) -> None:
        self._name = path or "standard output"
        with self._refused_writes():
            self._file: BinaryIO = path.open("wb") if path else sys.stdout.buffer

    def send(self, values: list[bytes], keys: list[Optional[bytes]]) -> None:
        with self._refused_writes():
            self._file.write(b"\n".join(values) + b"\n")

    def close(self) -> None:
        with self._refused_writes():
            self._file.flush()

    @contextmanager
    def _refused_writes(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(f"cannot write to {self._name}: {error.strerror}; choose another --out") from error


class KafkaSink:
    """Messages to one topic, acknowledged by all replicas."""

    def __init__(self, kafka: KafkaSection, topic: str, partitioner: str) -> None:
        self._producer = Producer(kafka, [topic], partitioners={topic: partitioner})
        self._topic = topic

    def send(self, values: list[bytes], keys: list[Optional[bytes]]) -> None:
        for value, key in zip(values, keys):
            self._producer.send(self._topic, value, key)

    def close(self) -> None:
        self._producer.flush()


class HttpSink:
    """Batches to an HTTP collector at `url`, each acknowledged before the next; sent again when it says so."""

    BATCH_BYTES = 400 * 1024
    PATIENCE = Retry(
        total=30, connect=3, other=0,  # other: a certificate that nobody vouches for
        backoff_factor=0.2, backoff_max=5, status_forcelist=[429, 503], allowed_methods=None,
    )  # fmt: skip

    def __init__(self, url: str, write_key: str) -> None:
        self._url = f"{url.rstrip('/')}/v1/batch"
        self._pool = PoolManager(retries=self.PATIENCE, timeout=Timeout(60))
        self._headers = {**make_headers(basic_auth=f"{write_key}:"), "Content-Type": "application/json"}

    def send(self, values: list[bytes], keys: list[Optional[bytes]]) -> None:
        batch, size = [], 0
        for value in values:
            if batch and size + len(value) > self.BATCH_BYTES:
                self._post(batch)
                batch, size = [], 0
            batch.append(value)
            size += len(value) + 1
        self._post(batch)

    def _post(self, batch: list[bytes]) -> None:
        body = b'{"batch":[' + b",".join(batch) + b"]}"
        try:
            answer = self._pool.request("POST", self._url, body=body, headers=self._headers)
        except HTTPError as error:
            raise UserError(f"the collector at {self._url} does not take events ({error}): start it") from error
        if answer.status != 200:
            text = answer.data.decode("utf-8", "replace")[:200]
            raise UserError(f"the collector at {self._url} answers {answer.status}: {text}; mend that first")

    def close(self) -> None:
        self._pool.clear()


class UdpSink:
    """One datagram each; nobody tells whether it has arrived."""

    def __init__(self, host: str, port: int) -> None:
        self._address = f"{host}:{port}"
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((host, port))

    def send(self, values: list[bytes], keys: list[Optional[bytes]]) -> None:
        try:
            for value in values:
                self._socket.send(value)
        except OSError as error:  # on this machine and in this network one may learn that nobody listens
            raise UserError(f"cannot send to {self._address}: {error.strerror}; start `dmp collect udp`") from error

    def close(self) -> None:
        self._socket.close()


class RabbitMqSink:
    """Persistent messages to a queue, confirmed by the server."""

    def __init__(self, url: str, queue: str) -> None:
        self._queue = queue
        self._losses = lost_connection()
        self._loop = asyncio.new_event_loop()
        self._connection: Optional[AbstractConnection] = None
        self._run(self._open(url))

    async def _open(self, url: str) -> None:
        self._connection = await connect(url)
        self._channel = await self._connection.channel(on_return_raises=True)
        await self._channel.get_queue(self._queue)  # so that one learns before the first message if it is missing

    def send(self, values: list[bytes], keys: list[Optional[bytes]]) -> None:
        self._run(self._publish(values))

    async def _publish(self, values: list[bytes]) -> None:
        from aio_pika import DeliveryMode, Message

        exchange = self._channel.default_exchange
        messages = (Message(value, delivery_mode=DeliveryMode.PERSISTENT) for value in values)
        await confirmed(exchange.publish(message, self._queue) for message in messages)

    def close(self) -> None:
        with suppress(*self._losses):
            if self._connection:
                self._loop.run_until_complete(self._connection.close())
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            self._loop.run_until_complete(work)
        except self._losses as error:
            self.close()
            raise UserError(
                f"RabbitMQ does not take messages for queue {self._queue} ({type(error).__name__}): set "
                f"DMP_RABBITMQ_URL, and declare the queue, as `dmp collect rabbitmq {self._queue} --declare` does"
            ) from error
