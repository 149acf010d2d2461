"""Models of clusters: the nearest centre, the file, and everything that can be wrong with one."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dmp.core.clusters import DEFAULT_FEATURES, FEATURES, Model, profile_row, read_model

MODEL = Model(
    features=("events", "revenue"),
    mean=np.array([10.0, 100.0]),
    scale=np.array([5.0, 50.0]),
    offset=np.zeros(2),
    components=np.array([[1.0, 0.0], [0.0, 1.0]]),
    centres=np.array([[0.0, 0.0], [4.0, 0.0]]),
    details={"rows": 2},
)
numbers = st.floats(-1e9, 1e9)


def test_each_row_goes_to_the_nearest_centre_in_scaled_units() -> None:
    assert MODEL.score(np.array([[10, 100], [19, 1000], [21, 100], [30, -500.0]])).tolist() == [0, 0, 1, 1]
    assert MODEL.original_centres().tolist() == [[10, 100], [30, 100]]


@given(st.lists(st.tuples(numbers, numbers), min_size=1, max_size=50))
def test_a_row_scores_the_same_alone_and_among_others(rows: list[tuple[float, float]]) -> None:
    together = MODEL.score(np.array(rows)).tolist()
    assert together == [MODEL.score(np.array([row])).item() for row in rows]


def test_a_file_gives_the_model_back_to_the_last_digit() -> None:
    odd = Model(MODEL.features, MODEL.mean / 3, MODEL.scale / 7, MODEL.offset, MODEL.components / 9, MODEL.centres, {})
    again = read_model(odd.to_json())
    assert again.version == odd.version != MODEL.version
    assert np.array_equal(again.components, odd.components)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("format",), "other", "no model of the format"),
        (("version",), "0" * 12, "damaged"),
        (("kmeans", "centres"), [[1.0, 2.0]], "version"),
        (("kmeans", "centres"), [[1.0]], "do not fit together"),
        (("kmeans", "centres"), [["a", "b"]], "damaged"),
        (("pca", "components"), [[1.0, 0.0]], "do not fit together"),
        (("scaler", "scale"), [0.0, 1.0], "none"),
        (("scaler", "mean"), [float("nan"), 1.0], "none"),
        (("scaler",), {}, "damaged"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(path: tuple[str, ...], value: object, words: str) -> None:
    document = json.loads(MODEL.to_json())
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    with pytest.raises(ValueError, match=words) as caught:
        read_model(json.dumps(document))
    assert "\n" not in str(caught.value)


def test_what_is_no_json_is_refused() -> None:
    for text in ("", "cluster", "[1]", "\x80\x03csklearn"):
        with pytest.raises(ValueError):
            read_model(text)


def test_features_are_read_from_where_they_stand_in_a_profile() -> None:
    profile = {"events": 3, "identifiers": {"email": 2}, "device_kinds": {"bot": 1}, "revenue": 1.5}
    assert profile_row(profile, ("events", "emails", "bot_events", "revenue")) == [3, 2, 1, 1.5]
    assert set(DEFAULT_FEATURES) <= set(FEATURES)
