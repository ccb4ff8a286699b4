"""Reads the ledger and its bookkeeping from PostgreSQL, in one snapshot, as plain Python values.

The only file here that needs psycopg (3). Everything a Ledger returns belongs to one REPEATABLE READ transaction.
"""

from collections import Counter, defaultdict
from contextlib import contextmanager

import psycopg

import chain

SELECTED = {
    "text": "{0}",
    "int64": "{0}::bigint",
    "timestamp": "(extract(epoch FROM {0}) * 1000000)::bigint",
    "bool": "{0}",
    "bytes": "{0}",
    "decimal": "{0}::text",
    "json": "{0}::text",
    "ip": "{0}::text",
    "texts": "{0}",
    "uuid": "{0}::text",
    "beginning": "(extract(epoch FROM greatest({0}, 'epoch')) * 1000000)::bigint",  # perhaps -infinity
}
ROW_COLUMNS = [("tenant_id", "text"), ("seq", "int64"), ("prev_checksum", "bytes"), ("checksum", "bytes")] + [
    (column.name, column.type) for column in chain.REGISTRY]
ROW_NAMES = [name for name, _ in ROW_COLUMNS]
ROW_LIST = ", ".join(SELECTED[column_type].format(name) for name, column_type in ROW_COLUMNS)
MICROSECONDS = SELECTED["timestamp"]

TOTALS = ("accepted", "duplicate", "quarantined", "skipped", "lost")
ROWS_A_FETCH = 2000


class Ledger:
    """One snapshot of the database. Not thread-safe."""

    def __init__(self, connection):
        self._connection = connection

    def _query(self, statement, parameters=()):
        return self._connection.execute(statement, parameters).fetchall()

    def columns(self, table="ledger"):
        """Names of the live columns of a table of the schema audit."""
        return [name for (name,) in self._query(
            "SELECT attname FROM pg_attribute WHERE attrelid = format('audit.%%I', %s::text)::regclass AND attnum > 0"
            " AND NOT attisdropped ORDER BY attnum", [table])]

    def table(self, name, columns):
        """All rows of a table of the schema audit. columns: pairs of name and type."""
        selected = ", ".join(SELECTED[column_type].format(column) for column, column_type in columns)
        return self._query(f"SELECT {selected} FROM audit.{name}")

    def tenants(self):
        return [tenant for (tenant,) in self._query("SELECT DISTINCT tenant_id FROM audit.ledger")]

    def rows(self, tenant=None, erasures_only=False):
        """Rows by (tenant, seq) as dicts; all tenants where none is named."""
        conditions, parameters = ["true"], []
        if tenant is not None:
            conditions.append("tenant_id = %s")
            parameters.append(tenant)
        if erasures_only:
            conditions.append("family = 'admin' AND action = 'erase' AND resource_type = 'ledger_rows'")
        statement = (f"SELECT {ROW_LIST} FROM audit.ledger WHERE {' AND '.join(conditions)}"
                     ' ORDER BY tenant_id COLLATE "C", seq, recorded_at')
        with self._connection.cursor(name="ledger_rows") as cursor:
            cursor.itersize = ROWS_A_FETCH
            cursor.execute(statement, parameters)
            for values in cursor:
                yield dict(zip(ROW_NAMES, values))

    def heads(self):
        """tenant → {seq, checksum, recorded_at, events, quarantined}."""
        return {tenant: {"seq": seq, "checksum": checksum, "recorded_at": recorded_at, "events": events,
                         "quarantined": quarantined}
                for tenant, seq, checksum, recorded_at, events, quarantined in self._query(
                    f"SELECT tenant_id, seq, checksum, {MICROSECONDS.format('recorded_at')}, events, quarantined"
                    " FROM audit.chain_heads")}

    def partitions(self):
        """(topic, log_epoch, partition) → position, owner_epoch and totals; closed epochs too."""
        wanted = ("first_offset", "next_offset", "owner_epoch", "last_offset", "last_digest") + TOTALS
        found = {}
        for table in ("partition_epochs", "partitions"):
            for topic, epoch, partition, *values in self._query(
                    f"SELECT topic, log_epoch, partition, {', '.join(wanted)} FROM audit.{table}"):
                found[topic, epoch, partition] = dict(zip(wanted, values), closed=table == "partition_epochs")
        return found

    def closed_logs(self):
        """(topic, log_epoch, partition, event_id, lost) of every log that an operator moved on from."""
        return self._query("SELECT topic, log_epoch, partition, event_id, lost FROM audit.partition_epochs ORDER BY 1, 3, 2")

    def position_counts(self):
        """(topic, log_epoch, partition) → Counter of events and tombstones in the ledger."""
        counts = defaultdict(Counter)
        for topic, epoch, partition, quarantined, rows in self._query(
                "SELECT kafka_topic, kafka_log_epoch, kafka_partition, family = 'quarantined', count(*)"
                " FROM audit.ledger GROUP BY 1, 2, 3, 4"):
            counts[topic, epoch, partition]["tombstones" if quarantined else "events"] = rows
        return counts

    def quarantine(self):
        """(topic, log_epoch, partition, offset) → {reason, tenant}."""
        return {tuple(position): {"reason": reason, "tenant": tenant} for *position, reason, tenant in self._query(
            "SELECT topic, log_epoch, partition, kafka_offset, reason, tenant_id FROM audit.quarantine")}

    def stored_columns(self):
        """(table, column, type) of every table of the schema audit; partitioned tables once, by their parent."""
        return self._query(
            "SELECT c.oid::regclass::text, quote_ident(a.attname), format_type(a.atttypid, NULL)"
            " FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
            " WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
            " AND a.attnum > 0 AND NOT a.attisdropped ORDER BY 1, a.attnum")

    def column_holds(self, table, column, column_type, needle):
        """Whether any value of a column holds the string, as text or as bytes."""
        if column_type == "bytea":
            condition = f"position(%s::bytea IN {column}) > 0"
            parameters = [needle.encode("utf-8")]
        elif column_type == "bytea[]":
            condition = f"EXISTS (SELECT FROM unnest({column}) AS item WHERE position(%s::bytea IN item) > 0)"
            parameters = [needle.encode("utf-8")]
        else:
            condition = f"strpos({column}::text, %s) > 0"
            parameters = [needle]
        return bool(self._query(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1", parameters))


@contextmanager
def open_ledger(uri):
    """A Ledger over one REPEATABLE READ, READ ONLY transaction of a connection of its own."""
    with psycopg.connect(uri) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        yield Ledger(connection)
        connection.rollback()
