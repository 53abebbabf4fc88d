"""Entries of a conda `environment.yml`, as requirements of the Python package index.

Conda names more than Python packages, and some of those otherwise; channels and builds mean nothing elsewhere.
"""

import re
from dataclasses import dataclass

#: Names that differ. All others are the same on both sides.
_OTHER_NAMES = {
    "dask-core": "dask",
    "faiss": "faiss-cpu",
    "keras-gpu": "keras",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "numpy-base": "numpy",
    "openbabel": "openbabel-wheel",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "py-lightgbm": "lightgbm",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pysoundfile": "soundfile",
    "pytables": "tables",
    "python-blosc": "blosc",
    "python-eccodes": "eccodes",
    "python-graphviz": "graphviz",
    "python-sounddevice": "sounddevice",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "torchvision-cpu": "torchvision",
}
#: Nothing that Python imports: compilers, libraries, tools, conda itself. Wheels bring what they need. Several of these names
#: are other people's packages at the index, and must not be asked for there.
_NO_PACKAGES = frozenset(
    {
        *(
            "anaconda",
            "anaconda-client",
            "conda",
            "conda-build",
            "conda-env",
            "mamba",
            "menuinst",
            "nb_conda",
            "nb_conda_kernels",
        ),
        *("binutils", "c-compiler", "cmake", "compilers", "cxx-compiler", "fortran-compiler", "gcc", "gxx", "make", "ninja"),
        *("blas", "intel-openmp", "llvm-openmp", "mkl", "mkl-service", "mkl_fft", "mkl_random", "nomkl", "openblas", "tbb"),
        *("cpuonly", "cudatoolkit", "cudnn", "nccl", "pytorch-cuda", "pytorch-mutex", "mpi", "mpich", "openmpi"),
        *("arrow-cpp", "blosc", "bzip2", "cairo", "dbus", "eccodes", "expat", "ffmpeg", "fontconfig", "freetype", "fribidi"),
        *("geos", "gettext", "giflib", "glib", "graphite2", "graphviz", "gst-plugins-base", "gstreamer", "harfbuzz", "hdf4"),
        *(
            "hdf5",
            "icu",
            "jpeg",
            "krb5",
            "lcms2",
            "lerc",
            "lz4-c",
            "lzo",
            "ncurses",
            "nspr",
            "nss",
            "openjpeg",
            "openssl",
            "pango",
        ),
        *("pcre", "pcre2", "pixman", "proj", "qhull", "qt", "qt-main", "readline", "snappy", "sqlite", "tk", "unixodbc", "xz"),
        *("yaml", "zlib", "zstd", "ca-certificates", "curl", "git", "nodejs", "wget", "pip", "python_abi", "tzcode", "tzdata"),
        *("icc_rt", "ucrt", "vc", "vs2015_runtime", "wincertstore", "winpty"),
    }
)
_NO_PACKAGE = re.compile(r"_.*|lib.*|ld_impl_.*|(kernel-headers|sysroot|gcc|gxx|gfortran|binutils)_.*|(cuda|m2w64|msys2|xorg)-.*")
#: Python packages that look like libraries.
_PACKAGES = frozenset({"cuda-python", "libclang", "libcst", "liblinear", "libpysal", "librosa", "libsass", "libtmux"})
#: What a kit may really miss, and what to do about it.
_CANNOT = {
    "gdal": "the package index has no wheels of it; rasterio and pyogrio bring their own",
    "nltk_data": "data are no packages; put them into the kit",
    "openjdk": "there is no Java here",
}
_R = re.compile(r"r|r-.*|rpy2")
_MODEL = re.compile(r"spacy-model-.*")
_ENTRY = re.compile(r"(?:(?P<channel>[\w./-]+)::)?(?P<name>[A-Za-z0-9_][\w.-]*)(?P<rest>.*)", re.DOTALL)
_ANY = re.compile(r"(?:=?\s*\*(?:\s*=\s*[\w.*]+)?)?")
_BOUNDS = re.compile(r"(?:==|!=|>=|<=|>|<|~=)\s*[\w.*+!]+(?:\s*,\s*(?:==|!=|>=|<=|>|<|~=)\s*[\w.*+!]+)*")
_FUZZY = re.compile(r"=?\s*(?P<version>\d[\w.+!]*?)(?P<star>\.?\*)?(?:\s*=\s*[\w.*]+|\s+[\w.*]+)?")
_RELEASE = re.compile(r"\d+(?:\.\d+)*")
_EXACT = re.compile(r"==\s*(?P<version>\d[\w.+!]*?)(?P<star>\.\*)?\s*=\s*[\w.*]+")


class CondaError(Exception):
    """An entry cannot be understood; the message names it."""


@dataclass(frozen=True)
class Converted:
    """One of three: a requirement, versions of Python such as `==3.10.*`, or the reason why the entry is left out."""

    requirement: str | None = None
    python: str | None = None
    reason: str | None = None


def from_conda(entry: str) -> Converted:
    """Convert an entry such as `numpy=1.20`, `conda-forge::py-xgboost>=1.5` or `python=3.10`. Raises `CondaError`."""
    match = _ENTRY.fullmatch(entry.strip())
    if not match:
        raise CondaError(f"{entry!r} is not a package")
    name, rest = match["name"].lower(), match["rest"].strip()
    reason = _reason_without(name)
    if reason:
        return Converted(reason=reason)
    version = _version(entry, rest)
    if name == "python":
        return Converted(python=version) if version else Converted(reason="any version of Python will do")
    return Converted(requirement=f"{_OTHER_NAMES.get(name, name)}{version}")


def _reason_without(name: str) -> str | None:
    """Why nothing of this name can be installed; None if it can."""
    if name in _CANNOT:
        return _CANNOT[name]
    if _R.fullmatch(name):
        return "R packages cannot be installed here"
    if _MODEL.fullmatch(name):
        return "models are no packages of the index; put the model into the kit"
    if name in _NO_PACKAGES or (_NO_PACKAGE.fullmatch(name) and name not in _PACKAGES):
        return "it is no Python package; wheels bring what they need"
    return None


def _version(entry: str, rest: str) -> str:
    """A conda version as one of Python's: `=1.20` means 1.20 and all that follows below 1.21."""
    if _ANY.fullmatch(rest):
        return ""
    if _BOUNDS.fullmatch(rest):
        return "".join(rest.split())
    exact = _EXACT.fullmatch(rest)
    if exact:
        return f"=={exact['version']}{exact['star'] or ''}"
    fuzzy = _FUZZY.fullmatch(rest)
    if fuzzy:
        # What is no plain release, such as 2023.3.post1, has nothing below it.
        return f"=={fuzzy['version']}{'.*' if _RELEASE.fullmatch(fuzzy['version']) else ''}"
    raise CondaError(f"the version in {entry!r} cannot be understood")
