"""The ASGI application. Each process of the server makes its own with `create`."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.collect.http import metrics
from connectors.collect.http.rate_limit import RateLimit
from connectors.collect.http.segment import (
    CALLS,
    Client,
    Refused,
    events,
    max_body_bytes,
    message,
    parse,
    too_large,
    unzip,
    write_key,
)
from connectors.collect.http.write_keys import WriteKeys, load_write_keys
from connectors.kafka.messages import Destination
from connectors.kafka.producers import AsyncProducer, NotDelivered, QueueFull
from connectors.logs import log
from dmp.config import KafkaSection
from dmp.core.timestamps import rfc3339

LOGGER = logging.getLogger("dmp.collect.http")
SETTINGS_VARIABLE = "_DMP_COLLECT_HTTP"
RETRY_SECONDS = 1
DELIVERY_SECONDS = 5.0
"""SDKs wait for 10 to 15 s, then send again: by then they shall have had an answer."""

READ_OVER_BYTES = 8 * 1024 * 1024
"""So much above what is allowed is read over, and then refused: a client that is cut off while it sends may see no
answer (RFC 9112, section 9.6), and sends the same again."""


@dataclass(frozen=True)
class Settings:
    """What all processes of the server have in common. `rate_limit` is in events a second for each source, 0 for none;
    `scratch` is a folder for what they share."""

    destination: Destination
    rate_limit: float
    allow_origins: tuple[str, ...]
    scratch: str

    def hand_on(self) -> None:
        """To processes that are started from now on."""
        os.environ[SETTINGS_VARIABLE] = json.dumps(asdict(self), default=lambda part: part.model_dump(mode="json"))

    @classmethod
    def handed_on(cls) -> Settings:
        values = json.loads(os.environ[SETTINGS_VARIABLE])
        kafka, *others = values["destination"]
        return cls(**{**values, "destination": Destination(KafkaSection(**kafka), *others)})


def create() -> Starlette:
    """The application as the settings of the parent process say."""
    settings = Settings.handed_on()
    collector = Collector(settings)
    origins = {"allow_origins": settings.allow_origins} if settings.allow_origins else {"allow_origin_regex": ".*"}
    cors = Middleware(
        CORSMiddleware,
        allow_methods=["POST"],
        allow_headers=["*"],
        allow_credentials=True,  # sendBeacon sends them whether they are wanted or not
        max_age=24 * 60 * 60,
        **origins,
    )
    routes = [
        Route("/v1/{call}", collector.collect, methods=["POST"]),
        Route("/health", collector.health),
        Route("/metrics", collector.metrics),
    ]
    return Starlette(routes=routes, middleware=[cors], lifespan=collector.lifespan)


class Collector:
    """The end points. A request is answered with 200 only after Kafka has acknowledged all its events."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = WriteKeys(load_write_keys(os.environ))
        self._limit: Optional[RateLimit] = None
        if settings.rate_limit:
            self._limit = RateLimit(Path(settings.scratch) / "rates", self._keys.sources, settings.rate_limit)
        self._producer: AsyncProducer

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        _end_with_parent()
        self._producer = AsyncProducer(self._settings.destination, DELIVERY_SECONDS)
        yield
        await self._producer.close()

    async def collect(self, request: Request) -> Response:
        began = time.perf_counter()
        source = ""
        try:
            call = CALLS.get(request.path_params["call"])
            if call is None:
                raise Refused(404, "no_such_call", "there is no such call; known: " + ", ".join(CALLS))
            payload = parse(await _body(request, call))
            source = self._source(request, payload)
            count = await self._take(request, call, source, payload)
        except Refused as refusal:
            metrics.REFUSED.labels(source, refusal.code).inc()
            response = _answer(refusal)
        except ClientDisconnect:
            response = Response(status_code=400)  # nobody reads it
        else:
            metrics.EVENTS.labels(source).inc(count)
            response = Response(b'{"success":true}', media_type="application/json")
        metrics.REQUESTS.labels(response.status_code).inc()
        metrics.SECONDS.observe(time.perf_counter() - began)
        return response

    def _source(self, request: Request, payload: dict[str, object]) -> str:
        source = self._keys.source(write_key(request.headers.get("authorization"), payload))
        if source is None:
            raise Refused(401, "bad_write_key", "no source has this write key")
        return source

    async def _take(self, request: Request, call: str, source: str, payload: dict[str, object]) -> int:
        """Hand the events of a request over to Kafka; their number."""
        found = events(call, payload)
        wait = self._limit.take(source, len(found), time.monotonic()) if self._limit else None
        if wait:
            raise Refused(429, "rate_limited", f"{source} sends too much: wait {wait} s", wait)
        received_at, client = rfc3339(time.time_ns() // 1_000_000), _browser(request)
        messages = [message(event, received_at, client, {"dmp-source": source}) for event in found]
        try:
            await self._producer.deliver(messages)
        except QueueFull:
            raise Refused(503, "queue_full", "too much is waiting for Kafka: send it again", RETRY_SECONDS) from None
        except NotDelivered as error:
            log(LOGGER, "Kafka did not take a request's events", logging.WARNING, reason=str(error), source=source)
            raise Refused(503, "kafka_away", "Kafka did not take it: send it again", RETRY_SECONDS) from None
        return len(messages)

    async def health(self, _: Request) -> Response:
        ready = await self._producer.reachable()
        body = {"status": "ok"} if ready else {"status": "unavailable", "reason": "Kafka does not answer"}
        return Response(orjson.dumps(body), 200 if ready else 503, media_type="application/json")

    async def metrics(self, _: Request) -> Response:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


async def _body(request: Request, call: str) -> bytes:
    """The body, unpacked, and never more of it in memory than it may have."""
    allowed = max_body_bytes(call)
    tolerated = allowed + READ_OVER_BYTES
    if int(request.headers.get("content-length") or 0) > tolerated:
        raise too_large(call)
    size, body = 0, bytearray()
    async for piece in request.stream():
        size += len(piece)
        if size <= allowed:
            body += piece
        elif size > tolerated:
            break
    if size > allowed:
        raise too_large(call)
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding == "gzip":
        return unzip(bytes(body), call)
    if encoding != "identity":
        raise Refused(400, "bad_encoding", "Content-Encoding must be gzip or identity")
    return bytes(body)


def _browser(request: Request) -> Optional[Client]:
    """Who sent it if that is a browser: servers send on behalf of others, their own address would mislead."""
    if "origin" not in request.headers or request.client is None:
        return None
    return Client(request.client.host, request.headers.get("user-agent", ""))


def _answer(refusal: Refused) -> Response:
    body = {"success": False, "code": refusal.code, "message": refusal.message}
    headers = {"Retry-After": str(refusal.retry_after)} if refusal.retry_after else None
    return Response(orjson.dumps(body), refusal.status, headers, "application/json")


def _end_with_parent() -> None:
    """Stop gracefully when the parent was killed: nobody else would, and the port has to become free."""
    parent = multiprocessing.parent_process()
    if parent:
        loop = asyncio.get_running_loop()

        def end() -> None:
            loop.remove_reader(parent.sentinel)
            os.kill(os.getpid(), signal.SIGTERM)

        loop.add_reader(parent.sentinel, end)
