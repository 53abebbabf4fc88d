"""Predictions of candidates on this host: fetched once, what is lost left out, and challenges that nobody uses evicted."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from services.scorer.predictions import MembersFolder, StoredRun
from shared.artefacts import Bucket, Store, predictions_key
from shared.events import Metric
from shared.execution.arrays import packed
from shared.execution.prepared import Manifest, PredictionForm

MANIFEST = Manifest(
    title="Small",
    elements=("classifier.py",),
    metrics=(Metric(name="acc", precision=2, is_lower_the_better=False, minimum=0, maximum=1),),
    score_kind="bag",
    n_folds=2,
    n_train=6,
    n_test=4,
    predictions=PredictionForm(is_ragged=False, shape=(2,), type="Multiclass"),
    kit="0" * 64,
    x_train="0" * 64,
    x_test=None,
    folds=(),
    environment="0" * 64,
    python_version="3.11",
)


@pytest.fixture
def run(store_of: Callable[[str], Store]) -> Callable[[], StoredRun]:
    """Makes a run whose predictions a trainer has stored."""
    store = store_of("trainer-default")

    def make() -> StoredRun:
        run_id, digests = uuid4(), []
        for fold in range(2):
            content = packed({"train.values": np.full((6, 2), 0.5), "test.values": np.full((4, 2), fold)})
            digest = hashlib.sha256(content).hexdigest()
            store.put_bytes(Bucket.RUNS, predictions_key("default", run_id, fold, digest), content)
            digests.append(digest)
        return StoredRun(run_id, "default", tuple(digests), 2**20)

    return make


@pytest.fixture
def members(store_of: Callable[[str], Store], tmp_path: Path) -> MembersFolder:
    return MembersFolder(tmp_path / "members", store_of("scorer"), 1 << 30)


def test_each_fold_lies_where_the_sandbox_reads_it_and_is_fetched_once(
    members: MembersFolder, run: Callable[[], StoredRun], tmp_path: Path
) -> None:
    first = run()
    with members.holding("wines", [first], MANIFEST) as (folder, there):
        assert there == {first.run_id}
        assert np.load(folder / str(first.run_id) / "1" / "test.values.npy").tolist() == [[1.0, 1.0]] * 4
    # From a store that holds nothing any more.
    without = MembersFolder(tmp_path / "members", None, 1 << 30)  # type: ignore[arg-type]
    with without.holding("wines", [first], MANIFEST) as (_, there):
        assert there == {first.run_id}


def test_a_run_whose_predictions_are_lost_keeps_no_other_out(members: MembersFolder, run: Callable[[], StoredRun]) -> None:
    first, lost = run(), StoredRun(uuid4(), "default", ("0" * 64, "1" * 64), 2**20)
    with members.holding("wines", [lost, first], MANIFEST) as (folder, there):
        assert there == {first.run_id}
        assert sorted(path.name for path in folder.iterdir()) == sorted(["bytes", str(first.run_id)])


def test_challenges_that_nobody_uses_are_evicted_the_one_used_last_staying_longest(
    run: Callable[[], StoredRun], store_of: Callable[[str], Store], tmp_path: Path
) -> None:
    root = tmp_path / "members"
    # Room for the predictions of two runs and a half.
    members = MembersFolder(root, store_of("scorer"), 2_500)
    runs = {name: run() for name in ("first", "second", "third")}
    with members.holding("first", [runs["first"]], MANIFEST) as (folder, _):
        size = int((folder / "bytes").read_text())
    assert size * 2 <= 2_500 < size * 3
    with members.holding("second", [runs["second"]], MANIFEST):
        pass
    with members.holding("first", [runs["first"]], MANIFEST), members.holding("third", [runs["third"]], MANIFEST):
        assert sorted(path.name for path in root.iterdir()) == ["first", "third"], "the second was used before the first"
    with members.holding("second", [runs["second"]], MANIFEST) as (_, there):
        assert there == {runs["second"].run_id}, "what was evicted is fetched again"
