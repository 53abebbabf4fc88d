"""Writes the data of the digits kit, from scikit-learn's copy of the UCI optical digits.

`data/train.csv` and `data/test.csv` are what the platform trains and tests on; `data/public/` holds a smaller extract for
participants. No picture is in two of the files. Takes no network; running it again writes the same bytes.
"""

from pathlib import Path

from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SEED = 57


def main():
    pictures = load_digits(as_frame=True).frame.rename(columns={"target": "digit"})
    pixels = pictures.columns.drop("digit")
    pictures[pixels] = pictures[pixels].astype(int)

    private, public = split(pictures, 500)
    data = Path(__file__).resolve().parent / "data"
    write(data, *split(private, 400))
    write(data / "public", *split(public, 150))


def split(pictures, n_second):
    """Two disjoint parts with equal shares of the digits."""
    return train_test_split(pictures, test_size=n_second, stratify=pictures["digit"], random_state=SEED)


def write(folder, train, test):
    folder.mkdir(parents=True, exist_ok=True)
    train.to_csv(folder / "train.csv", index=False, lineterminator="\n")
    test.to_csv(folder / "test.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
