"""Entries of zips that are sent: the same content makes the same file, whenever it is asked for."""

import zipfile

#: Zip has no time before 1980.
_TIME = (1980, 1, 1, 0, 0, 0)


def zip_entry(name: str) -> zipfile.ZipInfo:
    """A compressed file of this name that everybody may read."""
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry
