"""Kafka and Elasticsearch of the local stack with what a secured installation adds: TLS, users and rights."""

from __future__ import annotations

import hashlib
import json
import secrets
import ssl
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from dmp.stack.elasticsearch import Elasticsearch
from dmp.stack.kafka import Kafka
from dmp.stack.server import Surroundings
from tests.security.certificates import Certificates


class SecureKafka(Kafka):
    """A second listener with SASL_SSL, where everybody needs a right for everything. Whoever comes in by the first one
    may do all: the test, which grants the rights."""

    def __init__(self, surroundings: Surroundings, port: int, certificates: Certificates) -> None:
        super().__init__(surroundings)
        self.secure_address = f"127.0.0.1:{port}"
        self._certificates = certificates

    def _write_configuration(self) -> None:
        super()._write_configuration()
        controller = self.config.ports.kafka_controller
        lines = [  # of a key that is there twice the last one counts
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller},SASL_SSL://{self.secure_address}",
            f"advertised.listeners=PLAINTEXT://{self.address},SASL_SSL://{self.secure_address}",
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
            "inter.broker.listener.name=PLAINTEXT",
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={self._certificates.both}",
            "sasl.enabled.mechanisms=SCRAM-SHA-512",
            "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config="
            "org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users=User:ANONYMOUS",
        ]
        with self._properties.open("a", encoding="utf-8") as file:
            file.write("\n".join(["", *lines, ""]))


class SecureElasticsearch(Elasticsearch):
    """HTTPS only, and nobody gets in but the users given, {name: (password, role)}.

    They are of the file realm: the native one keeps users in an index that this distribution cannot make.
    """

    def __init__(
        self,
        surroundings: Surroundings,
        certificates: Certificates,
        roles: Mapping[str, Any],
        users: Mapping[str, tuple[str, str]],
    ) -> None:
        super().__init__(surroundings)
        self.url = self.address.replace("http:", "https:")
        self._certificates, self._roles, self._users = certificates, roles, users
        self._tls = ssl.create_default_context(cafile=str(certificates.authority))

    def _write_configuration(self, home: Path) -> None:
        super()._write_configuration(home)
        settings = self._conf / "elasticsearch.yml"
        before, secured = "xpack.security.enabled: false\n", "xpack.security.enabled: true\n"
        secured += "xpack.security.http.ssl: {enabled: true, certificate: http.pem, key: http.key}\n"
        text = settings.read_text(encoding="utf-8")
        assert before in text
        settings.write_text(text.replace(before, secured), encoding="utf-8")
        for name, source in (("http.pem", self._certificates.certificate), ("http.key", self._certificates.key)):
            (self._conf / name).write_bytes(source.read_bytes())  # it reads no other folder
        roles = [f"{name}: {json.dumps(role)}\n" for name, role in self._roles.items()]  # JSON is YAML
        (self._conf / "roles.yml").write_text("".join(roles), encoding="utf-8")
        users = [f"{name}:{_hash(password)}\n" for name, (password, _) in self._users.items()]
        (self._conf / "users").write_text("".join(users), encoding="utf-8")
        owners = [f"{role}:{name}\n" for name, (_, role) in self._users.items()]
        (self._conf / "users_roles").write_text("".join(owners), encoding="utf-8")

    def ready(self) -> bool:
        with suppress(OSError):
            try:
                urllib.request.urlopen(f"{self.url}/_cluster/health", timeout=5, context=self._tls)
            except urllib.error.HTTPError as error:
                return error.code == 401  # it asks who that is
        return False


def _hash(password: str) -> str:
    """As the program elasticsearch-users would write it."""
    salt, rounds = secrets.token_bytes(32), 10_000
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, 32)
    return f"{{PBKDF2}}{rounds}${b64encode(salt).decode()}${b64encode(digest).decode()}"
