"""identity.sql as SQL alone, without Flink, equals the model on many random graphs, within seconds; see test_sql.py."""

from __future__ import annotations

from random import Random

import pytest

from dmp.config import IdentitySection
from tests.identity import model
from tests.identity.duckdb_run import run
from tests.identity.trials import as_one_input, compare, expected, many_graphs

LIMITS = [model.Limits(*limits) for limits in ((1, 3, 2), (2, 1, 1), (3, 3, 2), (3, 100, 50), (5, 4, 3))]


@pytest.mark.parametrize("limits", LIMITS, ids=lambda limits: "-".join(map(str, limits)))
@pytest.mark.parametrize("seed", [11, 12])
def test_random_graphs_equal_the_model(seed: int, limits: model.Limits) -> None:
    random = Random(seed)
    some = many_graphs(random, 500)
    compare(run(*as_one_input(random, some), IdentitySection(**limits._asdict())), expected(some, limits))
