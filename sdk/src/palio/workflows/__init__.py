"""Workflows, under the names that RAMP's kits use: which files a submission has, how they are trained and asked for predictions.

A kit that needs another kind derives a class from `Workflow`, `Element` (one file with one class) or `Chain` (several workflows
after one another) in its `problem.py`; nothing is registered anywhere.

Where they differ from ramp-workflow 0.7:

- No word of a submission's source is forbidden: the sandbox guards, and a filter of words guards nothing.
- A submission must have all files of its workflow, those of data too, as it must to be accepted by the platform.
- A class `FeatureExtractor` needs no `fit`, whatever its workflow, and an error within a `fit` is never taken for a missing one.
- Features are counted: a feature extractor that drops rows is told so, instead of a later element that fails for it.
- Time series: training rows come with all times that belong to them. RAMP repeats one of these times and leaves out the last one, so
  that its regressor learns the last `n_burn_in` rows with targets of their neighbours. The feature extractor is fitted to the
  training rows, where RAMP's ElNino shows it all labels. Rows with gaps are refused.
- Looking ahead: the future is changed in every value and not by one number for all, at a random row besides the given ones, and
  before the real series is shown. NaN are equal to NaN. Features that differ from call to call are called that.
- DrugSpectra gives the second feature extractor numbers while training too, not booleans.
- Pictures may be arrays (`.npy`), or be read by the kit's own function, `read`. Generators without an example raise an error,
  where RAMP's never return. `ImageLoader.parallel_load` takes functions as transforms; RAMP's one transform has no effect.
- FeatureExtractorClassifierCalibrator is that of RAMP's older manual, which ramp-workflow has no more.
"""

from palio.workflows.base import Workflow
from palio.workflows.chain import (
    AirPassengers,
    Chain,
    FeatureExtractorClassifier,
    FeatureExtractorClassifierCalibrator,
    FeatureExtractorRegressor,
)
from palio.workflows.drug_spectra import DrugSpectra
from palio.workflows.element import Calibrator, Classifier, Clusterer, Element, FeatureExtractor, Regressor
from palio.workflows.grid_feature_extractor_classifier import GridFeatureExtractor, GridFeatureExtractorClassifier
from palio.workflows.image_classifier import ImageClassifier
from palio.workflows.object_detector import ObjectDetector
from palio.workflows.simplified_image_classifier import SimplifiedImageClassifier
from palio.workflows.sklearn_pipeline import Estimator, EstimatorExternalData, SKLearnPipeline
from palio.workflows.time_series import ElNino, TimeSeriesFeatureExtractor

__all__ = [
    "AirPassengers",
    "Calibrator",
    "Chain",
    "Classifier",
    "Clusterer",
    "DrugSpectra",
    "ElNino",
    "Element",
    "Estimator",
    "EstimatorExternalData",
    "FeatureExtractor",
    "FeatureExtractorClassifier",
    "FeatureExtractorClassifierCalibrator",
    "FeatureExtractorRegressor",
    "GridFeatureExtractor",
    "GridFeatureExtractorClassifier",
    "ImageClassifier",
    "ObjectDetector",
    "Regressor",
    "SKLearnPipeline",
    "SimplifiedImageClassifier",
    "TimeSeriesFeatureExtractor",
    "Workflow",
]
