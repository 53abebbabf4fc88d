"""The package index: how uv reaches it, and what uv's words about it mean.

Owns which of an operator's variables lead there, and that no secret among them is ever shown. Never connects itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from shared.execution.words import shown

#: What of the operator's environment leads to the index; everything else stays out.
_PASSED_ON = re.compile(
    r"UV_(DEFAULT_INDEX|INDEX|INDEX_URL|EXTRA_INDEX_URL|INDEX_STRATEGY|INDEX_\w+_(USERNAME|PASSWORD)|HTTP_\w+)"
    r"|(?i:(HTTP|HTTPS|ALL|NO)_PROXY)"
)
_SECRET_NAME = re.compile(r"UV_INDEX_\w+_(USERNAME|PASSWORD)")
#: Up to the last `@` before the path, as parsers of URLs take it.
_CREDENTIALS = re.compile(r"(?<=://)([^/\s]*)@")
_MAX_WORDS = 8000
#: A short one, such as "x", would tear words apart; what stands in a URL goes with it anyway.
_SHORTEST_SECRET = 4

#: What uv says when it asked in vain, and not that the answer was no.
_IN_VAIN = re.compile(
    r"error sending request|error decoding response|request or response body|timed? ?out|dns error|connection (reset|refused|closed)"
    r"|HTTP status server error|\((408|429) ",
    re.IGNORECASE,
)
_ANSWERED = "No solution found"
_UNKNOWN = re.compile(r"(?:Because|And because|,|and) ([A-Za-z0-9][\w.-]*) was not found in the package registry")


@dataclass(frozen=True)
class Index:
    """How uv reaches a package index: variables for it, and the file of certificates to trust (None: uv's own)."""

    variables: Mapping[str, str]
    certificates: Path | None

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "Index":
        """From an operator's environment variables, as pip and uv read them."""
        certificates = variables.get("SSL_CERT_FILE")
        kept = {name: value for name, value in variables.items() if value and _PASSED_ON.fullmatch(name)}
        return cls(kept, Path(certificates) if certificates and Path(certificates).is_file() else None)

    def without_secrets(self, words: str) -> str:
        """Words of uv as an organiser may read them: credentials of the index and of proxies gone, cut in the middle if long."""
        words = _CREDENTIALS.sub("", words)
        for secret in sorted(self._secrets(), key=len, reverse=True):
            words = words.replace(secret, "***")
        return shown(words, _MAX_WORDS)

    def _secrets(self) -> set[str]:
        found = set()
        for name, value in self.variables.items():
            parts = [value] if _SECRET_NAME.fullmatch(name) else []
            for match in _CREDENTIALS.finditer(value):
                parts += [match[1], *match[1].split(":", 1)]
            found |= {*parts, *map(unquote, parts)}
        return {secret for secret in found if len(secret) >= _SHORTEST_SECRET}


def is_away(words: str) -> bool:
    """Whether uv failed because the index, or the way to it, did not answer: only then may the same be asked again."""
    return _ANSWERED not in words and bool(_IN_VAIN.search(words))


def unknown_names(words: str) -> list[str]:
    """Packages of which uv says that the index has none of this name."""
    return list(dict.fromkeys(_UNKNOWN.findall(" ".join(words.split()))))
