"""A secured installation: Kafka with SASL_SSL and rights, Elasticsearch with HTTPS and roles, and beside them a Flink
cluster that has to get in. Who may what is what docs/security.md and schemas/roles.json say."""

from __future__ import annotations

import re
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)
from elasticsearch import Elasticsearch

from dmp.stack import Stack
from schemas.setup import roles
from tests.input.running import free_port
from tests.security.certificates import Certificates, make_certificates
from tests.security.servers import SecureElasticsearch, SecureKafka
from tests.stacks import StackUnderTest, made_stacks

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "security.md"
ADMIN, NOBODY = "admin", "nobody"
KAFKA_USERS = ("dmp-setup", "dmp-jobs", "dmp-collector", NOBODY)


@dataclass
class Secrets:
    """Passwords and keys that are like no other text, by what they are for."""

    planted: dict[str, str] = field(default_factory=dict)

    def plant(self, purpose: str) -> str:
        """A new one, with characters that would have to be quoted in most languages; the same for the same purpose."""
        if purpose not in self.planted:
            self.planted[purpose] = secrets.token_hex(12)
        return f'"{self.planted[purpose]}\\ $'


@dataclass
class Installation:
    """The servers, who may get in, and `dmp` as one of them. Every secret is planted, and given by value."""

    platform: StackUnderTest
    secrets: Secrets
    certificates: Certificates
    foreign: Certificates
    admin: Elasticsearch
    bootstrap: str
    """Where whoever comes may do all."""

    def environment(self, kafka: str = "dmp-jobs", elasticsearch: str = "dmp_index", **more: str) -> dict[str, str]:
        """What a command needs that is user `kafka` there and the user of the role `elasticsearch` here."""
        return {
            **self.platform.env,
            "DMP_KAFKA_USER": kafka,
            "DMP_KAFKA_PASSWORD": self.secrets.plant(f"kafka {kafka}"),
            "DMP_ELASTICSEARCH_USER": elasticsearch,
            "DMP_ELASTICSEARCH_PASSWORD": self.secrets.plant(f"elasticsearch {elasticsearch}"),
            "DMP_PII_KEY": self.secrets.plant("pii"),
            "DMP_WRITE_KEYS": f"website={self.secrets.plant('write key')}",
            "DMP_RABBITMQ_URL": f"amqp://user:{self.secrets.plant('rabbitmq')}@127.0.0.1:9",
            "DMP_WEBHOOK_SECRET": self.secrets.plant("webhook"),
            **more,
        }

    def dmp(self, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        return StackUnderTest(self.platform.config, env).dmp(*arguments)


def assert_done(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="package")
def make_stack() -> Iterator[Callable[..., StackUnderTest]]:
    """In place of the session's: jobs that run on take a share of the processors from all tests behind."""
    with made_stacks() as make:
        yield make


@pytest.fixture(scope="package")
def installation(
    make_stack: Callable[..., StackUnderTest], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("certificates")
    certificates, foreign = make_certificates(folder, "ours"), make_certificates(folder, "foreign")
    planted = Secrets()
    users = {role: (planted.plant(f"elasticsearch {role}"), role) for role in roles()}
    users[ADMIN] = (planted.plant(f"elasticsearch {ADMIN}"), "superuser")
    users[NOBODY] = (planted.plant(f"elasticsearch {NOBODY}"), "none")

    servers = Stack(make_stack("[memory]", "kafka_heap = 256").config)
    kafka = SecureKafka(servers.surroundings, free_port(), certificates)
    elasticsearch = SecureElasticsearch(servers.surroundings, certificates, roles(), users)
    servers.servers = [elasticsearch, kafka]
    servers.up(set_up=False)
    grant_rights(kafka.address, planted)

    platform = make_stack(
        "[memory]", "taskmanager_heap = 384", "taskmanager_rocksdb = 256",
        "[flink]", "parallelism = 1", "slots = 4",
        "[kafka]", f'bootstrap_servers = "{kafka.secure_address}"', "partitions = 2",
        'security = "SASL_SSL"', f'ca_file = "{certificates.authority}"',
        "[elasticsearch]", f'url = "{elasticsearch.url}"', f'ca_file = "{certificates.authority}"',
    )  # fmt: skip
    admin = Elasticsearch(elasticsearch.url, ca_certs=str(certificates.authority), basic_auth=(ADMIN, users[ADMIN][0]))
    with admin:
        yield Installation(platform, planted, certificates, foreign, admin, kafka.address)


def grant_rights(bootstrap: str, planted: Secrets) -> None:
    """Every user with a password; the rights are the kafka-acls lines of the document."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    kind = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
    passwords = [
        UserScramCredentialUpsertion(name, kind, planted.plant(f"kafka {name}").encode()) for name in KAFKA_USERS
    ]
    for results in (admin.alter_user_scram_credentials(passwords), admin.create_acls(documented_rights())):
        for result in results.values():
            result.result()


def documented_rights() -> list[AclBinding]:
    text = re.sub(r"\\\n\s*", "", DOCUMENT.read_text(encoding="utf-8"))
    return [right for line in re.findall(r"kafka-acls\.sh (.*--add.*)", text) for right in _rights(shlex.split(line))]


def _rights(words: list[str]) -> Iterator[AclBinding]:
    given = list(zip(words, words[1:]))
    kinds = {
        "--topic": ResourceType.TOPIC,
        "--group": ResourceType.GROUP,
        "--transactional-id": ResourceType.TRANSACTIONAL_ID,
    }
    ((kind, name),) = [(kinds[option], value) for option, value in given if option in kinds]
    pattern = ResourcePatternType[dict(given).get("--resource-pattern-type", "literal").upper()]
    user = dict(given)["--allow-principal"]
    for operation in (value for option, value in given if option == "--operation"):
        allowed = AclOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()]
        yield AclBinding(kind, name, pattern, user, "*", allowed, AclPermissionType.ALLOW)
