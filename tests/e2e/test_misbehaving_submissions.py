"""Submissions that fail without meaning harm: each ends in its outcome with the reason in words. Harm is in `tests/attack`."""

from collections.abc import Callable

import pytest

from tests.support.people import Person, starter, submit_and_wait

ChallengeOf = Callable[[str], str]

CLASSIFIER = """
import numpy as np

class Classifier:
    def fit(self, X, y):
        {fit}

    def predict_proba(self, X):
        {predict}
"""


def classifier(*, fit: str = "pass", predict: str = "return np.full((len(X), 3), 1 / 3)", head: str = "") -> dict[str, bytes]:
    return {"classifier.py": (head + CLASSIFIER.format(fit=fit, predict=predict)).encode()}


@pytest.fixture(scope="module")
def learner(register: Callable[[str], Person], organiser: Person, challenge_of: ChallengeOf) -> Person:
    """A participant of a challenge with short limits."""
    challenge_of("iris")
    limits = {"time_limit_s": 5, "memory_limit_bytes": 600 * 2**20, "log_limit_bytes": 20_000}
    organiser.client.create_challenge("short", "Short limits", "iris", {"limits": limits})
    person = register("learner")
    person.client.join("short")
    return person


@pytest.mark.parametrize(
    ("name", "files", "outcome", "reason"),
    [
        ("imports what is not there", classifier(head="import nonsense_module\n"), "import_error", "nonsense_module"),
        ("has no class", {"classifier.py": b"x = 1\n"}, None, "Classifier"),
        ("raises in fit", classifier(fit="raise ValueError('no thanks')"), "train_error", "no thanks"),
        ("raises in predict", classifier(predict="return 1 / 0"), "predict_error", "division by zero"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_submission_ends_in_its_outcome_with_the_reason_in_words(
    learner: Person, name: str, files: dict[str, bytes], outcome: str | None, reason: str
) -> None:
    submission = submit_and_wait(learner, "short", name, files)
    assert submission["state"] == "failed"
    assert submission["outcome"] == outcome or (outcome is None and str(submission["outcome"]).endswith("_error"))
    assert submission["reason"], "a reason in words"
    assert reason in f"{submission['reason']}\n{submission['traceback']}"


def test_the_traceback_shows_the_participants_own_code_and_nothing_of_ours(learner: Person) -> None:
    submission = submit_and_wait(learner, "short", "traceback", classifier(fit="raise ValueError('here')"))
    traceback = str(submission["traceback"])
    assert "classifier.py" in traceback
    assert "ValueError: here" in traceback
    assert "/runner" not in traceback
    assert "train_submission" not in traceback


def test_a_name_is_free_again_once_what_had_it_has_failed(learner: Person) -> None:
    files = classifier(fit="raise ValueError")
    assert submit_and_wait(learner, "short", "second try", files)["state"] == "failed"
    assert submit_and_wait(learner, "short", "second try", starter("iris"))["state"] == "scored"


def test_after_all_of_them_the_services_still_train_and_score(learner: Person) -> None:
    assert submit_and_wait(learner, "short", "the starter", starter("iris"))["state"] == "scored"
