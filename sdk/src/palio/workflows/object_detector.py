"""The workflow of objects that are looked for in pictures."""

from __future__ import annotations

from palio.workflows.batches import BatchGeneratorBuilder
from palio.workflows.element import Element

__all__ = ["BatchGeneratorBuilder", "ObjectDetector"]


class ObjectDetector(Element):
    """`object_detector.py` with a class `ObjectDetector`: `fit(X, y)` and `predict(X)`.

    X holds pictures; y and what `predict` returns hold a list of tuples for each. For large X, `fit` may take batches from a
    `BatchGeneratorBuilder(X, y)`.
    """

    element_name, class_name, method_name = "object_detector", "ObjectDetector", "predict"
