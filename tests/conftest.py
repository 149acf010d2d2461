"""What tests share: a whole real stack, started once for the session on free ports in a temporary folder; and what
tests need that plan or run jobs in a JVM of their own, without a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from rich.console import Console

from dmp.config import Config, load_config
from dmp.stack.artifacts import ArtifactCache, read_lock
from dmp.stack.java import java_home
from tests.stacks import VAULT_KEY, StackUnderTest, made_stacks

# Whether an example is quick says more of the machine than of the code.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test tells what went wrong in its servers, too: their logs are gone with the session."""
    report = yield
    given = getattr(item, "funcargs", {}).values() if report.failed else ()
    stacks = {id(stack): stack for stack in (getattr(fixture, "stack", fixture) for fixture in given)}
    for stack in stacks.values():
        if isinstance(stack, StackUnderTest):
            report.sections.append(("Last errors of the servers", stack.last_errors()))
    return report


@pytest.fixture(scope="session")
def make_stack() -> Iterator[Callable[..., StackUnderTest]]:
    """Makes stacks of their own, which end with the session."""
    with made_stacks() as make:
        yield make


@pytest.fixture(scope="session")
def stack(make_stack: Callable[..., StackUnderTest]) -> StackUnderTest:
    """The session's running stack. A test that stops one of its servers starts it again."""
    made = make_stack()
    made.env["DMP_VAULT_KEY"] = VAULT_KEY
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
