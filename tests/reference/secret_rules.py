"""Whether a text holds a secret, by the rules of schemas/secret-rules.tsv: the table's patterns, one after the other."""

import re
from functools import lru_cache

from chain import REGISTRY_FILE

RULES_FILE = REGISTRY_FILE.parent / "secret-rules.tsv"

# The character before is no ASCII letter or digit, or it ends an escape: \n, \u003d, %20, ESC [ 31 m.
_WORD_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2})|(?<=m))"

_LITERAL = re.compile(r"(?:[A-Za-z0-9_:/ -](?![?*{]))*")  # what a pattern begins with


def _load():
    """(what a text must hold in small letters for the pattern to be tried, pattern)"""
    rules = []
    for line in RULES_FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        _, where, pattern = line.split("\t")
        flags = re.IGNORECASE if pattern.startswith("(?i)") else 0
        pattern = pattern.removeprefix("(?i)").replace("[^]", r"[\s\S]")
        start = _WORD_START if where == "word start" else ""
        rules.append((_LITERAL.match(pattern)[0].lower(), re.compile(start + pattern, flags | re.ASCII)))
    return rules


_RULES = _load()


@lru_cache(maxsize=65_536)
def holds_secret(text):
    small = text.lower()
    return any(literal in small and pattern.search(text) for literal, pattern in _RULES)


def reaches_over(text, place):
    """Whether a secret begins before `place` and ends behind it."""
    return any(match.start() < place < match.end() for _, pattern in _RULES for match in pattern.finditer(text))
