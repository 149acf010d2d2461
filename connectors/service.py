"""Programs of asyncio that run until they are asked to stop, log in JSON and show their metrics."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from connectors.logs import log_as_json
from dmp.errors import UserError


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run `main` until it returns; the event that it is given tells of SIGINT or SIGTERM."""

    async def stoppable() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await main(stop)

    log_as_json()
    asyncio.run(stoppable())


@contextmanager
def metrics_on(port: int, families: Callable[[], Iterator[Any]]) -> Iterator[None]:
    """Answer at 127.0.0.1:`port`/metrics with prometheus_client's metric families, made anew each time.

    UserError when the port is taken, or prometheus_client is missing.
    """
    try:
        from prometheus_client import CollectorRegistry, start_http_server
    except ImportError as error:
        raise missing(error) from None
    registry = CollectorRegistry()
    registry.register(_Families(families))
    try:
        server, _ = start_http_server(port, "127.0.0.1", registry)
    except OSError as error:
        raise UserError(f"cannot listen on port {port}: {error.strerror}; choose another --metrics-port") from None
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()


class _Families:
    """In the form that prometheus_client registers."""

    def __init__(self, families: Callable[[], Iterator[Any]]) -> None:
        self.collect = families


def missing(error: ImportError) -> UserError:
    """What to do about a package of the optional group."""
    return UserError(f"{error.name} is missing: pip install 'dmp-flink[collect]'")


async def within(seconds: float, event: asyncio.Event) -> bool:
    """Whether the event happens within this time."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except asyncio.TimeoutError:
        return False
    return True
