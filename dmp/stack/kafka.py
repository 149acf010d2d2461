"""The Kafka broker: one KRaft node that is broker and controller."""

from __future__ import annotations

import base64
import socket
import subprocess
import uuid
from pathlib import Path

from dmp.errors import UserError
from dmp.stack.process import clean_environment, spawn
from dmp.stack.server import PROBE_SECONDS, Server, Surroundings, render

HERE = Path(__file__).parent


class Kafka(Server):
    name = "kafka"
    main_class = "kafka.Kafka"

    def __init__(self, surroundings: Surroundings):
        super().__init__(surroundings)
        ports = self.config.ports
        self.address = f"127.0.0.1:{ports.kafka}"
        self.ports = [ports.kafka, ports.kafka_controller]
        self.memory_mb = self.config.memory.kafka_heap + 200
        self.log = surroundings.logs / "kafka.log"
        self._folder = surroundings.data_dir / "kafka"
        self._properties = self._folder / "server.properties"

    def start(self) -> subprocess.Popen[bytes]:
        self._write_configuration()
        if not (self._folder / "data" / "meta.properties").exists():
            self._format_storage()
        heap = self.config.memory.kafka_heap
        options = [f"-Xms{heap // 4}m", f"-Xmx{heap}m", "-XX:+UseG1GC", "-XX:+ExitOnOutOfMemoryError"]
        command = [*self._java(options), self.main_class, str(self._properties)]
        return spawn(self.identity, command, clean_environment(), self.output)

    def ready(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.config.ports.kafka), timeout=1).close()
        except OSError:
            return False
        from confluent_kafka import KafkaException
        from confluent_kafka.admin import AdminClient

        client = AdminClient({"bootstrap.servers": self.address, "log_level": 0, "error_cb": lambda error: None})
        try:
            return len(client.list_topics(timeout=PROBE_SECONDS).brokers) == 1
        except KafkaException:
            return False

    def _write_configuration(self) -> None:
        ports = self.config.ports
        render(
            HERE / "kafka.properties",
            self._properties,
            PORT=ports.kafka,
            CONTROLLER_PORT=ports.kafka_controller,
            DATA=self._folder / "data",
            PARTITIONS=self.config.kafka.partitions,
        )

    def _format_storage(self) -> None:
        """Give the data folder its cluster id; Kafka does this only on request."""
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        # In one word with its option, for one id in 64 begins with a dash.
        options = [f"--cluster-id={cluster_id}", "--config", str(self._properties)]
        command = [*self._java(["-Xmx128m"]), "kafka.tools.StorageTool", "format", *options]
        done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True)
        if done.returncode != 0:
            self.output.write_text(done.stdout + done.stderr, encoding="utf-8")
            raise UserError(f"Kafka cannot format its data folder {self._folder / 'data'}: see {self.output}")

    def _java(self, options: list[str]) -> list[str]:
        jars = ":".join(str(path) for path in self.surroundings.artifacts.paths("kafka"))
        # Compression libraries unpack their native parts there, and leave them when the server is killed.
        scratch = self._folder / "tmp"
        scratch.mkdir(parents=True, exist_ok=True)
        logging = [f"-Dlog4j2.configurationFile={HERE / 'kafka-log4j2.properties'}", f"-Ddmp.log.file={self.log}"]
        return [
            str(self.surroundings.java_home / "bin" / "java"),
            *options,
            *logging,
            f"-Djava.io.tmpdir={scratch}",
            "-cp",
            jars,
        ]
