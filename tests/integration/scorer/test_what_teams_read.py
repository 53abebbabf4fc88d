"""What a team reads when scoring fails: never the words of code that holds the labels."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from services.scorer.main import score_limits
from services.scorer.predictions import StoredRun
from services.scorer.scoring import KIT_FAILED, Numbers, RunScorer, TrainedRun
from shared.artefacts import Bucket, MissingArtefactError, Store, details_key
from shared.events import ProblemPrepared, RescoringFailed, ScoringFailed
from shared.execution.preparation import KitError
from shared.execution.sandbox import Bubblewrap
from shared.execution.stations import ColdStations
from shared.settings import CacheSettings
from shared.workbench import Workbench

RUN = TrainedRun(StoredRun(uuid4(), "default", (), 2**20), uuid4(), "iris")
PREPARED = ProblemPrepared(
    problem_id="iris",
    version=1,
    title="Iris",
    manifest_digest="a",
    labels_digest="b",
    environment_digest="c",
    lock_digest="d",
    python_version="3.11",
    n_folds=2,
    elements=("classifier.py",),
    metrics=(),
    has_test_set=True,
)


class BrokenKitScorer(RunScorer):
    """Scores a kit whose metrics say a label when they fail."""

    def _numbers(self, *_of: TrainedRun | ProblemPrepared) -> Numbers:
        raise KitError("scoring failed: KeyError: 'label-of-row-7'", "Traceback … label-of-row-8")


def scorer_of(kind: type[RunScorer], store: Store, folder: Path) -> RunScorer:
    workbench = Workbench(store, CacheSettings(cache_dir=folder))
    stations = ColdStations(Bubblewrap(), folder / "work")
    return kind(store, workbench, stations, score_limits(10))


def test_labels_that_the_store_has_lost_are_no_result_of_a_submission(store_of: Callable[[str], Store], tmp_path: Path) -> None:
    scorer = scorer_of(RunScorer, store_of("scorer"), tmp_path)
    with pytest.raises(MissingArtefactError, match="not in the object store"):
        scorer.score(RUN, PREPARED)


def test_a_kits_own_words_are_the_organisers_alone(store_of: Callable[[str], Store], tmp_path: Path) -> None:
    store = store_of("scorer")
    failed = scorer_of(BrokenKitScorer, store, tmp_path).score(RUN, PREPARED)
    assert isinstance(failed, ScoringFailed)
    assert (failed.outcome, failed.reason) == ("kit_error", KIT_FAILED)
    assert failed.detail_digest is not None
    detail = store.get_bytes(Bucket.PRIVATE, details_key(failed.detail_digest)).decode()
    assert "label-of-row-7" in detail
    assert "label-of-row-8" in detail


def test_nor_are_they_anybody_elses_when_another_version_fails(store_of: Callable[[str], Store], tmp_path: Path) -> None:
    failed = scorer_of(BrokenKitScorer, store_of("scorer"), tmp_path).rescore(RUN, PREPARED)
    assert isinstance(failed, RescoringFailed)
    assert (failed.outcome, failed.reason, failed.problem_version) == ("kit_error", KIT_FAILED, 1)
    assert failed.detail_digest is not None
