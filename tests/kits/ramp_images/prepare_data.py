"""Draws stripes: `data/` for the platform, `data/public/` for participants. Running it again writes the same bytes."""

from pathlib import Path

import numpy as np
import pandas as pd

SIZE = 12


def main():
    data = Path(__file__).resolve().parent / 'data'
    for folder, seed, sizes in [(data, 71, (30, 12)), (data / 'public', 72, (12, 6))]:
        random = np.random.RandomState(seed)
        (folder / 'imgs').mkdir(parents=True, exist_ok=True)
        first = 0
        for part, n in zip(['train', 'test'], sizes):
            # Labels are in the tables; nothing of the names of pictures tells them.
            labels = random.permutation(np.arange(n) % 3)
            ids = ['{:04d}.ppm'.format(first + i) for i in range(n)]
            for name, label in zip(ids, labels):
                draw(folder / 'imgs' / name, label, random)
            pd.DataFrame({'id': ids, 'class': labels}).to_csv(folder / f'{part}.csv', index=False)
            first += n


def draw(path, label, random):
    """A picture with stripes across, along, or both, in the one format that needs no library."""
    rows, columns = np.mgrid[:SIZE, :SIZE]
    stripes = [rows % 4 < 2, columns % 4 < 2, (rows + columns) % 4 < 2][label]
    picture = random.randint(0, 230, size=(SIZE, SIZE, 3)) + 25 * stripes[:, :, None]
    path.write_bytes(b'P6 %d %d 255\n' % (SIZE, SIZE) + picture.astype(np.uint8).tobytes())


if __name__ == '__main__':
    main()
