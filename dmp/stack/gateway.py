"""Flink's SQL gateway on this machine: the server behind the SQL client, with a REST interface for other programs."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dmp.errors import UserError
from dmp.stack.server import get_json
from dmp.stack.stack import Stack

START_SECONDS = 120
STOP_SECONDS = 20
POLL_SECONDS = 0.25
HEAP = "-Xmx512m"


def answers(url: str) -> bool:
    """Whether a SQL gateway is ready at this address."""
    return (get_json(f"{url}/v1/info") or {}).get("productName") == "Apache Flink"


@contextmanager
def running_gateway(stack: Stack, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A gateway of this stack's cluster on 127.0.0.1, ready; it ends with the block.

    Raises UserError when there is no stack yet, or the gateway does not become ready.
    """
    program = stack.flink_command().with_name("sql-gateway.sh")
    if not program.exists():
        raise UserError(f"there is no SQL gateway at {program}: start the stack with 'dmp up'")
    address = {"address": "127.0.0.1", "bind-address": "127.0.0.1", "port": str(port)}
    options = [f"-Dsql-gateway.endpoint.rest.{key}={value}" for key, value in address.items()]
    output = stack.surroundings.logs / f"sql-gateway-{port}.out"
    environment = {**stack.environment(), "FLINK_ENV_JAVA_OPTS_SQL_GATEWAY": HEAP}
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [str(program), "start-foreground", *options],
            env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(f"http://127.0.0.1:{port}"):
            if process.poll() is not None or time.monotonic() > deadline:
                raise UserError(f"the SQL gateway did not start on port {port}: see {output}")
            time.sleep(POLL_SECONDS)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
