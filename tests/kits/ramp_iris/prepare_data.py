"""Writes the data of this kit, from scikit-learn's copy of Fisher's table.

`data/train.csv` and `data/test.csv` are what the platform trains and tests on; `data/public/` holds a smaller extract for
participants. No flower is in two of the files. Takes no network; running it again writes the same bytes.
"""

from pathlib import Path

from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

SEED = 17


def main():
    iris = load_iris(as_frame=True)
    flowers = iris.data.rename(columns=lambda name: name.replace(" (cm)", "").replace(" ", "_"))
    flowers["species"] = iris.target_names[iris.target]

    private, public = split(flowers, 45)
    data = Path(__file__).resolve().parent / "data"
    write(data, *split(private, 35))
    write(data / "public", *split(public, 15))


def split(flowers, n_second):
    """Two disjoint parts with equal shares of the species."""
    return train_test_split(flowers, test_size=n_second, stratify=flowers["species"], random_state=SEED)


def write(folder, train, test):
    folder.mkdir(parents=True, exist_ok=True)
    train.to_csv(folder / "train.csv", index=False, lineterminator="\n")
    test.to_csv(folder / "test.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
