"""Makes a sea with a slow wave in it: `data/` for the platform, `data/public/` for participants. Running it again writes the same numbers."""

from pathlib import Path

import numpy as np
from scipy.io import netcdf_file

LATITUDES, LONGITUDES = np.arange(-10.0, 11.0, 5.0), np.arange(190.0, 241.0, 10.0)


def main():
    data = Path(__file__).resolve().parent / 'data'
    for folder, seed, months in [(data, 21, (200, 110)), (data / 'public', 22, (180, 100))]:
        folder.mkdir(parents=True, exist_ok=True)
        for part, n in zip(['train', 'test'], months):
            write(folder / f'el_nino_{part}.nc', np.random.RandomState(seed + n), n)
        (folder / 'n_burn_in.txt').write_text('12')


def write(path, random, n_months):
    months = np.arange(n_months + 6)
    wave = np.sin(months / 7.3) + 0.5 * np.sin(months * 2 * np.pi / 12) + random.normal(0, 0.1, size=len(months))
    field = 300 + wave[:, None, None] * np.exp(-((LONGITUDES - 215) / 30) ** 2)[None, None, :]
    field = field + random.normal(0, 0.2, size=(len(months), len(LATITUDES), len(LONGITUDES)))
    with netcdf_file(path, 'w') as file:
        for name, values in [('time', months[:n_months].astype(float)), ('lat', LATITUDES), ('lon', LONGITUDES)]:
            file.createDimension(name, len(values))
            file.createVariable(name, 'd', (name,))[:] = values
        file.createVariable('tas', 'd', ('time', 'lat', 'lon'))[:] = field[:n_months]
        # What is to be foretold: the mean half a year later.
        file.createVariable('target', 'd', ('time',))[:] = field.mean(axis=(1, 2))[6:]


if __name__ == '__main__':
    main()
