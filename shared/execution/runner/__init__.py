"""What runs inside a sandbox, in a kit's own environment: prepare, train and predict, score.

Standard library and numpy only, Python 3.8 or newer, imported there as `palio_runner` from a read-only mount. Results leave
through a channel of plain bytes; whatever reads them outside trusts none of it.
"""
