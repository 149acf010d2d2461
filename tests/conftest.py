"""What tests share: a whole real stack, started once for the session on free ports in a temporary folder; and what
tests need that plan or run jobs in a JVM of their own, without a cluster."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

import pytest
from hypothesis import settings
from rich.console import Console

from dmp.config import Config, load_config
from dmp.stack.artifacts import ArtifactCache, read_lock
from dmp.stack.java import java_home

# Before any test: PyFlink leaves variables behind in a process that ran Python functions, which stop others from it.
ENVIRONMENT = dict(os.environ)

# Whether an example is quick says more of the machine than of the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

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


@dataclass(frozen=True)
class StackUnderTest:
    """A stack of its own: its configuration, and the environment in which `.venv/bin/dmp` means this stack."""

    config: Config
    env: dict[str, str]

    def dmp(self, *arguments: str, timeout: float = 900) -> subprocess.CompletedProcess[str]:
        """Run the `dmp` command against it."""
        command = [str(Path(sys.executable).with_name("dmp")), *arguments]
        return subprocess.run(command, env=self.env, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="session")
def make_stack() -> Iterator[Callable[..., StackUnderTest]]:
    """Makes stacks with folders and ports of their own, and with more lines of configuration if given; not started.

    What was started of them ends with the session.
    """
    made: list[StackUnderTest] = []

    def make(*lines: str) -> StackUnderTest:
        # Not pytest's tmp_path: as root it is closed to the user that Elasticsearch runs as.
        folder = Path(tempfile.mkdtemp(prefix="dmp-test-"))
        folder.chmod(0o755)
        made.append(_stack_in(folder, lines))
        return made[-1]

    yield make
    for stack in made:
        stack.dmp("down", "--purge")
        shutil.rmtree(stack.config.stack.data_dir.parent)


@pytest.fixture(scope="session")
def stack(make_stack: Callable[..., StackUnderTest]) -> StackUnderTest:
    """The session's running stack. A test that stops one of its servers starts it again."""
    made = make_stack()
    done = made.dmp("up")
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="session")
def config() -> Config:
    """The defaults, whatever settings the person who runs the tests has."""
    with pytest.MonkeyPatch.context() as patch:
        for name in os.environ:
            if name.startswith("DMP_"):
                patch.delenv(name)
        patch.chdir(Path(__file__).parent)  # where no dmp.toml lies
        return load_config()


@pytest.fixture(scope="session")
def java(config: Config) -> None:
    """The JVM that PyFlink starts once for each process runs on the Java of the stack."""
    os.environ.setdefault("JAVA_HOME", str(java_home(config)))


@pytest.fixture(scope="session")
def connector_jars(config: Config) -> str:
    """Value of pipeline.jars: the connectors of the stack, downloaded if need be."""
    wanted = [artifact for artifact in read_lock() if artifact.purpose == "flink-lib"]
    cache = ArtifactCache(config.stack.cache_dir, config.stack.maven_repository, wanted)
    cache.fetch(Console(stderr=True))
    return ";".join(path.as_uri() for path in cache.paths("flink-lib"))


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
