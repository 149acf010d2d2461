"""`dmp segments train` and `score` as a user meets them: CSV files in, clusters out, and clear errors."""

from __future__ import annotations

import csv
import json
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dmp.core.clusters import DEFAULT_FEATURES, read_model
from dmp.errors import UserError
from dmp.training import train
from tests.stacks import ENVIRONMENT

DMP = str(Path(sys.executable).with_name("dmp"))
CENTRES = np.array([[20, 2, 0, 0, 1, 1, 0], [300, 40, 10, 900, 3, 4, 0], [2000, 3, 0, 0, 1, 1, 1990.0]])
SIZES = (500, 200, 60)


def dmp(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DMP, *map(str, arguments)], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)


def blobs() -> tuple[np.ndarray, np.ndarray]:
    """Rows of the default features around three kinds of people, and which kind each is."""
    rng = np.random.default_rng(3)
    truth = np.repeat(np.arange(3), SIZES)
    spread = np.maximum(CENTRES * 0.08, 0.3)
    rows = np.abs(CENTRES[truth] + rng.normal(size=(len(truth), CENTRES.shape[1])) * spread[truth])
    order = rng.permutation(len(truth))
    return rows[order], truth[order]


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("users") / "users.csv"
    with file.open("w", newline="", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(["name", *DEFAULT_FEATURES])
        for number, row in enumerate(blobs()[0]):
            writer.writerow([f"Ann, number {number}", *row])
    return file


def test_known_blobs_are_found_from_csv_to_csv(users: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model.json", tmp_path / "scored.csv"
    trained = dmp("segments", "train", "--from", users, "--clusters", "auto", "--out", model)
    assert trained.returncode == 0, trained.stderr
    for word in ("silhouette", "explained variance", "Centres in original units", "760 persons in 3 clusters"):
        assert word in trained.stdout
    scored = dmp("segments", "score", "--model", model, "--in", users, "--out", out)
    assert scored.returncode == 0, scored.stderr
    before, after = (list(csv.reader(file.open(encoding="utf-8"))) for file in (users, out))
    assert [row[:-1] for row in after] == before
    assert after[0][-1] == "cluster"
    clusters = [int(row[-1]) for row in after[1:]]
    assert adjusted_rand_score(blobs()[1], clusters) > 0.95
    assert np.bincount(clusters).tolist() == list(SIZES)  # numbered by size
    signature, _, kind, width, height = struct.unpack(">8sI4sII", (tmp_path / "model.png").read_bytes()[:24])
    assert (signature[1:4], kind) == (b"PNG", b"IHDR") and width > 600 and height > 400
    details = json.loads(model.read_text())["details"]
    assert {"rows_sha256", "libraries", "seed", "source", "trained_at", "sizes"} <= set(details)


def test_scores_are_those_of_scikit_learn() -> None:
    rows, _ = blobs()
    model = train(rows, DEFAULT_FEATURES, 5, 7, "test")
    pipeline = make_pipeline(StandardScaler(), PCA(2, random_state=7), KMeans(5, n_init=10, random_state=7)).fit(rows)
    assert adjusted_rand_score(pipeline.predict(rows), model.score(rows)) == 1
    assert read_model(model.to_json()).score(rows).tolist() == model.score(rows).tolist()


def test_the_same_rows_and_seed_give_the_same_version() -> None:
    rows, _ = blobs()
    versions = {train(rows, DEFAULT_FEATURES, 3, seed, "test").version for seed in (1, 1, 1)}
    assert len(versions) == 1


def test_too_few_rows_or_features_are_refused() -> None:
    rows, _ = blobs()
    with pytest.raises(UserError, match="too few for 3 clusters"):
        train(np.ones((100, 2)), ("events", "revenue"), 3, 1, "test")
    with pytest.raises(UserError, match="at least two features"):
        train(rows[:, :1], ("events",), 3, 1, "test")


HEADER = ",".join(DEFAULT_FEATURES)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1: the file is empty"),
        (HEADER + "\n", "line 2: there is no user"),
        ("events,sessions\n1,2\n", "line 1: no column orders, revenue, device_ids, anonymous_ids, bot_events"),
        (f"{HEADER}\n1,2,3,4,5,6,7\n1,2,many,4,5,6,7\n", "line 3: column orders: 'many' is no number"),
        (f"{HEADER}\n1,2,3,,5,6,7\n", "line 2: column revenue: '' is no number"),
        (f"{HEADER}\n1,2,3,inf,5,6,7\n", "line 2: column revenue: 'inf' is no number"),
        (f"{HEADER}\n1,2,3\n", "line 2: 3 values, but the header has 7 columns"),
        (f"{HEADER},cluster\n1,2,3,4,5,6,7,8\n", "line 1: there is a column cluster already"),
        (f"{HEADER},events\n1,2,3,4,5,6,7,8\n", "line 1: there are two columns events"),
        (f'{HEADER}\n"1,2\n', "line 2:"),
    ],
)
def test_what_is_wrong_with_a_csv_file_is_said_with_its_line(
    text: str, words: str, users: Path, tmp_path: Path
) -> None:
    model, source, out = tmp_path / "model.json", tmp_path / "in.csv", tmp_path / "out.csv"
    rows, _ = blobs()
    model.write_text(train(rows, DEFAULT_FEATURES, 3, 1, "test").to_json(), encoding="utf-8")
    source.write_text(text, encoding="utf-8")
    done = dmp("segments", "score", "--model", model, "--in", source, "--out", out)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1 and words in done.stderr, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "model.json"]


def test_rules_are_checked_with_a_line_for_each_problem(tmp_path: Path) -> None:
    file = tmp_path / "own.yaml"
    rules = [("a", "ordrs > 1"), ("b", "orders > 'x'"), ("c", "orders > 1"), ("c", "orders > 2")]
    lines = [f'- {{name: {name}, description: d, condition: "{condition}"}}\n' for name, condition in rules]
    file.write_text("segments:\n" + "".join(lines), encoding="utf-8")
    done = dmp("segments", "check", file)
    assert done.returncode == 2
    found = done.stderr.strip().splitlines()
    assert len(found) == 3
    assert all(line.startswith(f"{file}: segment ") for line in found)
    good = dmp("segments", "check")
    assert good.returncode == 0 and len(good.stdout.splitlines()) == 10
