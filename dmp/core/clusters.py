"""Segments by model: a trained model as plain numbers, and the cluster that it puts each person into.

The same few lines of numpy score a CSV file and the live profiles. A model is a JSON document: nothing in it is ever
executed. Its version is a hash of the numbers that scores depend on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]

FORMAT = "dmp-clusters/1"

FEATURES: dict[str, str] = {
    "events": "events",
    "tracks": "events_by_type.track",
    "pages": "events_by_type.page",
    "screens": "events_by_type.screen",
    "sessions": "sessions",
    "orders": "orders",
    "revenue": "revenue",
    "user_ids": "identifiers.user_id",
    "emails": "identifiers.email",
    "phones": "identifiers.phone",
    "device_ids": "identifiers.device_id",
    "anonymous_ids": "identifiers.anonymous_id",
    "desktop_events": "device_kinds.desktop",
    "mobile_events": "device_kinds.mobile",
    "tablet_events": "device_kinds.tablet",
    "bot_events": "device_kinds.bot",
}
"""What a model may use of a profile, and where it stands in dmp.profiles: numbers that only events and identity change,
so that a score needs no clock."""

DEFAULT_FEATURES = ("events", "sessions", "orders", "revenue", "device_ids", "anonymous_ids", "bot_events")
"""What a model uses unless told otherwise."""


@dataclass(frozen=True)
class Model:
    """StandardScaler, PCA and KMeans as numbers: F features, 2 components, K centres.

    `details` is for people: when and on what it was trained, its quality, versions of libraries.
    """

    features: tuple[str, ...]
    mean: Numbers  # (F)
    scale: Numbers  # (F)
    offset: Numbers  # (F), subtracted after scaling
    components: Numbers  # (2, F)
    centres: Numbers  # (K, 2)
    details: Mapping[str, Any]

    @property
    def version(self) -> str:
        """12 hex digits; equal models have equal versions."""
        return hashlib.sha256(json.dumps(self._numbers(), sort_keys=True).encode()).hexdigest()[:12]

    def place(self, rows: Numbers) -> Numbers:
        """The two components of each row of features, (N, F) -> (N, 2)."""
        scaled = (rows - self.mean) / self.scale - self.offset
        # Not `scaled @ components.T`: BLAS rounds by the number of rows, and a person must score the same in any batch.
        placed: Numbers = (scaled[:, None, :] * self.components[None, :, :]).sum(axis=2)
        return placed

    def score(self, rows: Numbers) -> NDArray[np.int64]:
        """The nearest centre of each row, (N, F) -> (N); the first of equally near ones."""
        distances = ((self.place(rows)[:, None, :] - self.centres[None, :, :]) ** 2).sum(axis=2)
        nearest: NDArray[np.int64] = distances.argmin(axis=1)
        return nearest

    def original_centres(self) -> Numbers:
        """The centres in the units of the features, (K, F): what the two components say about them."""
        return (self.centres @ self.components + self.offset) * self.scale + self.mean

    def _numbers(self) -> dict[str, Any]:
        return {
            "features": list(self.features),
            "scaler": {"mean": self.mean.tolist(), "scale": self.scale.tolist()},
            "pca": {"mean": self.offset.tolist(), "components": self.components.tolist()},
            "kmeans": {"centres": self.centres.tolist()},
        }

    def to_json(self) -> str:
        """The model file; numbers keep every digit."""
        head = {"format": FORMAT, "version": self.version}
        return json.dumps({**head, **self._numbers(), "details": dict(self.details)}, indent=2) + "\n"


def read_model(text: str) -> Model:
    """The model of a file; ValueError says in one line why it is none."""
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"is no model of the format {FORMAT}")
    try:
        model = Model(
            features=tuple(document["features"]),
            mean=_numbers(document["scaler"]["mean"]),
            scale=_numbers(document["scaler"]["scale"]),
            offset=_numbers(document["pca"]["mean"]),
            components=_numbers(document["pca"]["components"]),
            centres=_numbers(document["kmeans"]["centres"]),
            details=document.get("details", {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"is a damaged model: {type(error).__name__} {error}") from None
    _check(model, document.get("version"))
    return model


def _numbers(values: Any) -> Numbers:
    return np.array(values, dtype=np.float64)


def _check(model: Model, version: Any) -> None:
    count = len(model.features)
    shapes = [numbers.shape for numbers in (model.mean, model.scale, model.offset, model.components)]
    if shapes != [(count,), (count,), (count,), (2, count)] or model.centres.ndim != 2 or model.centres.shape[1] != 2:
        raise ValueError("is a damaged model: the sizes of its parts do not fit together")
    parts = (model.mean, model.scale, model.offset, model.components, model.centres)
    if not all(np.isfinite(part).all() for part in parts) or (model.scale <= 0).any():
        raise ValueError("is a damaged model: it has numbers that are none")
    if version != model.version:
        raise ValueError(f"is a damaged model: its numbers are those of version {model.version}, not of {version}")


def profile_row(profile: Mapping[str, Any], features: Sequence[str]) -> list[float]:
    """The features of one profile document."""
    return [float(_at(profile, FEATURES[name])) for name in features]


def _at(document: Any, path: str) -> Any:
    for name in path.split("."):
        document = document[name]
    return document
