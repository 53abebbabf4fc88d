"""Kits of pictures in files."""

from __future__ import annotations

import io

import numpy as np

from tests.support.workflow_kits.kit import CLASSES, HEAD, Kit


def _images(suffix: str) -> dict[str, bytes]:
    """Pictures of stripes across or along in the first 60 files, the training set, and in 20 more."""
    random = np.random.default_rng(5)
    files = {}
    for number in range(80):
        lines, columns = np.mgrid[:6, :8]
        stripes = (lines if number % 2 else columns) % 2
        picture = (random.integers(0, 150, size=(6, 8, 3)) + 100 * stripes[:, :, np.newaxis]).astype(np.uint8)
        # The one format of pictures that needs no library to write.
        content = b"P6 8 6 255\n" + picture.tobytes()
        if suffix == "npy":
            buffer = io.BytesIO()
            np.save(buffer, picture)
            content = buffer.getvalue()
        files[f"data/images/{number}.{suffix}"] = content
    return files


_READ_IMAGES = """
def read(path, seed, n):
    numbers = np.arange(n) + 60 * seed
    names = np.array([f"{number}.ppm" for number in numbers])
    return (os.path.join(path, "data", "images"), names), numbers % 2

"""
_CLASSES_OF_IMAGES = CLASSES.replace('["high", "low"]', "[0, 1]")
_STRIPES = """
    def features(self, X):
        grey = np.asarray(X, dtype=float)
        return np.column_stack([np.abs(np.diff(grey, axis=axis)).mean(axis=(1, 2)) for axis in (1, 2)])
"""
_IMAGE_CLASSIFIER = {
    "image_preprocessor.py": """
def transform(image):
    return image.mean(axis=2) / 256

def transform_test(image):
    return image.mean(axis=2) / 255
""",
    "batch_classifier.py": f"""
import numpy as np
from sklearn.linear_model import LogisticRegression
from LIBRARY.workflows.image_classifier import get_nb_minibatches

class BatchClassifier:
    def fit(self, gen_builder):
        train, valid, n_train, n_valid = gen_builder.get_train_valid_generators(batch_size=4, valid_ratio=0.2)
        # Batches end where chunks end, so that there may be more of them.
        batches = [next(train) for _ in range(get_nb_minibatches(n_train, 4) + 3)]
        assert next(valid)[1].shape == (4, 2)
        X, y = (np.concatenate(parts) for parts in zip(*batches))
        assert X.shape[1:] == (1, 6, 8) and X.dtype == "float32"
        self.model = LogisticRegression(C=100).fit(self.features(X[:, 0]), y.argmax(axis=1))

    def predict_proba(self, X):
        assert len(X) <= 5
        return self.model.predict_proba(self.features(X[:, 0]))
{_STRIPES}
""",
}
IMAGES = Kit(
    f"{HEAD}{_CLASSES_OF_IMAGES}{_READ_IMAGES}workflow = rw.workflows.ImageClassifier(5, 9, n_jobs=2, n_classes=2)",
    _IMAGE_CLASSIFIER,
    _images("ppm"),
    needs="skimage",
)
IMAGES_AS_ARRAYS = Kit(
    IMAGES.problem.replace(".ppm", ".npy"),
    _IMAGE_CLASSIFIER,
    _images("npy"),
    is_ramps=False,
)
SIMPLIFIED_IMAGES = Kit(
    f"{HEAD}{_CLASSES_OF_IMAGES}{_READ_IMAGES}workflow = rw.workflows.SimplifiedImageClassifier(n_classes=2)",
    {
        "image_classifier.py": f"""
import numpy as np
from sklearn.linear_model import LogisticRegression

class ImageClassifier:
    def fit(self, loader):
        pairs = [*loader]
        assert len(pairs) == len(loader) == loader.nb_examples and loader.n_classes == 2
        images, labels = loader.parallel_load(range(10, len(loader)))
        images += [loader.load(index)[0] for index in range(10)]
        labels = [*labels, *(label for _, label in pairs[:10])]
        self.model = LogisticRegression(C=100).fit(self.features(np.mean(images, axis=3) / 256), labels)

    def predict_proba(self, loader):
        return self.model.predict_proba(self.features(np.mean([*loader], axis=3) / 256))
{_STRIPES}
"""
    },
    _images("ppm"),
    needs="skimage",
)
