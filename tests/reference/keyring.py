"""Reads a keyring file: `keys: [{id, from, key}]`, in YAML's flow or block style.

Standard library only, so it reads the subset that a keyring uses: one level, plain or quoted scalars, comments.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

_PAIR = re.compile(r"""\b(id|from|key)["']?\s*:\s*(?:"([^"]*)"|'([^']*)'|([^\s,}\]#]+(?: [0-9][^\s,}\]#]*)?))""")


@dataclass(frozen=True)
class KeyEntry:
    id: str
    from_us: int  # microseconds since 1970 UTC
    key: bytes


def parse_time(text):
    """RFC 3339, or a date alone, as microseconds since 1970 UTC; without a zone it is UTC."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    delta = moment - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


class Keyring:
    """Entries by rising `from`; the first one also covers all earlier times."""

    def __init__(self, entries):
        self._entries = sorted(entries, key=lambda entry: entry.from_us)
        self._by_id = {entry.id: entry for entry in self._entries}
        if not self._entries or len(self._by_id) != len(self._entries):
            raise ValueError("a keyring has at least one entry and no id twice")

    def at(self, timestamp_us):
        """The entry in force at a record's Kafka timestamp."""
        chosen = self._entries[0]
        for entry in self._entries:
            if entry.from_us <= timestamp_us:
                chosen = entry
        return chosen

    def find(self, key_id):
        return self._by_id.get(key_id)


def parse_keyring(text):
    lines = [re.sub(r"(^|\s)#.*$", "", line) for line in text.splitlines()]
    pairs = [(match[0], match[1] or match[2] or match[3]) for match in _PAIR.findall("\n".join(lines))]
    entries = []
    for position in range(0, len(pairs), 3):
        entry = dict(pairs[position:position + 3])
        if set(entry) != {"id", "from", "key"} or len(bytes.fromhex(entry["key"])) != 32:
            raise ValueError("each keyring entry has id, from and key (64 hex digits)")
        entries.append(KeyEntry(entry["id"], parse_time(entry["from"]), bytes.fromhex(entry["key"])))
    return Keyring(entries)


def read_keyring(path):
    return parse_keyring(Path(path).read_text(encoding="utf-8"))
