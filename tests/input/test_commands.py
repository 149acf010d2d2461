"""`dmp link`, `dmp unlink`, `dmp erase` with a real Kafka and Elasticsearch; the jobs do not run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_END, TopicPartition
from confluent_kafka.admin import AdminClient
from elasticsearch import Elasticsearch
from jsonschema import Draft202012Validator

from connectors.elasticsearch import connect
from dmp.core.cleaning import Reject
from dmp.core.commands import CommandParser
from dmp.core.privacy import pseudonym
from dmp.secrets import load_keys
from schemas.topics import COMMANDS, ERASURES
from tests.input.written import Written
from tests.stacks import StackUnderTest

pytestmark = pytest.mark.stack

DMP = str(Path(sys.executable).with_name("dmp"))
ERASURE_SCHEMA = Path(__file__).parents[2] / "schemas" / "json" / "erasures.schema.json"


class Rows(Written):
    """Messages that are JSON objects."""

    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(message.value()) for message in self.messages()]

    def forget(self, stack: StackUnderTest) -> None:
        """Delete all messages, or the jobs of other tests would carry the commands out."""
        admin = AdminClient({"bootstrap.servers": stack.config.kafka.bootstrap_servers})
        ends = [TopicPartition(partition.topic, partition.partition, OFFSET_END) for partition in self._begin]
        for deleted in admin.delete_records(ends).values():
            deleted.result(30)


@pytest.fixture
def commands(stack: StackUnderTest) -> Iterator[Rows]:
    with closing(Rows(stack.config.kafka, COMMANDS.name)) as topic:
        yield topic
        topic.forget(stack)


@pytest.fixture
def erasures(stack: StackUnderTest) -> Iterator[Rows]:
    with closing(Rows(stack.config.kafka, ERASURES.name)) as topic:
        yield topic
        topic.forget(stack)


@pytest.fixture
def search(stack: StackUnderTest) -> Iterator[Elasticsearch]:
    with connect(stack.config.elasticsearch) as client:
        yield client


def pii_key(stack: StackUnderTest) -> bytes:
    return stack.config.local_pii_key_file.read_bytes()


@pytest.mark.parametrize("op", ["link", "unlink"])
def test_a_command_is_on_the_topic_without_raw_contacts(stack: StackUnderTest, commands: Rows, op: str) -> None:
    done = stack.dmp(op, "email: Ann.Lee@Example.com", "phone:138-0013-8000")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{op} sent: email:a***@e***.com and phone:+86 138****8000\n"
    (message,) = commands.messages()
    email, phone = (pseudonym(pii_key(stack), text) for text in ("ann.lee@example.com", "+8613800138000"))
    row = json.loads(message.value())
    assert row.pop("at").endswith("Z")
    assert row == {"op": op, "a": f"email:{email}", "b": f"phone:{phone}"}
    assert message.key() == f"email:{email}".encode()
    for text in (message.value(), message.key(), done.stdout.encode(), done.stderr.encode()):
        assert b"xample" not in text and b"00138000" not in text


def test_the_jobs_take_what_is_sent(stack: StackUnderTest, commands: Rows, erasures: Rows) -> None:
    assert stack.dmp("link", "user_id: ｕ1", "email:ann@example.com").returncode == 0
    assert stack.dmp("erase", "anonymous_id:taken|語", "--yes", "--no-wait").returncode == 0
    keys = load_keys({"DMP_PII_KEY_FILE": str(stack.config.local_pii_key_file)})
    parser = CommandParser(stack.config.cleaning_rules(), keys)
    parsed = [parser.parse(message.value()) for message in commands.messages()]
    assert not any(isinstance(command, Reject) for command in parsed)
    assert {command[1:] for command in parsed} == {
        ("link", "user_id", "u1", "email", pseudonym(keys.pii_key, "ann@example.com")),
        ("erase", "anonymous_id", "taken|語", None, None),
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["link", "user_id:u1"], "Missing argument 'B'"),
        (["link", "user_id:u1", "secret"], "cannot link: b: an identifier is written type:value"),
        (["unlink", "email:secret", "user_id:u1"], "cannot unlink: a: this email is not valid"),
        (["unlink", "user_id:'null'", "user_id:u1"], "cannot unlink: a: this user_id is blocked"),
        (["link", "user_id:u1", "user_id: u1"], "cannot link: a and b are the same identifier"),
        (["link", "user_id:u1", b"user_id:secret\xff"], "cannot link: b: this is not valid Unicode"),
        (["erase", "phone:secret", "--yes"], "cannot erase: this phone is not valid"),
        (["erase", "user_id:u1", "--yes", "--timeout", "0"], "Invalid value for '--timeout'"),
        (["erase", "user_id:u1"], "standard input is no terminal: add --yes"),
    ],
)
def test_bad_arguments_are_refused_in_one_line(
    stack: StackUnderTest, commands: Rows, arguments: list[Any], complaint: str
) -> None:
    done = subprocess.run([DMP, *arguments], env=stack.env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and complaint in done.stderr
    assert "secret" not in done.stderr
    assert not commands.messages()


@pytest.mark.parametrize(
    ("variable", "address", "arguments", "complaint"),
    [
        ("DMP_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9", ["link", "user_id:u1", "user_id:u2"], "Kafka does not answer"),
        ("DMP_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9", ["erase", "user_id:u1", "--yes"], "Kafka does not answer"),
        ("DMP_ELASTICSEARCH__URL", "http://127.0.0.1:9", ["erase", "user_id:u1", "--yes"], "Elasticsearch does not"),
        ("DMP_PII_KEY_FILE", "/nowhere", ["unlink", "user_id:u1", "user_id:u2"], "cannot read /nowhere"),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    stack: StackUnderTest, commands: Rows, variable: str, address: str, arguments: list[str], complaint: str
) -> None:
    env = {**stack.env, variable: address}
    done = subprocess.run([DMP, *arguments], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and complaint in done.stderr
    assert not commands.messages()


def test_an_unknown_identifier_can_be_erased(stack: StackUnderTest, commands: Rows, erasures: Rows) -> None:
    done = stack.dmp("erase", "email:Nobody@Example.com", "--yes")
    assert done.returncode == 0, done.stderr
    assert "email:n***@e***.com is unknown to Elasticsearch" in done.stdout and "gone after" in done.stdout
    (command,) = commands.rows()
    assert command.pop("at")
    assert command == {"op": "erase", "a": f"email:{pseudonym(pii_key(stack), 'nobody@example.com')}"}
    (row,) = erasures.rows()
    assert row["identifiers"] == {"user_id": 0, "email": 1, "phone": 0, "device_id": 0, "anonymous_id": 0}
    assert row["documents"] == {"identities": 0, "profiles": 0, "merges": 0, "refused": 0}
    assert row["events"] == 0 and row["gone_after_seconds"] < 10


class Someone:
    """A person in Elasticsearch as the jobs would have written it."""

    def __init__(self, stack: StackUnderTest, search: Elasticsearch) -> None:
        name = uuid.uuid4().hex[:12]
        self._search = search
        self.profile_id = f"p{name:0>20}"
        self.email = f"{name}@example.com"
        self.user_id = f"[red]{name}"
        self.identifiers = {
            ("user_id", self.user_id),
            ("email", pseudonym(pii_key(stack), self.email)),
            *(("anonymous_id", f"{name}|{n}") for n in range(5)),
        }
        for kind, value in self.identifiers:
            row = {"type": kind, "id": value, "profile_id": self.profile_id, "decided_at": "2026-01-01T00:00:00Z"}
            search.index(index="dmp-identities", id=f"{name}|{kind}|{value}", document=row)
        seen = {"first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-02-01T00:00:00Z"}
        search.index(
            index="dmp-profiles", id=self.profile_id, document={"profile_id": self.profile_id, "events": 12, **seen}
        )
        at = "2026-01-01T00:00:00Z"
        self._others: list[tuple[str, str]] = []
        cookie = f"anonymous_id:{name}|0"
        self._index("dmp-merges", change=f"{name}1", at=at, identifier=cookie, reason="joined")
        self._index("dmp-merges", change=f"{name}2", at=at, identifier="user_id:x", other=cookie, reason="claimed")
        self._index("dmp-merges", change=f"{name}3", at=at, identifier="user_id:x", reason="joined")
        self._index("dmp-refused", a=cookie, b=f"user_id:{self.user_id}", reason="shared", decided_at=at)
        search.indices.refresh(index="dmp-*")

    def _index(self, alias: str, **row: str) -> None:
        self._others.append((alias, self._search.index(index=alias, document=row)["_id"]))

    def vanish(self) -> None:
        """What the jobs do when they get the commands."""
        for alias in ("dmp-identities", "dmp-profiles"):
            found = self._search.search(index=alias, query={"term": {"profile_id": self.profile_id}}, size=100)
            for hit in found["hits"]["hits"]:
                self._search.delete(index=alias, id=hit["_id"])

    def clear_away(self) -> None:
        self._search.indices.refresh(index="dmp-*")
        self.vanish()
        for alias, document in self._others:
            self._search.delete(index=alias, id=document)
        self._search.indices.refresh(index="dmp-*")


@pytest.fixture
def someone(stack: StackUnderTest, search: Elasticsearch) -> Iterator[Someone]:
    person = Someone(stack, search)
    yield person
    person.clear_away()


def test_a_person_is_erased_with_all_identifiers(
    stack: StackUnderTest, commands: Rows, erasures: Rows, someone: Someone
) -> None:
    done = stack.dmp("erase", f"email:{someone.email.upper()}", "--yes", "--no-wait")
    assert done.returncode == 0, done.stderr
    assert someone.profile_id in done.stdout and "7 erase command(s) sent" in done.stdout
    assert "7 in dmp-identities, 1 in dmp-profiles, 2 in dmp-merges, 1 in dmp-refused" in done.stdout
    assert f"user_id:{someone.user_id}" in done.stdout and "and 2 more" in done.stdout
    assert someone.email not in done.stdout
    rows = commands.rows()
    assert {tuple(row["a"].split(":", 1)) for row in rows} == someone.identifiers
    assert len(rows) == len(someone.identifiers)
    assert {(row["op"], row.get("b")) for row in rows} == {("erase", None)}
    assert len({row["at"] for row in rows}) == 1
    (message,) = erasures.messages()
    row = json.loads(message.value())
    Draft202012Validator(json.loads(ERASURE_SCHEMA.read_text(encoding="utf-8"))).validate(row)
    assert row["identifiers"] == {"user_id": 1, "email": 1, "phone": 0, "device_id": 0, "anonymous_id": 5}
    assert row["documents"] == {"identities": 7, "profiles": 1, "merges": 2, "refused": 1}
    assert (row["events"], row["gone_after_seconds"], row["at"]) == (12, None, rows[0]["at"])
    assert not any(value in message.value().decode() for _, value in someone.identifiers)


def test_fields_that_people_set_stay_with_the_identifier_and_are_erased_with_the_person(
    stack: StackUnderTest, search: Elasticsearch, commands: Rows, erasures: Rows, someone: Someone
) -> None:
    def profile(*arguments: str) -> str:
        done = stack.dmp("profile", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    login, mail = f"user_id:{someone.user_id}", f"email:{someone.email}"
    assert profile("set", login, "vip=true", "points=5", "note=ask ann@example.com") == (
        'vip: true\npoints: 5\nnote: "ask a***@e***.com"\n'
    )
    assert profile("set", login, "points+=2.5", "vip=null") == "points: 7.5\nvip: removed\n"
    profile("set", mail, "note=later")
    shown = json.loads(profile("show", mail))
    assert (shown["profile_id"], shown["profile"]["events"]) == (someone.profile_id, 12)
    assert {name: edit["value"] for name, edit in shown["edits"].items()} == {"note": "later", "points": 7.5}
    assert shown["edits"]["points"]["identifier"] == login and shown["edits"]["points"]["by"]
    assert someone.email not in json.dumps(shown)
    search.indices.refresh(index="dmp-profile-edits")
    mine = {"terms": {"id": [value for _, value in someone.identifiers]}}
    assert search.count(index="dmp-profile-edits", query=mine)["count"] == 2
    assert search.count(index="dmp-profile-edits", query={"bool": {"filter": [
        mine, {"term": {"fields.note.value": "later"}}
    ]}})["count"] == 1  # fmt: skip
    assert stack.dmp("erase", mail, "--yes", "--no-wait").returncode == 0
    assert search.count(index="dmp-profile-edits", query=mine)["count"] == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["set", "user_id:nobody-at-all", "vip=true"], "knows nobody with this identifier"),
        (["show", "user_id:nobody-at-all"], "knows nobody with this identifier"),
        (["show", "login:x"], "user_id, email, phone"),
        (["set", "user_id:x", "vip"], "field=value or field+=number"),
        (["set", "user_id:x", "a+=b"], "a+= needs a number"),
    ],
)
def test_what_cannot_be_set_is_told_in_one_line(stack: StackUnderTest, arguments: list[str], complaint: str) -> None:
    done = stack.dmp("profile", *arguments)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and complaint in done.stderr


def test_it_waits_until_the_documents_are_gone(
    stack: StackUnderTest, commands: Rows, erasures: Rows, someone: Someone
) -> None:
    command = [DMP, "erase", f"user_id:{someone.user_id}", "--yes"]
    process = subprocess.Popen(command, env=stack.env, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as lines:
        for line in lines:
            if "waiting until" in line:
                someone.vanish()
            last = line
    assert process.wait(60) == 0
    assert last.startswith("gone after ")
    (row,) = erasures.rows()
    assert row["gone_after_seconds"] >= 0


def test_the_wait_has_an_end_and_leaves_its_record(
    stack: StackUnderTest, commands: Rows, erasures: Rows, someone: Someone
) -> None:
    done = stack.dmp("erase", f"user_id:{someone.user_id}", "--yes", "--timeout", "1")
    assert done.returncode == 1
    assert "Elasticsearch still has 8 document(s)" in done.stderr and done.stderr.count("\n") == 1
    assert len(commands.messages()) == 7
    assert [row["gone_after_seconds"] for row in erasures.rows()] == [None]


def test_who_says_no_at_the_terminal_erases_nothing(
    stack: StackUnderTest, commands: Rows, erasures: Rows, someone: Someone
) -> None:
    main, terminal = os.openpty()
    try:
        os.write(main, b"n\n")
        command = [DMP, "erase", f"user_id:{someone.user_id}"]
        done = subprocess.run(command, env=stack.env, stdin=terminal, capture_output=True, text=True, timeout=60)
    finally:
        os.close(main)
        os.close(terminal)
    assert done.returncode == 1 and "This cannot be undone" in done.stdout and "nothing was erased" in done.stdout
    assert not commands.messages() and not erasures.messages()
