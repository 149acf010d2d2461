"""`clean_event`: the one Python hop of every event, from raw bytes to typed columns, a batch of Arrow at a time."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any, Optional

import orjson
import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.types import DataType, RowType
from pyflink.table.udf import FunctionContext, ScalarFunction, UserDefinedScalarFunctionWrapper, udf

from dmp.core.cleaning import Cleaner, CleanEvent, CleaningRules, Reject
from dmp.core.lateness import Lateness
from dmp.geo import open_database
from dmp.secrets import load_keys
from udfs.frames import to_frame

WATERMARK_DELAY_MS = 5_000

_COLUMN_TYPES: dict[str, DataType] = {
    "event_ms": DataTypes.BIGINT(),
    "bot": DataTypes.BOOLEAN(),
    "consent_analytics": DataTypes.BOOLEAN(),
    "consent_marketing": DataTypes.BOOLEAN(),
    "revenue_micros": DataTypes.BIGINT(),
    "traits": DataTypes.MAP(DataTypes.STRING(), DataTypes.STRING()),
    "flags": DataTypes.ARRAY(DataTypes.STRING()),
}
_REJECTED = (None,) * len(CleanEvent._fields)


def result_type() -> RowType:
    """ROW<reason, detail, every field of CleanEvent, late, received_ms, cleaned_ms>.

    `reason` and `detail` are null for an accepted event; the fields of CleanEvent and `late` for a rejected one.
    `traits` is a map of its `members`.
    """
    text = DataTypes.STRING()
    fields = [("reason", text), ("detail", text)]
    fields += [(name, _COLUMN_TYPES.get(name, text)) for name in CleanEvent._fields]
    fields += [("late", DataTypes.BOOLEAN())]
    fields += [("received_ms", DataTypes.BIGINT()), ("cleaned_ms", DataTypes.BIGINT())]
    return DataTypes.ROW([DataTypes.FIELD(name, data_type) for name, data_type in fields])


def members(json_object: str) -> dict[str, str]:
    """The members of a JSON object, each value as JSON text: SQL cannot take an object apart by itself."""
    return {name: orjson.dumps(value).decode() for name, value in orjson.loads(json_object).items()}


class CleanEventFunction(ScalarFunction):
    """Vectorised: (value BYTES, received_at TIMESTAMP_LTZ(3), partition INT) -> `result_type()`."""

    def __init__(self, rules: CleaningRules, window_ms: int, geo_database: Optional[Path]) -> None:
        self._rules = rules
        self._window_ms = window_ms
        self._geo_database = geo_database

    def open(self, function_context: FunctionContext) -> None:
        geo = open_database(self._geo_database) if self._geo_database else None
        self._cleaner = Cleaner(self._rules, load_keys(os.environ), geo)
        self._lateness = Lateness(self._window_ms, WATERMARK_DELAY_MS)

    def is_deterministic(self) -> bool:
        # It reads the clock and follows watermarks.
        return False

    def eval(self, value: pd.Series, received_at: pd.Series, partition: pd.Series) -> pd.DataFrame:
        now_ms = time.time_ns() // 1_000_000
        received = received_at.astype("datetime64[ms, UTC]").astype("int64")
        rows = [self._row(*item, now_ms) for item in zip(value, received, partition)]
        return to_frame(result_type().field_names(), rows)

    def _row(self, value: Optional[bytes], received_ms: int, partition: int, now_ms: int) -> tuple[Any, ...]:
        result = self._cleaner.clean(value or b"")
        if isinstance(result, Reject):
            return (*result, *_REJECTED, None, received_ms, now_ms)
        late = self._lateness.is_late(partition, result.event_ms)
        if result.traits is not None:
            result = result._replace(traits=members(result.traits))  # type: ignore[arg-type]
        return (None, None, *result, late, received_ms, now_ms)


def clean_event(rules: CleaningRules, window_ms: int, geo_database: Optional[Path]) -> UserDefinedScalarFunctionWrapper:
    """The function to register as `clean_event`."""
    return udf(
        CleanEventFunction(rules, window_ms, geo_database), result_type=result_type(), func_type="pandas"
    )
