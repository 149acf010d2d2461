"""The Elasticsearch server: one node without security, reachable from this machine only."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from dmp.errors import UserError
from dmp.stack.artifacts import copy_tree, unpack
from dmp.stack.process import User, clean_environment, spawn
from dmp.stack.server import Server, Surroundings, get_json, render

HERE = Path(__file__).parent


class Elasticsearch(Server):
    name = "elasticsearch"
    main_class = "org.elasticsearch.server/org.elasticsearch.bootstrap.Elasticsearch"

    def __init__(self, surroundings: Surroundings):
        super().__init__(surroundings)
        ports = self.config.ports
        self.address = f"http://127.0.0.1:{ports.elasticsearch}"
        self.ports = [ports.elasticsearch, ports.elasticsearch_transport]
        self.memory_mb = self.config.memory.elasticsearch_heap + 400
        self._folder = surroundings.data_dir / "elasticsearch"
        self._conf = self._folder / "config"
        self._logs = surroundings.logs / "elasticsearch"
        self.log = self._logs / "dmp.log"

    def start(self) -> subprocess.Popen[bytes]:
        home = self._home()
        self._write_configuration(home)
        user = User.named(self.config.stack.elasticsearch_user) if os.geteuid() == 0 else None
        java_home = self.surroundings.java_home
        if user:
            self._hand_over_folders(user, home)
            java_home = self._java_home_for(user)
        heap = self.config.memory.elasticsearch_heap
        environment = {
            **clean_environment(),
            "ES_JAVA_HOME": str(java_home),
            "ES_PATH_CONF": str(self._conf),
            "ES_TMPDIR": str(self._folder / "tmp"),
            "ES_JAVA_OPTS": f"-Xms{heap}m -Xmx{heap}m",
        }
        # As a daemon: its launcher, a second JVM, leaves when the server is ready.
        return spawn(self.identity, [str(home / "bin" / "elasticsearch"), "-d"], environment, self.output, user)

    def ready(self) -> bool:
        health = get_json(f"{self.address}/_cluster/health?wait_for_status=yellow&timeout=2s")
        return health is not None and not health["timed_out"]

    def _home(self) -> Path:
        (archive,) = self.surroundings.artifacts.paths("elasticsearch")
        return unpack(archive, self.config.stack.cache_dir)

    def _write_configuration(self, home: Path) -> None:
        for folder in (self._folder / "data", self._folder / "tmp", self._logs):
            folder.mkdir(parents=True, exist_ok=True)
        render(
            HERE / "elasticsearch.yaml",
            self._conf / "elasticsearch.yml",
            DATA=self._folder / "data",
            LOGS=self._logs,
            PORT=self.config.ports.elasticsearch,
            TRANSPORT_PORT=self.config.ports.elasticsearch_transport,
        )
        for name in ("log4j2.properties", "users", "users_roles", "roles.yml", "role_mapping.yml"):
            (self._conf / name).write_bytes((home / "config" / name).read_bytes())
        shipped = (home / "config" / "jvm.options").read_text(encoding="utf-8")
        (self._conf / "jvm.options").write_text(jvm_options(shipped, self._logs), encoding="utf-8")

    def _hand_over_folders(self, user: User, home: Path) -> None:
        """Make the server's own folders its user's, and make sure that the way to them is open."""
        for folder in (self._folder, self._logs):
            for path in [folder, *folder.rglob("*")]:
                os.chown(path, user.uid, user.gid, follow_symlinks=False)
        for key, path in (
            ("data_dir", self._conf / "elasticsearch.yml"),
            ("cache_dir", home / "bin" / "elasticsearch"),
        ):
            if not user.can("test", "-r", str(path)):
                raise UserError(
                    f"Elasticsearch runs as user {user.name}, who cannot enter {getattr(self.config.stack, key)}: "
                    f"set stack.{key} to a folder all whose parents are open (chmod o+x), e.g. under /var"
                )

    def _java_home_for(self, user: User) -> Path:
        """A Java that the user can read: a virtual environment under /root, for one, is closed to others."""
        home = self.surroundings.java_home
        if user.can(str(home / "bin" / "java"), "-version"):
            return home
        return copy_tree(home, self.config.stack.cache_dir / _java_name(home))


def jvm_options(shipped: str, logs: Path) -> str:
    """Elasticsearch's own JVM options, fitted to a Java without incubator modules and to our folders."""
    lines = [
        line
        for line in shipped.splitlines()
        if "jdk.incubator.vector" not in line and not line.startswith(("-Xlog:gc", "-XX:ErrorFile", "-XX:HeapDumpPath"))
    ]
    return "\n".join([*lines, f"-XX:ErrorFile={logs}/hs_err_pid%p.log", f"-XX:HeapDumpPath={logs}", ""])


def _java_name(home: Path) -> str:
    release = dict(line.split("=", 1) for line in (home / "release").read_text().splitlines() if "=" in line)
    return f"java-{release.get('JAVA_RUNTIME_VERSION', release['JAVA_VERSION']).strip(chr(34))}"
