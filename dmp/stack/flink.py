"""The Flink session cluster from the apache-flink wheel: one JobManager, one TaskManager, both by Flink's own scripts.

The wheel stays as installed. The suite has a FLINK_HOME of its own in the data folder: links to the wheel's jars and
the suite's, copies of the scripts (they follow links to find their home), and the rendered configuration.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from dmp.config import ENV_PREFIX, OUTSIDE_SECRETS, SECRET_VARIABLES
from dmp.core.yaml_text import parse_yaml
from dmp.errors import UserError
from dmp.stack.keys import as_files, secret_variables, store
from dmp.stack.process import clean_environment, spawn
from dmp.stack.server import Server, Surroundings, get_json, render

PROJECT = Path(__file__).resolve().parents[2]
CONF_FILES = ("log4j-console.properties", "log4j-cli.properties")
IDENT, HOST = "dmp", "local"
"""What Flink's scripts put into the names of their log files instead of the user's and the machine's name."""


class FlinkHome:
    """The suite's FLINK_HOME and what processes need to use it."""

    def __init__(self, surroundings: Surroundings):
        self.surroundings = surroundings
        self.folder = surroundings.data_dir / "flink"
        self.home = self.folder / "home"
        self.secrets = surroundings.data_dir / "secrets"

    def write(self) -> None:
        """Make the folder anew; running servers are not disturbed, they hold their jars open."""
        wheel = _wheel()
        artifacts = self.surroundings.artifacts
        # PyFlink's jar as well, which `flink run` would else bring anew with each job (see classloader.resolve-order).
        jars = [*wheel.glob("lib/*.jar"), *wheel.glob("opt/flink-python-*.jar"), *artifacts.paths("flink-lib")]
        _link(self.home / "lib", jars)
        _link(self.home / "opt", [*wheel.glob("opt/*.jar"), *artifacts.paths("flink-opt")])
        _link(self.home / "plugins", [wheel / "plugins" / "metrics-prometheus"])
        (self.home / "bin").mkdir(exist_ok=True)
        for script in (wheel / "bin").iterdir():
            shutil.copy2(script, self.home / "bin" / script.name)
        self._write_configuration()

    def clear_tmp(self) -> None:
        """Remove what servers that were killed left behind; only when none runs."""
        shutil.rmtree(self.folder / "tmp", ignore_errors=True)

    def environment(self) -> dict[str, str]:
        """For Flink's own commands and servers."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
        return {
            **clean_environment(),
            **_settings(),
            **as_files(secret_variables(self.surroundings.config), self.secrets),
            "FLINK_HOME": str(self.home),
            "FLINK_CONF_DIR": str(self.home / "conf"),
            "FLINK_LOG_DIR": str(self.surroundings.logs),
            "FLINK_PID_DIR": str(self.folder / "pids"),
            "FLINK_IDENT_STRING": IDENT,
            "HOSTNAME": HOST,
            "JAVA_HOME": str(self.surroundings.java_home),
            "PYTHONPATH": str(PROJECT),
            "PATH": path,
        }

    def _write_configuration(self) -> None:
        config, template = self.surroundings.config, PROJECT / "flink-conf" / "config.yaml"
        _refuse_unreadable(template)
        for folder in ("checkpoints", "savepoints", "tmp", "pids"):
            (self.folder / folder).mkdir(exist_ok=True)
        render(
            template,
            self.home / "conf" / "config.yaml",
            JAVA_HOME=self.surroundings.java_home,
            RPC_PORT=config.ports.flink_rpc,
            TASKMANAGER_RPC_PORT=config.ports.flink_taskmanager_rpc,
            REST_PORT=config.ports.flink_rest,
            METRICS_PORT=config.ports.flink_metrics,
            JOBMANAGER_HEAP=config.memory.jobmanager_heap,
            TASKMANAGER_HEAP=config.memory.taskmanager_heap,
            TASKMANAGER_MANAGED=config.memory.taskmanager_managed,
            TASKMANAGER_ROCKSDB=config.memory.taskmanager_rocksdb,
            TASKMANAGER_NETWORK=config.memory.taskmanager_network,
            SLOTS=config.flink.slots,
            PARALLELISM=config.flink.parallelism,
            CHECKPOINT_INTERVAL=config.flink.checkpoint_interval_seconds,
            CHECKPOINT_DIR=(self.folder / "checkpoints").as_uri(),
            SAVEPOINT_DIR=(self.folder / "savepoints").as_uri(),
            STATE_BACKEND=config.flink.state_backend,
            TMP_DIR=self.folder / "tmp",
            PYTHON=sys.executable,
        )
        for name in CONF_FILES:
            shutil.copyfile(PROJECT / "flink-conf" / name, self.home / "conf" / name)


class FlinkServer(Server):
    """What JobManager and TaskManager have in common."""

    script: str
    service: str  # how Flink's scripts call it
    metrics_port: int

    def __init__(self, surroundings: Surroundings, home: FlinkHome):
        super().__init__(surroundings)
        self.home = home
        self.rest = f"http://127.0.0.1:{self.config.ports.flink_rest}"
        self.log = surroundings.logs / f"flink-{IDENT}-{self.service}-0-{HOST}.log"

    def start(self) -> subprocess.Popen[bytes]:
        # The scripts number their log files by the lines of this file.
        (self.home.folder / "pids" / f"flink-{IDENT}-{self.service}.pid").unlink(missing_ok=True)
        # glibc gives every thread an arena of its own and so keeps much of what RocksDB frees.
        environment = {**self.home.environment(), "MALLOC_ARENA_MAX": "2"}
        # In the foreground the script ends in `exec java`: the process started here is the server.
        command = [str(self.home.home / "bin" / self.script), "start-foreground"]
        command += ["-D", f"metrics.reporter.prom.port={self.metrics_port}"]
        return spawn(self.identity, command, environment, self.output)


class JobManager(FlinkServer):
    name = "flink_jobmanager"
    main_class = "org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"
    script = "jobmanager.sh"
    service = "standalonesession"

    def __init__(self, surroundings: Surroundings, home: FlinkHome):
        super().__init__(surroundings, home)
        self.address = self.rest
        self.metrics_port = self.config.ports.flink_metrics
        self.ports = [self.config.ports.flink_rest, self.config.ports.flink_rpc, self.metrics_port]
        self.memory_mb = self.config.memory.jobmanager_heap + 300

    def ready(self) -> bool:
        return get_json(f"{self.rest}/overview") is not None


class TaskManager(FlinkServer):
    name = "flink_taskmanager"
    main_class = "org.apache.flink.runtime.taskexecutor.TaskManagerRunner"
    script = "taskmanager.sh"
    service = "taskexecutor"

    def __init__(self, surroundings: Surroundings, home: FlinkHome):
        super().__init__(surroundings, home)
        memory = self.config.memory
        self.address = f"127.0.0.1:{self.config.ports.flink_taskmanager_rpc}"
        self.metrics_port = self.config.ports.flink_metrics + 1
        self.ports = [self.config.ports.flink_taskmanager_rpc, self.metrics_port]
        state = memory.taskmanager_rocksdb if self.config.flink.state_backend == "rocksdb" else 0
        # Besides, the JVM's own and direct memory, and Python workers: one each for `pipeline`, `index` and `segments`,
        # two for `alerts`.
        self.memory_mb = memory.taskmanager_heap + memory.taskmanager_network + state + 1900
        self._started_ms = 0.0

    def start(self) -> subprocess.Popen[bytes]:
        # Here and not at every `dmp up`: the workers of a running TaskManager read the files again.
        store(secret_variables(self.config), self.home.secrets, self.config)
        self._started_ms = time.time() * 1000
        return super().start()

    def ready(self) -> bool:
        """Whether the JobManager hears from it; a predecessor that died stays on its list for a while."""
        known = get_json(f"{self.rest}/taskmanagers") or {"taskmanagers": []}
        return any(entry["timeSinceLastHeartbeat"] > self._started_ms for entry in known["taskmanagers"])


def _settings() -> dict[str, str]:
    """The configuration from the environment, so that a job is built with the settings of who submits it."""
    secret = (*SECRET_VARIABLES, *OUTSIDE_SECRETS)
    settings = {n: v for n, v in os.environ.items() if n.startswith(ENV_PREFIX) and n not in secret}
    if "DMP_CONFIG" in settings:
        settings["DMP_CONFIG"] = str(Path(settings["DMP_CONFIG"]).absolute())
    return settings


def _refuse_unreadable(configuration: Path) -> None:
    """UserError for what is no YAML, of which Flink's scripts would end without a word."""
    try:
        parse_yaml(configuration.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{configuration} is no valid YAML: {error}") from None


def _wheel() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("pyflink")  # without importing it, which takes a second
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent


def _link(folder: Path, targets: Iterable[Path]) -> None:
    """Make `folder` hold links to exactly these files."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, Path] = {target.name: target for target in targets}
    existing: list[Path] = list(folder.iterdir())
    for link in existing:
        if link.name not in wanted or link.readlink() != wanted[link.name]:
            link.unlink()
    for name, target in wanted.items():
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(target)
