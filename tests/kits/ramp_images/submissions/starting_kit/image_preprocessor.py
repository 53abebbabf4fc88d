import numpy as np


def transform(x):
    # Channels first, as frameworks for networks want them.
    return np.transpose(x.astype('float32') / 255, (2, 0, 1))
