"""Workflows of `palio` in the sandbox: the scores that `palio test` gives, and what fails there fails in the same words."""

from pathlib import Path
from typing import Any

import pytest

from palio import kit as kits
from palio.trial import Trial
from shared.artefacts.archives import pack_folder
from shared.events import Outcome
from shared.execution.sandbox import Bubblewrap
from shared.execution.stations import ColdStations, Environment
from tests.integration.execution.layout import Laid, lay_out, submission_of
from tests.support.workflow_kits import KITS, Kit

#: A workflow of the kit's own, which wants the fold.
FOLD_AWARE = Kit(
    KITS["regressor"].problem
    + """
class FoldAware(rw.workflows.Regressor):
    def test_submission(self, model, X, fold):
        return super().test_submission(model, X) + (0 if fold is None else len(fold[1]) / 100)

workflow = FoldAware(["forecaster"])
""",
    KITS["regressor"].submission,
)
LOOKS_AHEAD = """
class FeatureExtractor:
    def transform(self, X):
        return X[["level"]].shift(-2).fillna(0).iloc[X.attrs["n_burn_in"]:]
"""
DROPS_ROWS = """
class FeatureExtractor:
    def transform(self, X):
        return X.dropna().to_numpy()[1:]
"""


def _laid(kit: Kit, folder: Path, sandbox: Bubblewrap, environment: Environment) -> Laid:
    written = kit.write(folder / "kit")
    pack_folder(written, folder / "kit.tar")
    shown = ("data/images",) if kit.data else ()
    return lay_out(sandbox, environment, folder / "kit.tar", folder / "laid", label_free_folders=shown)


@pytest.mark.parametrize(
    "kit",
    [
        *(KITS[name] for name in ("series_in_a_frame", "images_as_arrays", "external_data", "drug_spectra", "detector")),
        FOLD_AWARE,
    ],
    ids=["series", "images", "external_data", "two_extractors", "detections", "fold_aware"],
)
def test_a_kit_gets_the_scores_of_palio_test(
    kit: Kit, sandbox: Bubblewrap, environment: Environment, stations: ColdStations, tmp_path: Path
) -> None:
    laid = _laid(kit, tmp_path, sandbox, environment)
    starter = tmp_path / "kit" / "submissions" / "starting_kit"
    here: list[dict[str, Any]] = []
    Trial(kits.load(tmp_path / "kit"), starter, lambda event, **said: here.append({"event": event, **said})).run()
    expected = {said["fold"]: said["scores"] for said in here if said["event"] == "fold"}

    scores = laid.train_and_score(stations, starter)

    assert len(scores.folds) == len(expected) == 2
    for score in scores.folds:
        found = {"train": score.train, "valid": score.valid, "test": score.test}
        assert found == pytest.approx(expected[score.fold][score.metric], rel=0, abs=1e-9)


@pytest.mark.parametrize(
    ("name", "file", "source", "words"),
    [
        ("series_in_a_frame", "ts_feature_extractor.py", LOOKS_AHEAD, "ValueError: The feature extractor looks at least"),
        ("feature_extractor_classifier", "feature_extractor.py", DROPS_ROWS, "must return 42 rows of features, one for each row"),
        ("feature_extractor_classifier", "classifier.py", "class Clasifier: ...", "classifier.py must define Classifier"),
        ("images_as_arrays", "image_preprocessor.py", "def transfrom(image): ...", "image_preprocessor.py must define transform"),
    ],
    ids=["looks_ahead", "drops_rows", "without_its_class", "without_its_function"],
)
def test_what_a_submission_lacks_or_does_wrong_is_its_reason(
    name: str,
    file: str,
    source: str,
    words: str,
    sandbox: Bubblewrap,
    environment: Environment,
    stations: ColdStations,
    tmp_path: Path,
) -> None:
    laid = _laid(KITS[name], tmp_path, sandbox, environment)
    files = {other: text.replace("LIBRARY", "palio").encode() for other, text in KITS[name].submission.items()}
    result = laid.train(stations, submission_of(tmp_path, {**files, file: source.encode()}))
    assert (result.outcome, words in result.reason) == (Outcome.TRAIN_ERROR, True), result
