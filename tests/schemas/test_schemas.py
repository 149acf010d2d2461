"""Topics, SQL tables, JSON Schemas and Elasticsearch templates tell the same story."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from connectors.generate import Traffic
from connectors.generate.stream import ACCEPTED, DUPLICATE, blocks
from dmp.core.cleaning import EVENT_TYPES, FLAGS, REJECT_REASONS, Cleaner, CleanEvent, Reject
from dmp.core.commands import BAD_COMMAND
from dmp.core.enrichment import CHANNELS
from dmp.core.identifiers import IDENTIFIER_TYPES, CleaningRules
from dmp.core.privacy import PrivacyKeys
from schemas.setup import template
from schemas.tables import columns
from schemas.topics import INDEXED, TOPICS, Topic
from udfs.cleaning import members

# SQL types by JSON type, and Elasticsearch types by SQL type.
JSON_TYPES = {
    "STRING": "string",
    "BYTES": "string",
    "TIMESTAMP_LTZ(3)": "string",
    "INT": "integer",
    "BIGINT": "integer",
    "DOUBLE": "number",
    "BOOLEAN": "boolean",
    "ARRAY<STRING>": "array",
    "ARRAY<DOUBLE>": "array",
    "MAP<STRING, STRING>": "object",
}
ELASTICSEARCH_TYPES = {
    "STRING": {"keyword", "text", "flattened", "ip"},
    "TIMESTAMP_LTZ(3)": {"date"},
    "INT": {"integer", "long"},
    "BIGINT": {"long"},
    "DOUBLE": {"double"},
    "BOOLEAN": {"boolean"},
    "ARRAY<STRING>": {"keyword"},
    "ARRAY<DOUBLE>": {"double"},
}
LUCENE_TERM_BYTES = 32_766
BYTES_PER_CHARACTER = 4  # at most, in UTF-8

JSON_TOPICS = tuple(topic for topic in TOPICS if topic.kind != "raw")
KEYS = PrivacyKeys(b"a key of the tests")

json_topics = pytest.mark.parametrize("topic", JSON_TOPICS, ids=lambda topic: topic.table)
indexed_topics = pytest.mark.parametrize("topic", INDEXED, ids=lambda topic: topic.table)


def schema(name: str) -> dict[str, Any]:
    text = files("schemas").joinpath("json", f"{name}.schema.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


def physical_columns(topic: Topic) -> dict[str, tuple[str, bool]]:
    """Columns that are written: name -> (SQL type, whether it may be null)."""
    found = re.findall(
        r"^\s+`?(\w+)`?\s+([A-Z][A-Z_]+(?:\(\d+\)|<[^>]+>)?)( NOT NULL)?(?! METADATA)\s*(?:,|--|$)",
        columns(topic.table),
        re.MULTILINE,
    )
    return {name: (sql_type, not not_null) for name, sql_type, not_null in found if sql_type not in ("AS", "KEY")}


def row_fields(sql_type: str) -> dict[str, str]:
    """The fields of a ROW type: name -> SQL type. Empty for other types."""
    inner = re.fullmatch(r"ROW<(.*)>", sql_type)
    return dict(re.findall(r"`?(\w+)`? ([A-Z_]+(?:\(\d+\))?)", inner[1])) if inner else {}


def types(definition: dict[str, Any]) -> set[str]:
    named = definition["type"]
    return set(named) if isinstance(named, list) else {named}


def properties(topic: Topic) -> dict[str, Any]:
    return template(topic)["template"]["mappings"]["properties"]  # type: ignore[no-any-return]


def test_names_of_topics_tables_and_aliases_stand_once() -> None:
    for names in (
        [topic.name for topic in TOPICS],
        [topic.table for topic in TOPICS],
        [topic.index for topic in INDEXED],
    ):
        assert len(set(names)) == len(names)


def test_every_file_belongs_to_a_topic() -> None:
    def names(folder: str, suffix: str) -> set[str]:
        found = (file.name for file in files("schemas").joinpath(folder).iterdir())
        return {name[: -len(suffix)] for name in found if name.endswith(suffix)}

    assert names("json", ".schema.json") == {topic.table for topic in JSON_TOPICS} | {"event"}
    assert names("elasticsearch", ".json") == {topic.table for topic in INDEXED} | {"profile_edits"}
    assert names("tables", ".sql") == {topic.table for topic in TOPICS} | {"results", "lines", "archive"}


@pytest.mark.parametrize("name", ["event", *(topic.table for topic in JSON_TOPICS)])
def test_json_schemas_are_valid_and_described(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    assert schema(name)["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert all(definition["description"] for definition in schema(name)["properties"].values())


@json_topics
def test_json_schema_has_exactly_the_columns_of_the_table(topic: Topic) -> None:
    described = schema(topic.table)
    table = physical_columns(topic)
    assert list(described["properties"]) == list(table)
    assert described["required"] == list(table)
    assert described["additionalProperties"] is False
    for name, (sql_type, nullable) in table.items():
        definition = described["properties"][name]
        nested = row_fields(sql_type)
        json_type = "object" if nested else JSON_TYPES[sql_type]
        assert types(definition) == {json_type} | ({"null"} if nullable else set()), name
        assert list(definition.get("properties", {})) == definition.get("required", []) == list(nested), name
        for inner, inner_type in nested.items():
            assert types(definition["properties"][inner]) - {"null"} == {JSON_TYPES[inner_type]}, (name, inner)
        assert ("format" in definition) == (sql_type == "TIMESTAMP_LTZ(3)"), name
        assert ("contentEncoding" in definition) == (sql_type == "BYTES"), name


def test_columns_of_clean_events_are_the_fields_of_cleaning_and_three_more() -> None:
    assert list(schema("events_clean")["properties"]) == [*CleanEvent._fields, "late", "received_ms", "cleaned_ms"]


@json_topics
def test_keys_are_columns_that_an_upsert_table_declares(topic: Topic) -> None:
    assert set(topic.key) <= set(physical_columns(topic))
    declared = re.search(r"PRIMARY KEY \(([^)]*)\)", columns(topic.table))
    if topic.kind == "upsert":
        assert declared
        assert tuple(declared.group(1).split(", ")) == topic.key
    else:
        assert not declared


@indexed_topics
def test_template_is_strict_and_fits_its_alias(topic: Topic) -> None:
    body = template(topic)
    assert body["template"]["mappings"]["dynamic"] == "strict"
    assert body["index_patterns"] == [f"{topic.index}-*"]


@indexed_topics
def test_template_has_exactly_the_indexed_columns(topic: Topic) -> None:
    table = physical_columns(topic)
    mapped = {name: field for name, field in properties(topic).items() if name != "@timestamp"}
    assert set(topic.not_indexed) <= set(table)
    assert list(mapped) == [name for name in table if name not in topic.not_indexed]
    for name, field in mapped.items():
        nested = row_fields(table[name][0])
        assert list(field.get("properties", {})) == list(nested), name
        for inner, inner_type in nested.items():
            assert field["properties"][inner]["type"] in ELASTICSEARCH_TYPES[inner_type], (name, inner)
        assert nested or field["type"] in ELASTICSEARCH_TYPES[table[name][0]], name


@indexed_topics
def test_timestamp_is_an_alias_of_a_date(topic: Topic) -> None:
    stamp = properties(topic)["@timestamp"]
    assert stamp["type"] == "alias"
    assert properties(topic)[stamp["path"]]["type"] == "date"


@indexed_topics
def test_no_text_is_too_long_for_a_term(topic: Topic) -> None:
    """Text of users is cut off by ignore_above, or Lucene would refuse the whole document."""
    described = schema(topic.table)["properties"]
    for name, field in properties(topic).items():
        if field.get("type") != "keyword":
            continue
        longest = max(map(len, filter(None, described[name].get("enum", []))), default=described[name].get("maxLength"))
        longest = longest or field.get("ignore_above")
        assert longest, f"{name} needs ignore_above in the template, or maxLength or enum in the JSON Schema"
        assert longest * BYTES_PER_CHARACTER <= LUCENE_TERM_BYTES, name


def test_lists_of_names_are_those_of_the_code() -> None:
    clean = schema("events_clean")["properties"]
    event = schema("event")["properties"]
    quality = schema("quality")["properties"]
    assert tuple(clean["type"]["enum"]) == tuple(event["type"]["enum"]) == EVENT_TYPES
    assert tuple(clean["channel"]["enum"]) == (*CHANNELS, None)
    assert tuple(event["context"]["properties"]["channel"]["enum"]) == (*CHANNELS, None)
    assert tuple(schema("metrics")["properties"]["channel"]["enum"]) == (*CHANNELS, "")
    assert tuple(clean["subject_type"]["enum"]) == (*IDENTIFIER_TYPES, None)
    assert tuple(clean["flags"]["items"]["enum"]) == FLAGS
    assert tuple(schema("events_rejected")["properties"]["reason"]["enum"]) == REJECT_REASONS
    assert schema("commands_rejected")["properties"]["reason"]["enum"] == [BAD_COMMAND]
    for table in ("profiles", "erasures"):
        assert tuple(schema(table)["properties"]["identifiers"]["properties"]) == IDENTIFIER_TYPES
    assert set(quality["label"]["enum"]) == {"", *REJECT_REASONS, *FLAGS, "avg", "max", "claimed", "shared", "limit"}


def test_measures_of_quality_are_those_of_the_sql() -> None:
    """Every text in quotes of the jobs that write dmp.quality alone, and the measure that metrics adds."""
    files_ = (files("jobs").joinpath(name).read_text(encoding="utf-8") for name in ("quality.sql", "watch.sql"))
    sql = re.sub(r"--.*|/\*.*?\*/", "", "".join(files_))
    words = set(re.findall(r"'(\w+)'", sql)) | {"suppressed"}
    assert "'suppressed' AS measure" in files("jobs").joinpath("metrics.sql").read_text(encoding="utf-8")
    assert words == {*schema("quality")["properties"]["measure"]["enum"], "avg", "max", "shared"}


@pytest.fixture(scope="module")
def generated() -> list[tuple[bytes, str]]:
    """Generated messages with what must become of each."""
    traffic = Traffic(events=3000, rate=100.0, seed=5, start_us=1_767_225_600_000_000, malformed=0.05)
    return [message for block in blocks(traffic) for message in zip(block.values, block.outcomes)]


def test_generated_events_are_as_described_unless_they_are_spoiled(generated: list[tuple[bytes, str]]) -> None:
    validator = Draft202012Validator(schema("event"))
    outcomes = {outcome for _, outcome in generated}
    assert outcomes == {ACCEPTED, DUPLICATE, *REJECT_REASONS}
    for raw, outcome in generated:
        if outcome in (ACCEPTED, DUPLICATE):
            validator.validate(json.loads(raw))
        elif outcome in ("not_an_object", "unknown_type", "missing_event"):
            assert not validator.is_valid(json.loads(raw)), raw


@pytest.mark.parametrize(
    "times",
    [
        {"timestamp": "2026-01-01T00:00:00Z"},
        {"timestamp": "2026-01-01 00:00:00.123456+08:00"},
        {"timestamp": 1_767_225_600},
        {"timestamp": 1_767_225_600_000.5},
        {"timestamp": " 1767225600.25 "},
        {"originalTimestamp": "2026-01-01T00:00:00Z", "timestamp": None},
        {"receivedAt": "2026-01-01t00:00:00z"},
        {"timestamp": "yesterday"},
        {"timestamp": "2026-01-01T00:00:00"},
        {"timestamp": None},
        {"sentAt": "2026-01-01T00:00:00Z"},
        {},
    ],
    ids=json.dumps,
)
def test_the_schema_takes_the_times_that_cleaning_takes(times: dict[str, Any]) -> None:
    event = {"type": "page", **times}
    accepted = isinstance(Cleaner(CleaningRules(), KEYS).clean(json.dumps(event).encode()), CleanEvent)
    assert Draft202012Validator(schema("event")).is_valid(event) == accepted


def test_clean_and_rejected_events_are_as_described(generated: list[tuple[bytes, str]]) -> None:
    cleaner = Cleaner(CleaningRules(), KEYS)
    clean, rejected = Draft202012Validator(schema("events_clean")), Draft202012Validator(schema("events_rejected"))
    for raw, _ in generated:
        result = cleaner.clean(raw)
        if isinstance(result, Reject):
            times = {"received_at": "2026-01-01T00:00:00.123Z"}
            source = {"source_topic": "dmp.events.raw", "source_partition": 0, "source_offset": 1, "raw": ""}
            rejected.validate({**result._asdict(), **times, **source})
        else:
            times = {"late": False, "received_ms": 1_767_225_600_000, "cleaned_ms": 1_767_225_600_001}
            traits = None if result.traits is None else members(result.traits)
            clean.validate({**result._asdict(), "traits": traits, "flags": list(result.flags), **times})
