"""Names that people choose: what may be in them, and when two are the same."""

import unicodedata
from http import HTTPStatus

from shared.http import Problem

MAX_NAME_LENGTH = 80
#: Unicode categories that do not print: control, format (invisible, direction), surrogate, private, unassigned, line breaks.
INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
#: Would make a name markup in a page, or a path in a download.
FORBIDDEN = frozenset('<>&"/\\')


def clean_name(name: str, what: str) -> str:
    """The name as it is kept: in Unicode's composed form, without spaces around it. Raises a 422 `Problem` that says what is wrong."""
    cleaned = unicodedata.normalize("NFC", name).strip()
    if not cleaned:
        raise _bad_name(f"The {what} is empty. Choose one.")
    if len(cleaned) > MAX_NAME_LENGTH:
        raise _bad_name(f"The {what} has {len(cleaned)} characters; at most {MAX_NAME_LENGTH} fit.")
    if not is_visible(cleaned):
        raise _bad_name(f"The {what} holds a control or invisible character. Use only characters that show.")
    if FORBIDDEN & set(cleaned) or cleaned.startswith("."):
        raise _bad_name(f"The {what} may not begin with a dot or hold any of: {' '.join(sorted(FORBIDDEN))}")
    return cleaned


def is_visible(value: str) -> bool:
    """Whether every character shows: no control, format or line break, no half of a surrogate pair."""
    return not any(unicodedata.category(character) in INVISIBLE for character in value)


def name_key(name: str) -> str:
    """What two names are compared by: they are the same if they differ only in case, width or spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _bad_name(detail: str) -> Problem:
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "bad-name", detail)
