"""Draws discs on noise: `data/` for the platform, `data/public/` for participants. Running it again writes the same bytes."""

from pathlib import Path

import numpy as np
import pandas as pd

SIZE = 30


def main():
    data = Path(__file__).resolve().parent / 'data'
    for folder, seed, sizes in [(data, 1, (24, 9)), (data / 'public', 2, (8, 4))]:
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.RandomState(seed)
        for part, n in zip(['train', 'test'], sizes):
            write(folder, part, n, random)


def write(folder, part, n, random):
    images = random.randint(0, 60, size=(n, SIZE, SIZE)).astype(np.uint8)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    craters = []
    for i in range(n):
        # Some pictures have none. Each has its own third of the picture, so that none touch.
        for k in range(i % 4):
            row, column, radius = 5 + 10 * k, random.randint(6, SIZE - 6), random.randint(2, 5)
            images[i][(rows - row) ** 2 + (columns - column) ** 2 <= radius ** 2] = random.randint(150, 255)
            craters.append((i, row, column, radius))
    np.save(folder / f'data_{part}.npy', images)
    pd.DataFrame(craters, columns=['i', 'row_p', 'col_p', 'radius_p']).to_csv(folder / f'labels_{part}.csv', index=False)


if __name__ == '__main__':
    main()
