"""The lock and the download cache, against a real HTTP server with a small Maven repository."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from rich.console import Console

from dmp.errors import UserError
from dmp.stack.artifacts import Artifact, ArtifactCache, read_lock

CONTENT = b"a jar" * 1000
QUIET = Console(quiet=True)


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a Maven repository with org.example:thing:1.0."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("dmp.stack.artifacts.RETRY_SECONDS", 0)
    file = tmp_path / "repository" / "org" / "example" / "thing" / "1.0" / "thing-1.0.jar"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(tmp_path / "repository")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def artifact(coordinates: str = "org.example:thing:1.0", content: bytes = CONTENT) -> Artifact:
    return Artifact(coordinates, "jar", hashlib.sha256(content).hexdigest(), len(content), "test")


def test_fetched_verified_and_then_left_alone(tmp_path: Path, repository: str) -> None:
    cache = ArtifactCache(tmp_path, repository, [artifact()])
    cache.fetch(QUIET)
    (path,) = cache.paths("test")
    assert path.read_bytes() == CONTENT
    ArtifactCache(tmp_path, "http://127.0.0.1:9", [artifact()]).fetch(QUIET)  # nobody is asked


def test_download_that_differs_from_the_lock_is_refused(tmp_path: Path, repository: str) -> None:
    cache = ArtifactCache(tmp_path, repository, [artifact(content=CONTENT[:-1] + b"!")])
    with pytest.raises(UserError, match=r"org\.example:thing:1\.0 is corrupted"):
        cache.fetch(QUIET)
    assert list(cache.folder.iterdir()) == []


def test_damaged_file_in_the_cache_is_replaced(tmp_path: Path, repository: str) -> None:
    cache = ArtifactCache(tmp_path, repository, [artifact()])
    cache.fetch(QUIET)
    (path,) = cache.paths("test")
    path.write_bytes(b"?" * len(CONTENT))
    assert cache.missing() == [artifact()]
    cache.fetch(QUIET)
    assert path.read_bytes() == CONTENT


def test_what_the_repository_does_not_have(tmp_path: Path, repository: str) -> None:
    with pytest.raises(UserError, match=r"http://127\.0\.0\.1:\d+ does not have org\.example:other:1\.0"):
        ArtifactCache(tmp_path, repository, [artifact("org.example:other:1.0")]).fetch(QUIET)


@pytest.mark.usefixtures("repository")
def test_no_connection(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but not listening: connections are refused
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(UserError, match=r"cannot download org\.example:thing:1\.0 .*check the network"):
            ArtifactCache(tmp_path, url, [artifact()]).fetch(QUIET)


def test_several_processes_may_fetch_at_once(tmp_path: Path, repository: str) -> None:
    caches = [ArtifactCache(tmp_path, repository, [artifact()]) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda cache: cache.fetch(QUIET), caches))
    assert [file.name for file in caches[0].folder.iterdir()] == ["thing-1.0.jar"]


def test_lock_pins_every_file_of_every_purpose() -> None:
    locked = read_lock()
    assert {entry.purpose for entry in locked} == {"kafka", "elasticsearch", "flink-lib", "flink-opt"}
    assert len({entry.filename for entry in locked}) == len(locked)  # the cache is one flat folder
    for entry in locked:
        assert len(entry.sha256) == 64 and entry.size > 0 and entry.coordinates.count(":") == 2
