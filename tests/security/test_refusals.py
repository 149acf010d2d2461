"""A wrong certificate, a wrong password, a missing right: one line that says which, and exit status 2."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.security.conftest import NOBODY, Installation, assert_done

pytestmark = pytest.mark.stack

SETUP = ("setup",)
GENERATE = ("generate", "--events", "10", "--rate", "1000", "--seed", "1", "--to", "kafka")
PARTITIONS = ("partitions", "report", "dmp.events.raw")
DASHBOARDS = ("dashboards", "serve", "--port", "0")

Case = tuple[str, str, dict[str, str], Sequence[str], str]
CASES: list[Case] = [  # user of Kafka, of Elasticsearch, variables besides, command, what it says
    ("dmp-setup", "dmp_setup", {"DMP_KAFKA_PASSWORD": "wrong"}, SETUP, "refuses the user or the password"),
    ("dmp-collector", NOBODY, {"DMP_KAFKA_PASSWORD": "wrong"}, GENERATE, "refuses the user or the password"),
    ("dmp-setup", "dmp_setup", {"DMP_KAFKA__CA_FILE": "{foreign}"}, SETUP, "shows no certificate that"),
    ("dmp-collector", NOBODY, {"DMP_KAFKA__CA_FILE": "{foreign}"}, GENERATE, "shows no certificate that"),
    ("dmp-setup", "dmp_setup", {"DMP_KAFKA_PASSWORD": ""}, SETUP, "DMP_KAFKA_PASSWORD_FILE, is not set"),
    ("dmp-jobs", "dmp_setup", {}, SETUP, "does not let this user do that ([Error 29] TopicAuthorizationFailed"),
    (NOBODY, "dmp_setup", {}, SETUP, "does not let this user do that ([Error 29] TopicAuthorizationFailed"),
    (NOBODY, NOBODY, {}, GENERATE, "has no topic dmp.events.raw: create the topics with `dmp up`, or this user"),
    ("dmp-setup", NOBODY, {}, GENERATE, "uthorization failed"),
    ("dmp-setup", NOBODY, {}, PARTITIONS, "does not let this user do that ([Error 29] TopicAuth"),
    ("dmp-setup", "dmp_setup", {"DMP_ELASTICSEARCH_PASSWORD": "wrong"}, SETUP, "refuses the user, the password"),
    ("dmp-setup", "dmp_setup", {"DMP_ELASTICSEARCH_PASSWORD": ""}, SETUP, "belong together: set both or neither"),
    ("dmp-setup", "dmp_setup", {"DMP_ELASTICSEARCH__CA_FILE": "{foreign}"}, SETUP, "shows no certificate that"),
    ("dmp-setup", "dmp_index", {}, SETUP, "does not let this user do that (action [indices:admin/index_template"),
    ("dmp-jobs", "dmp_index", {}, DASHBOARDS, "does not let this user do that (action [indices:data/read/search]"),
    ("dmp-jobs", "dmp_dashboards", {"DMP_ELASTICSEARCH_PASSWORD": "wrong"}, DASHBOARDS, "refuses the user, the"),
    ("dmp-jobs", "dmp_index", {}, ("profile", "show", "user_id:u1"), "does not let this user do that"),
]


@pytest.fixture(scope="module")
def answers(installation: Installation) -> list[subprocess.CompletedProcess[str]]:
    """What the commands say, which mostly wait for a server to let them in."""
    for _ in range(2):  # by those who may, with the rights of the documents and no more; it can be repeated
        assert_done(installation.dmp(installation.environment("dmp-setup", "dmp_setup"), *SETUP))

    assert_done(installation.dmp(installation.environment("dmp-collector", NOBODY), *GENERATE))  # something to be read

    def run(case: Case) -> subprocess.CompletedProcess[str]:
        kafka, elasticsearch, variables, command, _ = case
        foreign = str(installation.foreign.authority)
        more = {name: value.format(foreign=foreign) for name, value in variables.items()}
        return installation.dmp(installation.environment(kafka, elasticsearch, **more), *command)

    with ThreadPoolExecutor(6) as pool:
        return list(pool.map(run, CASES))


@pytest.mark.parametrize("number", range(len(CASES)), ids=[case[-1] for case in CASES])
def test_refusal_is_one_line(
    installation: Installation, answers: list[subprocess.CompletedProcess[str]], number: int
) -> None:
    said = answers[number].stderr
    assert CASES[number][-1] in said
    assert answers[number].returncode == 2 and said.count("\n") == 1, said
    assert not [purpose for purpose, secret in installation.secrets.planted.items() if secret in said]
