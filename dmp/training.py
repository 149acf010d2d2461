"""Training a model of clusters with scikit-learn (the optional group `models`), and the picture of it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Optional

import numpy as np

from dmp.core.clusters import Model, Numbers
from dmp.errors import UserError

AUTO = range(2, 11)
"""Numbers of clusters that `auto` tries."""

SILHOUETTE_ROWS = 10_000
"""The silhouette compares all pairs of rows: more than these are sampled."""


def train(rows: Numbers, features: Sequence[str], clusters: Optional[int], seed: int, source: str) -> Model:
    """StandardScaler -> PCA(2) -> KMeans on (N, F) rows; the number of clusters with the best silhouette when None.

    The same rows, features, seed and libraries give the same model. UserError when the rows do not allow it.
    """
    _require_libraries()
    import sklearn
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler

    candidates = _candidates(rows, features, clusters)
    scaler = StandardScaler().fit(rows)
    pca = PCA(2, random_state=seed).fit(scaler.transform(rows))
    points = pca.transform(scaler.transform(rows))
    tried = {count: _cluster(points, count, seed) for count in candidates}
    best = max(tried, key=lambda count: (tried[count][1], -count))
    centres, silhouette = tried[best]
    libraries = {"python": platform.python_version(), "scikit-learn": sklearn.__version__, "numpy": np.__version__}
    details = {
        "trained_at": datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "source": source,
        "rows": len(rows),
        "rows_sha256": hashlib.sha256(np.ascontiguousarray(rows).tobytes()).hexdigest(),
        "seed": seed,
        "explained_variance": pca.explained_variance_ratio_.tolist(),
        "silhouette": silhouette,
        "silhouettes_tried": {str(count): quality for count, (_, quality) in tried.items()},
        "libraries": libraries,
    }
    model = Model(tuple(features), scaler.mean_, scaler.scale_, pca.mean_, pca.components_, centres, details)
    details["sizes"] = np.bincount(model.score(rows), minlength=best).tolist()
    return model


def _require_libraries() -> None:
    if not (find_spec("sklearn") and find_spec("matplotlib")):
        raise UserError("training needs scikit-learn and matplotlib: pip install 'dmp-flink[models]'")


def _candidates(rows: Numbers, features: Sequence[str], clusters: Optional[int]) -> list[int]:
    if len(features) < 2:
        raise UserError("a model needs at least two features: its picture has two dimensions")
    different = len(np.unique(rows, axis=0))
    candidates = [count for count in ([clusters] if clusters else AUTO) if count < different]
    if not candidates:
        wanted = clusters or AUTO[0]
        raise UserError(f"{different} different rows are too few for {wanted} clusters: give more, or ask for fewer")
    return candidates


def _cluster(points: Numbers, count: int, seed: int) -> tuple[Numbers, float]:
    """Centres in the order of their sizes, the greatest first, and the silhouette."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    fitted = KMeans(count, n_init=10, random_state=seed).fit(points)
    order = np.argsort(-np.bincount(fitted.labels_, minlength=count), kind="stable")
    sample = min(len(points), SILHOUETTE_ROWS)
    quality = silhouette_score(points, fitted.labels_, sample_size=sample, random_state=seed)
    return fitted.cluster_centers_[order], float(quality)


def draw(model: Model, rows: Numbers, file: Path) -> None:
    """Scatter of the two components, coloured by cluster, as a PNG."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    points, labels = model.place(rows), model.score(rows)
    first, second = model.details["explained_variance"]
    figure, axes = pyplot.subplots(figsize=(9, 6.5), dpi=120)
    colours: Any = pyplot.get_cmap("tab10" if len(model.centres) <= 10 else "hsv", max(len(model.centres), 10))
    for number, centre in enumerate(model.centres):
        own = points[labels == number]
        axes.scatter(own[:, 0], own[:, 1], s=12, alpha=0.5, color=colours(number), linewidths=0,
                     label=f"cluster {number}: {len(own):,}")  # fmt: skip
        axes.scatter(*centre, marker="X", s=130, color=colours(number), edgecolors="black", zorder=3)
    axes.set_xlabel(f"component 1 ({first:.0%} of the variance)")
    axes.set_ylabel(f"component 2 ({second:.0%} of the variance)")
    title = f"{len(rows):,} persons in {len(model.centres)} clusters, silhouette {model.details['silhouette']:.2f}"
    axes.set_title(f"{title}, model {model.version}")
    axes.legend(loc="best", markerscale=1.5, framealpha=0.9)
    axes.grid(alpha=0.25)
    figure.tight_layout()
    try:
        figure.savefig(file, format="png")
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror}; choose another file with --picture") from None
    finally:
        pyplot.close(figure)
