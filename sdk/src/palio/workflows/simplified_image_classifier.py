"""The workflow of pictures that a submission loads itself, one by one or some at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable

from palio.workflows.element import Element
from palio.workflows.images import Image, OfImages, Read, read_image, read_images


class SimplifiedImageClassifier(Element, OfImages):
    """`image_classifier.py` with a class `ImageClassifier`: `fit(loader)`, and `predict_proba(loader)`, (n_rows, n_classes).

    X is a pair: the folder of the files, and the name of each, (n_rows,). Both methods get an `ImageLoader`.
    """

    element_name, class_name, method_name = "image_classifier", "ImageClassifier", "predict_proba"

    def __init__(self, n_classes: int, workflow_element_names: Sequence[str] | None = None, read: Read = read_image) -> None:
        super().__init__(workflow_element_names)
        self.n_classes = n_classes
        self.read = read

    def fit(self, model: Any, X: Any, y: Any, *earlier: Any) -> None:
        """Fit the classifier to the pictures and their labels."""
        self.method(model, "fit")(self._loader(X, y), *earlier)

    def test_submission(self, model: Any, X: Any) -> Any:
        """Probabilities: (n_rows, n_classes)."""
        return super().test_submission(model, self._loader(X, None))

    def _loader(self, X: Any, y: Any) -> ImageLoader:
        folder, names = X
        return ImageLoader(names, y, folder, self.n_classes, self.read)


class ImageLoader:
    """Pictures, with their labels while training: `X_array` holds the names of `nb_examples` files, `y_array` labels or None."""

    def __init__(self, X_array: Any, y_array: Any, folder: str, n_classes: int, read: Read = read_image) -> None:
        self.X_array = X_array
        self.y_array = y_array
        self.folder = folder
        self.n_classes = n_classes
        self.nb_examples = len(X_array)
        self._read = read

    def load(self, index: int) -> Any:
        """The picture number `index`, (height, width) or (height, width, n_channels); while training with its label, as a pair."""
        images = self.parallel_load([index], n_jobs=1)
        return images[0] if self.y_array is None else (images[0][0], images[1][0])

    def parallel_load(
        self, indexes: Sequence[int], transforms: Iterable[Callable[[Image], Any]] | None = None, n_jobs: int = -1
    ) -> Any:
        """The pictures of these numbers as a list, read by `n_jobs` threads (-1: one a processor); while training with labels.

        Each of `transforms`, functions, is applied to every picture, in order. Raises IndexError for numbers that there are none of.
        """
        for index in indexes:
            if not 0 <= index < self.nb_examples:
                raise IndexError(f"There is no image {index}; they go from 0 to {self.nb_examples - 1}.")
        images: list[Any] = read_images(self.folder, [self.X_array[index] for index in indexes], self._read, n_jobs)
        for transform in transforms or ():
            images = [transform(image) for image in images]
        return images if self.y_array is None else (images, [self.y_array[index] for index in indexes])

    def __iter__(self) -> Iterator[Any]:
        return (self.load(index) for index in range(self.nb_examples))

    def __len__(self) -> int:
        return self.nb_examples
