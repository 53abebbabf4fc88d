"""Makes spectra of solutions: `data/` for the platform, `data/public/` for participants. Running it again writes the same bytes."""

from pathlib import Path

import numpy as np
import pandas as pd


def main():
    data = Path(__file__).resolve().parent / 'data'
    for folder, seed, sizes in [(data, 11, (60, 24)), (data / 'public', 12, (24, 12))]:
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.RandomState(seed)
        for part, n in zip(['train', 'test'], sizes):
            spectra(random, n).to_csv(folder / f'{part}.csv.bz2', compression='bz2')


def spectra(random, n):
    molecules = np.array(['A', 'B', 'Q', 'R'])[np.arange(n) % 4]
    concentrations = random.uniform(200, 1500, size=n).round(1)
    waves = np.arange(40)
    centres = {'A': 8, 'B': 15, 'Q': 22, 'R': 30}
    lines = []
    for molecule, concentration in zip(molecules, concentrations):
        peak = concentration / 1000 * np.exp(-((waves - centres[molecule]) ** 2) / 60)
        lines.append(str((peak + random.normal(0, 0.25, size=40)).round(4).tolist()))
    table = pd.DataFrame({'molecule': molecules, 'concentration': concentrations, 'spectra': lines})
    table['solute'] = np.array(['Gluc', 'NaCl'])[np.arange(n) % 2]
    table['vial'] = np.arange(n) // 3
    return table


if __name__ == '__main__':
    main()
