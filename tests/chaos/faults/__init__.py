"""All faults by their names."""

from __future__ import annotations

from tests.chaos.faults.disk import FullDisk
from tests.chaos.faults.fault import Fault, Site
from tests.chaos.faults.kills import (
    KillBroker,
    KillBrokerInTransaction,
    KillCollector,
    KillElasticsearch,
    KillJobManager,
    KillPythonWorker,
    KillTaskManager,
)
from tests.chaos.faults.messages import BadMessages, WrongClocks
from tests.chaos.faults.pause import Pause
from tests.chaos.faults.search import ReadOnly, TooManyRequests

__all__ = ["FAULTS", "Fault", "Site"]

FAULTS: dict[str, type[Fault]] = {
    kind.name: kind
    for kind in (
        KillTaskManager, KillJobManager, KillPythonWorker, KillBroker, KillBrokerInTransaction, KillElasticsearch,
        KillCollector, Pause, TooManyRequests, ReadOnly, WrongClocks, BadMessages, FullDisk,
    )
}  # fmt: skip
