"""Probabilities that are none: they earn what they are worth once they are clipped and divided by their sum, and no more."""

from collections.abc import Callable

import pytest

from tests.support.people import Person, followed

CLASSIFIER = """
import numpy as np

class Classifier:
    def fit(self, X, y):
        self.means = np.array([X[y == label].mean(axis=0) for label in sorted(set(y))])

    def predict_proba(self, X):
        nearest = np.linalg.norm(X[:, None] - self.means, axis=2).argmin(axis=1)
        sure = np.eye(3)[nearest]
        return {predict}
"""


@pytest.fixture(scope="module")
def trudy(register: Callable[[str], Person], challenge_of: Callable[[str], str], organiser: Person) -> Person:
    # A board of its own: the ranks of the others are looked at elsewhere.
    organiser.client.create_challenge("iris-cheated", "Iris, cheated", challenge_of("iris"))
    person = register("trudy")
    person.client.join("iris-cheated")
    return person


@pytest.mark.parametrize(
    ("name", "predict", "honest"),
    [
        ("negative", "3 * sure - 1", "sure"),
        ("beyond all bounds", "sure * 0 + 1e300", "sure * 0 + 1 / 3"),
        ("negative everywhere", "sure - 5", "sure * 0 + 1 / 3"),
        ("nothing", "sure * 0", "sure * 0 + 1 / 3"),
        ("everything at once", "sure * 0 + 1", "sure * 0 + 1 / 3"),
    ],
    ids=["negative", "beyond all bounds", "negative everywhere", "nothing", "everything at once"],
)
def test_probabilities_that_are_none_are_ranked_as_what_they_are_worth(
    trudy: Person, organiser: Person, name: str, predict: str, honest: str
) -> None:
    ids = [
        trudy.client.submit("iris-cheated", title, {"classifier.py": CLASSIFIER.format(predict=what).encode()})["id"]
        for title, what in ((name, predict), (f"{name}, honestly", honest))
    ]
    assert [followed(trudy, submission)["state"] for submission in ids] == ["scored"] * 2
    bagged, of_the_honest = (organiser.client.submission(submission)["scores"]["bagged"] for submission in ids)
    assert bagged.keys() == of_the_honest.keys() >= {"acc", "nll"}
    for metric, scores in of_the_honest.items():
        assert bagged[metric] == pytest.approx(scores, abs=1e-12), metric
