"""Predictions of candidates on this host: fetched once, laid out for one job, and what is lost left out."""

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from services.scorer.predictions import Members, StoredRun
from shared.artefacts import Bucket, Store, predictions_key
from shared.execution.arrays import packed
from shared.execution.cache import Cache
from tests.support.manifests import SMALL_MANIFEST


@pytest.fixture
def run(store_of: Callable[[str], Store]) -> Callable[[], StoredRun]:
    """Makes a run whose predictions a trainer has stored."""
    store, numbers = store_of("trainer-default"), itertools.count()

    def make() -> StoredRun:
        run_id, digests, number = uuid4(), [], next(numbers)
        for fold in range(2):
            content = packed({"train.values": np.full((6, 2), number), "test.values": np.full((4, 2), fold)})
            digest = hashlib.sha256(content).hexdigest()
            store.put_bytes(Bucket.RUNS, predictions_key("default", run_id, fold, digest), content)
            digests.append(digest)
        return StoredRun(run_id, "default", tuple(digests), 2**20)

    return make


def members_of(store: Store, folder: Path) -> Members:
    return Members(store, Cache(folder / "members", 1 << 30), folder / "work")


@pytest.fixture
def members(store_of: Callable[[str], Store], tmp_path: Path) -> Members:
    return members_of(store_of("scorer"), tmp_path)


def test_each_fold_lies_where_the_sandbox_reads_it_and_is_fetched_once(
    members: Members, run: Callable[[], StoredRun], tmp_path: Path
) -> None:
    first, other = run(), run()
    with members.laid_out([other], SMALL_MANIFEST), members.laid_out([first], SMALL_MANIFEST) as (folder, there):
        assert there == {first.run_id}
        assert [path.name for path in folder.iterdir()] == [str(first.run_id)], "no sandbox sees another job's"
        assert np.load(folder / str(first.run_id) / "1" / "test.values.npy").tolist() == [[1.0, 1.0]] * 4
        for path in (folder, *folder.rglob("*")):
            assert path.stat().st_mode & 0o004, "the sandbox's own user reads it"
    # From a store that holds nothing any more.
    with members_of(None, tmp_path).laid_out([first], SMALL_MANIFEST) as (_, there):  # type: ignore[arg-type]
        assert there == {first.run_id}
    assert list((tmp_path / "work").iterdir()) == []


def test_other_predictions_of_a_run_are_not_those_of_before(members: Members, run: Callable[[], StoredRun]) -> None:
    """As after a restore: the same run, trained again."""
    first, second = run(), run()
    with members.laid_out([first], SMALL_MANIFEST):
        pass
    again = replace(first, predictions_digests=second.predictions_digests)
    with members.laid_out([again], SMALL_MANIFEST) as (_, there):
        assert there == frozenset(), "they are not stored under this run"


def test_a_run_whose_predictions_are_lost_keeps_no_other_out(members: Members, run: Callable[[], StoredRun]) -> None:
    first, lost = run(), StoredRun(uuid4(), "default", ("0" * 64, "1" * 64), 2**20)
    with members.laid_out([lost, first], SMALL_MANIFEST) as (folder, there):
        assert there == {first.run_id}
        assert [path.name for path in folder.iterdir()] == [str(first.run_id)]
