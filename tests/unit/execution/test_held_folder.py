"""Temporary folders: gone at the end, and gone later if their process dies."""

import os
from pathlib import Path

from shared.execution.held_folder import held_folder


def test_a_folder_is_there_while_it_is_held_and_gone_afterwards(tmp_path: Path) -> None:
    with held_folder(tmp_path / "work", "prepare-") as folder:
        (folder / "file").touch()
        assert folder.parent == tmp_path / "work"
    assert not list((tmp_path / "work").iterdir())


def test_what_a_dead_process_left_goes_and_what_somebody_holds_or_just_made_stays(tmp_path: Path) -> None:
    for name in ("prepare-dead", "prepare-new", "other-dead"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    with held_folder(tmp_path, "prepare-") as held:
        for path in (tmp_path / "prepare-dead", tmp_path / "other-dead", held):
            os.utime(path, (0, 0))
        with held_folder(tmp_path, "prepare-") as second:
            assert held.exists()
            assert {path.name for path in tmp_path.iterdir()} == {"prepare-new", "other-dead", held.name, second.name}


def test_a_link_among_them_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    os.utime(tmp_path / "kept", (0, 0))
    (tmp_path / "prepare-link").symlink_to(tmp_path / "kept")
    with held_folder(tmp_path, "prepare-"):
        assert (tmp_path / "kept" / "file").exists()
