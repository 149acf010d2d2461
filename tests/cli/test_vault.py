"""`dmp vault` and `dmp submit vault`: what is refused before anything is asked of a server."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from click.testing import CliRunner

from dmp.cli import cli
from dmp.config import OUTSIDE_SECRETS, SECRET_VARIABLES

KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SECRET_VARIABLES, *OUTSIDE_SECRETS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DMP_STACK__DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DMP_PII_KEY", "a key of the tests")


def complaint(*arguments: str) -> str:
    return str(CliRunner().invoke(cli, arguments).exception)


@pytest.mark.parametrize("arguments", [("vault", "show", "email:a@x.org"), ("vault", "rotate"), ("submit", "vault")])
def test_without_a_key_there_is_no_vault(arguments: tuple[str, ...]) -> None:
    assert complaint(*arguments).startswith("no vault key: set DMP_VAULT_KEY")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("user_id:u1", "the vault has originals of email and phone only"),
        ("email:nobody", "cannot show:"),
        ("u1", "cannot show:"),
    ],
)
def test_only_contacts_are_shown(asked: str, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DMP_VAULT_KEY", KEY)
    assert complaint("vault", "show", asked).startswith(expected)
