"""Workflows: which files a submission has, and how they are trained and asked for predictions."""

from palio.workflows.base import Workflow
from palio.workflows.classifier import Classifier
from palio.workflows.estimator import Estimator

__all__ = ["Classifier", "Estimator", "Workflow"]
