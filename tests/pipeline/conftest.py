"""The session's stack with all jobs running, for the tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dmp.stack.gateway import answers
from tests.pipeline.platform import Platform, wait_for
from tests.stacks import StackUnderTest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of the tests of this folder, those marked `last` come after all others."""
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    in_order = iter(sorted(here, key=lambda item: item.get_closest_marker("last") is not None))
    items[:] = [next(in_order) if item in here else item for item in items]


@pytest.fixture(scope="package")
def platform(stack: StackUnderTest) -> Iterator[Platform]:
    """The session's stack with all jobs running."""
    running = Platform(stack)
    # Other tests of the session have sent hundreds of thousands of events, and commands about people; each recount here
    # would read them all.
    running.forget("dmp.events.raw", "dmp.events.rejected", "dmp.commands")
    running.dmp("submit", "all")
    yield running
    running.cancel(*running.cluster.running().values())


@pytest.fixture
def vault_job(platform: Platform) -> Iterator[None]:
    """The job `vault`, for as long as a test needs it: its slots are others'."""
    platform.dmp("submit", "vault", "--fresh")
    yield
    platform.dmp("stop", "vault")


@pytest.fixture(scope="package")
def gateway(platform: Platform) -> Iterator[str]:
    """`dmp sql --gateway`, as a user runs it; all SQL over REST of the session goes through it."""
    url = f"http://127.0.0.1:{platform.stack.config.ports.sql_gateway}"
    command = [str(Path(sys.executable).with_name("dmp")), "sql", "--gateway"]
    process = subprocess.Popen(command, env=platform.stack.env, stdout=subprocess.DEVNULL)
    wait_for("the gateway", lambda: process.poll() is not None or answers(url))
    yield url
    process.terminate()
    assert process.wait(60) == 0
    assert not answers(url)
