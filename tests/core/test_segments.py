"""Rules of segments: what is refused, in one line each, and what SQL is made of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.segments import FIELDS, RulesError, Scores, read_rules, to_sql
from dmp.segments import read_text

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "segments.md"


def rule(condition: str, name: str = "some", extra: str = "") -> str:
    return f'segments:\n- {{name: {name}, description: d, condition: "{condition}"{extra}}}\n'


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(RulesError) as caught:
        read_rules(text)
    return caught.value.problems


def test_the_ten_shipped_segments_are_in_order() -> None:
    rules = read_rules(read_text(None))
    assert [segment.name for segment in rules.segments] == [
        "new", "active", "at_risk", "lost", "big_spender", "cart_abandoner", "campaign_acquired", "multi_device",
        "bot_like", "marketing_consented",
    ]  # fmt: skip
    assert rules.rfm == Scores()


@pytest.mark.parametrize(
    ("condition", "sql"),
    [
        ("orders >= 2 AND revenue_30d > 500", "((`orders` >= 2) AND (`revenue_30d` > 500))"),
        ("NOT cart_open OR -orders < -1", "((NOT `cart_open`) OR ((- `orders`) < (- 1)))"),
        ("channel NOT LIKE 'a%'", "(NOT (`channel` LIKE 'a%'))"),
        ("channel <> 'o''x'", "(`channel` <> 'o''x')"),
        ("orders NOT IN (1, 2.5)", "(NOT (`orders` IN (1, 2.5)))"),
        ("marketing_consent IS NOT TRUE", "(NOT (`marketing_consent` IS TRUE))"),
        ("recency IS NOT NULL", "(NOT (`recency` IS NULL))"),
        ("COALESCE(recency, 0) = 5", "(COALESCE(`recency`, 0) = 5)"),
        ("Orders BETWEEN 1 AND 2", "(`orders` BETWEEN 1 AND 2)"),
        ("events / orders > 2", "((CAST(`events` AS DOUBLE) / NULLIF(CAST(`orders` AS DOUBLE), 0)) > 2)"),
        ("trait('plan') = 'pro'", "(JSON_VALUE(`traits`, '$[''plan'']') = 'pro')"),
        ("(orders > 1) = cart_open", "((`orders` > 1) = `cart_open`)"),
    ],
)
def test_conditions_become_sql_with_every_bracket(condition: str, sql: str) -> None:
    assert to_sql(condition) == sql


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("ordrs > 1", "unknown field ordrs; did you mean orders?"),
        ("x.orders > 1", "unknown field x.orders"),
        ("orders > 'a'", "compares the number orders with the text 'a'"),
        ("channel = 3", "compares the text channel with the number 3"),
        ("orders IN (1, 'a')", "compares the number orders with the text 'a'"),
        ("orders + channel > 1", "channel is a text, where a number is needed"),
        ("orders AND cart_open", "orders is a number, where a boolean is needed"),
        ("channel", "is a text, not true or false"),
        ("orders = NULL", "NULL is not allowed"),
        ("count(*) > 1", "not allowed"),
        ("orders > 1; DROP TABLE x", "must be one expression"),
        ("orders IN (SELECT 1)", "not allowed"),
        ("orders::int > 1", "not allowed"),
        ("orders BETWEEN SYMMETRIC 3 AND 1", "not allowed"),
        ("channel LIKE 'a' ESCAPE 'b'", "not allowed"),
        ("foo('a')", "unknown function foo"),
        ("trait('a$b') = 'x'", "name of a trait"),
        ("orders >", "cannot be read"),
        ("'", "cannot be read"),
        ("", "one expression"),
    ],
)
def test_what_is_wrong_with_a_condition_is_said_in_one_line(condition: str, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        to_sql(condition)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.text(alphabet="orders channel cart_open()<>=+-*/'%,.;:`\"$ANDORNTILKEU 0123", max_size=40))
def test_no_text_gets_into_the_sql_that_was_not_understood(text: str) -> None:
    """Whatever is written, it is refused with one line, or its SQL has the known fields and literals alone."""
    try:
        sql = to_sql(text)
    except ValueError as error:
        assert "\n" not in str(error)
        return
    assert ";" not in "".join(sql.split("'")[::2])
    assert set(sql.split("`")[1::2]) <= {*FIELDS, "traits"} or "'" in sql


def test_consent_binds_whatever_the_condition_says() -> None:
    (segment,) = read_rules(rule("orders > 1 OR TRUE", extra=", purpose: marketing")).segments
    assert segment.condition == "(((`orders` > 1) OR TRUE) AND `marketing_consent` IS TRUE)"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is not valid YAML"),
        ("[]", "needs a list `segments`"),
        ("segments: []", "needs a list `segments`"),
        ("segments:\n- 1\n", "segment 1: needs a name"),
        (rule("orders > 1", name="'Big Spender'"), "must be of a-z"),
        (rule("orders > 1", extra=", purpos: marketing"), "unknown key purpos; did you mean purpose?"),
        (rule("orders > 1", extra=", purpose: sales"), "purpose 'sales' is unknown"),
        ("segments:\n- {name: a, condition: 'orders > 1'}\n", "segment a: needs a description"),
        ("segments:\n- {name: a, description: b, condition: 1}\n", "segment a: needs a condition"),
        (rule("orders > 1") + "rfm: {recency_days: [1, 2, 3]}\n", "recency_days needs four numbers"),
        (rule("orders > 1") + "rfm: {recency_days: [1, 2, 2, 3]}\n", "each greater than the one before"),
        (rule("orders > 1") + "rfm: {recency: [1, 2, 3, 4]}\n", "unknown key recency"),
        (rule("orders > 1") + "rules: 1\n", "unknown key rules"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_one_line(text: str, words: str) -> None:
    (problem,) = problems(text)
    assert words in problem
    assert "\n" not in problem


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = rule("ordrs > 1", "one") + rule("orders > 'a'", "two")[len("segments:\n") :]
    text += rule("orders > 1", "three")[len("segments:\n") :] * 2
    first, second, third = problems(text)
    assert first.startswith("segment one: unknown field ordrs")
    assert second.startswith("segment two: orders > 'a'")
    assert third == "segment three: there are two of this name"


def test_every_field_is_documented_with_its_type_and_meaning() -> None:
    rows = {line.strip() for line in DOCUMENTATION.read_text(encoding="utf-8").splitlines()}
    assert not [name for name, field in FIELDS.items() if f"| `{name}` | {field.type} | {field.meaning} |" not in rows]


@pytest.mark.parametrize("text", ["[" * 3000, "!!int ''", "2001-99-99", "!!bool x", "!!timestamp x", "9" * 5000])
def test_yaml_that_makes_python_stumble_is_told_in_one_line(text: str) -> None:
    with pytest.raises(RulesError) as caught:
        read_rules(f"segments: [{text}]")
    assert caught.value.problems[0].startswith("is not valid YAML: ") and "\n" not in caught.value.problems[0]


@pytest.mark.parametrize("condition", ["(" * 2000 + "TRUE" + ")" * 2000, "NOT " * 2000 + "TRUE"])
def test_a_condition_that_is_nested_too_deeply_is_refused(condition: str) -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        to_sql(condition)


@pytest.mark.parametrize("condition", ["TRUE /* x */", "TRUE -- x", "cart_open IS TRUE /* x */"])
def test_comments_do_not_reach_flink(condition: str) -> None:
    assert "x" not in to_sql(condition)


@pytest.mark.parametrize("limits", [[1, 2, 3, float("inf")], [1, 2, 3, float("nan")]])
def test_scores_have_finite_limits(limits: list[float]) -> None:
    with pytest.raises(RulesError, match="recency_days needs four numbers"):
        read_rules(rule("TRUE") + f"rfm: {{recency_days: {str(limits).replace('inf', '.inf').replace('nan', '.nan')}}}")


def test_a_number_that_no_column_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="1e400 is too large"):
        to_sql("events > 1e400")
