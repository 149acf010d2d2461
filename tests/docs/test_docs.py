"""Documents: generated pages are fresh, links lead somewhere, and every command line is one that `dmp` takes."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import click
import pytest

from dmp.cli import cli
from dmp.config import Config
from dmp.docs import FOLDER, pages
from tests.docs.blocks import PROJECT, Block, blocks, documents

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DOCUMENTS = documents()
BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
NAMED = re.compile(r"`(dmp [^`]+)`")


def lines() -> list[tuple[str, str]]:
    """(document, command) of every command in a block that begins with dmp; one with dots in it is for people."""
    found = []
    for document in DOCUMENTS:
        indented = re.findall(r"^ {4,}(dmp .*)$", _joined(document.read_text(encoding="utf-8")), re.MULTILINE)
        fenced = [line.strip() for block in blocks(document) for line in _joined(block.text).splitlines()]
        parts = [part for line in (*indented, *fenced) for part in re.split(r" (?:&&|\|) ", line)]
        found += [(document.name, part) for part in parts if part.startswith("dmp ") and "..." not in part]
    return sorted(set(found))


def _joined(text: str) -> str:
    """Text whose lines that end with a backslash go on."""
    return re.sub(r"\\\n\s*", "", text)


def mentions() -> list[tuple[str, str]]:
    """(document, words) of every command that the text mentions; capitals and brackets in it are for people."""
    found = [(document.name, words) for document in DOCUMENTS for words in NAMED.findall(document.read_text("utf-8"))]
    return sorted(set(found))


@pytest.mark.parametrize(("document", "line"), lines())
def test_every_command_line_is_one_that_dmp_takes(
    document: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = shlex.split(line, comments=True)[1:]
    for argument in arguments:
        if re.fullmatch(r"[\w.-]+\.(jsonl|toml|sql|log|csv)", argument):
            Path(argument).touch()  # a file that the command reads
    for folder in ("results", "before"):
        Path(folder).mkdir()
    context = cli.make_context("dmp", arguments)
    while isinstance(context.command, click.Group):
        words = getattr(context, "_protected_args", None) or context.protected_args  # renamed in click 8.2
        name, command, rest = context.command.resolve_command(context, [*words, *context.args])
        assert name and command
        context = command.make_context(name, rest, parent=context)


@pytest.mark.parametrize(("document", "words"), mentions())
def test_every_command_and_option_that_is_mentioned_exists(document: str, words: str) -> None:
    command: click.Command = cli
    context = click.Context(cli)
    for word in words.replace("&&", " ").split()[1:]:
        word = word.split("\\|")[0]  # of alternatives in a table the first
        if isinstance(command, click.Group) and re.fullmatch(r"[a-z-]+", word):
            found = command.get_command(context, word)
            assert found, word
            command = found
    parameters = [*command.params, *cli.params]
    known = {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    assert set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", words)) <= known | {"--help"}


@pytest.mark.parametrize("name", pages())
def test_generated_pages_are_fresh(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == pages()[name], "run: make docs"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(document.read_text(encoding="utf-8")):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path) if path else document
        assert file.exists(), target
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}, target


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "toml"], ids=str)
def test_every_configuration_is_one_that_dmp_takes(block: Block) -> None:
    Config(**tomllib.loads(block.text))


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.mark], ids=str)
def test_marked_blocks_are_of_a_language_that_is_run(block: Block) -> None:
    assert block.language in ("bash", "python") and block.mark in ("run", "archive")


def test_every_page_is_in_the_index() -> None:
    index = (PROJECT / "docs" / "README.md").read_text(encoding="utf-8")
    for page in (PROJECT / "docs").glob("*.md"):
        assert page.name == "README.md" or f"({page.name})" in index, page.name


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for document in DOCUMENTS:
        named = re.findall(r"(?:^ {4}|`|&& )make ([a-z]+)", document.read_text(encoding="utf-8"), re.MULTILINE)
        assert set(named) <= targets, document.name
