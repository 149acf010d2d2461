"""Datagrams of lines into Kafka: a bounded queue between the socket, which cannot wait, and workers, who have to.

Whoever sends datagrams is never told what became of them, so this collector counts: every line that is received is
delivered or dropped in the end, exactly. When the queue is full, the oldest line in it is dropped: the newest is worth
most.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from connectors.collect.receipt import TooLarge, receive
from connectors.collect.text import text_event
from connectors.kafka.messages import Destination, Message
from connectors.kafka.producers import AsyncProducer, NotDelivered, QueueFull
from connectors.logs import log
from connectors.service import metrics_on, run, within
from dmp.core.timestamps import rfc3339
from dmp.errors import UserError

LOGGER = logging.getLogger("dmp.collect.udp")
MAX_DATAGRAM_BYTES = 65_535
MAX_QUEUE_BYTES = 64 * 1024 * 1024
RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024
DATAGRAMS_AT_ONCE = 256  # before others have their turn
DATAGRAMS_AT_END = 100_000  # what the socket can hold; senders may go on for ever
BATCH_LINES = 100
RETRY_SECONDS = 0.2
GRACE_SECONDS = 30
RATE_SECONDS = 1.0


class Line(NamedTuple):
    """A line, the address it came from, and when, in milliseconds since 1970."""

    data: bytes
    sender: str
    received_ms: int


class DroppingQueue:
    """At most `capacity` lines and `max_bytes` bytes; what is too much is dropped, the oldest first."""

    def __init__(self, capacity: int, max_bytes: int = MAX_QUEUE_BYTES) -> None:
        self.capacity = capacity
        self.dropped = 0
        self._max_bytes = max_bytes
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: Line) -> None:
        self._lines.append(line)
        self._bytes += len(line.data)
        while len(self._lines) > self.capacity or self._bytes > self._max_bytes:
            self._bytes -= len(self._lines.popleft().data)
            self.dropped += 1
        self._filled.set()

    async def take(self, lines: int) -> list[Line]:
        """Up to so many of the oldest lines; waits until there is one."""
        while not self._lines:
            self._filled.clear()
            await self._filled.wait()
        taken = [self._lines.popleft() for _ in range(min(lines, len(self._lines)))]
        self._bytes -= sum(len(line.data) for line in taken)
        return taken

    def drop_all(self) -> None:
        self.dropped += len(self._lines)
        self._lines.clear()
        self._bytes = 0


def message(line: Line) -> Message:
    """The message of a line: an event in JSON with its receipt filled in; any other text becomes an event of its own.

    What looks like JSON but is no event is passed on as it is, for cleaning to reject and keep.
    """
    received_at = rfc3339(line.received_ms)
    try:
        if line.data.lstrip()[:1] not in (b"{", b"["):
            event = text_event(line.data, ip=line.sender)
            return receive(event, received_at, orjson.dumps(event))
        event = orjson.loads(line.data)
        if isinstance(event, dict):
            return receive(event, received_at, line.data)
    except (orjson.JSONDecodeError, orjson.JSONEncodeError, TooLarge):
        pass
    return Message(line.data)


@dataclass
class Rates:
    """The model of the queue's content V: dV/dt = arrivals - service, both in lines a second over the last second."""

    arrivals: float = 0.0
    service: float = 0.0

    @property
    def growth(self) -> float:
        return self.arrivals - self.service

    def seconds_to_full(self, free: int) -> float:
        """When the queue will be full if all stays as it is; infinity if it will not."""
        return free / self.growth if self.growth > 0 else float("inf")


class UdpCollector:
    """Receives on `listener`; `workers` tasks take lines from the queue and have Kafka acknowledge them."""

    def __init__(self, listener: socket.socket, producer: AsyncProducer, capacity: int, workers: int) -> None:
        self._listener = listener
        self._producer = producer
        self._workers = workers
        self._in_hand = 0
        self._lost = 0  # taken by a worker, but not delivered when time was up
        self.queue = DroppingQueue(capacity)
        self.rates = Rates()
        self.received = 0
        self.delivered = 0
        self._measured = (0, 0, time.monotonic())

    @property
    def dropped(self) -> int:
        return self.queue.dropped + self._lost

    async def collect(self, stop: asyncio.Event) -> None:
        """Until `stop`; then what has arrived is delivered, for as long as GRACE_SECONDS."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._listener.fileno(), self._receive, DATAGRAMS_AT_ONCE)
        workers = [loop.create_task(self._work()) for _ in range(self._workers)]
        while not await within(RATE_SECONDS, stop):
            self._measure()
        loop.remove_reader(self._listener.fileno())
        self._receive(DATAGRAMS_AT_END)
        deadline = time.monotonic() + GRACE_SECONDS
        while (len(self.queue) or self._in_hand) and time.monotonic() < deadline:
            await asyncio.sleep(self._producer.POLL_SECONDS)
        for worker in workers:
            worker.cancel()
        self._lost, self._in_hand = self._in_hand, 0
        self.queue.drop_all()

    def _receive(self, datagrams: int) -> None:
        """Read what the socket holds, at most so many datagrams."""
        now = time.time_ns() // 1_000_000
        for _ in range(datagrams):
            try:
                data, address = self._listener.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            for part in data.splitlines():
                if part.strip():
                    self.received += 1
                    self.queue.put(Line(part, address[0], now))

    async def _work(self) -> None:
        while True:
            lines = await self.queue.take(BATCH_LINES)
            self._in_hand += len(lines)
            await self._deliver([message(line) for line in lines])
            self._in_hand -= len(lines)
            self.delivered += len(lines)

    async def _deliver(self, messages: Sequence[Message]) -> None:
        """Until Kafka has them: meanwhile the queue fills up and drops, which is where drops are meant to happen."""
        while True:
            try:
                return await self._producer.deliver(messages)
            except QueueFull:
                pass
            except NotDelivered as error:
                log(LOGGER, "Kafka does not take events, going on trying", logging.WARNING, reason=str(error))
            await asyncio.sleep(RETRY_SECONDS)

    def _measure(self) -> None:
        before, self._measured = self._measured, (self.received, self.delivered, time.monotonic())
        arrived, served, seconds = (now - then for now, then in zip(self._measured, before))
        self.rates = Rates(arrived / seconds, served / seconds)

    def counts(self) -> dict[str, int]:
        """received = queued + in_hand + delivered + dropped, at any moment; dropped_by_kernel never got here."""
        return {
            "received": self.received,
            "queued": len(self.queue),
            "in_hand": self._in_hand,
            "delivered": self.delivered,
            "dropped": self.dropped,
            "dropped_by_kernel": dropped_by_kernel(self._listener),
        }

    def collect_metrics(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        counts = self.counts()
        for name, help_text in (
            ("received", "Lines received"),
            ("delivered", "Lines that Kafka has acknowledged"),
            ("dropped", "Lines dropped, the oldest, because the queue was full"),
            ("dropped_by_kernel", "Datagrams dropped by the operating system before they were received"),
        ):
            yield CounterMetricFamily(f"dmp_udp_{name}", help_text, value=counts[name])
        free = self.queue.capacity - counts["queued"]
        for name, help_text, value in (
            ("queued", "Lines in the queue", counts["queued"]),
            ("in_hand", "Lines that workers wait for Kafka with", counts["in_hand"]),
            ("queue_capacity", "Lines that the queue can hold", self.queue.capacity),
            ("arrivals_per_second", "Lines received a second", self.rates.arrivals),
            ("service_per_second", "Lines acknowledged a second", self.rates.service),
            ("growth_per_second", "dV/dt = arrivals - service", self.rates.growth),
            ("seconds_to_full", "Until the queue is full at this growth", self.rates.seconds_to_full(free)),
        ):
            yield GaugeMetricFamily(f"dmp_udp_{name}", help_text, value=value)


def dropped_by_kernel(listener: socket.socket) -> int:
    """Datagrams that came while the socket's buffer was full, 0 where the system does not tell."""
    inode = str(os.fstat(listener.fileno()).st_ino)
    table = Path("/proc/net/udp6" if listener.family == socket.AF_INET6 else "/proc/net/udp")
    lines = table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else []
    # The columns of man 5 proc; the tenth is the inode, the last the drops.
    return next((int(columns[-1]) for columns in map(str.split, lines) if columns[9] == inode), 0)


def serve(host: str, port: int, capacity: int, workers: int, metrics_port: int, destination: Destination) -> None:
    """Collect until SIGINT or SIGTERM. UserError when a port is taken or Kafka is away."""

    async def main(stop: asyncio.Event) -> None:
        producer = AsyncProducer(destination)
        with _listen(host, port) as listener:
            collector = UdpCollector(listener, producer, capacity, workers)
            with metrics_on(metrics_port, collector.collect_metrics):
                log(LOGGER, "listening", address=host, port=listener.getsockname()[1], workers=workers, queue=capacity)
                await collector.collect(stop)
            await producer.close()
            log(LOGGER, "stopped", **collector.counts())

    run(main)


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    listener.setblocking(False)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UserError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another --host or --port"
        ) from None
    return listener
