"""SQL ad hoc on the real cluster: every saved question, the command, the gateway and the client."""

from __future__ import annotations

import csv
import io
import json
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.gateway import Result, Session
from dmp.errors import UserError
from dmp.questions import Question, find_question, read_questions
from schemas.sql_client import USE_SNAPSHOT, init_statements
from schemas.topics import TOPICS
from tests.pipeline.platform import Platform, wait_for

pytestmark = pytest.mark.stack

RUN = uuid.uuid4().hex[:12]
LOGIN, COOKIE, EMAIL = f"sql-u-{RUN}", f"sql-c-{RUN}", f"ann@q{RUN}.example.com"
ERASED = f"sql-erased-{RUN}"
TABLET = {"channel": "web", "device": {"id": f"sql-tablet-{RUN}"}}  # of two logins
ASKED_ELSEWHERE = ("archive_windows", "recommendations")  # behind jobs that do not run here
# By a mask that no generated person has: theirs are of example.com.
NEEDED = {"timeline": {"email": "a***@q***.com"}, "person": {"identifier": f"user_id:{LOGIN}"}}


def event(number: int, when: str, **fields: object) -> bytes:
    return json.dumps({
        "type": "track", "messageId": f"{RUN}-{number}", "event": "Page Read", "context": {"channel": "web"},
        "timestamp": when, **fields,
    }).encode()  # fmt: skip


@pytest.fixture(scope="module")
def traffic(platform: Platform) -> Platform:
    """The platform with traffic of every kind that the questions ask about, all of it in Elasticsearch."""
    platform.dmp("generate", "--events", "3000", "--seed", "31", "--to", "kafka")
    platform.send([
        event(1, "2026-05-01T10:00:01Z", anonymousId=COOKIE),
        event(2, "2026-05-01T10:00:02Z", type="identify", userId=LOGIN, traits={"email": EMAIL}),
        event(3, "2026-05-01T10:05:00Z", anonymousId=f"sql-other-{RUN}"),
        event(4, "2026-05-01T10:00:03Z", userId=ERASED),
        *(event(6 + n, f"2026-05-01T10:06:0{n}Z", userId=f"sql-{n}-{RUN}", context=TABLET) for n in range(2)),
    ])  # fmt: skip
    wait_for("the cookie", lambda: ("anonymous_id", COOKIE) in platform.identities())
    platform.send([event(5, "2026-05-01T10:05:01Z", userId=LOGIN, anonymousId=COOKIE)])  # now the two persons are one
    wait_for("who is to be erased", lambda: ("user_id", ERASED) in platform.identities())
    platform.dmp("erase", f"user_id:{ERASED}", "--yes")
    platform.assert_exact()
    merged = f"anonymous_id:{COOKIE}"
    wait_for("the merge", lambda: any(row["identifier"] == merged for row in platform.documents("dmp-merges")))
    return platform


@pytest.fixture(scope="module")
def session(platform: Platform, gateway: str) -> Iterator[Session]:
    config = platform.stack.config
    with Session(gateway) as opened:
        opened.run([*init_statements(config.kafka, config.archive.path), *USE_SNAPSHOT])
        yield opened


@pytest.fixture(scope="module")
def answers(traffic: Platform, session: Session) -> dict[str, Result]:
    """The answer of every question."""
    answered: dict[str, Result] = {}
    failed: dict[str, str] = {}
    for question in read_questions().values():
        if question.name not in ASKED_ELSEWHERE:
            try:
                answered[question.name] = session.query(statement(question))
            except UserError as error:
                failed[question.name] = str(error)
    assert failed == {}
    return answered


def statement(question: Question) -> str:
    return question.statement(NEEDED.get(question.name, {}), lambda text: text)


def dictionaries(result: Result) -> list[dict[str, Any]]:
    return [dict(zip(result.columns, row)) for row in result.rows]


def test_every_table_can_be_asked_for_all_of_its_columns(session: Session) -> None:
    for table in (*(topic.table for topic in TOPICS), "archive"):
        assert session.query(f"EXPLAIN SELECT * FROM {table}").rows


def test_every_question_has_an_answer(answers: dict[str, Result]) -> None:
    assert {name: bool(result.rows) for name, result in answers.items()} == dict.fromkeys(answers, True)


def test_answers_equal_elasticsearch(traffic: Platform, answers: dict[str, Result]) -> None:
    persons = Counter(traffic.identities().values())
    largest = [(row["profile_id"], row["identifiers"]) for row in dictionaries(answers["largest_persons"])]
    assert largest == sorted(persons.items(), key=lambda item: (-item[1], item[0]))[:20]

    spent = sorted((row["revenue"] for row in traffic.documents("dmp-profiles")), reverse=True)
    assert [row["revenue"] for row in dictionaries(answers["best_customers"])] == spent[:20]

    late: Counter[str] = Counter()
    for window in traffic.documents("dmp-metrics"):
        late[window["window_start"]] += window["late"]
    assert [row["late"] for row in dictionaries(answers["late_windows"])] == sorted(late.values(), reverse=True)[:20]

    refused = Counter((end, reason) for pair, reason in traffic.refused().items() for end in pair)
    most = sorted(((*key, links) for key, links in refused.items()), key=lambda row: (-row[2], row[0], row[1]))[:20]
    assert most and [tuple(row) for row in answers["refused_links"].rows] == most

    hours = dictionaries(answers["quality"])
    for measure in ("received", "accepted", "rejected", "duplicates", "late", "bots"):
        assert sum(row[measure] or 0 for row in hours) == sum(traffic.quality()[measure].values()), measure
    assert min(row["hour"] for row in hours) > "2026"  # no window lies before the platform


def test_answers_equal_the_topics(traffic: Platform, answers: dict[str, Result]) -> None:
    rejected = Counter(json.loads(message.value)["reason"] for message in traffic.topic("dmp.events.rejected"))
    assert {row["reason"]: row["events"] for row in dictionaries(answers["reject_reasons"])} == rejected
    again = dictionaries(answers["rejects_today"])  # the same rules refuse the same events
    assert {row["refused_as"]: row["events"] for row in again if row["refused_as"] == row["now"]} == rejected


def test_timeline_and_merge_of_a_person(answers: dict[str, Result]) -> None:
    timeline = dictionaries(answers["timeline"])
    assert [row["event_time"] for row in timeline] == [
        "2026-05-01T10:00:01Z", "2026-05-01T10:00:02Z", "2026-05-01T10:05:01Z",
    ]  # fmt: skip
    assert len({row["profile_id"] for row in timeline}) == 1
    (merge,) = (row for row in dictionaries(answers["merged_by"]) if row["identifier"] == f"anonymous_id:{COOKIE}")
    assert merge["linked_to"] == f"user_id:{LOGIN}" and merge["first_seen"] == "2026-05-01T10:05:01Z"


def test_command_takes_a_raw_email_and_prints_csv(traffic: Platform, gateway: str) -> None:
    shown = traffic.dmp("sql", "--question", "person", "--param", f"identifier=email:{EMAIL.upper()}", "--csv")
    rows = list(csv.DictReader(io.StringIO(shown)))
    assert {(row["type"], row["id"]) for row in rows if row["type"] != "email"} == {
        ("user_id", LOGIN), ("anonymous_id", COOKIE),
    }  # fmt: skip
    assert len(rows) == 3 and EMAIL not in shown


def test_erased_persons_are_in_no_answer(session: Session, traffic: Platform) -> None:
    question = find_question("person")
    assert session.query(question.statement({"identifier": f"user_id:{ERASED}"}, lambda text: text)).rows == []


def test_what_flink_refuses_is_one_line(session: Session) -> None:
    with pytest.raises(UserError, match=r"^Flink refused the statement: .*nothing[^\n]*$"):
        session.query("SELECT nothing FROM metrics")


def test_client_runs_a_script_without_a_gateway(traffic: Platform, tmp_path: Path) -> None:
    script = tmp_path / "q.sql"
    script.write_text(
        "SELECT SUM(events) AS live FROM metrics /*+ OPTIONS('scan.bounded.mode'='latest-offset') */;\n"
        + "".join(f"{line};\n" for line in USE_SNAPSHOT)
        + "SELECT SUM(events) AS total FROM metrics;\n",
        encoding="utf-8",
    )
    shown = traffic.dmp("sql", "-f", str(script))
    total = sum(row["events"] for row in traffic.documents("dmp-metrics"))
    assert "ERROR" not in shown
    cells = [line.replace("|", " ").split() for line in shown.splitlines()]
    assert [str(total)] in cells  # of the snapshot; the live table shows how the sum changed
    assert [cell for cell in cells if cell[:1] in (["+I"], ["+U"])][-1][1] == str(total)
