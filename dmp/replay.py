"""`dmp replay`: the pipeline over files.

Lines of files go into a working folder, `jobs/replay.py` runs the same builders on it as the live pipeline, and what it
wrote becomes sorted JSON lines: the same bytes for the same events, in whatever order, mode and parallelism.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import orjson

from connectors.changelog import Row, final_rows, rows
from connectors.collect.files import open_text, read_lines
from dmp.alerting import alerts_of, configured_rules, read_windows
from dmp.config import Config
from dmp.core.alerts.rules import Rule
from dmp.core.persons import Change, changes, profile_id
from dmp.errors import UserError
from dmp.jobs import PROJECT, root_cause
from dmp.segments import load_rules
from dmp.stack.java import java_home
from dmp.stack.keys import prepare_keys, secret_variables
from schemas.topics import (
    COMMANDS,
    COMMANDS_REJECTED,
    EVENTS_RAW,
    EVENTS_REJECTED,
    IDENTITIES,
    METRICS,
    PROFILES,
    RECOMMENDATIONS,
    REFUSED,
    RELATED_ITEMS,
    SEGMENTS,
    Topic,
)

RECEIVED_AT = "1970-01-01 00:00:00Z"  # a line has no time of arrival; nothing of a replay's results depends on it


@dataclass(frozen=True)
class Replay:
    """What to replay. `mode` is batch or streaming: the results are the same, streaming also has merges.jsonl. Segments
    and, if wanted, recommendations are those at `at_ms`, epoch milliseconds; None: at the time of the last event."""

    events: Sequence[Path]
    commands: Sequence[Path]
    out: Path
    mode: str
    parallelism: int
    at_ms: Optional[int] = None
    recommend: bool = False


def run(replay: Replay, config: Config, config_file: Optional[Path]) -> Counter[str]:
    """Replay into the folder `replay.out`; returns the number of lines of each file written.

    Raises UserError for a file that cannot be read and, with the root cause, when the job fails.
    """
    load_rules(config)  # bad ones are refused before the work, as those of alerts are
    rules = configured_rules(config)
    replay.out.mkdir(parents=True, exist_ok=True)
    config.local_pii_key_file.parent.mkdir(parents=True, exist_ok=True)
    prepare_keys(config)
    with tempfile.TemporaryDirectory(prefix="dmp-replay-") as name:
        folder = Path(name)
        _write_lines(folder / EVENTS_RAW.table, replay.events, parts=2 * replay.parallelism)
        _write_lines(folder / COMMANDS.table, replay.commands, parts=1)
        _run_job(folder, replay, config, config_file)
        return _write_results(folder, replay, rules)


def diff(old: Path, new: Path) -> list[Change]:
    """Which persons differ between the folders of two replays; also written into `new` as diff.jsonl.

    UserError when `old` holds no result of a replay.
    """
    found = changes(_persons(old), _persons(new))
    _write_sorted(new / "diff.jsonl", (change._asdict() for change in found))
    return found


def _persons(folder: Path) -> dict[str, str]:
    try:
        with (folder / "identities.jsonl").open("rb") as lines:
            return {f"{row['type']}:{row['id']}": row["profile_id"] for row in map(orjson.loads, lines)}
    except (OSError, orjson.JSONDecodeError, KeyError) as error:
        raise UserError(f"{folder} is no folder that dmp replay has written: {error}") from None


def _write_lines(folder: Path, sources: Sequence[Path], parts: int) -> None:
    """The lines that are not empty as rows of lines.sql, in several files, which are read side by side."""
    folder.mkdir()
    files = [(folder / f"{part}.json").open("wb") for part in range(parts)]
    try:
        for number, row in enumerate(_source_rows(sources)):
            files[number % parts].write(orjson.dumps({**row, "number": number}, option=orjson.OPT_APPEND_NEWLINE))
    finally:
        for file in files:
            file.close()


def _source_rows(sources: Sequence[Path]) -> Iterator[Row]:
    for position, source in enumerate(sources):
        with open_text(source) as file:
            for number, line in enumerate(read_lines(file, 0), start=1):
                if line.data:
                    yield {
                        "value": base64.b64encode(line.data).decode(), "received_at": RECEIVED_AT,
                        "topic": str(source), "partition_id": position, "offset_id": number,
                    }  # fmt: skip


def _run_job(folder: Path, replay: Replay, config: Config, config_file: Optional[Path]) -> None:
    command = [sys.executable, str(PROJECT / "jobs" / "replay.py"), "--folder", str(folder), "--mode", replay.mode]
    command += ["--parallelism", str(replay.parallelism)]
    command += ["--at-ms", str(replay.at_ms)] if replay.at_ms is not None else []
    command += ["--recommend"] if replay.recommend else []
    command += ["--config", str(config_file.absolute())] if config_file else []
    environment = {
        **os.environ,
        **secret_variables(config),
        "JAVA_HOME": str(java_home(config)),
        "PYTHONPATH": str(PROJECT),
        "_python_worker_execution_mode": "process",  # PyFlink's: workers of their own, not threads of this process
    }
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode:
        raise UserError(f"the replay failed: {root_cause(result.stderr + result.stdout)}")


def _write_results(folder: Path, replay: Replay, rules: Sequence[Rule]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for name, topic, shape in (
        ("identities", IDENTITIES, _identity),
        ("metrics", METRICS, _window),
        ("profiles", PROFILES, _profile),
        ("refused", REFUSED, _refused),
        ("segments", SEGMENTS, _member),
    ):
        counts[name] = _write_sorted(replay.out / f"{name}.jsonl", final_rows(folder / topic.table, shape))
    for topic in (RELATED_ITEMS, RECOMMENDATIONS):
        file = replay.out / f"{topic.table}.jsonl"
        file.unlink(missing_ok=True)
        if replay.recommend:
            counts[topic.table] = _write_sorted(file, final_rows(folder / topic.table, _undated))
    counts["alerts"] = _write_sorted(replay.out / "alerts.jsonl", _alerts(replay.out / "metrics.jsonl", rules))
    several = len(replay.events) > 1
    rejected = (
        _reject(row, several) for topic in (EVENTS_REJECTED, COMMANDS_REJECTED) for row in rows(folder / topic.table)
    )
    counts["rejected"] = _write_sorted(replay.out / "rejected.jsonl", rejected)
    merges = replay.out / "merges.jsonl"
    merges.unlink(missing_ok=True)
    if replay.mode == "streaming":
        counts["merges"] = _write_sorted(merges, _merges(folder))
    return counts


def _alerts(metrics: Path, rules: Sequence[Rule]) -> Iterable[Row]:
    """What the job `alerts` finds in the final windows. A replay has no time of arrival, and so no dmp.quality."""
    return alerts_of([rule for rule in rules if not rule.of_quality], read_windows(metrics))


def _write_sorted(file: Path, results: Iterable[Row]) -> int:
    lines = sorted(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in results)
    file.write_bytes(b"".join(lines))
    return len(lines)


def _identity(row: Row) -> Row:
    return {name: row[name] for name in ("type", "id", "profile_id")}


def _refused(row: Row) -> Row:
    return {name: row[name] for name in ("a", "b", "reason")}


def _member(row: Row) -> Row:
    return {name: row[name] for name in ("segment", "profile_id")}


def _undated(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "decided_at"}


def _window(row: Row) -> Row:
    names = ("window_start", "window_end", "channel", "event", "campaign", "events", "persons", "revenue")
    return {name: None if name in ("channel", "campaign") and row[name] == "" else row[name] for name in names}


def _profile(row: Row) -> Row:
    """Traits as an object, in the order of their names: the state of a job keeps none."""
    traits = orjson.loads(row["traits"]) if row["traits"] else {}
    return {**row, "traits": dict(sorted(traits.items()))}


def _reject(row: Row, several_files: bool) -> Row:
    raw = base64.b64decode(row["raw"] or "").decode("utf-8", "backslashreplace")
    found = {"reason": row["reason"], "detail": row["detail"], "raw": raw, "line": row["source_offset"]}
    return {**found, "file": row["source_topic"]} if several_files else found


def _merges(folder: Path) -> Iterator[Row]:
    """As in dmp.merges: each move of an identifier on the way to the final result, and each refused link."""
    persons: dict[str, str] = {}
    for row in _written(folder, IDENTITIES):
        identifier, person = f"{row['type']}:{row['id']}", row["profile_id"]
        before = persons.get(identifier, person)
        persons[identifier] = person
        if before != person:
            reason = "parted" if person == profile_id(row["type"], row["id"]) else "joined"
            yield _merge(row["decided_at"], identifier, None, before, person, reason)
    for row in _written(folder, REFUSED):
        yield _merge(row["decided_at"], row["a"], row["b"], None, None, row["reason"])


def _written(folder: Path, topic: Topic) -> Iterator[Row]:
    """The rows of a changelog in the order in which they were valid, without those that were taken back."""
    return (change["after"] for change in rows(folder / topic.table) if change["after"])


def _merge(
    at: str, identifier: str, other: Optional[str], before: Optional[str], after: Optional[str], reason: str
) -> Row:
    return {"at": at, "identifier": identifier, "other": other, "from": before, "to": after, "reason": reason}
