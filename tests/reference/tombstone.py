"""The row that a refused record leaves in a chain (schemas/chain-v1.md, "Tombstones")."""

import chain
from decode import RULES_VERSION


def tombstone_row(record, reason):
    """Its columns, without recorded_at, source_digest and what the key decides."""
    return {"event_id": chain.tombstone_event_id(*record.position), "family": "quarantined", "action": reason,
            "schema_version": 0, "source": "", "event_time": record.timestamp_ms * 1000,
            "kafka_topic": record.topic, "kafka_log_epoch": record.log_epoch, "kafka_partition": record.partition,
            "kafka_offset": record.offset, "rules_version": RULES_VERSION}
