"""How much one HTTP collector takes, beside a bare ASGI "hello" on the same server: `python -m bench collector`.

Both run as one process each, one after the other in rounds; wrk sends, which takes processor time of the same machine.
Rates are per second of processor time of the server as well, which is what another core would add. Needs a running
Kafka (`dmp up`), wrk and /proc. A request of the collector is answered only after Kafka has acknowledged its events.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import click
import psutil

from dmp.jobs import PROJECT

BODY_SCRIPT = """
wrk.method = "POST"
wrk.headers["Authorization"] = "Basic YmVuY2gta2V5Og=="
local body = [[%s]]
function request() return wrk.format(nil, "%s", nil, body) end
function done(summary, latency)
  io.write(string.format("p50 %%d p99 %%d errors %%d requests %%d duration %%d\\n", latency:percentile(50),
    latency:percentile(99), summary.errors.status + summary.errors.timeout, summary.requests, summary.duration))
end
"""
EVENT = {
    "type": "track", "event": "Product Viewed", "userId": "u000042", "anonymousId": "0123456789abcdef",
    "timestamp": "2026-01-31T08:00:00.000Z", "properties": {"product_id": "P12", "price": 12.5, "currency": "CNY"},
    "context": {"page": {"url": "https://shop.example.com/product/P12?utm_campaign=x"}, "ip": "203.0.113.9",
                "userAgent": "Mozilla/5.0 (X11; Linux x86_64)", "library": {"name": "analytics.js"}},
}  # fmt: skip


async def hello(scope, receive, send):  # type: ignore[no-untyped-def]
    """The least that an ASGI application does with a request that has a body."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": b'{"success":true}'})


class Result(NamedTuple):
    """Requests a second of wall time and of the server's processor time; latencies in milliseconds."""

    rate: float
    rate_per_core: float
    p50: float
    p99: float
    errors: int


@contextmanager
def server(command: list[str], url: str) -> Iterator[psutil.Process]:
    env = {**os.environ, "DMP_WRITE_KEYS": "bench=bench-key"}
    process = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL, cwd=PROJECT)
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(OSError):
                urllib.request.urlopen(url, timeout=5).close()
                break
            time.sleep(0.1)
        else:
            raise click.ClickException(f"{' '.join(command)} does not start; is Kafka there (`dmp up`)?")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def load(process: psutil.Process, url: str, path: str, body: str, connections: int, seconds: int) -> Result:
    """One run of wrk."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(BODY_SCRIPT % (body, path))
        script.flush()
        before = sum(process.cpu_times()[:2])
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name, url]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        busy = sum(process.cpu_times()[:2]) - before
    found = re.search(r"p50 (\d+) p99 (\d+) errors (\d+) requests (\d+) duration (\d+)", output)
    if not found:
        raise click.ClickException(f"wrk says: {output}")
    p50, p99, errors, requests, microseconds = map(int, found.groups())
    return Result(requests / microseconds * 1e6, requests / busy, p50 / 1000, p99 / 1000, errors)


@click.command()
@click.option("--rounds", default=3, show_default=True, help="Of all stages, one after the other.")
@click.option("--seconds", default=10, show_default=True, help="Of each run.")
@click.option("--connections", default=64, show_default=True)
@click.option("--port", default=18090, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of the table.")
def main(rounds: int, seconds: int, connections: int, port: int, as_json: bool) -> None:
    """Medians of the rounds."""
    if not shutil.which("wrk"):
        raise click.ClickException("wrk is missing: apt-get install wrk")
    url = f"http://127.0.0.1:{port}"
    python = [sys.executable, "-m", "uvicorn", "bench.collector:hello", "--port", str(port), "--log-level", "error"]
    bare = [*python, "--loop", "uvloop", "--http", "httptools", "--app-dir", str(PROJECT)]
    collector = [str(Path(sys.executable).with_name("dmp")), "collect", "http", "--port", str(port)]
    event, batch = json.dumps(EVENT), json.dumps({"batch": [EVENT] * 20})
    stages = {
        "bare ASGI hello": (bare, "/", event, 1),
        "collector, an event a request": (collector, "/v1/track", event, 1),
        "collector, 20 events a request": (collector, "/v1/batch", batch, 20),
    }
    results: dict[str, list[Result]] = {name: [] for name in stages}
    for _ in range(rounds):
        for name, (command, path, body, _) in stages.items():
            with server(command, f"{url}/health") as process:
                load(process, url, path, body, connections, 2)  # warm
                results[name].append(load(process, url, path, body, connections, seconds))
    medians = {name: Result(*(statistics.median(column) for column in zip(*found))) for name, found in results.items()}
    if as_json:
        rows = {name: {**found._asdict(), "events_per_request": stages[name][3]} for name, found in medians.items()}
        click.echo(json.dumps(rows, indent=2))
        return
    hello_rate = medians["bare ASGI hello"].rate_per_core
    click.echo(
        f"{'':34} {'req/s':>8} {'req/s/core':>11} {'events/s/core':>14} {'p50 ms':>7} {'p99 ms':>7} {'to hello':>9}"
    )
    for name, found in medians.items():
        events = found.rate_per_core * stages[name][3]
        numbers = f"{found.rate:8,.0f} {found.rate_per_core:11,.0f} {events:14,.0f} {found.p50:7.1f} {found.p99:7.1f}"
        errors = f"  {found.errors} errors" if found.errors else ""
        click.echo(f"{name:34} {numbers} {found.rate_per_core / hello_rate:9.2f}{errors}")


if __name__ == "__main__":
    main()
