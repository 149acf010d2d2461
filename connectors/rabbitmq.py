"""RabbitMQ: a channel that is made anew whenever the connection is lost."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Optional

from connectors.logs import log
from connectors.service import missing, within
from dmp.errors import UserError
from dmp.secrets import read_secret

if TYPE_CHECKING:
    from aio_pika.abc import AbstractChannel, AbstractConnection

LOGGER = logging.getLogger("dmp.rabbitmq")
LOCAL = "amqp://guest:guest@127.0.0.1:5672/"
CONNECT_SECONDS = 10
MIN_PAUSE_SECONDS, MAX_PAUSE_SECONDS = 0.1, 5.0  # between attempts to connect

Work = Callable[["AbstractChannel", asyncio.Event], Awaitable[None]]
Losses = tuple[type[Exception], ...]

# aiormq tells in its own logs what is told here in one line.
for _name in ("aio_pika", "aiormq"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)


def load_url(environ: Mapping[str, str]) -> str:
    """The server's URL, amqp(s)://USER:PASSWORD@HOST:PORT/VHOST: DMP_RABBITMQ_URL, or in the file that
    DMP_RABBITMQ_URL_FILE names; a local server with its defaults if neither is set."""
    secret = read_secret(environ, "DMP_RABBITMQ_URL")
    url = secret.decode("utf-8", "replace") if secret else LOCAL
    if not url.startswith(("amqp://", "amqps://")):
        raise UserError("DMP_RABBITMQ_URL must look like amqp://USER:PASSWORD@HOST:PORT/VHOST")
    return url


def lost_connection() -> Losses:
    """What is raised when the server is away or goes away. UserError when its client is not installed."""
    try:
        from aio_pika.exceptions import AMQPError, ChannelInvalidStateError
    except ImportError as error:
        raise missing(error) from None
    return AMQPError, ChannelInvalidStateError, OSError, asyncio.TimeoutError


async def with_channel(work: Work, stop: asyncio.Event) -> None:
    """Do `work` on a channel until `stop`: again, on a new one, after each loss of the connection.

    `work` gets the channel, which confirms what it publishes, and an event that tells that it should end: because the
    connection is lost or somebody sets it to have it given up, or because of `stop`. UserError when the server cannot
    be reached at all in the beginning.
    """
    url, losses = load_url(os.environ), lost_connection()
    connection: Optional[AbstractConnection] = await _first_connection(url, losses)
    pause = MIN_PAUSE_SECONDS
    while True:
        try:
            connection = connection or await connect(url)
            async with connection:
                pause = MIN_PAUSE_SECONDS
                await _work(connection, work, stop)
        except losses as error:
            log(LOGGER, "lost RabbitMQ, trying again", logging.WARNING, reason=_reason(error))
        connection = None
        if await within(pause, stop):
            return
        pause = min(pause * 2, MAX_PAUSE_SECONDS)


async def _first_connection(url: str, losses: Losses) -> AbstractConnection:
    try:
        return await connect(url)
    except losses as error:
        raise UserError(f"RabbitMQ does not let us in ({_reason(error)}): start it, or set DMP_RABBITMQ_URL") from None


async def connect(url: str) -> AbstractConnection:
    from aio_pika import connect as open_connection

    return await open_connection(url, timeout=CONNECT_SECONDS)


async def confirmed(publishing: Iterable[Awaitable[Any]]) -> list[Any]:
    """The server's answers to messages that are published together. Waits for all of them, then raises the first
    failure."""
    answers = await asyncio.gather(*publishing, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


async def _work(connection: AbstractConnection, work: Work, stop: asyncio.Event) -> None:
    """Have the work done on a channel of this connection, and its end called when either of them closes."""
    end = asyncio.Event()
    channel = await connection.channel(publisher_confirms=True)
    for closing in (connection.close_callbacks, channel.close_callbacks):
        closing.add(lambda *_: end.set())
    stopping = asyncio.get_running_loop().create_task(stop.wait())
    stopping.add_done_callback(lambda _: end.set())
    try:
        await work(channel, end)
    finally:
        stopping.cancel()


def _reason(error: Exception) -> str:
    """Without the URL, which has the password in it."""
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
