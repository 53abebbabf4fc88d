"""Archives that strangers made: what is taken, what is refused, and that packing is a function of the files alone."""

import gzip
import io
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from shared.artefacts.archives import ArchiveError, ArchiveLimits, digest_of, pack_files, pack_folder, read_archive, unpack

LIMITS = ArchiveLimits(max_bytes=1 << 20, max_files=50)
parts = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters='/\\:"'), min_size=1, max_size=20).filter(
    lambda part: part not in {".", "..", ".DS_Store", "__MACOSX"}
)
#: No name is a folder of another, since every name here is one part or two with a folder of its own.
names = st.one_of(parts.map("f_{}".format), st.tuples(parts, parts).map(lambda pair: f"d_{pair[0]}/{pair[1]}"))


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", errors="surrogateescape") as archive:
        for header, content in members:
            archive.addfile(header, io.BytesIO(content))
    return target.getvalue()


def tar_file(name: str, content: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    header = tarfile.TarInfo(name)
    header.size = len(content)
    for field, value in fields.items():
        setattr(header, field, value)
    return header, content


def zip_of(*members: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return target.getvalue()


@given(st.dictionaries(names, st.binary(max_size=300), max_size=8))
def test_what_is_packed_comes_out_again(files: dict[str, bytes]) -> None:
    assert read_archive(pack_files(files), LIMITS) == files


@given(st.dictionaries(names, st.binary(max_size=50), max_size=8), st.randoms())
def test_packing_does_not_depend_on_the_order_of_the_files(files: dict[str, bytes], random: Random) -> None:
    shuffled = list(files.items())
    random.shuffle(shuffled)
    assert pack_files(dict(shuffled)) == pack_files(files)


@given(st.binary(max_size=2000))
def test_any_bytes_are_either_an_archive_or_an_archive_error(content: bytes) -> None:
    try:
        read_archive(content, LIMITS)
    except ArchiveError:
        return


@given(st.data())
def test_a_damaged_archive_is_either_read_or_an_archive_error(data: st.DataObject) -> None:
    whole = data.draw(
        st.sampled_from(
            [
                pack_files({"a.py": b"print(1)", "ü/b.txt": b"x" * 700, "n" * 200: b""}),
                gzip.compress(pack_files({"a": b"1" * 5000})),
                zstandard.compress(pack_files({"a": b"1" * 5000})),
                zip_of(("a.py", b"print(1)"), ("b/c", b"z" * 900)),
            ]
        )
    )
    broken = bytearray(whole[: data.draw(st.integers(1, len(whole)))])
    for _ in range(data.draw(st.integers(0, 6))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    try:
        files = read_archive(bytes(broken), LIMITS)
    except ArchiveError:
        return
    assert sum(map(len, files.values())) <= LIMITS.max_bytes


@pytest.mark.parametrize("compress", [lambda tar: tar, gzip.compress, zstandard.compress], ids=["tar", "gzip", "zstd"])
@pytest.mark.parametrize("end", [b"", b"x" * 100, b"no header" * 100], ids=["nothing", "part of a header", "no header"])
def test_a_tar_whose_end_is_missing_is_refused_though_every_file_is_whole(compress: Callable[[bytes], bytes], end: bytes) -> None:
    first, whole = pack_files({"a": b"1"}), pack_files({"a": b"1", "b": b"2"})
    # A header and a block of content each; then come the blocks that say that this is all.
    for archive in (first[:1024] + end, whole[:2048] + end):
        with pytest.raises(ArchiveError, match="cut short"):
            read_archive(compress(archive), LIMITS)


@pytest.mark.parametrize("compress", [lambda tar: tar, gzip.compress, zstandard.compress], ids=["tar", "gzip", "zstd"])
def test_a_tar_is_unpacked_whatever_compressed_it(compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.write_bytes(compress(pack_files({"problem.py": b"x = 1", "data/train.csv": b"1,2"})))
    assert unpack(archive, tmp_path / "kit", LIMITS) == ("data/train.csv", "problem.py")
    assert (tmp_path / "kit/data/train.csv").read_bytes() == b"1,2"


def test_a_zip_is_unpacked_and_a_macs_additions_are_left_out() -> None:
    archive = zip_of(("dir/", b""), ("dir/a.py", b"1"), ("__MACOSX/dir/._a.py", b"junk"), ("dir/.DS_Store", b"junk"))
    assert read_archive(archive, LIMITS) == {"dir/a.py": b"1"}


def test_a_leading_dot_slash_is_dropped() -> None:
    assert read_archive(tar_of(tar_file("./a.py")), LIMITS) == {"a.py": b"x"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../a", "leads out"),
        ("a/../../b", "leads out"),
        ("a/..", "leads out"),
        ("/etc/passwd", "not relative"),
        ("a\\b", "not relative"),
        ("C:/a", "not relative"),
        ("a\nb", "control character"),
        ("a\x1b[31m", "control character"),
        ("a\u202eb", "control character"),
        ("n" * 300, "too long"),
        ("/".join("abcdefghijklmnopqrstuvwxyz" * 2), "too deep"),
    ],
)
def test_a_name_that_is_unsafe_is_refused(name: str, words: str) -> None:
    for archive in (tar_of(tar_file(name)), zip_of((name, b"x"))):
        with pytest.raises(ArchiveError, match=words):
            read_archive(archive, LIMITS)
    with pytest.raises(ArchiveError, match=words):
        pack_files({name: b""})


def test_a_name_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(ArchiveError, match="not UTF-8"):
        read_archive(tar_of(tar_file("a\udcff")), LIMITS)
    latin = zip_of(("aaa.py", b"x")).replace(b"aaa.py", b"a\xffa.py")
    with pytest.raises(ArchiveError, match="not UTF-8"):
        read_archive(latin, LIMITS)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_a_tar_with_links_or_devices_is_refused(kind: bytes) -> None:
    with pytest.raises(ArchiveError, match="plain files only"):
        read_archive(tar_of(tar_file("ok"), tar_file("a", b"", type=kind, linkname="/etc/passwd")), LIMITS)


def test_a_sparse_file_is_refused() -> None:
    with pytest.raises(ArchiveError, match="plain files only"):
        read_archive(tar_of(tar_file("a", b"", type=tarfile.GNUTYPE_SPARSE)), LIMITS)


def test_a_zip_with_a_link_is_refused() -> None:
    link = zipfile.ZipInfo("a")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(ArchiveError, match="plain files only"):
        read_archive(zip_of((link, b"/etc/passwd")), LIMITS)


def test_a_name_that_comes_twice_is_refused() -> None:
    with pytest.raises(ArchiveError, match="twice"):
        read_archive(tar_of(tar_file("a"), tar_file("./a")), LIMITS)
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = zip_of(("a", b"1"), ("a", b"2"))
    with pytest.raises(ArchiveError, match="twice"):
        read_archive(twice, LIMITS)


@pytest.mark.parametrize("order", [("a", "a/b"), ("a/b", "a")])
def test_a_name_that_is_both_file_and_folder_is_refused(order: tuple[str, str]) -> None:
    with pytest.raises(ArchiveError, match="both as a file and as a folder"):
        read_archive(tar_of(*(tar_file(name) for name in order)), LIMITS)


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_a_bomb_is_stopped_while_it_unpacks(compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(tar_of(tar_file("a", bytes(3 << 20))))
    with pytest.raises(ArchiveError, match="unpacks to more than"):
        read_archive(bomb, LIMITS)


def test_a_zip_bomb_whose_header_lies_is_stopped() -> None:
    bomb = zip_of(("a", bytes(3 << 20)))
    with pytest.raises(ArchiveError):
        read_archive(bomb, LIMITS)
    lying = bomb.replace((3 << 20).to_bytes(4, "little"), (5).to_bytes(4, "little"))
    with pytest.raises(ArchiveError):
        read_archive(lying, LIMITS)


def test_a_ratio_that_only_a_bomb_has_is_refused() -> None:
    bomb = zstandard.compress(tar_of(tar_file("a", bytes(70 << 20))))
    with pytest.raises(ArchiveError, match="times its size"):
        read_archive(bomb, ArchiveLimits(max_bytes=1 << 30))


def test_a_bomb_in_a_header_is_not_read_into_memory() -> None:
    header = tarfile.TarInfo("././@PaxHeader")
    header.type, header.size = tarfile.XHDTYPE, 500 << 10
    content = header.tobuf() + bytes(500 << 10)
    with pytest.raises(ArchiveError, match="header that is too large"):
        read_archive(content, LIMITS)


def test_too_many_files_are_refused() -> None:
    with pytest.raises(ArchiveError, match="more than 50 files"):
        read_archive(pack_files({str(number): b"" for number in range(51)}), LIMITS)


@pytest.mark.parametrize("content", [b"", b"hello", b"Rar!\x1a\x07\x00", b"\xfd7zXZ\x00" + bytes(400), b"PK"])
def test_what_is_no_archive_is_named_so(content: bytes) -> None:
    with pytest.raises(ArchiveError, match=r"send a \.tar"):
        read_archive(content, LIMITS)


def test_a_second_archive_can_be_laid_over_the_first(tmp_path: Path) -> None:
    (tmp_path / "kit.tar").write_bytes(pack_files({"problem.py": b"1", "data/train.csv": b"public"}))
    (tmp_path / "private.tar").write_bytes(pack_files({"data/train.csv": b"private", "data/test.csv": b"t"}))
    unpack(tmp_path / "kit.tar", tmp_path / "kit", LIMITS)
    unpack(tmp_path / "private.tar", tmp_path / "kit", LIMITS, over=True)
    assert (tmp_path / "kit/data/train.csv").read_bytes() == b"private"
    assert (tmp_path / "kit/problem.py").read_bytes() == b"1"


def test_laying_a_file_over_a_folder_is_an_archive_error(tmp_path: Path) -> None:
    (tmp_path / "kit.tar").write_bytes(pack_files({"data/train.csv": b"public"}))
    (tmp_path / "private.tar").write_bytes(pack_files({"data": b"private"}))
    unpack(tmp_path / "kit.tar", tmp_path / "kit", LIMITS)
    with pytest.raises(ArchiveError, match="both a file and a folder"):
        unpack(tmp_path / "private.tar", tmp_path / "kit", LIMITS, over=True)


@pytest.mark.parametrize("compress", [False, True])
def test_equal_folders_give_equal_archives_whatever_their_times(*, compress: bool, tmp_path: Path) -> None:
    digests = []
    for name, order in (("one", ["a", "b/c"]), ("two", ["b/c", "a"])):
        for file in order:
            path = tmp_path / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(file)
        digests.append(pack_folder(tmp_path / name, tmp_path / f"{name}.tar", compress=compress))
    assert digests[0] == digests[1] == digest_of(tmp_path / "one.tar")


def test_a_link_out_of_the_folder_is_not_packed(tmp_path: Path) -> None:
    (tmp_path / "kit").mkdir()
    (tmp_path / "kit/a").symlink_to("/etc/passwd")
    with pytest.raises(ArchiveError, match="leads outside"):
        pack_folder(tmp_path / "kit", tmp_path / "out.tar")


def test_left_out_names_are_not_packed_and_executables_stay_so(tmp_path: Path) -> None:
    kit = tmp_path / "kit"
    (kit / "data").mkdir(parents=True)
    (kit / "data/train.csv").write_text("secret")
    (kit / "run.sh").write_text("#!")
    (kit / "run.sh").chmod(0o700)
    pack_folder(kit, tmp_path / "out.tar", leave_out=lambda name: name.startswith("data/"))
    unpack(tmp_path / "out.tar", tmp_path / "again", LIMITS)
    assert [path.name for path in (tmp_path / "again").rglob("*")] == ["run.sh"]
    assert (tmp_path / "again/run.sh").stat().st_mode & 0o777 == 0o755
