"""`score_profile`: the cluster of each profile by the model that comes with it, a batch of Arrow at a time."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from pyflink.table import DataTypes
from pyflink.table.udf import ScalarFunction, UserDefinedScalarFunctionWrapper, udf

from dmp.core.clusters import FEATURES, Model, read_model
from udfs.frames import to_frame

RESULT_TYPE = DataTypes.ROW(
    [DataTypes.FIELD("cluster", DataTypes.INT()), DataTypes.FIELD("model", DataTypes.STRING())]
)


class ScoreProfileFunction(ScalarFunction):
    """Vectorised: (model file STRING, every feature of FEATURES DOUBLE) -> RESULT_TYPE.

    A function of its arguments alone, as rows that are taken back must be scored as they were. What is no model of
    these features gives nulls: `dmp segments publish` has refused it before.
    """

    def eval(self, document: pd.Series, *features: pd.Series) -> pd.DataFrame:
        columns = dict(zip(FEATURES, features))
        results: list[tuple[Any, ...]] = [(None, None)] * len(document)
        for text in document.unique():
            rows = np.flatnonzero(document == text)
            model = _model(text)
            if model:
                values = np.column_stack([columns[name].to_numpy(dtype=float)[rows] for name in model.features])
                for row, cluster in zip(rows, model.score(values).tolist()):
                    results[row] = (cluster, model.version)
        return to_frame(RESULT_TYPE.field_names(), results)


@lru_cache(maxsize=4)
def _model(text: str) -> Model | None:
    try:
        model = read_model(text)
    except ValueError:
        return None
    return model if set(model.features) <= set(FEATURES) else None


def score_profile() -> UserDefinedScalarFunctionWrapper:
    """The function to register as `score_profile`."""
    return udf(ScoreProfileFunction(), result_type=RESULT_TYPE, func_type="pandas")
