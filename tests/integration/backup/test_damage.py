"""Backups that are damaged, foreign or of a later release are refused in words, and nothing half-made is left."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from sqlalchemy import Engine, text

from shared.artefacts import Bucket, Store, content_key
from tests.support.backups import Made, Place, StoredHistory


@pytest.fixture
def backup(made: Made, folder: Path) -> Path:
    """A sound backup in `folder`, to be damaged: replace its files, since they are links."""
    shutil.copytree(made.folder, folder, copy_function=os.link)
    [backup] = (folder / "backups").iterdir()
    return backup


@pytest.fixture
def refused(made: Made, folder: Path) -> Callable[..., str]:
    """Restores, is refused, and finds everything as it was; the words."""

    def refused(*more: str, where: Path = folder) -> str:
        result = made.elsewhere.run("restore", where, *more)
        assert result.exit_code == 1, result.output
        with made.owner_elsewhere.connect() as connection:
            assert connection.execute(text("SELECT position FROM ledger.head")).scalar_one() == 0
            assert connection.execute(text("SELECT count(*) FROM vault.accounts")).scalar_one() == 0
        assert "Traceback" not in result.output
        return result.stderr

    return refused


def flip(path: Path) -> None:
    """Change one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    replace(path, bytes(content))


def replace(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def test_each_file_that_is_flipped_or_missing_is_named(backup: Path, refused: Callable[..., str], made: Made) -> None:
    files = sorted(backup.iterdir())
    assert len(files) > 30
    for path in files:
        content = path.read_bytes()
        flip(path)
        words = refused()
        assert "damaged" in words, path.name
        assert path.name in words or "manifest.json" in words
        path.unlink()
        words = refused()
        assert "missing" in words
        assert path.name in words
        path.write_bytes(content)
    assert made.here.run("backup", backup.parents[1], "--verify").exit_code == 0, "whole again"


def test_checking_a_backup_names_every_damaged_file(backup: Path, folder: Path, made: Made) -> None:
    tables = sorted(backup.glob("*.zst"))
    for each in tables:
        flip(each)
    told = made.here.told("backup", folder, "--verify")
    assert sorted(told["wrong"]) == [f"{each.name} is damaged" for each in tables]


def test_objects_that_are_damaged_or_missing_are_named_with_what_names_them(
    backup: Path, folder: Path, refused: Callable[..., str], made: Made
) -> None:
    labels = hashlib.sha256(f"labels {made.history.mark}".encode()).hexdigest()
    kit = hashlib.sha256(f"kit {made.history.mark}".encode()).hexdigest()
    flip(folder / "objects" / labels[:2] / labels)
    (folder / "objects" / kit[:2] / kit).unlink()
    words = refused()
    assert f"objects/{labels[:2]}/{labels} is damaged: private/sha256/{labels}" in words
    assert f"objects/{kit[:2]}/{kit} is missing: prepared/sha256/{kit}" in words
    assert "--accept-missing" in words
    assert made.here.run("backup", folder, "--verify").exit_code == 1


def test_what_is_missing_may_be_accepted_and_is_named_at_the_end(
    history: StoredHistory, platform_here: Place, elsewhere: Place, store_of: Callable[[str], Store], folder: Path
) -> None:
    labels = hashlib.sha256(f"labels {history.mark}".encode()).hexdigest()
    store_of("operator")._minio.remove_object(Bucket.PRIVATE, content_key(labels))
    made = platform_here.run("backup", folder)
    assert made.exit_code == 1
    assert f"missing: private/sha256/{labels}" in made.stderr
    assert elsewhere.run("restore", folder).exit_code == 1
    restored = elsewhere.run("restore", folder, "--accept-missing")
    assert restored.exit_code == 1
    assert f"✗ objects: the object store lacks 1 that the ledger names: private/sha256/{labels}" in restored.stdout
    assert "restored, and not whole" in restored.stdout


def test_an_object_that_somebody_overwrote_is_no_part_of_a_backup_unless_an_earlier_one_has_it(
    history: StoredHistory, platform_here: Place, elsewhere: Place, store_of: Callable[[str], Store], folder: Path
) -> None:
    labels = content_key(hashlib.sha256(f"labels {history.mark}".encode()).hexdigest())
    platform_here.run("backup", folder)
    store_of("scorer").put_bytes(Bucket.PRIVATE, labels, b"other bytes")
    made = platform_here.told("backup", folder)
    assert made["missing"] == 0
    assert made["left_out"] >= 1
    assert platform_here.told("backup", folder.with_name("another"))["missing_objects"] == [f"private/{labels}"]
    assert elsewhere.run("restore", folder, "--backup", made["backup"]).exit_code == 0


def rewritten(backup: Path, **changes: object) -> None:
    """The manifest with other values and the right checksum, as another release would write it."""
    manifest = json.loads((backup / "manifest.json").read_text()) | changes
    content = json.dumps(manifest).encode()
    replace(backup / "manifest.json", content)
    replace(backup / "manifest.sha256", f"{hashlib.sha256(content).hexdigest()}  manifest.json\n".encode())


def test_a_backup_of_a_later_release_is_refused(backup: Path, refused: Callable[..., str]) -> None:
    manifest = json.loads((backup / "manifest.json").read_text())
    rewritten(backup, release="9.9", revisions={**manifest["revisions"], "leaderboard": "9999"})
    assert "made by release 9.9, whose schema leaderboard is at revision 9999" in refused()
    rewritten(backup, revisions={**manifest["revisions"], "chronicle": "0001"})
    assert "schema chronicle" in refused()
    rewritten(backup, revisions=manifest["revisions"], more="of it")
    assert "made by another release of Palio (9.9)" in refused()
    rewritten(backup, format=2)
    assert "made by another release of Palio (9.9)" in refused()


def test_a_manifest_that_names_another_place_in_the_ledger_is_refused(backup: Path, refused: Callable[..., str]) -> None:
    position = json.loads((backup / "manifest.json").read_text())["position"]
    rewritten(backup, position=position - 1)
    assert f"does not end at position {position - 1}" in refused()
    rewritten(backup, position=position, platform="0" * 64)
    assert "is a backup of another platform" in refused()


def test_a_folder_that_holds_no_backups_is_refused(made: Made, tmp_path: Path, refused: Callable[..., str]) -> None:
    foreign = tmp_path / "pictures"
    foreign.mkdir()
    (foreign / "a.png").write_bytes(b"")
    assert "holds no backups of Palio" in refused(where=foreign)
    result = made.here.run("backup", foreign)
    assert result.exit_code == 1
    assert "is not empty and holds no backups of Palio" in result.stderr
    assert [each.name for each in foreign.iterdir()] == ["a.png"]


def test_backups_of_two_platforms_do_not_go_into_one_folder(
    backup: Path, folder: Path, made: Made, refused: Callable[..., str]
) -> None:
    assert "the ledger is empty" in made.elsewhere.run("backup", folder).stderr
    assert "there are: " in refused("--backup", "yesterday")
    replace(folder / "palio-backups.json", json.dumps({"platform": "0" * 64}).encode())
    assert "holds backups of another platform" in made.here.run("backup", folder).stderr
    replace(folder / "palio-backups.json", b"{")
    assert "palio-backups.json is damaged" in refused()


def test_a_copy_that_went_its_own_way_is_not_backed_up_beside_the_original(
    history: StoredHistory, platform_here: Place, elsewhere: Place, folder: Path
) -> None:
    platform_here.run("backup", folder)
    elsewhere.run("restore", folder)
    history.person()
    platform_here.run("backup", folder)
    branched = elsewhere.run("backup", folder)
    assert branched.exit_code == 1
    assert "does not go on from backup" in branched.stderr


def test_an_interrupted_backup_is_no_backup_and_is_tidied_up_by_the_next(backup: Path, folder: Path, made: Made) -> None:
    # As a kill leaves it: its files are there, its name is not.
    (folder / "palio-unfinished").mkdir()
    shutil.move(backup, folder / "palio-unfinished" / "backup")
    assert "holds no complete backup" in made.elsewhere.run("restore", folder).stderr
    told = made.here.told("backup", folder)
    assert told["new_objects"] < told["objects"], "the objects that it brought are used"
    assert not (folder / "palio-unfinished").exists()
    assert [each.name for each in (folder / "backups").iterdir()] == [told["backup"]]


def test_two_backups_do_not_go_into_a_folder_at_once(backup: Path, folder: Path, made: Made) -> None:
    with (folder / "palio.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another backup into" in made.here.run("backup", folder).stderr


def test_a_database_that_holds_a_platform_is_replaced_only_on_demand(
    backup: Path, folder: Path, elsewhere: Place, owner_elsewhere: Engine
) -> None:
    assert elsewhere.run("restore", folder).exit_code == 0
    again = elsewhere.run("restore", folder)
    assert again.exit_code == 1
    assert "--replace" in again.stderr
    flip(backup / "ledger.events.csv.zst")
    assert elsewhere.run("restore", folder, "--replace").exit_code == 1
    with owner_elsewhere.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM ledger.events")).scalar_one() > 0, "what was there is there"


def test_services_that_run_are_in_the_way(backup: Path, folder: Path, made: Made) -> None:
    result = made.here.run("restore", folder, "--replace")
    assert result.exit_code == 1
    assert "stop ingest, " in result.stderr


def test_a_ledger_that_was_changed_and_given_a_manifest_that_agrees_is_refused(backup: Path, refused: Callable[..., str]) -> None:
    manifest = json.loads((backup / "manifest.json").read_text())
    path = backup / "ledger.events.csv.zst"
    changed = zstandard.ZstdDecompressor().stream_reader(path.read_bytes()).read().replace(b"A history", b"A mystery")
    content = zstandard.ZstdCompressor().compress(changed)
    replace(path, content)
    for table in manifest["tables"]:
        if table["name"] == path.name:
            table |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    rewritten(backup, tables=manifest["tables"])
    assert "the ledger's chain breaks at position" in refused()
