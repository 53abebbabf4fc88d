"""Ensembles of submissions: which to pick, how often, and what each contributes.

Used by `palio blend`, and by the platform in the sandbox of whatever kit: needs numpy alone, imports nothing else of palio, and
runs on Python 3.8.
"""

from .blends import Blend, growing, make_blend
from .selection import Earlier, Rules, Selection, contributivity, select

__all__ = ["Blend", "Earlier", "Rules", "Selection", "contributivity", "growing", "make_blend", "select"]
