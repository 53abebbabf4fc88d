"""Makes walks: `data/` for the platform, `data/public/` for participants. Running it again writes the same bytes."""

import json
from pathlib import Path

import numpy as np


def main():
    data = Path(__file__).resolve().parent / 'data'
    for folder, seed, sizes in [(data, 81, (20, 8)), (data / 'public', 82, (8, 4))]:
        folder.mkdir(parents=True, exist_ok=True)
        random = np.random.RandomState(seed)
        for part, n in zip(['train', 'test'], sizes):
            walks = [walk(random, i % 5) for i in range(n)]
            (folder / f'{part}.json').write_text(json.dumps(walks))


def walk(random, n_steps):
    signal, steps = list(random.normal(0, 0.3, size=random.randint(3, 9))), []
    for _ in range(n_steps):
        length = int(random.randint(4, 9))
        steps.append((len(signal), len(signal) + length))
        signal += list(2 + random.normal(0, 0.8, size=length))
        signal += list(random.normal(0, 0.3, size=random.randint(3, 9)))
    return {'signal': [round(float(value), 4) for value in signal], 'steps': steps}


if __name__ == '__main__':
    main()
