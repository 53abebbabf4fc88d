"""Counts bicycles that were never there: `data/` for the platform, `data/public/` for participants. Running it again writes the same bytes."""

from pathlib import Path

import numpy as np
import pandas as pd


def main():
    data = Path(__file__).resolve().parent / 'data'
    for folder, seed, days in [(data, 31, (90, 40)), (data / 'public', 32, (40, 20))]:
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.RandomState(seed)
        for part, n in zip(['train', 'test'], days):
            counts(random, n).to_csv(folder / f'{part}.csv', index=False)


def counts(random, n):
    dates = pd.Timestamp('2024-03-01') + pd.to_timedelta(np.sort(random.choice(120, size=n)), unit='D')
    sites = random.choice(['bridge', 'quay', 'station'], size=n)
    weekend = np.isin(dates.day_of_week, [5, 6])
    level = np.array([{'bridge': 3.0, 'quay': 4.0, 'station': 5.0}[site] for site in sites])
    rain = np.sin(dates.day_of_year.to_numpy() / 5.0)
    log_counts = level - weekend - 0.5 * rain + random.normal(0, 0.2, size=n)
    return pd.DataFrame({'date': dates, 'counter_name': sites, 'log_bike_count': log_counts.round(6)})


if __name__ == '__main__':
    main()
