"""Submitting, watching and stopping the suite's jobs on the cluster, by `flink run` and Flink's REST interface."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
import zipfile
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional
from urllib.parse import unquote, urlsplit

from dmp.config import Config
from dmp.errors import UserError
from dmp.segments import load_rules
from dmp.stack import Stack
from dmp.stack.server import get_json, post_json

PROJECT = Path(__file__).resolve().parents[1]
PACKAGES = ("connectors", "dmp", "jobs", "schemas", "udfs")
PACKAGED_FILES = (".json", ".py", ".sql", ".yaml")
ALIVE = ("INITIALIZING", "CREATED", "RUNNING", "FAILING", "RESTARTING", "CANCELLING", "RECONCILING")
START_SECONDS = 120
CHECKPOINT_SECONDS = 120
SILENCE_SECONDS = 60
POLL_SECONDS = 0.5
_SUBMITTED = re.compile(r"JobID ([0-9a-f]{32})")


@dataclass(frozen=True)
class JobKind:
    """A job of the suite: what else writes the same topics, so that two must not run at once; and the version of the
    rules that its state depends on, UserError for bad ones."""

    name: str
    conflicts: tuple[str, ...] = ()
    rules: Optional[Callable[[Config], str]] = None


def _recommendation_settings(config: Config) -> str:
    """Those that the counts depend on."""
    return config.recommendations.model_dump_json(exclude={"refresh_seconds"})


PARTS = ("clean", "identity", "metrics", "profiles")
"""The jobs that `pipeline` is composed of. Each can run on its own, and reads what the ones before wrote."""

ARCHIVE = "archive"

JOBS: dict[str, JobKind] = {
    "pipeline": JobKind("pipeline", conflicts=PARTS),
    "index": JobKind("index"),
    "segments": JobKind("segments", rules=lambda config: load_rules(config).version),
    "recommend": JobKind("recommend", rules=_recommendation_settings),
    "alerts": JobKind("alerts"),
    "vault": JobKind("vault"),
    ARCHIVE: JobKind(ARCHIVE),
    **{name: JobKind(name, conflicts=("pipeline",)) for name in PARTS},
}
ALL = ("pipeline", "index", "segments", "alerts")
"""What `dmp submit all` runs: every result with one cleaning."""


class Cluster:
    """The jobs of the cluster that belongs to a configuration."""

    def __init__(self, config: Config, config_file: Optional[Path] = None) -> None:
        self._config = config
        self._config_file = config_file
        self._stack = Stack(config)
        self._flink_folder = config.stack.data_dir / "flink"
        self.rest = f"http://127.0.0.1:{config.ports.flink_rest}"

    def running(self) -> dict[str, str]:
        """Job ids by the suite's names of those that run or try to; UserError without a cluster."""
        overview = get_json(f"{self.rest}/jobs/overview")
        if overview is None:
            raise UserError(f"no Flink cluster answers at {self.rest}: start it with 'dmp up'")
        alive = [job for job in overview["jobs"] if job["state"] in ALIVE and job["name"].startswith("dmp-")]
        return {job["name"][len("dmp-") :]: job["jid"] for job in alive}

    def states(self, names: Sequence[str], fresh: bool = False) -> dict[str, Optional[Path]]:
        """From where each job would start: its last state; None, so the first event, if `fresh`, without any, or when
        the rules of the job, which its state was built by, are others than before."""
        anew = {name for name in names if fresh or self._has_other_rules(name)}
        states = {name: None if name in anew else self.last_state(name) for name in names}
        if ARCHIVE in states and not states[ARCHIVE]:
            self._refuse_second_copy()
        return states

    def command(self, states: Mapping[str, Optional[Path]]) -> list[str]:
        """The `flink run` line of jobs, each from its state, after packing what their workers import."""
        if not self._stack.flink_command().exists():
            raise UserError(f"there is no Flink in {self._flink_folder} yet: start the stack with 'dmp up'")
        package = self.pack()
        command = [str(self._stack.flink_command()), "run", "--detached"]
        alone = next(iter(states)) if len(states) == 1 else None
        if alone and states[alone]:
            command += ["--fromSavepoint", str(states[alone])]
        command += ["-py", str(PROJECT / "jobs" / f"{alone or 'all'}.py"), "-pyfs", str(package)]
        if self._config_file:
            command += ["--config", str(self._config_file.absolute())]
        if not alone:
            command += [f"{name}={state}" if state else name for name, state in states.items()]
        return command

    @staticmethod
    def refuse_conflicts(names: Collection[str], running: Collection[str]) -> None:
        """UserError when one of the jobs runs already, or another that writes the same topics runs or is among them."""
        pairs = [(name, other) for name in names for other in (name, *JOBS[name].conflicts)]
        for name, other in pairs:
            if other in running:
                reason = "already runs" if other == name else f"runs and writes the same topics as {name}"
                raise UserError(f"job {other} {reason}: stop it first with 'dmp stop {other}'")
            if other != name and other in names:
                raise UserError(f"jobs {name} and {other} write the same topics: submit only one of them")

    def submit(self, states: Mapping[str, Optional[Path]], command: list[str]) -> dict[str, str]:
        """Run the `flink run` line of jobs and wait until all their tasks run; returns their ids by name.

        Raises UserError with Flink's root cause when one fails to start; those before it run.
        """
        submitted: dict[str, str] = {}
        for name, job_id in self.run(list(states), command):
            self._note_run(name, job_id, self._runs(name) if states[name] else [])
            if rules := self._rules(name):
                self._rules_file(name).write_text(rules, encoding="utf-8")
            submitted[name] = job_id
        for name, job_id in submitted.items():
            self._wait_until_running(name, job_id)
        return submitted

    def run(self, names: Sequence[str], command: list[str]) -> Iterator[tuple[str, str]]:
        """Run a `flink run` line of jobs: name and id of each as it is submitted. UserError with Flink's root cause for
        the first that is refused."""
        left, output = deque(names), []
        with subprocess.Popen(
            command, env=self._stack.environment(), cwd=PROJECT,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            assert process.stdout is not None
            for line in process.stdout:
                output.append(line)
                if left and (submitted := _SUBMITTED.search(line)):
                    yield left.popleft(), submitted[1]
        if process.returncode or left:
            raise UserError(f"flink run refused {(left or names)[0]}: {root_cause(''.join(output))}")

    def stop(self, names: Collection[str]) -> Iterator[tuple[str, Path]]:
        """Stop jobs with savepoints, all at the same time: each name with the folder of its savepoint. UserError when
        one of them does not run, before any is stopped; or, behind those that stopped, with Flink's root cause for each
        that did not."""
        running = self.running()
        for name in names:
            if name not in running:
                raise UserError(f"job {name} does not run: 'dmp submit {name}' starts it")
            self._note_run(name, running[name], self._runs(name))  # it may have been submitted by hand
        asked = {name: self._ask_to_stop(name, running[name]) for name in names}
        failures: list[str] = []
        for name, savepoint in asked.items():
            try:
                folder = self._stopped(name, savepoint)
            except UserError as failure:
                failures.append(str(failure))
            else:
                yield name, folder
        if failures:
            raise UserError("; ".join(failures))

    def _ask_to_stop(self, name: str, job_id: str) -> str:
        """The address that tells how the savepoint gets on."""
        wanted = {"targetDirectory": (self._flink_folder / "savepoints" / name).as_uri(), "drain": False}
        answer = post_json(f"{self.rest}/jobs/{job_id}/stop", wanted)
        if answer is None:
            raise UserError(f"flink could not stop {name}: {self.rest} does not answer, see 'dmp status'")
        if "request-id" not in answer:
            raise UserError(f"flink could not stop {name}: {root_cause(chr(10).join(answer['errors']))}")
        return f"{self.rest}/jobs/{job_id}/savepoints/{answer['request-id']}"

    def _stopped(self, name: str, savepoint: str) -> Path:
        heard = time.monotonic()
        while time.monotonic() < heard + SILENCE_SECONDS:
            if answer := get_json(savepoint):
                heard = time.monotonic()
                if answer["status"]["id"] == "COMPLETED":
                    return self._folder(name, answer["operation"])
            time.sleep(POLL_SECONDS)
        raise UserError(f"flink could not stop {name}: {self.rest} does not answer any more, see 'dmp status'")

    @staticmethod
    def _folder(name: str, savepoint: dict[str, Any]) -> Path:
        if "failure-cause" in savepoint:
            cause = root_cause(savepoint["failure-cause"]["stack-trace"])
            raise UserError(f"flink could not stop {name}: {cause}")
        return Path(unquote(urlsplit(savepoint["location"]).path))

    def wait_for_checkpoint(self, name: str) -> None:
        """Until a checkpoint has completed that began after this call, so that what the job had under way is written;
        at once when the job does not run here. UserError when none completes."""
        overview = get_json(f"{self.rest}/jobs/overview")
        job_id = self.running().get(name) if overview else None
        began_ms, deadline = time.time() * 1000, time.monotonic() + CHECKPOINT_SECONDS
        while job_id is not None:
            latest = (get_json(f"{self.rest}/jobs/{job_id}/checkpoints") or {}).get("latest", {}).get("completed") or {}
            if latest.get("trigger_timestamp", 0) > began_ms:
                return
            if time.monotonic() > deadline:
                link = f"{self.rest}/#/job/{job_id}"
                raise UserError(f"job {name} has completed no checkpoint within {CHECKPOINT_SECONDS} s: see {link}")
            time.sleep(POLL_SECONDS)

    def last_state(self, name: str) -> Optional[Path]:
        """The newest savepoint or retained checkpoint of a job's runs since it was started anew; None without any.

        The last run may have ended before its first checkpoint, so those before count, too.
        """
        found: list[Path] = []
        for run in self._runs(name):
            # Flink puts the beginning of the run's id into the name of a savepoint.
            found += (self._flink_folder / "savepoints" / name).glob(f"savepoint-{run[:6]}-*/_metadata")
            found += (self._flink_folder / "checkpoints" / run).glob("chk-*/_metadata")
        return max(found, key=lambda file: file.stat().st_mtime).parent if found else None

    def _refuse_second_copy(self) -> None:
        """UserError when an archive that starts from the earliest event would write again what is there."""
        path = self._config.archive.path
        folder = Path(unquote(urlsplit(path).path))
        if path.startswith("file:") and folder.exists() and any(folder.iterdir()):
            raise UserError(
                f"{folder} has files already, and a fresh start would write their events again: "
                "move the folder away, or set archive.path to another one"
            )

    def _runs_file(self, name: str) -> Path:
        return notes_folder(self._config) / name

    def _runs(self, name: str) -> list[str]:
        """Ids of the job's runs since it was last started anew."""
        file = self._runs_file(name)
        return file.read_text(encoding="utf-8").split() if file.exists() else []

    def _note_run(self, name: str, job_id: str, before: list[str]) -> None:
        self._runs_file(name).parent.mkdir(exist_ok=True)
        runs = [run for run in before if run != job_id]
        self._runs_file(name).write_text("\n".join([*runs, job_id]), encoding="utf-8")

    def _rules_file(self, name: str) -> Path:
        return notes_folder(self._config) / f"{name}.rules"

    def _rules(self, name: str) -> str:
        version = JOBS[name].rules
        return version(self._config) if version else ""

    def _has_other_rules(self, name: str) -> bool:
        rules, file = self._rules(name), self._rules_file(name)
        return file.exists() and file.read_text(encoding="utf-8") != rules

    def pack(self) -> Path:
        """A zip of the project's own packages, which Flink hands to the Python workers."""
        target = self._flink_folder / "dmp-flink.zip"
        partial = target.with_suffix(f".{os.getpid()}")
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as package:
            for file in packaged_files():
                package.write(file, file.relative_to(PROJECT))
        partial.replace(target)
        return target

    def _wait_until_running(self, name: str, job_id: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            job: dict[str, Any] = get_json(f"{self.rest}/jobs/{job_id}") or {"state": "INITIALIZING", "vertices": []}
            if job["vertices"] and all(vertex["status"] == "RUNNING" for vertex in job["vertices"]):
                return
            if job["state"] in ("FAILED", "RESTARTING", "FAILING"):
                raise UserError(f"job {name} fails: {self.failure(job_id)} ({self.rest}/#/job/{job_id}/exceptions)")
            if job["state"] in ("CANCELLING", "CANCELED"):
                raise UserError(f"job {name} was cancelled before it ran: 'dmp submit {name}' starts it again")
            time.sleep(POLL_SECONDS)
        raise UserError(f"job {name} did not run after {START_SECONDS} s: see {self.rest}/#/job/{job_id}")

    def failure(self, job_id: str) -> str:
        """The root cause of a job's last failure, in one line."""
        answer = get_json(f"{self.rest}/jobs/{job_id}/exceptions") or {}
        entries = answer.get("exceptionHistory", {}).get("entries", [])
        return root_cause(entries[0]["stacktrace"]) if entries else "no reason given"


def notes_folder(config: Config) -> Path:
    """Where each job's runs, rules and compiled plan are kept, a file each."""
    return config.stack.data_dir / "flink" / "jobs"


def packaged_files() -> list[Path]:
    """The code of the suite: whatever jobs and their workers import of it."""
    files = (file for name in PACKAGES for file in (PROJECT / name).rglob("*"))
    return sorted(file for file in files if file.suffix in PACKAGED_FILES)


def shell_line(command: list[str]) -> str:
    """The command as it is typed into a shell."""
    return " ".join(shlex.quote(word) for word in command)


def root_cause(output: str) -> str:
    """The line of a Java or Python stack trace that names the first cause."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    lines = [line for line in lines if re.match(r"Caused by:|[\w.]+(Error|Exception)\b", line)] or lines
    # The last word of `flink run` on any failure of a Python program is no cause.
    lines = [line for line in lines if "Python process exits with code" not in line] or lines
    return lines[-1][:500] if lines else "no output"
