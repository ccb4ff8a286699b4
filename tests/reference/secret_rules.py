"""Whether a text holds a secret, by the rules of schemas/secret-rules.tsv: the table's patterns, one after the other."""

import re

from chain import REGISTRY_FILE

RULES_FILE = REGISTRY_FILE.parent / "secret-rules.tsv"

# The character before is no ASCII letter or digit, or it ends an escape: \n, \u003d, %20, ESC [ 31 m.
_WORD_START = r"(?:(?<![A-Za-z0-9])|(?<=\\[bfnrt])|(?<=\\u[0-9A-Fa-f]{4})|(?<=%[0-9A-Fa-f]{2})|(?<=m))"


def _load():
    patterns = []
    for line in RULES_FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        _, where, pattern = line.split("\t")
        flags = re.IGNORECASE if pattern.startswith("(?i)") else 0
        pattern = pattern.removeprefix("(?i)").replace("[^]", r"[\s\S]")
        patterns.append(re.compile((_WORD_START if where == "word start" else "") + pattern, flags | re.ASCII))
    return patterns


_PATTERNS = _load()


def holds_secret(text):
    return any(pattern.search(text) for pattern in _PATTERNS)
