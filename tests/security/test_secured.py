"""The platform on a secured installation, with the least rights: events in, documents out, and no secret anywhere."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from dmp.jobs import Cluster
from dmp.stack import Stack
from dmp.stack.server import get_json
from schemas.topics import EVENTS_REJECTED, IDENTITIES, PROFILE_EDITS
from tests.input.running import DMP, get, wait_for
from tests.security.conftest import Installation, assert_done

pytestmark = pytest.mark.stack

PERSON = {"type": "user_id", "id": "u1", "profile_id": "p00000000000000000001"}


@pytest.fixture(scope="module")
def cluster(installation: Installation) -> Cluster:
    """Flink, and the jobs `clean` and `index` on it; everybody with their own rights."""
    runs = installation.environment("dmp-jobs", "dmp_index")
    assert_done(installation.dmp(installation.environment("dmp-setup", "dmp_setup"), "setup"))
    assert_done(installation.dmp(runs, "up", "--no-setup"))
    assert_done(installation.dmp(runs, "submit", "clean", "index"))
    generate = ("generate", "--events", "2000", "--rate", "10000", "--seed", "1", "--to", "kafka")
    assert_done(installation.dmp(installation.environment("dmp-collector"), *generate))
    return Cluster(installation.platform.config)


def count(installation: Installation, index: str) -> int:
    installation.admin.indices.refresh(index=index)
    return int(installation.admin.count(index=index)["count"])


def test_events_go_through_both_jobs(installation: Installation, cluster: Cluster) -> None:
    wait_for("documents of rejected events", lambda: count(installation, str(EVENTS_REJECTED.index)) > 5)
    assert set(cluster.running()) == {"clean", "index"}


def test_an_operator_edits_and_erases_a_person(installation: Installation, cluster: Cluster) -> None:
    producer = Producer({"bootstrap.servers": installation.bootstrap})
    key = json.dumps({name: PERSON[name] for name in IDENTITIES.key})
    producer.produce(IDENTITIES.name, json.dumps(PERSON).encode(), key.encode())
    assert producer.flush(60) == 0
    wait_for("the person", lambda: count(installation, str(IDENTITIES.index)))
    operator = installation.environment("dmp-jobs", "dmp_operator")
    assert_done(installation.dmp(operator, "profile", "set", "user_id:u1", "vip=true"))
    assert json.loads(assert_done(installation.dmp(operator, "profile", "show", "user_id:u1")))["edits"]["vip"]["value"]
    assert_done(installation.dmp(operator, "erase", "user_id:u1", "--yes", "--no-wait"))
    assert count(installation, PROFILE_EDITS) == 0


def test_dashboards_need_to_read_and_no_more(installation: Installation, cluster: Cluster) -> None:
    env = {**installation.environment(elasticsearch="dmp_dashboards"), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen([DMP, "dashboards", "serve", "--port", "0"], env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = re.search(r"http://\S+", process.stdout.readline())
        assert address is not None
        shown = json.loads(get(f"{address[0]}/quality/data"))
        assert shown["panels"] and not [panel for panel in shown["panels"].values() if "error" in panel]
    finally:
        process.terminate()
        process.wait(60)


def test_no_secret_is_in_the_job_graphs_the_logs_and_the_web(installation: Installation, cluster: Cluster) -> None:
    places = dict(kept_files(installation))
    places.update(processes(installation))
    places.update(answers(cluster))
    flink_run = assert_done(installation.dmp(installation.environment(), "submit", "index", "--print"))
    places.update({"flink run": flink_run.encode(), "plan": plan(installation, flink_run)})
    # It looks where it should: these tell where the login is.
    assert b"kafka_jaas" in places["plan"]
    assert {"flink run", "plan", "/jobmanager/config", "flink_taskmanager 0 command"} <= places.keys()
    assert any(name.endswith(".log") and b"sasl.jaas.config = [hidden]" in text for name, text in places.items())
    leaks = [
        f"{purpose} in {name}"
        for name, text in places.items()
        for purpose, secret in installation.secrets.planted.items()
        if secret.encode() in text
    ]
    assert not leaks


def kept_files(installation: Installation) -> Iterator[tuple[str, bytes]]:
    """All that Flink and the platform keep, but for the folder of the secrets, which nobody else may enter."""
    folder = installation.platform.config.stack.data_dir
    assert (folder / "secrets").stat().st_mode & 0o077 == 0
    held = b"".join(file.read_bytes() for file in (folder / "secrets").iterdir())
    assert installation.secrets.planted["kafka dmp-jobs"].encode() in held
    for file in folder.rglob("*"):
        if file.is_file() and folder / "secrets" not in file.parents:
            yield str(file), file.read_bytes()


def processes(installation: Installation) -> Iterator[tuple[str, bytes]]:
    """Command line and environment of every process of the cluster, Python workers included."""
    found = Stack(installation.platform.config)._running()
    for name, running in found.items():
        for number, process in enumerate(running.all):
            yield f"{name} {number} command", "\0".join(process.cmdline()).encode()
            yield f"{name} {number} environment", json.dumps(process.environ()).encode()


def answers(cluster: Cluster) -> Iterator[tuple[str, bytes]]:
    """What Flink's REST interface, and so its page, tells of jobs and servers."""
    paths = ["/config", "/jobmanager/config", "/jobmanager/environment", "/jobmanager/logs", "/jobs/overview"]
    for job in cluster.running().values():
        parts = ("", "/config", "/plan", "/exceptions", "/checkpoints", "/checkpoints/config", "/jobmanager/config")
        paths += [f"/jobs/{job}{part}" for part in parts]
    for manager in get_json(f"{cluster.rest}/taskmanagers")["taskmanagers"]:
        paths += [f"/taskmanagers/{manager['id']}{part}" for part in ("", "/log", "/stdout")]
    for path in paths:
        text = get(f"{cluster.rest}{path}")
        assert text or path.endswith("/stdout"), path
        yield path, text.encode()


def plan(installation: Installation, flink_run: str) -> bytes:
    """The compiled plan of a job, which `flink run` turns into the job graph."""
    command, env = [*shlex.split(flink_run), "--explain"], Stack(installation.platform.config).environment()
    done = subprocess.run(command, env=env, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
