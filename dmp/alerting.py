"""Alert rules from their file, and what they make of recorded windows: `dmp alerts test`, `dmp replay`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

import orjson

from dmp.config import Config
from dmp.core.alerts.incidents import fields
from dmp.core.alerts.rules import Rule, parse_rules
from dmp.core.alerts.timeline import judge_all
from dmp.core.yaml_text import parse_yaml
from dmp.errors import UserError

if TYPE_CHECKING:
    from importlib.abc import Traversable

SHIPPED_RULES = files("dmp").joinpath("alerts.yaml")  # a job finds it in its zip
_NUMBERS = ("events", "revenue", "late", "value")


def configured_rules(config: Config) -> tuple[Rule, ...]:
    """The rules of the file that [alerts] rules names, else those that come with the platform."""
    return load_rules(config.alerts.rules or SHIPPED_RULES, config.windows.seconds)


def load_rules(file: Union[Path, Traversable], window_seconds: int) -> tuple[Rule, ...]:
    """The rules of a file; UserError, one line, for whatever is wrong with it."""
    try:
        content = parse_yaml(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read the alert rules {file}: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{file} is no valid YAML: {error}") from None
    try:
        return parse_rules(content, window_seconds)
    except ValueError as error:
        raise UserError(f"{file}: {error}") from None


def read_windows(file: Path) -> Iterator[dict[str, Any]]:
    """Rows of dmp.metrics or dmp.quality from JSON lines, as a replay or a search in Elasticsearch gives them.

    UserError with the number of the line that is no such row.
    """
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _window_row(file, number, line)
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from None


def alerts_of(rules: Iterable[Rule], rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """The alerts of final windows, as rows of dmp.alerts in the order in which they opened; times are RFC 3339.

    Of rows with the same key the last counts. Windows are judged up to the end of the last row.
    """
    latest = {_key(row): row for row in rows}
    clock = max((row["window_end"] for row in latest.values()), default=0)
    found = [fields(rule, alert) for rule, alert in judge_all(rules, latest.values(), clock)]
    found.sort(key=lambda alert: (alert["opened_ms"], alert["rule"], alert["series"]))
    return [_with_times(alert) for alert in found]


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(name) for name in ("window_start", "measure", "label", "channel", "event", "campaign"))


def _window_row(file: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        given = orjson.loads(line)
        times = {name: _epoch_ms(given[name]) for name in ("window_start", "window_end")}
        if given.get("measure") is not None:
            row = {"measure": str(given["measure"]), "label": str(given["label"]), "value": given["value"]}
        else:
            names = {name: given[name] or "" for name in ("channel", "event", "campaign")}
            row = {**names, "events": given["events"], "revenue": given["revenue"], "late": given.get("late", 0)}
        if not all(isinstance(row[name], (int, float)) for name in _NUMBERS if name in row):
            raise TypeError
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError):
        raise UserError(
            f"{file}, line {number}: no row of dmp.metrics or dmp.quality; see schemas/json for what one looks like"
        ) from None
    return {**row, **times}


def _epoch_ms(text: str) -> int:
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(text)
    return round(moment.timestamp() * 1000)


def _with_times(alert: dict[str, Any]) -> dict[str, Any]:
    return {
        (f"{name[:-3]}_at" if name.endswith("_ms") else name): _rfc3339(value) if name.endswith("_ms") else value
        for name, value in alert.items()
    }


def _rfc3339(epoch_ms: Any) -> Any:
    if epoch_ms is None:
        return None
    moment = datetime.fromtimestamp(epoch_ms / 1000, timezone.utc)
    return moment.isoformat(timespec="milliseconds" if epoch_ms % 1000 else "seconds").replace("+00:00", "Z")
