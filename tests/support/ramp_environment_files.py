"""`environment.yml` as kits of RAMP have it, one for each kind of problem and of habit."""

PLAIN = """
name: ramp-titanic
channels:
  - conda-forge
  - defaults
dependencies:
  - python
  - numpy
  - scipy
  - pandas
  - scikit-learn
  - matplotlib
  - seaborn
  - jupyter
  - pip
  - pip:
    - https://api.github.com/repos/paris-saclay-cds/ramp-workflow/zipball/master
"""
PINNED = """
name: mars_craters
dependencies:
  - python=3.11
  - numpy=1.26
  - pandas>=2.0,<3
  - scikit-image==0.22.0
  - shapely
  - pip:
      - git+https://github.com/paris-saclay-cds/ramp-workflow.git@master#egg=ramp-workflow
"""
CLIMATE = """
channels: [conda-forge]
dependencies:
  - python>=3.8,<3.14
  - xarray
  - netCDF4
  - dask-core
  - cartopy
  - conda-forge::cftime
  - nb_conda_kernels
  - pip: [ramp-workflow==0.7.0]
"""
NETWORKS = """
channels: [pytorch, nvidia, conda-forge]
dependencies:
  - python=3.11.4
  - pytorch::pytorch=2.2=py3.11_cpu_0
  - pytorch::torchvision
  - pytorch-cuda=12.1
  - cpuonly
  - cudatoolkit=11.3
  - keras
  - tensorflow-gpu>=2.16
"""
PICTURES = """
dependencies:
  - opencv
  - py-opencv>=4
  - scikit-image
  - pillow
  - ffmpeg
  - libopencv
  - imageio-ffmpeg
"""
BOOSTING = """
dependencies:
  - py-xgboost
  - lightgbm
  - catboost
  - category_encoders
  - imbalanced-learn
  - libgomp
"""
MATHS = """
dependencies:
  - nomkl
  - blas=*=openblas
  - numba
  - cython
  - pytables
  - python-graphviz
  - graphviz
  - gxx_linux-64
"""
SOUND = """
dependencies:
  - librosa
  - pysoundfile
  - libsndfile
  - ffmpeg=4.*
"""
EXPORTED = """
name: exported
prefix: /home/user/miniconda3/envs/exported
channels: [defaults]
dependencies:
  - _libgcc_mutex=0.1=main
  - _openmp_mutex=5.1=1_gnu
  - blas=1.0=mkl
  - bzip2=1.0.8=h7b6447c_0
  - ca-certificates=2023.08.22=h06a4308_0
  - ld_impl_linux-64=2.38=h1181459_1
  - libffi=3.4.4=h6a678d5_0
  - ncurses=6.4=h6a678d5_0
  - numpy=1.26.0=py311h08b1b3b_0
  - numpy-base=1.26.0=py311hf175353_0
  - openssl=3.0.11=h7f8727e_2
  - pip=23.3=py311h06a4308_0
  - python=3.11.5=h955ad1f_0
  - python_abi=3.11=2_cp311
  - pytz=2023.3.post1=py311h06a4308_0
  - readline=8.2=h5eee18b_0
  - setuptools=68.0.0=py311h06a4308_0
  - sqlite=3.41.2=h5eee18b_0
  - tk=8.6.12=h1ccaba5_0
  - tzdata=2023c=h04d1e81_0
  - xz=5.4.2=h5eee18b_0
  - yaml=0.2.5=h7b6447c_0
  - zlib=1.2.13=h5eee18b_0
variables:
  OMP_NUM_THREADS: 1
"""
GEOGRAPHY = """
dependencies:
  - geopandas
  - gdal
  - geos
  - proj
  - rtree
"""
WORDS = """
dependencies:
  - nltk
  - spacy
  - spacy-model-en_core_web_sm
  - openjdk=8
"""
STATISTICS = """
dependencies:
  - r-base
  - r-ggplot2=3.4
  - rpy2
  - pandas
"""

RAMP_ENVIRONMENT_FILES = {
    "plain": PLAIN,
    "pinned": PINNED,
    "climate": CLIMATE,
    "networks": NETWORKS,
    "pictures": PICTURES,
    "boosting": BOOSTING,
    "maths": MATHS,
    "sound": SOUND,
    "exported": EXPORTED,
    "geography": GEOGRAPHY,
    "words": WORDS,
    "statistics": STATISTICS,
}
