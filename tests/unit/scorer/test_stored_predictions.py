"""Predictions on their way to the scorer: what a trainer stored is bounded, and must be what it said."""

import hashlib
from pathlib import Path

import pytest

from services.scorer.predictions import copy_bounded
from shared.execution.arrays import BadPredictionsError


def test_what_was_stored_is_copied_if_it_is_what_was_said(tmp_path: Path) -> None:
    copy_bounded([b"ab", b"c"], tmp_path / "0.tar", hashlib.sha256(b"abc").hexdigest(), 3)
    assert (tmp_path / "0.tar").read_bytes() == b"abc"


def test_other_bytes_than_was_said_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPredictionsError, match="not those"):
        copy_bounded([b"abd"], tmp_path / "0.tar", hashlib.sha256(b"abc").hexdigest(), 3)


def test_an_object_without_end_does_not_fill_the_disk(tmp_path: Path) -> None:
    with pytest.raises(BadPredictionsError, match="more than"):
        copy_bounded(iter(lambda: bytes(1000), None), tmp_path / "0.tar", "a" * 64, 10_000)
    assert (tmp_path / "0.tar").stat().st_size <= 10_000
