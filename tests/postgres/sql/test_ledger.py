"""Goal: the ledger holds what is hashed, and refuses a row that cannot be one by a constraint that it names.

Method: compare the live catalogue with the registry, and insert as the writer. That nobody changes a row is
test_immutability.py.
"""

import pytest
from ledger_rows import event, fill, insert, kColumns, kLedgerColumns, kNovember, kNovemberLeaf, tombstone
from psycopg.errors import CheckViolation, NotNullViolation, UniqueViolation

kSqlTypes = {"text": "text", "int64": "bigint", "timestamp": "timestamp with time zone", "bool": "boolean",
             "bytes": "bytea", "decimal": "numeric", "json": "jsonb", "ip": "inet"}


def columns_of(database, table):
    return database.connect().execute(
        """SELECT attname, format_type(atttypid, atttypmod), coalesce(collname, '')
           FROM pg_attribute LEFT JOIN pg_collation c ON c.oid = attcollation
           WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum""", [table]).fetchall()


def stored(database):
    return database.connect().execute(f"SELECT * FROM audit.{kNovemberLeaf} ORDER BY tenant_id, seq").fetchall()


@pytest.fixture(scope="module")
def filled_once(shared_database):
    fill(shared_database, event())
    return shared_database


@pytest.fixture
def filled(filled_once):
    """One event in November's leaf, for statements that are refused."""
    yield filled_once
    filled_once.close()


@pytest.mark.parametrize("table", ["ledger", kNovemberLeaf])
def test_columns_are_those_of_the_registry_in_its_order(database, table):
    fill(database)
    types = {column["name"]: kSqlTypes[column["type"]] for column in kColumns}
    types |= {"tenant_id": "text", "seq": "bigint", "prev_checksum": "bytea", "checksum": "bytea"}
    expected = [(name, types[name], "C" if types[name] == "text" else "") for name in kLedgerColumns]
    assert columns_of(database, f"audit.{table}") == expected


def test_a_row_with_every_column_and_a_tombstone_are_stored(database):
    fill(database, event(seq=0), tombstone(seq=1))
    assert len(stored(database)) == 2


def test_the_writer_copies_binary_rows_into_a_leaf(database):
    fill(database, event(seq=0))
    columns = ", ".join(kLedgerColumns)
    with database.connect("audit_auditor").cursor().copy(
            f"COPY (SELECT {columns.replace('seq', 'seq + 1', 1).replace('event_id', chr(39) + 'another' + chr(39), 1)}"
            " FROM audit.ledger) TO STDOUT (FORMAT binary)") as out:
        image = b"".join(bytes(chunk) for chunk in out)
    with database.connect("audit_writer").cursor().copy(
            f"COPY audit.{kNovemberLeaf} ({columns}) FROM STDIN (FORMAT binary)") as copy:
        copy.write(image)
    assert [row[1:3] for row in stored(database)] == [(0, "event-00000000"), (1, "another")]


@pytest.mark.parametrize("name", ["tenant_id", "seq", "event_id", "family", "action", "schema_version", "source",
                                  "event_time", "recorded_at", "kafka_topic", "kafka_log_epoch", "kafka_partition",
                                  "kafka_offset", "source_digest", "rules_version", "personal_key_id",
                                  "prev_checksum", "checksum"])
def test_a_column_that_every_row_has_cannot_be_null(filled, name):
    with pytest.raises((NotNullViolation, CheckViolation)):
        insert(filled.connect("audit_writer"), event(seq=1) | {name: None})


@pytest.mark.parametrize("change, constraint", [
    ({"seq": "-1"}, "ledger_seq_check"),
    ({"source_digest": "\\xab"}, "ledger_source_digest_check"),
    ({"personal_commitment": "\\xab"}, "ledger_personal_commitment_check"),
    ({"prev_checksum": "\\xab"}, "ledger_prev_checksum_check"),
    ({"checksum": "\\xab"}, "ledger_checksum_check")])
def test_a_refused_value_names_its_constraint(filled, change, constraint):
    with pytest.raises(CheckViolation) as refused:
        insert(filled.connect("audit_writer"), event(seq=1) | change)
    assert refused.value.diag.constraint_name == constraint


def test_a_row_of_another_month_names_no_constraint(filled):
    with pytest.raises(CheckViolation) as refused:
        insert(filled.connect("audit_writer"), event(seq=1, recorded_at="2026-12-01 00:00:00+00"))
    assert refused.value.diag.constraint_name is None


@pytest.mark.parametrize("second, constraint", [
    (event(seq=0, event_id="event-other"), f"{kNovemberLeaf}_seq_key"),
    (event(seq=1, event_id="event-00000000"), f"{kNovemberLeaf}_event_id_key")])
def test_a_doubled_row_names_the_key_of_its_leaf(filled, second, constraint):
    with pytest.raises(UniqueViolation) as refused:
        insert(filled.connect("audit_writer"), second)
    assert refused.value.diag.constraint_name == constraint


def test_the_auditor_finds_a_row_by_its_sequence_through_the_leaf_s_index(database):
    fill(database, event())
    auditor = database.connect("audit_auditor")
    auditor.execute("SET enable_seqscan = off")
    plan = auditor.execute("EXPLAIN SELECT * FROM audit.ledger WHERE tenant_id = 'acme' ORDER BY seq").fetchall()
    assert f"{kNovemberLeaf}_seq_key" in str(plan)


def test_recorded_at_keeps_its_microseconds(filled):
    row = filled.connect("audit_auditor").execute("SELECT recorded_at FROM audit.ledger").fetchone()
    assert row == (kNovember,)
