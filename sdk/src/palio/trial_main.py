"""The process of `palio.trial`, started by `palio.fold_processes` with the Python of the kit's environment.

Says what happens as lines of JSON on what was its standard output; whatever the submission prints goes to standard error instead.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from palio import kit
from palio.channel import MARK, flush_printed, own_channel, own_commands, words_of_os_error
from palio.kit import KitError
from palio.submission_errors import SubmissionError
from palio.trial import Trial
from palio.trial_choices import Choices, Job

#: Exit code of a program that was interrupted.
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """Run the trial of `[kit folder, submission folder, folder for the bag, choices, plan]`; 0 when it ended with scores, else 1.

    The plan `all` is all of it, one after another. With `first` or `more` jobs come as lines of JSON from standard input, and each is
    told of on standard error, since several processes write there.
    """
    say = own_channel()
    kit_folder, submission, kept = (Path(argument).resolve() for argument in arguments[:3])
    choices, plan = Choices.from_json(arguments[3]), arguments[4]
    job: Job = {}
    try:
        trial = Trial(kit.load(kit_folder, choices.data_label), submission, say, choices, kept)
        trial.start(first=plan != "more")
        jobs = choices.jobs(len(trial.data.folds)) if plan == "all" else own_commands()
        for job in trial.work(jobs):
            if plan != "all":
                _announce(job)
    except KitError as error:
        say("failed", outcome="kit_error", reason=str(error), traceback=error.detail, **job)
        return 1
    except SubmissionError as error:
        say("failed", outcome=error.outcome, reason=str(error), traceback=error.trace, **job)
        return 1
    except OSError as error:
        # What the submission raises is its own error: this is a folder that cannot be written, or a full disk.
        say("failed", outcome="system_error", reason=words_of_os_error(error), traceback=None, **job)
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _announce(job: Job) -> None:
    """Say on standard error what the lines after this one belong to."""
    flush_printed()
    words = f"fold {job['fold'] + 1}" if "fold" in job else next(iter(job))
    os.write(2, MARK + words.encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
