"""`relate_items` and `recommend_items`: rankings of what was counted, a batch of Arrow at a time.

Both are functions of their arguments alone, as rows that are taken back must come out as they did.
"""

from __future__ import annotations

import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.types import DataType, RowType
from pyflink.table.udf import ScalarFunction, UserDefinedScalarFunctionWrapper, udf

from dmp.core.recommendations import PART, Memory, Pair, Recommendations, Related, recommend, relate, rows
from udfs.frames import to_frame

_TEXTS, _NUMBERS = DataTypes.ARRAY(DataTypes.STRING()), DataTypes.ARRAY(DataTypes.DOUBLE())


def _row(**types: DataType) -> RowType:
    return DataTypes.ROW([DataTypes.FIELD(name, data_type) for name, data_type in types.items()])


RELATED_TYPE = _row(support=DataTypes.DOUBLE(), items=_TEXTS, scores=_NUMBERS, supports=_NUMBERS, lifts=_NUMBERS)
RECOMMENDED_TYPE = _row(items=_TEXTS, scores=_NUMBERS, because_of=_TEXTS)


class RelateFunction(ScalarFunction):
    """Vectorised: (multiset of `other FIELD support FIELD alone`, as text) -> RELATED_TYPE."""

    def eval(self, collected: pd.Series) -> pd.DataFrame:
        return to_frame(Related._fields, [relate(dict(map(_pair, rows(text)))) for text in collected])


class RecommendFunction(ScalarFunction):
    """Vectorised: (multiset of `item FIELD last_ms FIELD related FIELD scores`, as text) -> RECOMMENDED_TYPE.

    PART stands between the items of `related` and between those of `scores`.
    """

    def eval(self, collected: pd.Series) -> pd.DataFrame:
        return to_frame(Recommendations._fields, [recommend(map(_memory, rows(text))) for text in collected])


def _pair(fields: list[str]) -> tuple[str, Pair]:
    other, support, alone = fields
    return other, Pair(float(support), float(alone))


def _memory(fields: list[str]) -> Memory:
    item, last_ms, related, scores = fields
    return Memory(item, int(last_ms), dict(zip(related.split(PART), map(float, scores.split(PART)))))


def relate_items() -> UserDefinedScalarFunctionWrapper:
    """The function to register as `relate_items`."""
    return udf(RelateFunction(), result_type=RELATED_TYPE, func_type="pandas")


def recommend_items() -> UserDefinedScalarFunctionWrapper:
    """The function to register as `recommend_items`."""
    return udf(RecommendFunction(), result_type=RECOMMENDED_TYPE, func_type="pandas")
