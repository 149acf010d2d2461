"""Saved questions: files of `sql/questions`, each one sentence, its parameters and one SQL query.

    -- How do the channels compare?
    -- param days = 7: days before the newest event
    SELECT ... WHERE event_time > ... ${days} ...

A parameter stands in the query as `${name}` and becomes a text literal, so that no value can be more than a value.
One named `identifier` is a raw `type:value`, of which only the pseudonym goes into the query.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Callable, Optional

from dmp.errors import UserError

FOLDER = Path(__file__).resolve().parents[1] / "sql" / "questions"
IDENTIFIER = "identifier"
_PARAMETER = re.compile(r"-- param (?P<name>\w+)(?: = (?P<default>[^:]*?))?: (?P<meaning>.+)")


@dataclass(frozen=True)
class Parameter:
    """What a question leaves open. Without a default (None) it must be given."""

    name: str
    default: Optional[str]
    meaning: str


@dataclass(frozen=True)
class Question:
    """One file. `name` is its file name without number and ending."""

    name: str
    title: str
    parameters: tuple[Parameter, ...]
    sql: str

    def statement(self, given: Mapping[str, str], pseudonymise: Callable[[str], str]) -> str:
        """The query with its parameters; UserError for one that is unknown or missing."""
        known = [parameter.name for parameter in self.parameters]
        for name in given:
            if name not in known:
                raise UserError(f"question {self.name} has no parameter {name}; it has: {', '.join(known) or 'none'}")
        values = {parameter.name: given.get(parameter.name, parameter.default) for parameter in self.parameters}
        missing = [parameter for parameter in self.parameters if values[parameter.name] is None]
        if missing:
            raise UserError(
                f"question {self.name} needs --param {missing[0].name}=... ({missing[0].meaning}): {self.title}"
            )
        texts = {n: pseudonymise(str(v)) if n == IDENTIFIER else str(v) for n, v in values.items()}
        return Template(self.sql).substitute({name: _literal(text) for name, text in texts.items()})


def read_questions(folder: Path = FOLDER) -> dict[str, Question]:
    """All questions by name, in the order of their files."""
    return {question.name: question for question in map(_read, sorted(folder.glob("*.sql")))}


def find_question(name: str) -> Question:
    """The question of that name; UserError with the names there are."""
    questions = read_questions()
    if name not in questions:
        raise UserError(f"there is no question {name}; 'dmp sql --list' shows: {', '.join(questions)}")
    return questions[name]


def _read(file: Path) -> Question:
    lines = file.read_text(encoding="utf-8").splitlines()
    head = [line for line in lines if line.startswith("--")]
    parameters = [Parameter(**found.groupdict()) for found in map(_PARAMETER.fullmatch, head) if found]
    title = " ".join(line[2:].strip() for line in head if not line.startswith("-- param "))
    query = "\n".join(line for line in lines if not line.startswith("--")).strip().rstrip(";")
    return Question(file.stem.partition("_")[2], title, tuple(parameters), query)


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
