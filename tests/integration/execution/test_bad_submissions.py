"""What becomes of submissions that misbehave: an outcome from the closed list, the reason in words, their own traceback."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shared.events import FoldLimits, Outcome
from shared.execution.arrays import unpacked
from shared.execution.sandbox import Bubblewrap, RunningSandbox, Sandbox, SandboxSpec
from shared.execution.stations import ColdStations, Environment, Stopped
from shared.execution.training import FoldResult
from tests.integration.execution.layout import FOLD_LIMITS, Laid, lay_out, submission_of
from tests.integration.execution.small_kits import classifier, tiny_kit

Train = Callable[..., FoldResult]


@pytest.fixture(scope="module")
def tiny(sandbox: Bubblewrap, environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Laid:
    folder = tmp_path_factory.mktemp("tiny")
    return lay_out(sandbox, environment, tiny_kit(folder), folder)


@pytest.fixture
def train(tiny: Laid, stations: ColdStations, tmp_path: Path) -> Iterator[Train]:
    """Trains the first fold of `classifier.py` with this content."""

    def run(content: bytes, stopped: Stopped | None = None, **limits: float) -> FoldResult:
        submission = submission_of(tmp_path, {"classifier.py": content})
        return tiny.train(stations, submission, 0, FoldLimits(**{**FOLD_LIMITS.model_dump(), **limits}), stopped)

    yield run
    # Whatever it did, the next one is untouched.
    assert run(classifier()).outcome is Outcome.TRAINED


def test_a_good_submission_is_trained(train: Train, tiny: Laid) -> None:
    result = train(classifier(fit="print('hello')"))
    assert (result.outcome, result.reason, result.traceback) == (Outcome.TRAINED, "", None)
    assert result.log == b"hello\n"
    assert result.predictions
    arrays = unpacked(result.predictions, tiny.prepared.description.expected)
    assert {name: array.shape for name, array in arrays.items()} == {"train.values": (60, 2), "test.values": (21, 2)}
    assert 0 < result.usage.train_time_s + result.usage.valid_time_s + result.usage.test_time_s <= 3 * result.wall_time_s
    assert result.usage.peak_memory_bytes > 1 << 20


def test_training_and_prediction_are_measured_from_outside(train: Train) -> None:
    fit = (
        "import time; held = bytearray(150 << 20); end = time.process_time() + 0.4\n        while time.process_time() < end: pass"
    )
    usage = train(classifier(fit=fit, predict="import time; time.sleep(0.2); return np.full((len(X), 2), 0.5)")).usage
    assert usage.training
    assert usage.prediction
    assert usage.training.wall_time_s >= usage.train_time_s > 0.3
    assert usage.training.cpu_time_s > 0.3 > usage.prediction.cpu_time_s
    # Twice: the training data, and the test set.
    assert usage.prediction.wall_time_s > 0.4
    assert usage.training.peak_memory_bytes > 150 << 20 > usage.prediction.peak_memory_bytes
    assert usage.peak_memory_bytes == usage.training.peak_memory_bytes


def test_a_submission_that_says_too_early_that_it_is_trained_moves_only_the_border(train: Train) -> None:
    head = """
import os, tarfile, time
for fd in range(3, 64):
    try:
        os.write(fd, tarfile.TarInfo("early").tobuf(format=tarfile.GNU_FORMAT))
    except OSError:
        pass
"""
    result = train(classifier(head=head, fit="time.sleep(1)"))
    assert result.outcome is Outcome.TRAINED
    assert result.usage.training
    assert result.usage.prediction
    assert result.usage.training.wall_time_s < result.usage.prediction.wall_time_s > 1
    assert result.usage.training.wall_time_s + result.usage.prediction.wall_time_s == pytest.approx(result.wall_time_s)


@pytest.mark.parametrize(
    ("content", "outcome", "words"),
    [
        (classifier(head="import nonsense_module\n"), Outcome.IMPORT_ERROR, "No module named 'nonsense_module'"),
        (
            b"class Classifier:\n    def fit(self, X y):\n        pass\n",
            Outcome.IMPORT_ERROR,
            "(classifier.py, line 2)",
        ),
        (b"1 / 0", Outcome.IMPORT_ERROR, "ZeroDivisionError"),
        (b"\xff\xfe\x00", Outcome.TRAIN_ERROR, "UnicodeDecodeError"),
        (b"x = 1", Outcome.TRAIN_ERROR, "Classifier"),
        (classifier(fit="raise ValueError('no thanks')"), Outcome.TRAIN_ERROR, "ValueError: no thanks"),
        (classifier(fit="import other_nonsense"), Outcome.TRAIN_ERROR, "other_nonsense"),
        (classifier(fit="class Odd(BaseException): pass\n        raise Odd('odd')"), Outcome.TRAIN_ERROR, "odd"),
        (classifier(fit="self.fit(X, y)"), Outcome.TRAIN_ERROR, "RecursionError"),
        (classifier(predict="return 1 / 0"), Outcome.PREDICT_ERROR, "division by zero"),
        (classifier(fit="raise SystemExit(0)"), Outcome.CRASHED, "ended the process"),
        (classifier(fit="import os; os._exit(0)"), Outcome.CRASHED, "exit code 0 before it was done"),
        (classifier(predict="import os; os._exit(3)"), Outcome.CRASHED, "exit code 3 before it was done"),
        (classifier(fit="import os; os.kill(os.getpid(), 9)"), Outcome.CRASHED, "signal 9"),
        (classifier(fit="import os; os.kill(1, 9); os.abort()"), Outcome.CRASHED, "signal 6"),
        (classifier(fit="import ctypes; ctypes.string_at(0)"), Outcome.CRASHED, "signal 11"),
        (classifier(fit="np.ones(10**13)"), Outcome.MEMORY_LIMIT, "memory"),
        (classifier(fit="x = [bytearray(1 << 24) for _ in range(1000)]"), Outcome.MEMORY_LIMIT, "1024 MiB"),
        (classifier(fit="while True: print('x' * 10**6)"), Outcome.OUTPUT_LIMIT, "printed"),
        (classifier(predict="return np.zeros((3, 2))"), Outcome.BAD_PREDICTIONS, "have 3 rows, the training data has 60"),
        (classifier(predict="return np.zeros((60, 2))"), Outcome.BAD_PREDICTIONS, "have 60 rows, the test set has 21"),
        (classifier(predict="return np.zeros((len(X), 3))"), Outcome.BAD_PREDICTIONS, "2 columns"),
        (classifier(predict="return np.zeros(len(X))"), Outcome.BAD_PREDICTIONS, "2 columns"),
        (classifier(predict="return np.full((len(X), 2), np.nan)"), Outcome.BAD_PREDICTIONS, "NaN"),
        (classifier(predict="return np.full((len(X), 2), np.inf)"), Outcome.BAD_PREDICTIONS, "infinity"),
        (classifier(predict="return np.full((len(X), 2), 'a')"), Outcome.BAD_PREDICTIONS, "numbers are needed"),
        (classifier(predict="return np.full((len(X), 2), 1j)"), Outcome.BAD_PREDICTIONS, "numbers are needed"),
        (classifier(predict="return [[object(), 1]] * len(X)"), Outcome.BAD_PREDICTIONS, "type object"),
        (classifier(predict="return None"), Outcome.BAD_PREDICTIONS, "NoneType"),
        (classifier(predict="return [[1], [1, 2]]"), Outcome.BAD_PREDICTIONS, "cannot be made an array"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_a_bad_submission_ends_in_its_outcome_with_the_reason_in_words(
    train: Train, content: bytes, outcome: Outcome, words: str
) -> None:
    result = train(content)
    assert result.outcome is outcome, result
    assert words in result.reason
    assert result.predictions is None


@pytest.mark.parametrize("fit", ["while True: pass", "import time; time.sleep(1e6)"])
def test_a_loop_ends_at_the_time_limit(train: Train, fit: str) -> None:
    result = train(classifier(fit=fit), time_limit_s=1)
    assert (result.outcome, result.reason) == (Outcome.TIME_LIMIT, "it took more than 1 seconds")


class OnManyCores:
    """A host that gives a fold much CPU time in little time."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def start(self, spec: SandboxSpec) -> RunningSandbox:
        assert spec.limits.cpu_time_s == spec.limits.wall_time_s
        return self._sandbox.start(replace(spec, limits=replace(spec.limits, cpu_time_s=0.5)))


def test_more_cpu_time_than_one_core_has_is_a_time_limit_that_says_so(sandbox: Bubblewrap, tiny: Laid, tmp_path: Path) -> None:
    submission = submission_of(tmp_path, {"classifier.py": classifier(fit="import os; os.fork()\n        while True: pass")})
    result = tiny.train(ColdStations(OnManyCores(sandbox), tmp_path / "work"), submission)
    assert result.outcome is Outcome.TIME_LIMIT
    assert result.reason == "all its processes together used more than 60 seconds of CPU time"


def test_the_kernel_ends_a_process_that_computes_for_longer_than_its_fold_may(train: Train) -> None:
    result = train(classifier(fit="import resource; print(*resource.getrlimit(resource.RLIMIT_CPU))"), time_limit_s=10)
    soft, hard = map(int, result.log.split())
    assert soft == hard
    # What loading the kit took is not the submission's.
    assert 11 <= hard < 30


@pytest.mark.parametrize(
    ("fit", "words"),
    [
        ("raise ValueError('no\\nthanks')", b"train_error: ValueError: no thanks"),
        ("import os; os.kill(os.getpid(), 9)", b"crashed: the process was ended by signal 9 before it was done"),
        ("while True: pass", b"time_limit: it took more than 1 seconds"),
    ],
)
def test_the_log_of_a_fold_that_failed_without_a_word_says_how_it_ended(train: Train, fit: str, words: bytes) -> None:
    assert train(classifier(fit=fit), time_limit_s=1).log == b"[palio] Nothing was printed. It ended with " + words + b"\n"


def test_a_long_log_is_kept_up_to_its_limit_and_cut_in_the_middle(train: Train) -> None:
    result = train(classifier(fit="print('begin'); print('x' * 100_000); raise ValueError('end')"), log_limit_bytes=2048)
    assert result.outcome is Outcome.TRAIN_ERROR
    assert result.log.startswith(b"begin\nxxx")
    assert b"bytes of output were left out here" in result.log
    assert result.log.endswith(b"xxx\n")
    assert 2048 < len(result.log) < 2200


def test_a_traceback_shows_the_participants_files_and_no_others(train: Train) -> None:
    result = train(classifier(head="def helper():\n    raise KeyError('column')\n\n", fit="helper()"))
    assert result.traceback is not None
    assert 'File "classifier.py", line 2, in helper' in result.traceback
    assert "raise KeyError('column')" in result.traceback
    assert "palio_runner" not in result.traceback
    assert "problem.py" not in result.traceback


def test_a_traceback_tells_of_the_causes(train: Train) -> None:
    fit = (
        "try:\n            1 / 0\n        except ZeroDivisionError as error:\n            raise RuntimeError('outer') from error"
    )
    result = train(classifier(fit=fit))
    assert result.traceback is not None
    assert "ZeroDivisionError" in result.traceback
    assert "RuntimeError: outer" in result.traceback


def test_terminal_escapes_in_a_reason_are_made_visible(train: Train) -> None:
    result = train(classifier(fit="raise ValueError('\\x1b[31mred\\x00')"))
    assert result.reason == r"ValueError: \x1b[31mred\x00"


def test_an_exception_that_cannot_be_shown_is_a_train_error(train: Train) -> None:
    head = "class Odd(Exception):\n    def __str__(self):\n        raise RuntimeError\n"
    assert train(classifier(head=head, fit="raise Odd()")).outcome is Outcome.TRAIN_ERROR


def test_prints_of_any_bytes_are_kept_and_do_no_harm(train: Train) -> None:
    fit = "import sys; sys.stdout.buffer.write(b'\\xff\\x00\\xfe'); print('\\udcff')"
    result = train(classifier(fit=fit))
    assert result.outcome is Outcome.TRAINED
    assert b"\xff\x00\xfe" in result.log


def test_a_closed_or_replaced_stdout_does_no_harm(train: Train) -> None:
    assert train(classifier(fit="import sys; sys.stdout.close(); sys.stderr = None")).outcome is Outcome.TRAINED


def test_a_submission_that_overwrites_the_runners_modules_harms_only_itself(train: Train) -> None:
    head = "import sys\nsys.modules['palio_runner.predictions'].encoded = None\nsys.modules['json'].dumps = None\n"
    assert train(classifier(head=head)).outcome in {Outcome.CRASHED, Outcome.TRAIN_ERROR, Outcome.PREDICT_ERROR}


def test_a_forged_result_is_judged_like_any_other(train: Train) -> None:
    head = """
import io, json, os, tarfile
import numpy as np

def forge(files):
    sent = io.BytesIO()
    with tarfile.open(fileobj=sent, mode="w") as archive:
        for name, content in files.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            archive.addfile(header, io.BytesIO(content))
    for fd in range(3, 64):
        try:
            os.write(fd, sent.getvalue())
        except OSError:
            pass
    os._exit(0)

status = json.dumps({"stage": "done", "reason": "", "traceback": None, "times_s": {"train": TIME}}).encode()
"""
    unsafe = 'forge({"status.json": status, "../../../etc/passwd": b"x"})'
    assert train(classifier(head=head.replace("TIME", "1"), fit=unsafe)).outcome is Outcome.CRASHED
    absurd = 'forge({"status.json": status})'
    assert train(classifier(head=head.replace("TIME", "1e300"), fit=absurd)).outcome is Outcome.CRASHED
    empty = 'forge({"status.json": status, "train.values.npy": b"no array"})'
    assert train(classifier(head=head.replace("TIME", "1"), fit=empty)).outcome is Outcome.BAD_PREDICTIONS


def test_a_pickle_in_place_of_predictions_is_never_loaded(train: Train) -> None:
    predict = "a = np.empty((len(X), 2), dtype=object); a[:] = Evil(); return a"
    head = "import os\nclass Evil:\n    def __reduce__(self):\n        return (os.system, ('touch /tmp/evil',))\n"
    result = train(classifier(head=head, predict=predict))
    assert (result.outcome, result.predictions) == (Outcome.BAD_PREDICTIONS, None)
    assert "Evil" in result.reason


def test_a_subclass_of_arrays_cannot_lie(train: Train, tiny: Laid) -> None:
    head = "import numpy as np\nclass Liar(np.ndarray):\n    shape = (10**9, 2)\n    def __len__(self): return 5\n"
    result = train(classifier(head=head, predict="return np.zeros((len(X), 2)).view(Liar)"))
    assert result.outcome in {Outcome.TRAINED, Outcome.BAD_PREDICTIONS}


def test_nothing_that_holds_labels_can_be_read(train: Train) -> None:
    head = """
import os, sys
# The log has a bound: Python's own thousands of files would push out what is looked for.
known = ("/proc", "/usr", "/environment", "/dev", "/lib", "/etc", "/bin", "/sbin", "/runner", sys.base_prefix, sys.prefix)
for root, folders, names in os.walk("/"):
    if root.startswith(known):
        folders[:] = []
        continue
    for name in names:
        print(os.path.join(root, name))
print("all seen")
"""
    log = train(classifier(head=head)).log.decode().splitlines()
    assert "all seen" in log
    assert {line for line in log if line.startswith("/")} == {
        "/data/x_train",
        "/data/x_test",
        "/kit/problem.py",
        "/job/fold",
        "/job/submission/classifier.py",
    }


def test_labels_outside_the_fold_are_not_given(train: Train, tiny: Laid) -> None:
    # Every third row is validation in fold 0; the label of a row is almost its x0, so masking must show.
    result = train(classifier(head="import sys, numpy as np\n", fit="f = sys._getframe(1); print(list(f.f_locals['y'][::3]))"))
    shown = result.log.decode().strip()
    assert result.outcome is Outcome.TRAINED
    from tests.integration.execution.small_kits import rows  # noqa: PLC0415 - the truth, read where it is compared

    truth = [int(line.split(",")[2]) for line in rows(60).decode().splitlines()][::3]
    given = [int(number) for number in shown.strip("[]").replace("np.int64(", "").replace(")", "").split(",")]
    assert given != truth


def test_a_withdrawn_submission_is_ended_while_it_runs(train: Train) -> None:
    stopped = Stopped()
    began = time.monotonic()
    threading.Timer(1.5, stopped.set).start()
    result = train(classifier(fit="import time; time.sleep(1000)"), stopped=stopped)
    assert (result.outcome, result.reason) == (Outcome.WITHDRAWN, "the submission was withdrawn")
    assert time.monotonic() - began < 30


def test_a_submission_withdrawn_before_it_began_does_not_run(train: Train) -> None:
    stopped = Stopped()
    stopped.set()
    assert train(classifier(), stopped=stopped).outcome is Outcome.WITHDRAWN
