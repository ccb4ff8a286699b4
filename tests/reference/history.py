"""What a producer knows: one JSON object a line for each record it sent, written when its fate is known.

    {"acked": true, "topic": "audit.events.v1", "partition": 3, "offset": 41,
     "key": "<base64 or null>", "value": "<base64 or null>", "headers": [["ce_id", "<base64 or null>"]]}

Only `acked` is required. What names a topic, partition and offset is looked for there; what does not, by `tenant` and
`id` in the ledger.
"""

import base64
import json
from dataclasses import dataclass
from pathlib import Path


def _encode(data):
    return None if data is None else base64.b64encode(data).decode("ascii")


def _decode(text):
    return None if text is None else base64.b64decode(text)


class HistoryWriter:
    """Appends to a history file; every line is flushed, so that it survives the producer."""

    def __init__(self, path):
        self._file = open(path, "a", encoding="utf-8")

    def record(self, acked, topic=None, partition=None, offset=None, key=None, value=None, headers=(), tenant=None,
               event_id=None):
        line = {"acked": acked, "topic": topic, "partition": partition, "offset": offset, "key": _encode(key),
                "value": _encode(value), "headers": [[name, _encode(content)] for name, content in headers],
                "tenant": tenant, "id": event_id}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def close(self):
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@dataclass(frozen=True)
class Sent:
    acked: bool
    position: tuple | None  # (topic, partition, offset)
    content: tuple | None  # (key, value) as sent
    tenant: str | None
    event_id: str | None


def read_history(path):
    sent = []
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        position = (entry.get("topic"), entry.get("partition"), entry.get("offset"))
        content = (_decode(entry["key"]), _decode(entry["value"])) if "value" in entry and "key" in entry else None
        sent.append(Sent(entry["acked"], None if None in position else position, content, entry.get("tenant"),
                         entry.get("id")))
    return sent
