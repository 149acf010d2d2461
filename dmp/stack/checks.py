"""Checks before anything starts: each refuses with one line that tells how to mend it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import psutil

from dmp.errors import UserError
from dmp.stack.server import Server

MIN_FREE_DISK_MB = 2048
"""Room for logs, Kafka's segments and checkpoints to begin with; Elasticsearch turns read-only below 0.5 GiB."""
RELEASE_SECONDS = 10
"""A large process that was killed holds its ports until the last of its threads has ended, and has no name any more."""


def check_ports(servers: Iterable[Server]) -> None:
    for server in servers:
        for port in server.ports:
            deadline = time.monotonic() + RELEASE_SECONDS
            while not _free(port):
                user = _user_of(port)
                if user or time.monotonic() > deadline:
                    raise UserError(
                        f"port {port}, which {server.name} needs, is in use{user}: "
                        "stop that program, or set another port in [ports] of dmp.toml"
                    )
                time.sleep(0.1)


def check_memory(servers: Sequence[Server]) -> None:
    needed = sum(server.memory_mb for server in servers)
    available = psutil.virtual_memory().available >> 20
    if servers and available < needed:
        raise UserError(
            f"{available} MiB of memory are available, the servers need about {needed} MiB: "
            "close other programs, or set smaller heaps in [memory] of dmp.toml"
        )


def check_disk(folder: Path) -> None:
    free = psutil.disk_usage(str(folder)).free >> 20
    if free < MIN_FREE_DISK_MB:
        raise UserError(
            f"{free} MiB are free on the disk of {folder}, {MIN_FREE_DISK_MB} MiB are needed: "
            "free some, or set stack.data_dir and stack.cache_dir to another disk"
        )


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Java does: closed connections do not count
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _user_of(port: int) -> str:
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except psutil.Error:  # an ordinary user may not look at others' connections
        pass
    return ""
