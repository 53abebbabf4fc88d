"""The traceback of a participant's code, from the object store: bounded, checked against the ledger's digest, and tame.

It is a stranger's text. What is shown of it holds no control characters and no more than a mail needs.
"""

import hashlib
import unicodedata
from uuid import UUID

from shared.artefacts import Bucket, MissingArtefactError, Store, traceback_key

#: A traceback above this is not one; it is read no further.
MAX_BYTES = 1 << 20
#: The end says what happened, so the beginning goes.
MAX_LINES = 120
MAX_LINE_LENGTH = 500
KEPT_CONTROLS = "\n\t"
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def read_traceback(store: Store, pool: str, run_id: UUID, digest: str) -> str | None:
    """The traceback, tame and cut; None if the store does not hold it, or other or more bytes than it should.

    Errors of a store that is away pass through: the mail waits for it.
    """
    content = bytearray()
    try:
        with store.stream(Bucket.RUNS, traceback_key(pool, run_id, digest)) as chunks:
            for chunk in chunks:
                content += chunk
                if len(content) > MAX_BYTES:
                    return None
    except MissingArtefactError:
        return None
    if hashlib.sha256(content).hexdigest() != digest:
        return None
    return cut(tame(content.decode("utf-8", errors="replace")))


def tame(text: str) -> str:
    """The same text without control and format characters, which could move a terminal's cursor or turn the reading direction."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(
        character if character in KEPT_CONTROLS or unicodedata.category(character)[0] != "C" else REPLACEMENT
        for character in unified
    )


def one_line(text: str) -> str:
    """For a header or a sentence: tame, and every run of white space one space."""
    return " ".join(tame(text).split())


def cut(text: str) -> str:
    """The last `MAX_LINES` lines, each cut at `MAX_LINE_LENGTH`, saying what was left out."""
    lines = text.rstrip().split("\n")
    shown = [line if len(line) <= MAX_LINE_LENGTH else f"{line[:MAX_LINE_LENGTH]} [cut]" for line in lines[-MAX_LINES:]]
    left_out = len(lines) - len(shown)
    return "\n".join([f"[{left_out} lines left out]", *shown] if left_out else shown)
