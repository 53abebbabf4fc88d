"""Entries of a conda `environment.yml`, as requirements of the Python package index.

Conda names more than Python packages, and some of those otherwise; channels and builds mean nothing elsewhere.
"""

import re
from dataclasses import dataclass

#: Names that differ. All others are the same on both sides.
_OTHER_NAMES = {
    "dask-core": "dask",
    "faiss-cpu": "faiss-cpu",
    "keras-gpu": "keras",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-lightgbm": "lightgbm",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "pytables": "tables",
    "python-graphviz": "graphviz",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "torchvision-cpu": "torchvision",
}
#: Nothing that Python imports: compilers, maths libraries, tools. Wheels bring what they need.
_NO_PACKAGES = frozenset(
    {
        *("blas", "ca-certificates", "compilers", "conda", "cudatoolkit", "cudnn", "cxx-compiler", "c-compiler", "ffmpeg"),
        *("fortran-compiler", "gcc", "gdal", "geos", "git", "graphviz", "gxx", "hdf5", "intel-openmp", "libblas", "liblapack"),
        *("libgcc-ng", "libgomp", "libstdcxx-ng", "llvm-openmp", "make", "mamba", "mkl", "mkl-service", "mkl_fft"),
        *("mkl_random", "nodejs", "nomkl", "openblas", "openssl", "pip", "proj", "r-base", "sqlite", "wget", "xz", "zlib"),
    }
)
_ENTRY = re.compile(r"(?:(?P<channel>[\w./-]+)::)?(?P<name>[A-Za-z0-9_][\w.-]*)(?P<rest>.*)", re.DOTALL)
_BOUNDS = re.compile(r"(?:==|!=|>=|<=|>|<|~=)\s*[\w.*+!]+(?:\s*,\s*(?:==|!=|>=|<=|>|<|~=)\s*[\w.*+!]+)*")
_FUZZY = re.compile(r"=?\s*(?P<version>\d[\w.+!]*?)(?P<star>\.?\*)?(?:\s*=\s*[\w.*]+|\s+[\w.*]+)?")
_EXACT = re.compile(r"==\s*(?P<version>\d[\w.+!]*?)(?P<star>\.\*)?\s*=\s*[\w.*]+")
_PYTHON = re.compile(r"3\.\d{1,2}")


class CondaError(Exception):
    """An entry cannot be understood; the message names it."""


@dataclass(frozen=True)
class Converted:
    """One of three: a requirement, the Python version, or the reason why the entry is left out."""

    requirement: str | None = None
    python_version: str | None = None
    reason: str | None = None


def from_conda(entry: str) -> Converted:
    """Convert an entry such as `numpy=1.20`, `conda-forge::py-xgboost>=1.5` or `python=3.10`. Raises `CondaError`."""
    match = _ENTRY.fullmatch(entry.strip())
    if not match:
        raise CondaError(f"{entry!r} is not a package")
    name, version = match["name"].lower(), _version(entry, match["rest"].strip())
    if name == "python":
        found = _PYTHON.search(version)
        return Converted(python_version=found[0]) if found else Converted(reason="no version of Python in it")
    if name in _NO_PACKAGES or name.startswith(("_", "lib")):
        return Converted(reason="it is no Python package; wheels bring what they need")
    if name.startswith("r-"):
        return Converted(reason="R packages cannot be installed here")
    return Converted(requirement=f"{_OTHER_NAMES.get(name, name)}{version}")


def _version(entry: str, rest: str) -> str:
    """A conda version as one of Python's: `=1.20` means 1.20 and all that follows below 1.21."""
    if not rest or rest == "*":
        return ""
    if _BOUNDS.fullmatch(rest):
        return "".join(rest.split())
    exact = _EXACT.fullmatch(rest)
    if exact:
        return f"=={exact['version']}{exact['star'] or ''}"
    fuzzy = _FUZZY.fullmatch(rest)
    if fuzzy:
        return f"=={fuzzy['version']}.*"
    raise CondaError(f"the version in {entry!r} cannot be understood")
