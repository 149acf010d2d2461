"""The real jobs on the session's real stack, and what a test asks of them."""

from __future__ import annotations

import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psutil
from confluent_kafka import Producer
from elasticsearch import Elasticsearch
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from connectors.elasticsearch import connect
from connectors.kafka.consumers import read_committed
from dmp.jobs import Cluster
from dmp.stack.server import get_json
from tests import waiting
from tests.identity.model import Identifier
from tests.pipeline.recount import Profile, Recount, WindowKey, recount
from tests.stacks import StackUnderTest

SETTLE_SECONDS = 300  # busy machines are slow
T = TypeVar("T")


def wait_for(what: str, probe: Callable[[], T], seconds: float = SETTLE_SECONDS) -> T:
    """The first true answer of `probe`, which asks servers: not too often."""
    return waiting.wait_for(what, probe, seconds, pause_seconds=0.5)


def wait_until_equal(what: str, probe: Callable[[], dict[Any, Any]], expected: dict[Any, Any]) -> None:
    """Until `probe` answers what is expected; fails the test with some of the keys that differ when it never does."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while (answer := probe()) != expected:
        keys = [key for key in answer.keys() | expected.keys() if answer.get(key) != expected.get(key)]
        shown = "\n".join(f"{key}: {answer.get(key)} instead of {expected.get(key)}" for key in keys[:10])
        assert time.monotonic() < deadline, f"{len(keys)} of {what} differ, such as\n{shown}"
        time.sleep(0.5)


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)


class Platform:
    """The pipeline and index jobs on a stack, seen from outside: Kafka in, Elasticsearch out."""

    def __init__(self, stack: StackUnderTest) -> None:
        self.stack = stack
        self.cluster = Cluster(stack.config, Path(stack.env["DMP_CONFIG"]))
        self.search: Elasticsearch = connect(stack.config.elasticsearch)

    def send(self, events: Sequence[bytes]) -> None:
        """Events into the raw topic, all acknowledged."""
        producer = Producer({"bootstrap.servers": self.stack.config.kafka.bootstrap_servers, "acks": "all"})
        for event in events:
            producer.produce("dmp.events.raw", event)
        assert producer.flush(60) == 0

    def forget(self, *topics: str) -> None:
        """Delete all messages of some topics."""
        servers = self.stack.config.kafka.bootstrap_servers
        admin, consumer = KafkaAdminClient(bootstrap_servers=servers), KafkaConsumer(bootstrap_servers=servers)
        with closing(admin), closing(consumer):
            partitions = [TopicPartition(name, n) for name in topics for n in consumer.partitions_for_topic(name)]
            admin.delete_records(consumer.end_offsets(partitions))

    def dmp(self, *arguments: str, **variables: str) -> str:
        """Run a `dmp` command that must succeed, with more variables if given; returns its standard output."""
        result = self.stack.dmp(*arguments, **variables)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def topic(self, name: str) -> list[Any]:
        """All committed messages of a topic, by partition and offset."""
        messages = read_committed(self.stack.config.kafka, name)
        return sorted(messages, key=lambda message: (message.partition, message.offset))

    def written(self, name: str, isolation: str = "read_uncommitted") -> int:
        """The number of messages of a topic, by default committed or not, control records included."""
        servers = self.stack.config.kafka.bootstrap_servers
        with closing(KafkaConsumer(bootstrap_servers=servers, isolation_level=isolation)) as consumer:
            partitions = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name)]
            return sum(consumer.end_offsets(partitions).values())

    def documents(self, alias: str) -> list[dict[str, Any]]:
        """The sources of all documents behind an alias."""
        self.search.indices.refresh(index=alias)
        documents: list[dict[str, Any]] = []
        after: dict[str, Any] = {}
        while True:
            page = self.search.search(index=alias, size=10_000, sort=["_doc"], **after)["hits"]["hits"]
            documents += [hit["_source"] for hit in page]
            if len(page) < 10_000:
                return documents
            after = {"search_after": page[-1]["sort"]}

    def windows(self) -> dict[WindowKey, tuple[int, int, float]]:
        """What Elasticsearch holds, in the form of the recount."""
        return {
            (row["window_start"], row["channel"], row["event"], row["campaign"]): (
                row["events"],
                row["persons"],
                row["revenue"],
            )
            for row in self.documents("dmp-metrics")
        }

    def quality(self) -> dict[str, Counter[str]]:
        """Sums of all windows: measure -> label -> value."""
        sums: dict[str, Counter[str]] = defaultdict(Counter)
        for row in self.documents("dmp-quality"):
            sums[row["measure"]][row["label"]] += int(row["value"])
        return sums

    def identities(self) -> dict[Identifier, str]:
        return {(row["type"], row["id"]): row["profile_id"] for row in self.documents("dmp-identities")}

    def refused(self) -> dict[tuple[str, str], str]:
        return {(row["a"], row["b"]): row["reason"] for row in self.documents("dmp-refused")}

    def profiles(self) -> dict[str, Profile]:
        """What Elasticsearch holds, in the form of the recount."""
        return {
            row["profile_id"]: (
                sum(row["identifiers"].values()), row["events"], _ms(row["first_seen"]), _ms(row["last_seen"]),
                row["sessions"], row["revenue"],
            )
            for row in self.documents("dmp-profiles")
        }  # fmt: skip

    def recount(self) -> Recount:
        """What everything that is in the raw topic and in the topic of commands must come to."""
        raw = ((message.partition, message.value) for message in self.topic("dmp.events.raw"))
        commands = (message.value for message in self.topic("dmp.commands"))
        return recount(raw, commands, self.stack.config.local_pii_key_file.read_bytes())

    def assert_exact(self) -> Recount:
        """Wait until everything sent has come through; windows, persons and totals then equal a recount."""
        expected = self.recount()
        for what in ("windows", "identities", "refused", "profiles"):
            wait_until_equal(what, getattr(self, what), getattr(expected, what))
        wait_for("all totals", lambda: self._totals() == (expected.received, expected.accepted, expected.duplicates))
        wait_until_equal("rejects", lambda: self.quality()["rejected"], expected.rejected)
        assert expected.received == expected.accepted + sum(expected.rejected.values()) + expected.duplicates
        return expected

    def _totals(self) -> tuple[int, int, int]:
        quality = self.quality()
        return quality["received"][""], quality["accepted"][""], quality["duplicates"][""]

    def failures(self, job: str) -> int:
        """How often the running job has failed and recovered."""
        answer = get_json(f"{self.cluster.rest}/jobs/{self.cluster.running()[job]}/exceptions")
        return len(answer["exceptionHistory"]["entries"])

    def restored(self, job: str) -> Path:
        """The savepoint or checkpoint that the running job was started from."""
        answer = get_json(f"{self.cluster.rest}/jobs/{self.cluster.running()[job]}/checkpoints")
        return Path(urlsplit(answer["latest"]["restored"]["external_path"]).path)

    def cancel(self, *jobs: str) -> None:
        """End jobs, given by their ids, without savepoints."""
        for job in jobs:
            url = f"{self.cluster.rest}/jobs/{job}?mode=cancel"
            with urllib.request.urlopen(urllib.request.Request(url, method="PATCH"), timeout=30):
                pass
        wait_for("their end", lambda: not {*jobs} & {*self.cluster.running().values()})

    def kill(self, server: str) -> None:
        """kill -9 of one server and everything it started."""
        process = self.stack.process(server)
        family = [*process.children(recursive=True), process]
        for member in family:
            member.kill()
        psutil.wait_procs(family, timeout=30)

    def tasks(self) -> list[dict[str, int]]:
        """For each job that runs, the number of its tasks in each state, and their `total`."""
        jobs, running = get_json(f"{self.cluster.rest}/jobs/overview")["jobs"], self.cluster.running().values()
        return [job["tasks"] for job in jobs if job["jid"] in running]

    def read(self, job: str, operator: str) -> int:
        """How many rows the task that begins with an operator has read, in a job given by its id."""
        tasks = get_json(f"{self.cluster.rest}/jobs/{job}")["vertices"]
        return sum(task["metrics"]["read-records"] for task in tasks if task["name"].startswith(operator))

    def wait_until_running(self, seconds: float) -> None:
        """Until all tasks of all jobs run."""

        def recovered() -> bool:
            tasks = self.tasks()
            return bool(tasks) and all(of["running"] == of["total"] for of in tasks)

        wait_for("the recovery of all jobs", recovered, seconds)

    def wait_for_checkpoint(self, job: str) -> None:
        """Until one more checkpoint of the job has completed."""
        url = f"{self.cluster.rest}/jobs/{self.cluster.running()[job]}/checkpoints"
        before = get_json(url)["counts"]["completed"]
        wait_for("a checkpoint", lambda: get_json(url)["counts"]["completed"] > before)
