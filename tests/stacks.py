"""Whole real stacks for tests: each in a temporary folder, on free ports, gone in the end."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from dmp.config import Config, load_config
from dmp.stack import Stack

# Before any test: PyFlink leaves variables behind in a process that ran Python functions, which stop others from it.
ENVIRONMENT = dict(os.environ)

PORTS = (
    "kafka",
    "kafka_controller",
    "elasticsearch",
    "elasticsearch_transport",
    "flink_rest",
    "flink_rpc",
    "flink_taskmanager_rpc",
    "sql_gateway",
)

#: Of the session's stack.
VAULT_KEY = base64.b64encode(b"a vault key of the session 32 by").decode()


@dataclass(frozen=True)
class StackUnderTest:
    """A stack of its own: its configuration, and the environment in which `.venv/bin/dmp` means this stack."""

    config: Config
    env: dict[str, str]

    def dmp(self, *arguments: str, timeout: float = 900, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the `dmp` command against it, with more variables in its environment if given."""
        command = [str(Path(sys.executable).with_name("dmp")), *arguments]
        env = {**self.env, **variables}
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=timeout)

    def process(self, server: str) -> psutil.Process:
        """The JVM of a server."""
        pid = Stack(self.config).status()[server]["pid"]
        assert pid, f"{server} does not run"  # else psutil would take the tests' own process
        return psutil.Process(pid)

    def last_errors(self) -> str:
        """The last lines that each server logged as errors, and what its JVM was doing when it crashed."""
        found, running = [], Stack(self.config)
        for server in running.servers:
            lines = server.log.read_text(encoding="utf-8", errors="replace").splitlines() if server.log.exists() else []
            # Elasticsearch logs its options, one of which has OutOfMemoryError in its name.
            errors = [line for line in lines if "ERROR" in line or "java.lang.OutOfMemoryError" in line]
            found += [f"{server.name}: {line}" for line in errors[-5:]]
        for report in running.surroundings.logs.rglob("hs_err_pid*.log"):
            found += report.read_text(encoding="utf-8", errors="replace").splitlines()[:60]
        return "\n".join(found)


@contextmanager
def made_stacks() -> Iterator[Callable[..., StackUnderTest]]:
    """A function that makes stacks with folders and ports of their own, and with more lines of configuration if given;
    not started. What was started of them ends in the end."""
    made: list[StackUnderTest] = []

    def make(*lines: str) -> StackUnderTest:
        # Not pytest's tmp_path: as root it is closed to the user that Elasticsearch runs as.
        folder = Path(tempfile.mkdtemp(prefix="dmp-test-"))
        folder.chmod(0o755)
        made.append(_stack_in(folder, lines))
        return made[-1]

    try:
        yield make
    finally:
        for stack in made:
            stack.dmp("down", "--purge")
            shutil.rmtree(stack.config.stack.data_dir.parent)


def _stack_in(folder: Path, more: Sequence[str]) -> StackUnderTest:
    lines = ["[stack]", f'data_dir = "{folder / "data"}"', "[ports]"]
    lines += [f"{name} = {port}" for name, port in _free_ports().items()]
    # A test cannot wait for ten minutes until time has done its work.
    lines += ["[segments]", "refresh_seconds = 10", "[recommendations]", "refresh_seconds = 3"]
    file = folder / "dmp.toml"
    file.write_text("\n".join([*lines, *more]) + "\n", encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("DMP_"):  # whoever runs the tests may have settings for a stack of their own
                patch.delenv(name)
        return StackUnderTest(load_config(file), {**ENVIRONMENT, "DMP_CONFIG": str(file)})


def _free_ports() -> dict[str, int]:
    """Ports that nobody listens on; held all at once while choosing, so that they differ."""
    with ExitStack() as held:
        ports = {name: _hold(held, 0) for name in PORTS}
        while True:
            first = _hold(held, 0)
            try:
                _hold(held, first + 1)  # the metrics of JobManager and TaskManager are neighbours
            except (OSError, OverflowError):
                continue
            return {**ports, "flink_metrics": first}


def _hold(held: ExitStack, port: int) -> int:
    holder = held.enter_context(socket.socket())
    holder.bind(("127.0.0.1", port))
    return int(holder.getsockname()[1])
