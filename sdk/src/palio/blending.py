"""The inner side of `palio blend`: an ensemble of the submissions whose predictions `palio test --save-output` kept.

As `ramp-blend`: each fold picks on its validation rows; the folds' ensembles are bagged, and so are their best submissions. Runs in
the kit's environment. Holds the predictions of one fold at a time, of all submissions.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from palio import ensembles, kit, scoring
from palio.blend_choices import BlendChoices
from palio.channel import Say, own_channel, words_of_os_error
from palio.kit import Indices, KitError, Problem, kit_fault
from palio.kit_description import description
from palio.saved_predictions import load_y_pred, save_submission
from palio.training_output import TrainingOutput, number_text, write_table
from palio.trial_data import TrialData

#: What is bagged: the folds' ensembles, and their best submissions; ramp-blend's names.
COMBINED, BEST = "combined", "foldwise_best"


@dataclass
class Blending:
    """An ensemble in the making."""

    problem: Problem
    choices: BlendChoices
    say: Say
    #: Of each fold, places in `choices.submissions`.
    picks: list[tuple[int, ...]] = field(default_factory=list)
    #: Kind and step to the `Predictions` of each fold.
    chosen: dict[tuple[str, str], list[Any]] = field(default_factory=dict)

    @cached_property
    def data(self) -> TrialData:
        """The kit's data."""
        return TrialData.of(self.problem)

    @cached_property
    def metric(self) -> Any:
        """The one that picks; raises KitError if the kit has no such one."""
        by_name = {metric.name: metric for metric in self.problem.score_types}
        name = self.choices.metric or self.problem.score_types[0].name
        if name not in by_name:
            raise KitError(f"There is no metric {name}: the kit has {', '.join(by_name)}.")
        return by_name[name]

    def run(self) -> None:
        """Pick on every fold, bag and score; says `start`, `fold` for each, `done`. Raises KitError."""
        metric = self.metric
        self.say("start", **description(self.problem, len(self.data.folds)), metric=metric.name)
        for number, (_, valid_is) in enumerate(self.data.folds):
            selection = self.fold(number, valid_is)
            self.say(
                "fold", fold=number, picks=[self.choices.submissions[pick] for pick in selection.picks], scores=selection.scores
            )
        bags = {(kind, step): self.bagged(kind, step) for kind, step in self.chosen}
        shares = ensembles.contributivity(self.picks)
        if self.choices.save_output:
            self.save(bags, shares)
        self.say(
            "done",
            contributivity={name: shares.get(place, 0.0) for place, name in enumerate(self.choices.submissions)},
            **{kind: self.by_metric(bags, kind, last=True) for kind in (COMBINED, BEST)},
        )

    def fold(self, number: int, valid_is: Indices) -> ensembles.Selection:
        """Pick on a fold's validation rows, and keep what the picks predict together, and the best one alone."""
        valid = self.predictions(number, "train", len(self.data.train[1]), valid_is)
        truth = self.problem.Predictions(y_true=self.data.train[1], fold_is=valid_is)
        rules = ensembles.Rules(self.choices.max_members, self.choices.min_improvement, bool(self.metric.is_lower_the_better))
        with kit_fault("Blending by problem.py failed"):
            selection = ensembles.select(ensembles.make_blend(self.metric, truth, valid), len(valid), rules)
        if not selection.picks:
            raise KitError(f"The metric {self.metric.name} scores no submission in fold {number + 1}: there is nothing to blend.")
        self.picks.append(selection.picks)
        self.keep("valid", valid, selection.picks)
        if self.data.has_test_set:
            self.keep("test", self.predictions(number, "test", len(self.data.test[1]), None), selection.picks)
        return selection

    def predictions(self, number: int, suffix: str, n_rows: int, rows: Indices | None) -> list[Any]:
        """The kept predictions of every submission; raises KitError for those of other data."""
        found = []
        for name in self.choices.submissions:
            folder = TrainingOutput(self.problem.folder / "submissions" / name, self.choices.data_label).fold(number)
            y_pred = load_y_pred(self.problem, folder, suffix)
            if len(y_pred) != n_rows:
                raise KitError(
                    f"{name} has kept {len(y_pred)} predictions, and there are {n_rows} rows now: it was tried on other data, "
                    "perhaps with --quick, or without. Try it again: palio test --save-output"
                )
            with kit_fault(f"Predictions(y_pred=…) of problem.py does not take what {name} predicted"):
                found.append(self.problem.Predictions(y_pred=y_pred, fold_is=rows))
        return found

    def keep(self, step: str, predictions: Sequence[Any], picks: Sequence[int]) -> None:
        """Note what the picks predict together, and the first of them, the best one."""
        with kit_fault("Predictions.combine of problem.py failed"):
            combined = type(predictions[0]).combine([predictions[pick] for pick in picks])
        self.chosen.setdefault((COMBINED, step), []).append(combined)
        self.chosen.setdefault((BEST, step), []).append(predictions[picks[0]])

    def bagged(self, kind: str, step: str) -> scoring.Bagged:
        """The bag over the folds, with its scores, for each number of folds if they are to be kept."""
        y = self.data.train[1] if step == "valid" else self.data.test[1]
        rows = [valid_is for _, valid_is in self.data.folds] if step == "valid" else None
        with kit_fault("Bagging by problem.py failed"):
            return scoring.bagged(self.problem, y, self.chosen[kind, step], rows, prefixes=self.choices.save_output)

    def by_metric(self, bags: dict[tuple[str, str], scoring.Bagged], kind: str, *, last: bool) -> dict[str, dict[str, Any]]:
        """Scores by metric and step; those of the bag over all folds, or of each number of folds."""
        return {
            metric.name: {
                step: scores[-1][metric.name] if last else [each[metric.name] for each in scores]
                for (of_kind, step), (scores, _) in bags.items()
                if of_kind == kind
            }
            for metric in self.problem.score_types
        }

    def save(self, bags: dict[tuple[str, str], scoring.Bagged], shares: dict[int, float]) -> None:
        """Write what `ramp-blend --save-output` writes, where it writes it."""
        output = TrainingOutput(self.problem.folder / "submissions", self.choices.data_label)
        for kind in (COMBINED, BEST):
            output.write_bagged(self.by_metric(bags, kind, last=False), f"bagged_scores_{kind}.csv")
        for (kind, step), (_, bag) in bags.items():
            save_submission(self.problem, bag.y_pred, output.folder, f"{kind}_bagged_{step}")
        n_folds = len(self.picks)
        lines = []
        # Largest first; as they were named where equal.
        for place in sorted(range(len(self.choices.submissions)), key=lambda place: -shares.get(place, 0.0)):
            of_folds = [picks.count(place) / len(picks) / n_folds for picks in self.picks]
            percent = round(100 * shares.get(place, 0.0))
            lines.append([self.choices.submissions[place], str(percent), *map(number_text, of_folds)])
        headings = ["submission", "contributivity", *(f"fold_{number}" for number in range(n_folds))]
        write_table(output.folder / "contributivities.csv", headings, lines)


def main(arguments: list[str]) -> int:
    """Blend `[kit folder, choices]`; 1 if that fails."""
    say = own_channel()
    choices = BlendChoices.from_json(arguments[1])
    try:
        Blending(kit.load(Path(arguments[0]).resolve(), choices.data_label), choices, say).run()
    except KitError as error:
        say("failed", reason=str(error), traceback=error.detail)
        return 1
    except OSError as error:
        say("failed", reason=words_of_os_error(error), traceback=None)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
