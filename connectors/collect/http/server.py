"""Runs the application in several processes that share one listening socket."""

from __future__ import annotations

import os
import socket
import ssl
import tempfile
from pathlib import Path
from typing import NamedTuple, Optional

from connectors.kafka.messages import Destination
from connectors.kafka.producers import Producer
from connectors.logs import LOGGING
from connectors.service import missing
from connectors.stop import StopRequest
from dmp.errors import UserError

GRACE_SECONDS = 30
BACKLOG = 2048
MAX_CONNECTIONS = 1000
"""Of each process, idle ones included: with bodies of at most 500 KiB that bounds its memory. 503 is for more."""


class Tls(NamedTuple):
    """PEM files of HTTPS: the certificate with those that vouch for it, and its private key."""

    certificate: Path
    key: Path


def serve(
    host: str, port: int, workers: int, destination: Destination, rate_limit: float, allow_origins: tuple[str, ...],
    trusted_proxies: str, tls: Optional[Tls],
) -> None:  # fmt: skip
    """Serve until SIGINT or SIGTERM, then finish what has begun. A process that dies is replaced.

    HTTPS with `tls`, else HTTP. UserError when the port is taken, Kafka is away, a package is missing, or the key does
    not fit the certificate.
    """
    with tempfile.TemporaryDirectory(prefix="dmp-http-") as scratch, StopRequest():
        (Path(scratch) / "metrics").mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(Path(scratch) / "metrics")  # read when it is imported
        try:
            import uvicorn

            from connectors.collect.http.app import Settings
        except ImportError as error:
            raise missing(error) from None
        # These say what is missing in one line, before any process has started.
        if tls:
            _check_pair(tls)
        kafka, topic, partitioner = destination
        Producer(kafka, [topic], partitioners={topic: partitioner})
        _check_free(host, port)
        Settings(destination, rate_limit, allow_origins, scratch).hand_on()
        uvicorn.run(
            "connectors.collect.http.app:create",
            factory=True,
            host=host,
            port=port,
            workers=workers,
            backlog=BACKLOG,
            loop="uvloop",
            http="httptools",
            ws="none",
            lifespan="on",
            access_log=False,
            server_header=False,
            log_config=LOGGING,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_certfile=tls and tls.certificate,
            ssl_keyfile=tls and tls.key,
            proxy_headers=bool(trusted_proxies),
            forwarded_allow_ips=trusted_proxies,
        )


def _check_pair(tls: Tls) -> None:
    def refuse_password() -> str:  # OpenSSL would ask for it at the terminal
        raise ValueError("the key has a password")

    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(*tls, password=refuse_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"--tls-certificate {tls.certificate} and --tls-key {tls.key} cannot be used ({reason}): give a "
            "certificate and its own key, PEM, without a password"
        ) from None


def _check_free(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise UserError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another --host or --port"
        ) from None
