"""Environments as the scorer makes them: built once however many ask, tried again where that can help, told in words where not."""

import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from services.scorer.environments import EnvironmentShop
from services.scorer.main import prepare_limits
from services.scorer.preparation import ProblemPreparer
from shared.artefacts import Bucket, Store, content_key, details_key
from shared.artefacts.archives import digest_of, pack_files
from shared.events import ProblemPreparationFailed, ProblemPrepared, ProblemPublished
from shared.execution.environments.build import Builder, EnvironmentBuildError, Pack
from shared.execution.environments.index import Index
from shared.execution.environments.interpreters import Interpreter
from shared.execution.sandbox import Bubblewrap
from shared.settings import CacheSettings, ScorerSettings
from shared.workbench import Workbench
from tests.integration.execution.conftest import TEST_CACHE
from tests.integration.execution.small_kits import TINY, classifier, rows
from tests.support.package_index import PackageIndex, package_index, write_wheel


class CountingBuilder(Builder):
    """The real one, which also tells how often it was asked."""

    resolved = 0
    built = 0

    def resolve(self, *arguments: object) -> str:
        self.resolved += 1
        return super().resolve(*arguments)  # type: ignore[arg-type]

    def build(self, lock: str, interpreter: Interpreter, target: Path) -> Pack:
        self.built += 1
        return super().build(lock, interpreter, target)


@pytest.fixture
def builder_of_index(wheel_dir: Path, tmp_path: Path) -> Callable[..., CountingBuilder]:
    """Makes a builder that asks the usual index, after another one; or that one alone, once."""

    def make(url: str | None = None, *, before_usual: str | None = None) -> CountingBuilder:
        if url is not None:
            known = Index({"UV_DEFAULT_INDEX": url, "UV_HTTP_RETRIES": "0", "UV_HTTP_TIMEOUT": "5"}, None)
            return CountingBuilder(Bubblewrap(), tmp_path / "building", known, wheel_dir)
        variables = dict(os.environ) | ({"UV_INDEX": before_usual} if before_usual else {})
        return CountingBuilder(Bubblewrap(), TEST_CACHE / "building", Index.of(variables), wheel_dir)

    return make


Preparer = tuple[ProblemPreparer, EnvironmentShop]


@pytest.fixture
def scorer(store_of: Callable[[str], Store], engine_of: Callable[[str], Engine], tmp_path: Path) -> Callable[..., Preparer]:
    """Makes the parts of one scorer; several share database and store and nothing else."""

    def make(name: str, builder: Builder, cache_max_bytes: int = 10**9) -> Preparer:
        folder, store = tmp_path / name, store_of("scorer")
        workbench = Workbench(store, CacheSettings(cache_dir=folder, cache_max_bytes=cache_max_bytes))
        shop = EnvironmentShop(
            engine_of("scorer"), store, workbench, builder, folder / "environments", retry_pauses_s=(0.01, 0.01)
        )
        limits = prepare_limits(ScorerSettings.model_construct(prepare_time_limit_s=60))
        return ProblemPreparer(store, shop, Bubblewrap(), limits, folder / "work"), shop

    return make


@pytest.fixture
def publish(store_of: Callable[[str], Store], tmp_path: Path) -> Callable[..., tuple[ProblemPublished, Path]]:
    """Publishes the tiny kit with these files, as ingest does; returns the event and the archive."""

    def publish(**files: str) -> tuple[ProblemPublished, Path]:
        content = {
            "problem.py": TINY,
            "submissions/starting_kit/classifier.py": classifier(),
            "data/train.csv": rows(60),
            "data/test.csv": rows(21),
            **{name.replace("__", "."): text.encode() for name, text in files.items()},
        }
        archive = tmp_path / f"{uuid4()}.tar"
        archive.write_bytes(pack_files(content))
        digest = digest_of(archive)
        store_of("ingest").put_file(Bucket.KITS, content_key(digest), archive)
        published = ProblemPublished(
            problem_id="tiny",
            version=1,
            organiser_id=uuid4(),
            kit_digest=digest,
            private_digest=None,
            requirements=None,
            python_version=None,
            as_of=None,
        )
        return published, archive

    return publish


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    with package_index(tmp_path / "index") as index:
        yield index


def detail_of(failed: ProblemPrepared | ProblemPreparationFailed, store: Store) -> str:
    assert isinstance(failed, ProblemPreparationFailed), failed
    assert failed.detail_digest is not None
    return store.get_bytes(Bucket.PRIVATE, details_key(failed.detail_digest)).decode()


def test_scorers_that_need_the_same_at_the_same_moment_build_it_once(
    scorer: Callable[..., Preparer],
    builder_of_index: Callable[..., CountingBuilder],
    publish: Callable[..., tuple[ProblemPublished, Path]],
    store_of: Callable[[str], Store],
    index: PackageIndex,
    tmp_path: Path,
) -> None:
    # A package that nobody ever built anything with.
    version = str(secrets.randbits(60))
    write_wheel(tmp_path / "index", "fresh", version, {"fresh.py": b""})
    builders = [builder_of_index(before_usual=index.url) for _ in range(3)]
    shops = [scorer(f"scorer-{number}", builder)[1] for number, builder in enumerate(builders)]
    kits = [
        publish(requirements__txt=f"numpy\nfresh=={version}"),
        publish(requirements__txt=f"fresh>={version} # the same\nnumpy"),
    ]
    with ThreadPoolExecutor(6) as threads:
        asked = [threads.submit(shop.environment_of, archive, published) for shop in shops for published, archive in kits]
        found = {future.result().digest for future in asked}
    assert len(found) == 1
    assert sum(builder.built for builder in builders) == 1
    assert store_of("trainer-default").holds(Bucket.PREPARED, content_key(found.pop()))


def test_a_turn_is_given_back_and_is_taken_from_a_scorer_that_hangs(
    scorer: Callable[..., Preparer], builder_of_index: Callable[..., CountingBuilder]
) -> None:
    one, two = (scorer(name, builder_of_index())[1] for name in ("one", "two"))
    two._turn_limit_s = 0.0
    for _ in range(2):
        with one._turn("ab" * 32), two._turn("ab" * 32):
            pass


def test_what_was_built_before_is_found_by_a_scorer_that_knows_nothing(
    scorer: Callable[..., Preparer],
    builder_of_index: Callable[..., CountingBuilder],
    publish: Callable[..., tuple[ProblemPublished, Path]],
) -> None:
    first, second = builder_of_index(), builder_of_index()
    published, archive = publish(requirements__txt="numpy")
    before = scorer("before", first)[1].environment_of(archive, published)
    after = scorer("after", second)[1].environment_of(archive, published)
    assert (after.digest, after.lock) == (before.digest, before.lock)
    assert second.built == 0


def test_a_pack_that_the_store_has_lost_is_built_again(
    scorer: Callable[..., Preparer],
    builder_of_index: Callable[..., CountingBuilder],
    publish: Callable[..., tuple[ProblemPublished, Path]],
    store_of: Callable[[str], Store],
) -> None:
    builder = builder_of_index()
    published, archive = publish(requirements__txt="numpy")
    shop = scorer("one", builder)[1]
    digest = shop.environment_of(archive, published).digest
    built = builder.built
    store_of("scorer")._minio.remove_object(Bucket.PREPARED, content_key(digest))
    assert shop.environment_of(archive, published).digest == digest
    assert builder.built == built + 1


def test_an_index_that_is_away_is_asked_again_and_then_told_of(
    scorer: Callable[..., Preparer],
    builder_of_index: Callable[..., CountingBuilder],
    publish: Callable[..., tuple[ProblemPublished, Path]],
    store_of: Callable[[str], Store],
) -> None:
    builder = builder_of_index("http://user:secret-word@127.0.0.1:9/simple")
    preparer, _ = scorer("one", builder)
    failed = preparer.prepare(publish(requirements__txt="numpy")[0])
    detail = detail_of(failed, store_of("scorer"))
    assert (failed.outcome, failed.reason) == (
        "environment_error",
        "the requirements cannot be met: the package index cannot be reached",
    )
    assert "error sending request" in detail
    assert "secret-word" not in detail
    assert builder.resolved == 3


def test_an_index_that_comes_back_is_not_noticed(
    scorer: Callable[..., Preparer],
    builder_of_index: Callable[..., CountingBuilder],
    publish: Callable[..., tuple[ProblemPublished, Path]],
    index: PackageIndex,
) -> None:
    index.refusals = [503, 503]
    builder = builder_of_index(index.url)
    published, archive = publish(requirements__txt="not-there")
    with pytest.raises(EnvironmentBuildError, match="the package index has no"):
        scorer("one", builder)[1].environment_of(archive, published)
    # uv asks for several packages at once: how many answers a try uses up is its business.
    assert builder.resolved > 1
    assert index.refusals == []


def test_what_cannot_be_solved_is_asked_once_and_told_in_the_resolvers_words(
    scorer: Callable[..., Preparer],
    builder_of_index: Callable[..., CountingBuilder],
    publish: Callable[..., tuple[ProblemPublished, Path]],
    store_of: Callable[[str], Store],
    index: PackageIndex,
) -> None:
    builder = builder_of_index(index.url)
    preparer, _ = scorer("one", builder)
    failed = preparer.prepare(publish(environment__yml="dependencies: [nb_conda_kernels, conda-only-thing=1, gdal]")[0])
    assert failed.outcome == "environment_error"
    assert "conda-only-thing" in failed.reason
    detail = detail_of(failed, store_of("scorer"))
    assert "was not found in the package registry" in detail
    # What was left out is named beside it.
    assert "'nb_conda_kernels' is left out" in detail
    assert "'gdal' is left out: the package index has no wheels of it" in detail
    assert builder.resolved == 1


def test_a_kit_that_misses_what_was_left_out_reads_both(
    scorer: Callable[..., Preparer],
    builder_of_index: Callable[..., CountingBuilder],
    publish: Callable[..., tuple[ProblemPublished, Path]],
    store_of: Callable[[str], Store],
) -> None:
    preparer, _ = scorer("one", builder_of_index())
    files = {"environment__yml": "dependencies: [numpy, gdal]", "problem__py": f"from osgeo import gdal\n{TINY.decode()}"}
    failed = preparer.prepare(publish(**files)[0])
    assert failed.outcome == "kit_error"
    assert "No module named 'osgeo'" in failed.reason
    detail = detail_of(failed, store_of("scorer"))
    assert "from osgeo import gdal" in detail
    assert "'gdal' is left out" in detail


def test_a_python_that_is_not_there_is_told_with_those_that_are(
    scorer: Callable[..., Preparer],
    builder_of_index: Callable[..., CountingBuilder],
    publish: Callable[..., tuple[ProblemPublished, Path]],
) -> None:
    preparer, _ = scorer("one", builder_of_index())
    failed = preparer.prepare(publish(environment__yml="dependencies: [python=3.7, numpy]")[0])
    assert isinstance(failed, ProblemPreparationFailed)
    assert failed.outcome == "environment_error"
    assert "asks for Python ==3.7.*, which is not installed here; there is " in failed.reason


def test_an_environment_that_fits_no_cache_here_is_told_of(
    scorer: Callable[..., Preparer],
    builder_of_index: Callable[..., CountingBuilder],
    publish: Callable[..., tuple[ProblemPublished, Path]],
) -> None:
    # Built by a scorer with room, met by one without.
    published, archive = publish(requirements__txt="numpy")
    scorer("roomy", builder_of_index())[1].environment_of(archive, published)
    failed = scorer("narrow", builder_of_index(), 10**6)[0].prepare(published)
    assert isinstance(failed, ProblemPreparationFailed)
    assert failed.outcome == "environment_error"
    assert failed.reason.startswith("the environment is too large: ")
    assert "1,000,000 (PALIO_CACHE_MAX_BYTES)" in failed.reason
