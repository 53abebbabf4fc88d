"""Runs under a Python that has ramp-workflow: one fold blended by it, or by `palio.ensembles`, on the very same objects.

ramp_blending.py BY METRIC N_SUBMISSIONS N_ROWS N_CLASSES, with `ramp` or `palio` as BY; prints seconds and picks as JSON. A last
submission more is taken in by `palio` on what it knows, as the scorer does, and timed too.
"""

import contextlib
import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ENSEMBLES = Path(__file__).resolve().parents[1] / "sdk" / "src"


def main() -> None:
    """Blend, and print."""
    by, metric_name, *numbers = sys.argv[1:]
    n_submissions, n_rows, n_classes = map(int, numbers)
    import rampwf  # noqa: PLC0415 - only there

    metric = getattr(rampwf.score_types, metric_name)()
    make = rampwf.prediction_types.make_multiclass(label_names=list(range(n_classes)))
    random = np.random.default_rng(1)
    truth = make(y_true=random.integers(0, n_classes, n_rows))
    predictions = [make(y_pred=_made_up(random, truth.y_pred)) for _ in range(n_submissions + 1)]
    result = _by_ramp(metric, truth, predictions[:-1]) if by == "ramp" else _by_palio(metric, truth, predictions)
    json.dump(result, sys.stdout)


def _made_up(random: Any, truth: Any) -> Any:
    """Each knows some rows and not others, so that many add something."""
    knows = random.random((len(truth), 1)) < random.uniform(0.1, 0.5)
    noise = random.dirichlet(np.ones(truth.shape[1]), len(truth))
    return np.where(knows, 0.5 * truth + 0.5 * noise, noise)


def _by_ramp(metric: Any, truth: Any, predictions: list[Any]) -> dict[str, Any]:
    from rampwf.utils.testing import blend_on_fold  # noqa: PLC0415 - only there

    with contextlib.redirect_stdout(io.StringIO()):
        started = time.perf_counter()
        picks = blend_on_fold(predictions, truth, metric)
        return {"seconds": time.perf_counter() - started, "picks": [int(pick) for pick in picks]}


def _by_palio(metric: Any, truth: Any, predictions: list[Any]) -> dict[str, Any]:
    sys.path.insert(0, str(ENSEMBLES))
    from palio.ensembles import Earlier, Rules, make_blend, select  # noqa: PLC0415 - where this repository is

    rules = Rules(is_lower_the_better=metric.is_lower_the_better)
    started = time.perf_counter()
    selection = select(make_blend(metric, truth, predictions[:-1]), len(predictions) - 1, rules)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    earlier = Earlier(selection.picks, fresh=(len(predictions) - 1,))
    select(make_blend(metric, truth, predictions), len(predictions), rules, earlier)
    return {"seconds": seconds, "one_more": time.perf_counter() - started, "picks": list(selection.picks)}


if __name__ == "__main__":
    main()
