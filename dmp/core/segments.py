"""Segments by rule: what stands in segments.yaml, checked, and each condition as SQL that Flink runs.

A condition is parsed, every part of it is typed, and it is written anew from what was understood: nothing of the
text reaches Flink that is not one of the few things below.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any, Optional

import sqlglot
from sqlglot import expressions as exp
from sqlglot.errors import SqlglotError

from dmp.core.yaml_text import parse_yaml

Node = Any  # an expression of sqlglot, whose classes differ from version to version

NUMBER, TEXT, BOOLEAN = "number", "text", "boolean"
MARKETING = "marketing"
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True)
class Field:
    """What a condition can ask of a person: its type and its meaning."""

    type: str
    meaning: str


FIELDS: dict[str, Field] = {
    "events": Field(NUMBER, "events of all types"),
    "tracks": Field(NUMBER, "track events"),
    "pages": Field(NUMBER, "page events"),
    "screens": Field(NUMBER, "screen events"),
    "sessions": Field(NUMBER, "sessions; a pause of more than 30 minutes ends one"),
    "orders": Field(NUMBER, "events named Order Completed"),
    "revenue": Field(NUMBER, "sum of revenue"),
    "orders_30d": Field(NUMBER, "orders of the last 30 days: the current hour and the 719 before it"),
    "revenue_30d": Field(NUMBER, "revenue of the last 30 days, likewise"),
    "user_ids": Field(NUMBER, "identifiers of type user_id"),
    "emails": Field(NUMBER, "identifiers of type email"),
    "phones": Field(NUMBER, "identifiers of type phone"),
    "device_ids": Field(NUMBER, "identifiers of type device_id"),
    "anonymous_ids": Field(NUMBER, "identifiers of type anonymous_id"),
    "identifiers": Field(NUMBER, "identifiers of all types"),
    "device_kinds": Field(NUMBER, "how many of desktop, mobile, tablet and tv there are events from"),
    "bot_events": Field(NUMBER, "events from bots"),
    "days_since_first_seen": Field(NUMBER, "whole days since the first event"),
    "days_since_last_seen": Field(NUMBER, "whole days since the last event"),
    "days_since_order": Field(NUMBER, "whole days since the last order; null without one"),
    "hours_since_cart": Field(NUMBER, "whole hours since a product was last added or a checkout started; null without"),
    "cart_open": Field(BOOLEAN, "that was after the last order"),
    "channel": Field(TEXT, "channel of the last event that has one: web, app, social, store or iot"),
    "campaign": Field(TEXT, "campaign of the last event that has one"),
    "first_channel": Field(TEXT, "channel of the first touch: the first event with a campaign, source or medium"),
    "first_campaign": Field(TEXT, "campaign of the first touch"),
    "first_source": Field(TEXT, "source of the first touch"),
    "first_medium": Field(TEXT, "medium of the first touch"),
    "last_channel": Field(TEXT, "channel of the last touch"),
    "last_campaign": Field(TEXT, "campaign of the last touch"),
    "last_source": Field(TEXT, "source of the last touch"),
    "last_medium": Field(TEXT, "medium of the last touch"),
    "minutes_to_first_touch": Field(NUMBER, "whole minutes from the first event to the first touch; null without one"),
    "marketing_consent": Field(BOOLEAN, "consent to marketing; null when nothing was chosen"),
    "analytics_consent": Field(BOOLEAN, "consent to analytics; null when nothing was chosen"),
    "recency": Field(NUMBER, "RFM score of days_since_order, 1 to 5; null without an order"),
    "frequency": Field(NUMBER, "RFM score of orders, 1 to 5; null without an order"),
    "monetary": Field(NUMBER, "RFM score of revenue, 1 to 5; null without an order"),
}


class RulesError(Exception):
    """Everything that is wrong with a file of rules, one line each in `problems`."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Segment:
    """A checked rule; `condition` is SQL of Flink, with consent where the purpose asks for it."""

    name: str
    description: str
    condition: str
    purpose: Optional[str] = None


@dataclass(frozen=True)
class Scores:
    """The four limits between the five scores of each measure, ascending."""

    recency_days: tuple[float, ...] = (7, 30, 90, 180)
    frequency_orders: tuple[float, ...] = (2, 3, 5, 10)
    monetary_revenue: tuple[float, ...] = (50, 200, 500, 1000)


@dataclass(frozen=True)
class Rules:
    """What stands in segments.yaml."""

    segments: tuple[Segment, ...]
    rfm: Scores

    @property
    def version(self) -> str:
        """12 hex digits; rules that come to the same have equal versions."""
        meant = [[segment.name, segment.condition] for segment in self.segments], asdict(self.rfm)
        return hashlib.sha256(json.dumps(meant).encode()).hexdigest()[:12]


def read_rules(text: str) -> Rules:
    """The rules of a YAML file; RulesError names all that is wrong with it."""
    try:
        document = parse_yaml(text)
    except ValueError as error:
        raise RulesError([f"is not valid YAML: {error}"]) from None
    if not isinstance(document, dict) or not isinstance(document.get("segments"), list) or not document["segments"]:
        raise RulesError(["needs a list `segments` of rules with name, description and condition"])
    problems = [f"unknown key {key}; known: segments, rfm" for key in document if key not in ("segments", "rfm")]
    scores = _collect(problems, lambda: _scores(document.get("rfm", {})))
    segments = [
        _collect(problems, lambda entry=entry, number=number: _segment(entry, number))  # type: ignore[misc]
        for number, entry in enumerate(document["segments"], start=1)
    ]
    names = [segment.name for segment in segments if segment]
    problems += [f"segment {name}: there are two of this name" for name in sorted(set(names)) if names.count(name) > 1]
    if problems:
        raise RulesError(problems)
    return Rules(tuple(filter(None, segments)), scores or Scores())


def _collect(problems: list[str], read: Callable[[], Any]) -> Any:
    try:
        return read()
    except ValueError as error:
        problems.append(str(error))
        return None


def _segment(entry: Any, number: int) -> Segment:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        raise ValueError(f"segment {number}: needs a name")
    name = entry["name"]
    if not NAME.fullmatch(name):
        raise ValueError(f"segment {number}: the name {name!r} must be of a-z, 0-9 and _, and begin with a letter")
    keys = ("name", "description", "condition", "purpose")
    for key in entry:
        if key not in keys:
            hint = _suggestion(str(key), keys)
            raise ValueError(f"segment {name}: unknown key {key}{hint}; known: {', '.join(keys)}")
    for key in ("description", "condition"):
        if not isinstance(entry.get(key), str) or not entry[key].strip():
            raise ValueError(f"segment {name}: needs a {key}")
    if entry.get("purpose") not in (None, MARKETING):
        given = entry["purpose"] if isinstance(entry["purpose"], str) else "given"
        raise ValueError(f"segment {name}: purpose {given!r} is unknown; known: {MARKETING}")
    try:
        condition = to_sql(entry["condition"])
    except ValueError as error:
        raise ValueError(f"segment {name}: {error}") from None
    if entry.get("purpose") == MARKETING:
        condition = f"({condition} AND `marketing_consent` IS TRUE)"
    return Segment(name, entry["description"], condition, entry.get("purpose"))


def _scores(entry: Any) -> Scores:
    names = tuple(Scores.__dataclass_fields__)
    if not isinstance(entry, dict):
        raise ValueError(f"rfm: needs {', '.join(names)}")
    limits = {}
    for name, values in entry.items():
        if name not in names:
            raise ValueError(f"rfm: unknown key {name}{_suggestion(str(name), names)}; known: {', '.join(names)}")
        numbers = isinstance(values, list) and all(type(value) in (int, float) and isfinite(value) for value in values)
        if not numbers or len(values) != 4 or sorted(set(values)) != values:
            raise ValueError(f"rfm: {name} needs four numbers, each greater than the one before")
        limits[name] = tuple(values)
    return Scores(**limits)


def to_sql(condition: str) -> str:
    """The condition as Flink's SQL; ValueError says in one line what is wrong with it."""
    try:
        trees = sqlglot.parse(condition)
        if len(trees) != 1 or trees[0] is None:
            raise ValueError("the condition must be one expression")
        sql, kind = _render(trees[0])
    except SqlglotError as error:
        raise ValueError(f"the condition cannot be read: {_first_line(error)}") from None
    except RecursionError:
        raise ValueError("the condition is nested too deeply") from None
    if kind != BOOLEAN:
        raise ValueError(f"the condition is a {kind}, not true or false")
    return sql


def _first_line(error: Exception) -> str:
    return re.sub(r"\x1b\[\d*m", "", str(error).splitlines()[0]).strip().rstrip(".")


_COMPARISONS: dict[Any, str] = {exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
_ARITHMETIC: dict[Any, str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*"}
_LOGIC: dict[Any, str] = {exp.And: "AND", exp.Or: "OR"}
_FUNCTIONS: dict[Any, tuple[str, str]] = {  # name in SQL, type of argument and result
    exp.Lower: ("LOWER", TEXT),
    exp.Upper: ("UPPER", TEXT),
    exp.Abs: ("ABS", NUMBER),
}
_TRAIT_NAME = re.compile(r"[\w .-]+")
_UNDERSTOOD = {"this", "expression", "expressions", "low", "high", "is_string", "table"}


def _render(node: Node) -> tuple[str, str]:
    """SQL and type of an expression."""
    kind = type(node)
    if node.args.get("negate"):  # NOT LIKE
        positive = node.copy()
        positive.set("negate", None)
        return f"(NOT {_typed(positive, BOOLEAN)})", BOOLEAN
    if any(value for key, value in node.args.items() if key not in _UNDERSTOOD):
        raise ValueError(f"{node.sql()} is not allowed in a condition")
    if kind in _LOGIC:
        return f"({_typed(node.left, BOOLEAN)} {_LOGIC[kind]} {_typed(node.right, BOOLEAN)})", BOOLEAN
    if kind in _COMPARISONS:
        left, right = _alike(node.sql(), node.left, node.right)
        return f"({left} {_COMPARISONS[kind]} {right})", BOOLEAN
    if kind in _ARITHMETIC:
        return f"({_typed(node.left, NUMBER)} {_ARITHMETIC[kind]} {_typed(node.right, NUMBER)})", NUMBER
    if kind in _FUNCTIONS:
        name, argument = _FUNCTIONS[kind]
        return f"{name}({_typed(node.this, argument)})", argument
    if kind in _RENDERERS:
        return _RENDERERS[kind](node)
    raise ValueError(f"{node.sql()} is not allowed in a condition")


def _typed(node: Node, wanted: str) -> str:
    sql, kind = _render(node)
    if kind != wanted:
        raise ValueError(f"{node.sql()} is a {kind}, where a {wanted} is needed")
    return sql


def _alike(where: str, *nodes: Node) -> list[str]:
    """The SQL of expressions that must have one type."""
    rendered = [_render(node) for node in nodes]
    first = rendered[0][1]
    for node, (_, kind) in zip(nodes, rendered):
        if kind != first:
            raise ValueError(f"{where} compares the {first} {nodes[0].sql()} with the {kind} {node.sql()}")
    return [sql for sql, _ in rendered]


def _column(node: Node) -> tuple[str, str]:
    name = node.sql().strip('"')
    if name.lower() not in FIELDS:
        raise ValueError(f"unknown field {name}{_suggestion(name.lower(), list(FIELDS))}")
    return f"`{name.lower()}`", FIELDS[name.lower()].type


def _literal(node: Node) -> tuple[str, str]:
    if node.is_string:
        return "'" + node.name.replace("'", "''") + "'", TEXT
    if not isfinite(float(node.name)):
        raise ValueError(f"{node.name} is too large a number")
    return node.name, NUMBER


def _boolean(node: Node) -> tuple[str, str]:
    return ("TRUE" if node.this else "FALSE"), BOOLEAN  # not node.sql(), which has the comments beside it, too


def _is(node: Node) -> tuple[str, str]:
    if isinstance(node.expression, exp.Null):
        return f"({_render(node.this)[0]} IS NULL)", BOOLEAN
    if isinstance(node.expression, exp.Boolean):
        return f"({_typed(node.this, BOOLEAN)} IS {_boolean(node.expression)[0]})", BOOLEAN
    raise ValueError(f"{node.sql()}: IS goes with NULL, TRUE and FALSE only")


def _in(node: Node) -> tuple[str, str]:
    if not node.expressions:
        raise ValueError(f"{node.sql()}: IN needs a list of values")
    value, *choices = _alike(node.sql(), node.this, *node.expressions)
    return f"({value} IN ({', '.join(choices)}))", BOOLEAN


def _between(node: Node) -> tuple[str, str]:
    value, low, high = _alike(node.sql(), node.this, node.args["low"], node.args["high"])
    return f"({value} BETWEEN {low} AND {high})", BOOLEAN


def _coalesce(node: Node) -> tuple[str, str]:
    values = _alike(node.sql(), node.this, *node.expressions)
    return f"COALESCE({', '.join(values)})", _render(node.this)[1]


def _divide(node: Node) -> tuple[str, str]:
    """Flink would cut the fraction off a quotient of whole numbers, and fail when the divisor is 0."""
    dividend, divisor = _typed(node.left, NUMBER), _typed(node.right, NUMBER)
    return f"(CAST({dividend} AS DOUBLE) / NULLIF(CAST({divisor} AS DOUBLE), 0))", NUMBER


def _trait(node: Node) -> tuple[str, str]:
    """trait('plan'): a trait of the person as text."""
    arguments = node.expressions
    if node.name.lower() != "trait":
        raise ValueError(f"unknown function {node.name}; known: trait, COALESCE, LOWER, UPPER, ABS")
    if len(arguments) != 1 or not _TRAIT_NAME.fullmatch(arguments[0].name) or not arguments[0].is_string:
        raise ValueError(f"{node.sql()}: trait takes the name of a trait in quotes")
    return f"JSON_VALUE(`traits`, '$[''{arguments[0].name}'']')", TEXT


_RENDERERS: dict[Any, Callable[[Node], tuple[str, str]]] = {
    exp.Column: _column,
    exp.Literal: _literal,
    exp.Boolean: _boolean,
    exp.Paren: lambda node: _render(node.this),  # whatever needs brackets gets them anew
    exp.Not: lambda node: (f"(NOT {_typed(node.this, BOOLEAN)})", BOOLEAN),
    exp.Neg: lambda node: (f"(- {_typed(node.this, NUMBER)})", NUMBER),
    exp.Like: lambda node: (f"({_typed(node.this, TEXT)} LIKE {_typed(node.expression, TEXT)})", BOOLEAN),
    exp.Is: _is,
    exp.In: _in,
    exp.Between: _between,
    exp.Coalesce: _coalesce,
    exp.Div: _divide,
    exp.Anonymous: _trait,
}


def _suggestion(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
