"""Saved questions as files, without a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from dmp.errors import UserError
from dmp.questions import FOLDER, Question, find_question, read_questions

QUESTIONS = read_questions()


def written(folder: Path, text: str) -> Question:
    (folder / "01_asked.sql").write_text(text, encoding="utf-8")
    return read_questions(folder)["asked"]


def same(text: str) -> str:
    return text


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=lambda question: question.name)
def test_every_file_is_a_question_with_parameters_that_it_uses(question: Question) -> None:
    assert "?" in question.title
    for parameter in question.parameters:
        assert f"${{{parameter.name}}}" in question.sql
    given = {parameter.name: "x" for parameter in question.parameters if parameter.default is None}
    assert "${" not in question.statement(given, same)  # a parameter without a line of its own would raise


def test_names_and_numbers_of_questions_are_distinct() -> None:
    assert len(QUESTIONS) == len(list(FOLDER.glob("*.sql"))) >= 12
    numbers = [file.name[:2] for file in FOLDER.glob("*.sql")]
    assert len(set(numbers)) == len(numbers)


def test_a_value_is_never_more_than_a_value(tmp_path: Path) -> None:
    question = written(tmp_path, "-- Who?\n-- param name: of a person\nSELECT * FROM t WHERE a = ${name};\n")
    assert question.statement({"name": "x' OR '1'='1"}, same) == "SELECT * FROM t WHERE a = 'x'' OR ''1''=''1'"
    assert question.statement({"name": "${name} $1 \\1"}, same) == "SELECT * FROM t WHERE a = '${name} $1 \\1'"


def test_only_the_pseudonym_of_an_identifier_goes_into_the_query() -> None:
    statement = find_question("person").statement({"identifier": "email:ann@example.com"}, lambda _: "email:0f")
    assert "'email:0f'" in statement and "ann" not in statement


def test_defaults_and_mistakes(tmp_path: Path) -> None:
    question = written(tmp_path, "-- Who?\n-- param hours = 24: back\n-- param who: x\nSELECT ${hours}, ${who}")
    assert question.statement({"who": "x"}, same) == "SELECT '24', 'x'"
    with pytest.raises(UserError, match="needs --param who="):
        question.statement({}, same)
    with pytest.raises(UserError, match="no parameter days; it has: hours, who"):
        question.statement({"days": "1", "who": "x"}, same)
    with pytest.raises(UserError, match=r"no question nothing; .*top_campaigns"):
        find_question("nothing")
