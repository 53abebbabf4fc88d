"""`environment.yml` as RAMP's kits have it: conda's names and channels, `pip:` below, and what an index of Python packages lacks."""

from pathlib import Path

import pytest

from shared.execution.environments.requirements import KitRequirements, RequirementsError, requirements_of
from tests.support.ramp_environment_files import RAMP_ENVIRONMENT_FILES as FILES


def read(text: str, folder: Path) -> KitRequirements:
    (folder / "environment.yml").write_text(text)
    return requirements_of(folder)


@pytest.mark.parametrize(
    ("text", "lines", "python"),
    [
        (
            FILES["plain"],
            ["numpy", "scipy", "pandas", "scikit-learn", "matplotlib", "seaborn", "jupyter", "ramp-workflow"],
            None,
        ),
        (
            FILES["pinned"],
            ["numpy==1.26.*", "pandas<3,>=2.0", "scikit-image==0.22.0", "shapely", "ramp-workflow"],
            "==3.11.*",
        ),
        (
            FILES["climate"],
            ["xarray", "netcdf4", "dask", "cartopy", "cftime", "ramp-workflow==0.7.0", "numpy"],
            ">=3.8,<3.14",
        ),
        (FILES["networks"], ["torch==2.2.*", "torchvision", "keras", "tensorflow>=2.16", "numpy"], "==3.11.4.*"),
        (
            FILES["pictures"],
            ["opencv-python-headless", "opencv-python-headless>=4", "scikit-image", "pillow", "imageio-ffmpeg", "numpy"],
            None,
        ),
        (FILES["boosting"], ["xgboost", "lightgbm", "catboost", "category_encoders", "imbalanced-learn", "numpy"], None),
        (FILES["maths"], ["numba", "cython", "tables", "graphviz", "numpy"], None),
        (FILES["sound"], ["librosa", "soundfile", "numpy"], None),
        (FILES["exported"], ["numpy==1.26.0.*", "numpy==1.26.0.*", "pytz==2023.3.post1", "setuptools==68.0.0.*"], "==3.11.5.*"),
        (FILES["geography"], ["geopandas", "rtree", "numpy"], None),
        (FILES["words"], ["nltk", "spacy", "numpy"], None),
        (FILES["statistics"], ["pandas", "numpy"], None),
    ],
    ids=["plain", "pinned", "climate", "networks", "pictures", "boosting", "maths", "sound", "exported", "geo", "words", "r"],
)
def test_an_environment_file_of_ramps_becomes_requirements(
    text: str, lines: list[str], python: str | None, tmp_path: Path
) -> None:
    found = read(text, tmp_path)
    assert list(found.lines) == lines
    assert found.python == python


@pytest.mark.parametrize(
    ("text", "named"),
    [
        (FILES["plain"], ["ramp-workflow from the package index"]),
        (FILES["climate"], ["'nb_conda_kernels' is left out"]),
        (FILES["networks"], ["'pytorch-cuda=12.1'", "'cpuonly'", "'cudatoolkit=11.3'"]),
        (FILES["geography"], ["'gdal' is left out: the package index has no wheels of it", "'geos'", "'proj'"]),
        (FILES["words"], ["'spacy-model-en_core_web_sm' is left out: models", "'openjdk=8' is left out: there is no Java here"]),
        (FILES["statistics"], ["'r-base'", "'r-ggplot2=3.4' is left out: R packages", "'rpy2'"]),
    ],
    ids=["plain", "climate", "networks", "geo", "words", "r"],
)
def test_whatever_has_no_counterpart_is_named(text: str, named: list[str], tmp_path: Path) -> None:
    notes = read(text, tmp_path).notes
    assert len(notes) == len(named)
    for note, words in zip(notes, named, strict=True):
        assert note.startswith("environment.yml")
        assert words in note


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("numpy>=1.8|<1.7", "the version in 'numpy>=1.8|<1.7' cannot be understood"),
        ("numpy==foo", "'numpy==foo' is refused"),
        ("!numpy", "'!numpy'"),
        ("7", "'7' is neither"),
        ("pip: ['-r requirements.txt']", "line 1: '-r requirements.txt' is refused"),
        ("pip: ['git+https://example.org/other.git']", "line 1: 'git+https://example.org/other.git' is refused"),
    ],
)
def test_an_entry_that_cannot_be_read_is_named(entry: str, words: str, tmp_path: Path) -> None:
    quoted = entry if entry[0] in "7p" else f'"{entry}"'
    with pytest.raises(RequirementsError) as failure:
        read(f"dependencies:\n  - {quoted}\n", tmp_path)
    assert words in str(failure.value)
    assert str(failure.value).startswith("environment.yml")


def test_a_requirements_file_may_name_ramp_by_its_address_too(tmp_path: Path) -> None:
    for line in (
        "git+https://github.com/paris-saclay-cds/ramp-workflow",
        "ramp-workflow @ git+https://github.com/x/ramp-workflow@main",
    ):
        assert requirements_of(tmp_path, f"pandas\n{line}\n").lines == ("pandas", "ramp-workflow", "numpy")
