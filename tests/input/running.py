"""A collector as its users run it: a process of its own, waited for, stopped or killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Optional, TypeVar

import psutil

from dmp.core.cleaning import Cleaner, Reject
from dmp.core.identifiers import CleaningRules
from dmp.core.privacy import PrivacyKeys
from tests import waiting
from tests.stacks import StackUnderTest

DMP = str(Path(sys.executable).with_name("dmp"))
PATIENCE_SECONDS = 120  # busy machines are slow
T = TypeVar("T")
R = TypeVar("R", bound="Running")


def wait_for(what: str, probe: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """The first true answer of `probe`, which asks a process here: at once."""
    return waiting.wait_for(what, probe, seconds, pause_seconds=0.05)


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    with socket.socket(socket.AF_INET, kind) as holder:
        holder.bind(("127.0.0.1", 0))
        return int(holder.getsockname()[1])


def get(url: str) -> str:
    """The body of a successful GET, '' when there is none."""
    with suppress(OSError), urllib.request.urlopen(url, timeout=10) as response:
        return str(response.read().decode())
    return ""


def metric(text: str, name: str) -> float:
    """The sum of a metric's samples in Prometheus' text format."""
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{"))
    )


class Running:
    """A `dmp` command in a session of its own, from entering to leaving; its standard error goes to `log`."""

    def __init__(self, env: Mapping[str, str], *arguments: str, log: Path) -> None:
        self._env, self._command, self.log = env, [DMP, *arguments], log

    def __enter__(self: R) -> R:
        self.start()
        return self

    def __exit__(
        self, kind: Optional[type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        self.kill()

    def start(self) -> None:
        with self.log.open("ab") as stream:
            self._process = subprocess.Popen(self._command, env=self._env, stderr=stream, start_new_session=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_for(self, what: str, probe: Callable[[], T]) -> T:
        """As above; fails at once, with the log, when the process ends before."""

        def answer() -> Any:
            assert self._process.poll() is None, self.log.read_text()
            return probe()

        return wait_for(what, answer)

    def wait(self) -> int:
        """Its exit status, once it has ended by itself."""
        return self._process.wait(PATIENCE_SECONDS)

    def stop(self) -> int:
        """SIGTERM; its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """kill -9 of the process and its children."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(PATIENCE_SECONDS)

    def kill_parent(self) -> list[psutil.Process]:
        """kill -9 of the process alone; its children."""
        children: list[psutil.Process] = psutil.Process(self._process.pid).children(recursive=True)
        self._process.kill()
        self._process.wait(PATIENCE_SECONDS)
        return children


@contextmanager
def kafka_away(stack: StackUnderTest) -> Iterator[None]:
    """kill -9 of the broker, and its start at the end."""
    process = stack.process("kafka")
    process.kill()
    psutil.wait_procs([process], timeout=30)
    yield
    done = stack.dmp("up")
    assert done.returncode == 0, done.stderr


def message_ids(values: list[bytes]) -> list[str]:
    """What deduplication goes by, of events that cleaning accepts."""
    cleaner = Cleaner(CleaningRules(), PrivacyKeys(b"test"))
    results = [cleaner.clean(value) for value in values]
    return [result.message_id for result in results if not isinstance(result, Reject)]
