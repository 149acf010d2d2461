"""The HTTP collector as a process, with a real Kafka: SDKs, a browser, restarts."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Optional

import psutil
import pytest
import urllib3
from selenium import webdriver

from connectors.partitioning import sha1
from tests.input.running import (
    PATIENCE_SECONDS,
    Running,
    free_port,
    get,
    kafka_away,
    message_ids,
    metric,
    wait_for,
)
from tests.input.written import Raw
from tests.stacks import StackUnderTest

pytestmark = pytest.mark.stack

HERE = Path(__file__).parent
KEYS = "website=key-website,app=key-of-app"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")


class Collector(Running):
    """A running HTTP collector."""

    def __init__(self, stack: StackUnderTest, folder: Path, *options: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        env = {**stack.env, "DMP_WRITE_KEYS": KEYS}
        super().__init__(env, "collect", "http", "--port", str(port), *options, log=folder / "http.log")

    def start(self) -> None:
        super().start()
        self.wait_for("the collector", lambda: get(f"{self.url}/health"))

    def post(self, path: str, body: bytes, key: Optional[str] = "key-website", **headers: str) -> tuple[int, Any, Any]:
        """Status, headers and JSON of the answer."""
        if key is not None:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{key}:".encode()).decode()
        request = urllib.request.Request(f"{self.url}{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
                return answer.status, answer.headers, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.headers, json.load(error)


@pytest.fixture(scope="module")
def collector(stack: StackUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    with Collector(stack, tmp_path_factory.mktemp("http"), "--workers", "2") as started:
        yield started
        assert started.stop() == 0


def values(raw: Raw) -> list[Any]:
    return [json.loads(message.value()) for message in raw.messages()]


def test_what_the_collector_answers(collector: Collector, raw: Raw) -> None:
    event = json.dumps({"userId": "u", "event": "x"}).encode()
    large = json.dumps({"userId": "u", "event": "x" * 32_768}).encode()
    assert [
        collector.post("/v1/track", event)[0],
        collector.post("/v1/track", event, "wrong")[0],
        collector.post("/v1/track", event, None)[0],
        collector.post("/v1/track", b"{")[0],
        collector.post("/v1/track", large)[0],
        collector.post("/v1/batch", b'{"batch":[' + large + b"]}")[0],
        collector.post("/v1/batch", b'{"batch":[' + b",".join([event] * 20_000) + b"]}")[0],
        collector.post("/v1/purchase", event)[0],
    ] == [200, 401, 401, 400, 413, 413, 413, 404]
    (message,) = raw.messages()
    assert message.key() == b"u" and message.headers() == [("dmp-source", b"website")]
    assert collector.post("/v1/track", b"{", "wrong")[2] == {
        "success": False, "code": "malformed_json", "message": "the body is not JSON in UTF-8",
    }  # fmt: skip


def test_a_client_that_sends_too_much_is_told_so(collector: Collector) -> None:
    """It has not finished when it is clear that this is too much; cut off then, it would see no answer."""
    half = b"x" * 600_000
    connection = HTTPConnection(collector.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
    connection.putrequest("POST", "/v1/batch")
    connection.putheader("Content-Length", str(2 * len(half)))
    connection.putheader("Connection", "close")
    connection.endheaders(half)
    time.sleep(0.5)
    connection.send(half)
    assert connection.getresponse().status == 413


SHOP = "https://shop.example.com"


@pytest.fixture(scope="module")
def strict(stack: StackUnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with every option."""
    options = ("--rate-limit", "5", "--partitioner", "sha1", "--allow-origin", SHOP, "--trusted-proxies", "127.0.0.1")
    with Collector(stack, tmp_path_factory.mktemp("strict"), *options) as started:
        yield started


def test_a_key_has_its_rate(stack: StackUnderTest, strict: Collector, raw: Raw) -> None:
    batch = json.dumps({"batch": [{"type": "track", "userId": "u", "event": "x"}] * 60}).encode()
    assert strict.post("/v1/batch", batch)[0] == 200
    status, headers, _ = strict.post("/v1/track", b'{"event":"x"}')
    assert status == 429 and 1 <= int(headers["Retry-After"]) <= 12
    assert strict.post("/v1/track", b'{"event":"x"}', "key-of-app")[0] == 200
    messages = raw.messages()
    assert len(messages) == 61
    home = sha1(b"u", stack.config.kafka.partitions)
    assert {message.partition() for message in messages if message.key()} == {home}


@pytest.mark.parametrize("origin", [SHOP, "https://elsewhere.example.com"])
def test_pages_of_other_origins_are_kept_away_if_asked_for(strict: Collector, origin: str) -> None:
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    answer = urllib3.request("OPTIONS", f"{strict.url}/v1/t", headers=headers)
    assert (answer.status, answer.headers.get("Access-Control-Allow-Origin")) == (
        (200, SHOP) if origin == SHOP else (400, None)
    )


def test_only_a_trusted_proxy_tells_whose_request_it_is(collector: Collector, strict: Collector, raw: Raw) -> None:
    headers = {"Origin": SHOP, "X-Forwarded-For": "203.0.113.7"}
    for server in (collector, strict):
        assert server.post("/v1/track", b'{"event":"x"}', "key-of-app", **headers)[0] == 200
    assert {event["context"]["ip"] for event in values(raw)} == {"127.0.0.1", "203.0.113.7"}


def test_segments_python_library(collector: Collector, raw: Raw) -> None:
    from segment.analytics.client import Client

    errors: list[Any] = []
    for gzip in (False, True):
        client = Client("key-website", host=collector.url, gzip=gzip, on_error=lambda error, _: errors.append(error))
        client.identify("py-user", {"email": "py@example.com"})
        client.page("py-user", "shop", "Home")
        client.screen(anonymous_id="py-visitor", name="Start")
        client.group("py-user", "g1")
        client.alias("py-visitor", "py-user")
        for number in range(100):
            client.track("py-user", "Sent", {"number": number})
        client.shutdown()
    assert not errors
    arrived(raw, 210, "analytics-python")


def test_rudderstacks_python_library(collector: Collector, raw: Raw) -> None:
    from rudderstack.analytics.client import Client

    errors: list[Any] = []
    client = Client("key-of-app", host=collector.url, on_error=lambda error, _: errors.append(error))
    client.identify("rs-user", {"email": "rs@example.com"})
    client.page("rs-user", "shop", "Home")
    client.screen("rs-user", "app", "Start")
    client.group("rs-user", "g1")
    client.alias("rs-visitor", "rs-user")
    for number in range(100):
        client.track("rs-user", "Sent", {"number": number})
    client.shutdown()
    assert not errors
    arrived(raw, 105, "analytics-python")


@pytest.fixture(scope="module")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the programs of tests/input/node find what their lock file names."""
    folder = tmp_path_factory.mktemp("node")
    for file in (HERE / "node").iterdir():
        shutil.copy(file, folder)
    tools = Path(sys.executable).parent  # where the wheel of Node puts them
    env = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}"}
    command = [str(tools / "npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_segments_node_library(collector: Collector, raw: Raw, node_modules: Path) -> None:
    node = Path(sys.executable).with_name("node")
    command = [str(node), "send.mjs", collector.url, "key-website", "105"]
    done = subprocess.run(command, cwd=node_modules, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    assert done.returncode == 0 and not done.stderr, done.stderr
    arrived(raw, 105, "@segment/analytics-node")


def arrived(raw: Raw, count: int, library: str) -> None:
    """Every event once, of all six types, and all of them acceptable."""
    found = values(raw)
    assert len(found) == count
    assert len(set(message_ids([message.value() for message in raw.messages()]))) == count
    assert {event["type"] for event in found} == {"track", "identify", "page", "screen", "group", "alias"}
    assert {event["context"]["library"]["name"] for event in found} == {library}
    assert not any("writeKey" in event for event in found)


PAGE = """<!doctype html><meta charset="utf-8"><title>A page of a shop</title><script>
const collector = "%s", writeKey = "key-website";
const context = { page: { url: location.href } };
const event = (name) => JSON.stringify({ event: name, anonymousId: "visitor", writeKey, context });
const beacon = (name, type) => navigator.sendBeacon(`${collector}/v1/t`, new Blob([event(name)], { type }));
async function send() {
  const text = await fetch(`${collector}/v1/t`, { method: "POST", body: event("fetch text"), keepalive: true });
  const json = await fetch(`${collector}/v1/track`, {
    method: "POST",
    body: event("fetch json"),
    headers: { "Content-Type": "application/json", Authorization: "Basic " + btoa(writeKey + ":") },
  });
  const refused = await fetch(`${collector}/v1/t`, { method: "POST", body: "{" });
  const answers = [text.status, (await json.json()).success, refused.status, (await refused.json()).code];
  return [...answers, beacon("beacon text", "text/plain"), beacon("beacon json", "application/json")];
}
</script>"""


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Debian's chromium and chromium-driver")
def test_a_page_in_a_real_browser(collector: Collector, raw: Raw, tmp_path: Path) -> None:
    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((PAGE % collector.url).encode())

        def log_message(self, *_: object) -> None: ...

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={tmp_path}"):
        options.add_argument(argument)
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as shop:
        threading.Thread(target=shop.serve_forever, daemon=True).start()
        browser = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))
        try:
            browser.set_page_load_timeout(PATIENCE_SECONDS)
            browser.set_script_timeout(PATIENCE_SECONDS)
            browser.get(f"http://127.0.0.1:{shop.server_port}/")
            answers = browser.execute_async_script("send().then(arguments[0], (error) => arguments[0](String(error)))")
            assert answers == [200, True, 400, "malformed_json", True, True]
            names = {"fetch text", "fetch json", "beacon text", "beacon json"}
            wait_for("all events", lambda: {event["event"] for event in values(raw)} >= names)
        finally:
            browser.quit()
            shop.shutdown()
    for event in values(raw):
        assert event["context"]["ip"] == "127.0.0.1" and "Chrome" in event["context"]["userAgent"]
        assert event["context"]["page"]["url"].startswith("http://127.0.0.1:")
    assert len(values(raw)) == 4


class Sender:
    """Sends numbered events from several threads, as SDKs do: again until they are answered with 200."""

    THREADS = 8

    def __init__(self, collector: Collector, events: int) -> None:
        self._pool = urllib3.PoolManager(maxsize=self.THREADS, retries=False, timeout=PATIENCE_SECONDS)
        self._url = f"{collector.url}/v1/batch"
        self._left = iter(range(events))
        self._lock = threading.Lock()
        self.acknowledged: set[str] = set()
        self.statuses: Counter[int] = Counter()

    def run(self) -> None:
        while True:
            with self._lock:
                number = next(self._left, None)
            if number is None:
                return
            self._send(f"event-{number}")

    def _send(self, message_id: str) -> None:
        event = {"type": "track", "event": "x", "userId": "u", "messageId": message_id}
        body = json.dumps({"writeKey": "key-website", "batch": [event]}).encode()

        def taken() -> bool:
            try:
                status = self._pool.request("POST", self._url, body=body).status
            except urllib3.exceptions.HTTPError:
                status = 0
            self.statuses[status] += 1
            return status == 200

        wait_for("an acknowledgement", taken)
        self.acknowledged.add(message_id)


def assert_once(raw: Raw, expected: set[str]) -> None:
    """All of these events came in, and nothing else; each once after deduplication."""
    assert set(message_ids([message.value() for message in raw.messages()])) == expected


def test_killed_and_restarted_nothing_acknowledged_is_lost(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    with Collector(stack, tmp_path, "--workers", "2") as collector, ThreadPoolExecutor(Sender.THREADS) as pool:
        sender = Sender(collector, 3000)
        done = [pool.submit(sender.run) for _ in range(Sender.THREADS)]
        wait_for("some events", lambda: len(sender.acknowledged) > 500)
        collector.kill()
        before = set(sender.acknowledged)
        collector.start()
        wait_for("more events", lambda: len(sender.acknowledged) > 1500)
        children = collector.kill_parent()
        _, alive = psutil.wait_procs(children, PATIENCE_SECONDS)
        assert not alive  # they have noticed, and the port is free
        collector.start()
        for future in done:
            future.result()
    assert 500 < len(before) < 3000 and sender.statuses[0] > 0
    assert sender.acknowledged == {f"event-{number}" for number in range(3000)}
    assert_once(raw, sender.acknowledged)


def test_while_kafka_is_away_it_says_so_and_nothing_is_lost(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    with Collector(stack, tmp_path) as collector, ThreadPoolExecutor(Sender.THREADS) as pool:
        sender = Sender(collector, 2000)
        done = [pool.submit(sender.run) for _ in range(Sender.THREADS)]
        wait_for("some events", lambda: len(sender.acknowledged) > 500)
        with kafka_away(stack):
            wait_for("an answer that says so", lambda: sender.statuses[503])
        for future in done:
            future.result()
        assert metric(get(f"{collector.url}/metrics"), "dmp_http_events_total") == 2000
        assert collector.stop() == 0
    assert_once(raw, {f"event-{number}" for number in range(2000)})


def test_with_a_full_queue_it_refuses_instead_of_growing(stack: StackUnderTest, raw: Raw, tmp_path: Path) -> None:
    event = {"type": "track", "event": "x" * 30_000, "userId": "u"}
    batch = json.dumps({"batch": [event] * 16}).encode()
    with Collector(stack, tmp_path) as collector, ThreadPoolExecutor(100) as pool:
        with kafka_away(stack):  # 100 batches are more than the queue holds
            answers = list(pool.map(lambda _: collector.post("/v1/batch", batch), range(100)))
        assert {status for status, _, _ in answers} == {503}
        assert {body["code"] for _, _, body in answers} == {"queue_full", "kafka_away"}
        assert {headers["Retry-After"] for _, headers, _ in answers} == {"1"}
        wait_for("its recovery", lambda: collector.post("/v1/track", b'{"userId":"u","event":"after"}')[0] == 200)
    assert values(raw)[-1]["event"] == "after"
