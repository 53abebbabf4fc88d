"""CSV for spreadsheets: nothing in it is a formula, whoever chose the words. Pure."""

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence

#: A cell that begins like this is a formula to a spreadsheet.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def csv_of(header: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    """CSV whose text no spreadsheet takes for a formula; numbers stay numbers."""
    target = io.StringIO()
    writer = csv.writer(target)
    for line in (header, *lines):
        writer.writerow([_harmless(cell) if isinstance(cell, str) else cell for cell in line])
    return target.getvalue()


def _harmless(cell: str) -> str:
    # In its compatible form: to a spreadsheet the wide equals sign of East Asian scripts begins a formula too.
    return f"'{cell}" if unicodedata.normalize("NFKC", cell[:1]).startswith(FORMULA_STARTS) else cell
