"""Makes recipes with several tags each: `data/` for the platform, `data/public/` for participants. Running it again writes the same bytes."""

from pathlib import Path

import numpy as np
import pandas as pd


def main():
    data = Path(__file__).resolve().parent / 'data'
    for folder, seed, n in [(data, 41, 70), (data / 'public', 42, 30)]:
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.RandomState(seed)
        table = pd.DataFrame({'sugar': random.uniform(size=n), 'salt': random.uniform(size=n), 'fat': random.uniform(size=n)})
        table.loc[::9, 'fat'] = np.nan
        tags = [' '.join(_tags(row, random)) for row in table.itertuples()]
        table.assign(tags=tags).round(6).to_csv(folder / 'train.csv', index=False)


def _tags(row, random):
    found = [name for name, amount in [('sweet', row.sugar), ('salty', row.salt), ('rich', row.fat)] if amount > 0.5]
    return found or [['sweet', 'salty', 'rich'][random.randint(3)]]


if __name__ == '__main__':
    main()
