"""The workflow of pictures too many for the memory, which a submission gets batch by batch, transformed as it wants them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Callable

import numpy as np
import numpy.typing as npt

from palio.rows import Rows, take_rows
from palio.workflows.base import Folder
from palio.workflows.batches import Batch, BatchGeneratorBuilder, Indices, get_nb_minibatches
from palio.workflows.images import Image, OfImages, Read, read_image, read_images

__all__ = ["ImageBatches", "ImageClassifier", "get_nb_minibatches"]

#: Makes a picture of a picture.
Transform = Callable[[Image], Any]


class ImageClassifier(OfImages):
    """`image_preprocessor.py` with `transform(image)`, and `batch_classifier.py` with a class `BatchClassifier`.

    X is a pair: the folder of the files, and the name of each, (n_rows,). y holds the number of a class, 0 to `n_classes` - 1.
    `transform` gets a picture, (height, width) or (height, width, n_channels), and returns one; those of a batch must have one
    shape. If there is a `transform_test`, it is used instead when predictions are made. `BatchClassifier.fit(builder)` gets a
    builder of generators, `predict_proba(X)` gets at most `test_batch_size` pictures, (n, ...), and returns (n, n_classes).
    At most `chunk_size` pictures are in memory at a time, read by `n_jobs` threads with `read`.
    """

    def __init__(
        self,
        test_batch_size: int,
        chunk_size: int,
        n_jobs: int,
        n_classes: int,
        workflow_element_names: Sequence[str] = ("image_preprocessor", "batch_classifier"),
        read: Read = read_image,
    ) -> None:
        super().__init__(workflow_element_names)
        self.test_batch_size = test_batch_size
        self.chunk_size = chunk_size
        self.n_jobs = n_jobs
        self.n_classes = n_classes
        self.read = read

    def train_submission(self, module_path: Folder, X: Any, y: Any, train_is: Rows | None = None) -> tuple[Any, ...]:
        """The transformations for training and for prediction, and the fitted classifier."""
        preprocessor = self.load_element(module_path, 0)
        transform = self.attribute(preprocessor, "transform")
        classifier = self.attribute(self.load_element(module_path, 1), "BatchClassifier")()
        self.method(classifier, "fit", 1)(ImageBatches(self, self.take(X, train_is), take_rows(y, train_is), transform))
        return transform, getattr(preprocessor, "transform_test", transform), classifier

    def test_submission(self, model: tuple[Any, ...], X: Any) -> npt.NDArray[Any]:
        """Probabilities: (n_rows, n_classes)."""
        _, transform, classifier = model
        predict_proba = self.method(classifier, "predict_proba", 1)
        rows = np.arange(self.n_rows(X))
        return np.concatenate(
            [
                predict_proba(self.stacked([transform(image) for image in images]))
                for _, images in self.images(X, rows, self.test_batch_size)
            ]
        )

    def images(self, X: Any, rows: Indices, batch_size: int) -> Iterator[tuple[Indices, list[Image]]]:
        """The pictures of these rows, read chunk by chunk, in batches; none goes over the border of a chunk."""
        folder, names = X
        for first in range(0, len(rows), self.chunk_size):
            chunk = rows[first : first + self.chunk_size]
            images = read_images(folder, take_rows(names, chunk), self.read, self.n_jobs)
            for start in range(0, len(chunk), batch_size):
                stop = start + batch_size
                yield chunk[start:stop], images[start:stop]

    def stacked(self, images: Sequence[Any]) -> npt.NDArray[Any]:
        """Pictures as one array: (n, ...); those without channels get one, (n, 1, height, width)."""
        shapes = {np.shape(image) for image in images}
        if len(shapes) > 1:
            found = ", ".join(map(str, sorted(shapes)))
            raise ValueError(
                f"transform in {self.element_files[0]} must return images of one shape; in one batch there are {found}."
            )
        stack = np.stack(images)
        # Three axes are those of pictures without channels.
        return stack[:, np.newaxis] if stack.ndim == 3 else stack  # noqa: PLR2004


class ImageBatches(BatchGeneratorBuilder):
    """The builder that a `BatchClassifier` is fitted with: X is (n, ...) float32, y (n, n_classes), 1.0 for the picture's class."""

    def __init__(self, workflow: ImageClassifier, X: Any, y: Any, transform: Transform) -> None:
        super().__init__(X[1], y)
        self.folder = X[0]
        self.n_classes = workflow.n_classes
        self._workflow = workflow
        self._transform = transform

    def batches(self, rows: Indices, batch_size: int) -> Iterator[Batch]:
        """One pass through these pictures, transformed."""
        one_hot = np.eye(self.n_classes)
        for batch, images in self._workflow.images((self.folder, self.X_array), rows, batch_size):
            X = self._workflow.stacked([self._transform(image) for image in images])
            yield X.astype(np.float32), one_hot[np.asarray(take_rows(self.y_array, batch), dtype=int)]
