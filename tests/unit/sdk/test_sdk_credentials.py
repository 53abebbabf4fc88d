from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from palio.credentials import Credentials, Login

ADA = Login("ada", "token-1", "2030-01-01T00:00:00Z")
BOB = Login("bob", "token-2", "2030-01-01T00:00:00Z")


def test_only_the_user_can_read_the_tokens(tmp_path: Path) -> None:
    folder = tmp_path / "palio"
    before = os.umask(0)
    try:
        Credentials.load(folder).remember("http://one", ADA)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "credentials.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [path.name for path in folder.iterdir()] == ["credentials.json"]


def test_each_server_has_its_login_and_the_last_one_is_current(tmp_path: Path) -> None:
    Credentials.load(tmp_path).remember("http://one", ADA)
    Credentials.load(tmp_path).remember("http://two", BOB)
    known = Credentials.load(tmp_path)
    assert known.logins == {"http://one": ADA, "http://two": BOB}
    assert known.current == "http://two"
    assert known.forget("http://two")
    assert Credentials.load(tmp_path).logins == {"http://one": ADA}
    assert Credentials.load(tmp_path).current is None
    assert not known.forget("http://two")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"servers": {"http://one": {"name": "ada"}}}', '{"servers": 3}'])
def test_a_damaged_file_is_as_none_and_a_new_login_mends_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "credentials.json").write_text(content)
    known = Credentials.load(tmp_path)
    assert known.logins == {}
    known.remember("http://one", ADA)
    assert Credentials.load(tmp_path).logins == {"http://one": ADA}
