"""`parse_command`: the Python hop of commands about identities, from raw bytes to typed columns."""

from __future__ import annotations

import os
from typing import Any, Optional

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.types import DataType, RowType
from pyflink.table.udf import FunctionContext, ScalarFunction, UserDefinedScalarFunctionWrapper, udf

from dmp.core.cleaning import Reject
from dmp.core.commands import Command, CommandParser
from dmp.core.identifiers import CleaningRules
from dmp.secrets import load_keys
from udfs.frames import to_frame

_COLUMN_TYPES: dict[str, DataType] = {"command_ms": DataTypes.BIGINT()}
_REJECTED = (None,) * len(Command._fields)


def result_type() -> RowType:
    """ROW<reason, detail, every field of Command>: the first two are null for a command, the others for a reject."""
    names = ("reason", "detail", *Command._fields)
    return DataTypes.ROW([DataTypes.FIELD(name, _COLUMN_TYPES.get(name, DataTypes.STRING())) for name in names])


class ParseCommandFunction(ScalarFunction):
    """Vectorised: (value BYTES) -> `result_type()`."""

    def __init__(self, rules: CleaningRules) -> None:
        self._rules = rules

    def open(self, function_context: FunctionContext) -> None:
        self._parser = CommandParser(self._rules, load_keys(os.environ))

    def eval(self, value: pd.Series) -> pd.DataFrame:
        rows = [self._row(raw) for raw in value]
        return to_frame(result_type().field_names(), rows)

    def _row(self, raw: Optional[bytes]) -> tuple[Any, ...]:
        result = self._parser.parse(raw or b"")
        return (*result, *_REJECTED) if isinstance(result, Reject) else (None, None, *result)


def parse_command(rules: CleaningRules) -> UserDefinedScalarFunctionWrapper:
    """The function to register as `parse_command`."""
    return udf(ParseCommandFunction(rules), result_type=result_type(), func_type="pandas")
