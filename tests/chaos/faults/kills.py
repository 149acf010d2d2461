"""kill -9 of servers, Python workers and the collector. What was killed is started by `dmp up`, as a user does."""

from __future__ import annotations

import psutil

from schemas.topics import EVENTS_CLEAN
from tests.chaos.faults.fault import Fault
from tests.pipeline.platform import Platform, wait_for


class KillTaskManager(Fault):
    name = "kill TaskManager"
    server = "flink_taskmanager"

    def inject(self) -> None:
        self.site.platform.kill(self.server)

    def heal(self) -> None:
        self.site.platform.dmp("up")


class KillElasticsearch(KillTaskManager):
    name = "kill Elasticsearch"
    server = "elasticsearch"


class KillBroker(KillTaskManager):
    name = "kill broker"
    server = "kafka"


class KillBrokerInTransaction(KillBroker):
    name = "kill broker in a transaction"

    def inject(self) -> None:
        wait_for("an open transaction", lambda: _open_transaction(self.site.platform, EVENTS_CLEAN.name))
        super().inject()


class KillJobManager(KillTaskManager):
    """Without high availability its jobs are gone with it."""

    name = "kill JobManager"
    server = "flink_jobmanager"

    def heal(self) -> None:
        super().heal()
        self.site.platform.dmp("submit", "all")


class KillPythonWorker(Fault):
    name = "kill Python worker"

    def inject(self) -> None:
        self.chance.choice(python_workers(self.site.platform)).kill()

    def heal(self) -> None:
        """Flink does it."""


class KillCollector(Fault):
    name = "kill collector"

    def inject(self) -> None:
        self.site.inflow.kill()

    def heal(self) -> None:
        self.site.inflow.start()


def python_workers(platform: Platform) -> list[psutil.Process]:
    """The processes that run Python functions of the jobs."""
    main = platform.stack.process("flink_taskmanager")
    family = main.children(recursive=True)
    return [process for process in family if "pyflink.fn_execution.beam.beam_boot" in process.cmdline()]


def _open_transaction(platform: Platform, topic: str) -> bool:
    """Whether messages of the topic are written, but not committed: the last stable offset is behind the end."""
    return platform.written(topic, "read_committed") < platform.written(topic)
