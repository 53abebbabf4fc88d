"""Pictures and their batches."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palio.workflows import ImageClassifier, SimplifiedImageClassifier, images
from palio.workflows.image_classifier import ImageBatches, get_nb_minibatches
from palio.workflows.images import read_image, read_images
from palio.workflows.object_detector import BatchGeneratorBuilder
from palio.workflows.simplified_image_classifier import ImageLoader

SHAPES = [(2, 3), (2, 3), (4, 5), (2, 3), (2, 3)]


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[str, list[str]]:
    """A folder of five arrays, each full of its number."""
    for number, shape in enumerate(SHAPES):
        np.save(tmp_path / f"{number}.npy", np.full(shape, number))
    return str(tmp_path), [f"{number}.npy" for number in range(5)]


@pytest.mark.parametrize("n_jobs", [1, 3, -1])
def test_pictures_are_read_in_order_whatever_the_number_of_threads(pictures: tuple[str, list[str]], n_jobs: int) -> None:
    assert [image[0, 0] for image in read_images(*pictures, read_image, n_jobs)] == [0, 1, 2, 3, 4]


def test_a_kit_without_a_library_for_pictures_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "find_spec", lambda name: None if name in {"skimage", "PIL"} else find_spec(name))
    with pytest.raises(ImportError, match=r"cat.png cannot be read: name scikit-image or pillow in the kit's requirements.txt"):
        read_image("folder/cat.png")


def test_a_kit_may_read_its_files_itself(pictures: tuple[str, list[str]]) -> None:
    workflow = SimplifiedImageClassifier(2, read=lambda path: np.array(Path(path).stat().st_size))

    class Sizes:
        def predict_proba(self, loader: Any) -> Any:
            return [int(size) for size in loader]

    folder, names = pictures
    assert workflow.test_submission(Sizes(), (folder, names)) == [(Path(folder) / name).stat().st_size for name in names]


def test_a_loader_gives_labels_while_training_only(pictures: tuple[str, list[str]]) -> None:
    folder, names = pictures
    training = ImageLoader(names, [7, 8, 9, 7, 8], folder, 3)
    image, label = training.load(2)
    assert (image.shape, label) == ((4, 5), 9)
    assert [label for _, label in training] == [7, 8, 9, 7, 8]
    double = training.parallel_load([3, 1], transforms=[lambda image: 2 * image])
    assert ([image[0, 0] for image in double[0]], double[1]) == ([6, 2], [7, 8])
    assert ImageLoader(names, None, folder, 3).load(4)[0, 0] == 4


@pytest.mark.parametrize("index", [-1, 5])
def test_a_picture_that_there_is_none_of_is_told(pictures: tuple[str, list[str]], index: int) -> None:
    with pytest.raises(IndexError, match=f"There is no image {index}; they go from 0 to 4"):
        ImageLoader(pictures[1], None, pictures[0], 3).load(index)


def test_pictures_of_different_shapes_in_a_batch_are_told_of(pictures: tuple[str, list[str]]) -> None:
    workflow = ImageClassifier(test_batch_size=5, chunk_size=5, n_jobs=1, n_classes=2)
    with pytest.raises(ValueError, match=r"image_preprocessor.py must return images of one shape; .* \(2, 3\), \(4, 5\)"):
        workflow.stacked(read_images(*pictures, read_image))


def test_batches_begin_again_and_end_with_chunks(pictures: tuple[str, list[str]]) -> None:
    workflow = ImageClassifier(test_batch_size=5, chunk_size=3, n_jobs=1, n_classes=5)
    builder = ImageBatches(workflow, pictures, np.arange(5), lambda image: image[:2, :3])
    train, _, n_train, n_valid = builder.get_train_valid_generators(batch_size=2, valid_ratio=0.2)
    assert (n_train, n_valid) == (4, 1)
    batches = [next(train) for _ in range(6)]
    assert [y.argmax(axis=1).tolist() for _, y in batches] == [[0, 1], [2], [3]] * 2
    assert [X.shape for X, _ in batches[:2]] == [(2, 1, 2, 3), (1, 1, 2, 3)]


def test_a_generator_without_examples_says_so_instead_of_waiting_for_ever() -> None:
    _, valid, _, n_valid = BatchGeneratorBuilder([1, 2, 3], [4, 5, 6]).get_train_valid_generators(valid_ratio=0.1)
    assert n_valid == 0
    with pytest.raises(ValueError, match="of 3 examples none is left for this generator; ask for another valid_ratio"):
        next(valid)


def test_the_number_of_batches_counts_the_smaller_last_one() -> None:
    assert [get_nb_minibatches(n, 4) for n in (0, 1, 4, 5)] == [0, 1, 1, 2]


def test_a_submission_without_a_transformation_is_told(tmp_path: Path, pictures: tuple[str, list[str]]) -> None:
    (tmp_path / "image_preprocessor.py").write_text("")
    (tmp_path / "batch_classifier.py").write_text("class BatchClassifier: ...")
    with pytest.raises(AttributeError, match=r"image_preprocessor.py must define transform"):
        ImageClassifier(5, 5, 1, 2).train_submission(tmp_path, pictures, np.zeros(5))
    (tmp_path / "image_preprocessor.py").write_text("transform = abs")
    with pytest.raises(AttributeError, match=r"BatchClassifier in batch_classifier.py must have a method fit"):
        ImageClassifier(5, 5, 1, 2).train_submission(tmp_path, pictures, np.zeros(5))
