"""Goal: the ledger holds what is hashed, and nobody changes it but to erase a whole row's personal columns.

Method: compare the live catalogue with the registry; run updates as the eraser, and every change as the owner and
as the superuser, for whom only the triggers stand.
"""

import psycopg
import pytest
from ledger_rows import event, fill, insert, kColumns, kLedgerColumns, kNotPersonal, kNovember, kNovemberLeaf
from ledger_rows import kPersonal, tombstone
from psycopg.errors import CheckViolation, InsufficientPrivilege, NotNullViolation, UniqueViolation

kSqlTypes = {"text": "text", "int64": "bigint", "timestamp": "timestamp with time zone", "bool": "boolean",
             "bytes": "bytea", "decimal": "numeric", "json": "jsonb", "ip": "inet"}
kEraseAll = "UPDATE audit.ledger SET " + ", ".join(f"{name} = NULL" for name in kPersonal)


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


def test_the_eraser_clears_all_personal_columns_of_a_row_and_nothing_else(database):
    fill(database, event(seq=0), event(seq=1))
    before = stored(database)
    done = database.connect("audit_eraser").execute(kEraseAll + " WHERE tenant_id = 'acme' AND seq = 1")
    assert done.rowcount == 1
    first, second = stored(database)
    assert first == before[0]
    assert [value is None for value in second] == [name in kPersonal for name in kLedgerColumns]
    kept = [index for index, name in enumerate(kLedgerColumns) if name not in kPersonal]
    assert [second[index] for index in kept] == [before[1][index] for index in kept]


def test_erasing_a_row_again_changes_nothing(database):
    fill(database, event(), tombstone(seq=1))
    eraser = database.connect("audit_eraser")
    eraser.execute(kEraseAll)
    before = stored(database)
    assert eraser.execute(kEraseAll).rowcount == 2
    assert stored(database) == before


@pytest.mark.parametrize("kept", kPersonal)
def test_an_erasure_that_keeps_one_personal_column_is_refused(filled, kept):
    before = stored(filled)
    others = ", ".join(f"{name} = NULL" for name in kPersonal if name != kept)
    with pytest.raises(InsufficientPrivilege, match="append-only"):
        filled.connect("audit_eraser").execute(f"UPDATE audit.ledger SET {others}")
    assert stored(filled) == before


def test_an_erasure_cannot_write_another_value(filled):
    with pytest.raises(InsufficientPrivilege, match="append-only"):
        filled.connect("audit_eraser").execute(kEraseAll.replace("user_id = NULL", "user_id = 'mallory'"))


@pytest.mark.parametrize("name", [*kNotPersonal, "tenant_id", "seq", "prev_checksum", "checksum"])
def test_the_eraser_may_not_touch_another_column(filled, name):
    with pytest.raises(InsufficientPrivilege, match="permission denied"):
        filled.connect("audit_eraser").execute(f"{kEraseAll}, {name} = DEFAULT")


@pytest.mark.parametrize("name", [*kNotPersonal, "tenant_id", "seq", "prev_checksum", "checksum"])
def test_the_trigger_refuses_an_erasure_that_changes_another_column(filled, name):
    kind = next((column["type"] for column in kColumns if column["name"] == name),
                {"seq": "int64", "tenant_id": "text"}.get(name, "bytes64"))
    other = {"text": "'other'", "int64": "8", "timestamp": "'2026-11-22 12:00:00.123457+00'", "bool": "false",
             "bytes": "decode(repeat('ba', 16), 'hex')", "bytes64": "decode(repeat('ba', 64), 'hex')",
             "decimal": "0.5", "json": "'{\"n\": 1.00}'"}[kind]
    if name == "personal_commitment":
        other = "decode(repeat('ba', 32), 'hex')"
    with pytest.raises(InsufficientPrivilege, match="append-only"):
        filled.connect().execute(f"{kEraseAll}, {name} = {other}")


@pytest.mark.parametrize("table", ["ledger", kNovemberLeaf])
@pytest.mark.parametrize("statement", ["DELETE FROM audit.{}", "TRUNCATE audit.{}",
                                       "UPDATE audit.{} SET checksum = checksum, status = 'denied'"])
def test_the_triggers_stop_even_a_superuser(filled, statement, table):
    with pytest.raises(InsufficientPrivilege, match="append-only"):
        filled.connect().execute(statement.format(table))
    assert len(stored(filled)) == 1


@pytest.mark.parametrize("statement", ["UPDATE audit.{} SET status = 'denied'", "DELETE FROM audit.{}",
                                       "TRUNCATE audit.{}", "SELECT * FROM audit.{}",
                                       "INSERT INTO audit.{} (tenant_id) VALUES ('acme')"])
def test_the_owner_has_no_right_on_a_leaf(filled, statement):
    owner = filled.connect("audit_migrator")
    owner.execute("SET ROLE audit_owner")
    with pytest.raises(InsufficientPrivilege):
        owner.execute(statement.format(kNovemberLeaf))
    assert len(stored(filled)) == 1


def test_the_owner_reaches_no_row_through_the_parent(database):
    fill(database, event())
    owner = database.connect("audit_migrator")
    owner.execute("SET ROLE audit_owner")
    assert owner.execute("UPDATE audit.ledger SET status = 'denied'").rowcount == 0
    assert owner.execute("DELETE FROM audit.ledger").rowcount == 0
    assert owner.execute("SELECT count(*) FROM audit.ledger").fetchone() == (0,)
    with pytest.raises(InsufficientPrivilege):
        owner.execute("TRUNCATE audit.ledger")
    with pytest.raises(InsufficientPrivilege):
        insert(owner, event(seq=1), "ledger")
    assert len(stored(database)) == 1


def test_a_column_added_later_is_protected_from_the_first_day(database):
    fill(database, event())
    superuser = database.connect()
    superuser.execute("ALTER TABLE audit.ledger ADD COLUMN added_later text")
    with pytest.raises(InsufficientPrivilege, match="append-only"):
        superuser.execute(f"{kEraseAll}, added_later = 'x'")
    assert superuser.execute(kEraseAll).rowcount == 1


def test_a_leaf_made_after_a_column_was_added_has_it_and_is_protected(database):
    superuser = database.connect()
    superuser.execute("ALTER TABLE audit.ledger ADD COLUMN added_later text")
    fill(database, event(added_later="x"))
    with pytest.raises(InsufficientPrivilege, match="append-only"):
        superuser.execute("UPDATE audit.ledger SET added_later = NULL")
    assert superuser.execute(kEraseAll).rowcount == 1


def test_the_auditor_finds_a_row_by_its_sequence_through_the_leaf_s_index(database):
    fill(database, event())
    auditor = database.connect("audit_auditor")
    auditor.execute("SET enable_seqscan = off")
    plan = auditor.execute("EXPLAIN SELECT * FROM audit.ledger WHERE tenant_id = 'acme' ORDER BY seq").fetchall()
    assert f"{kNovemberLeaf}_seq_key" in str(plan)


def test_recorded_at_keeps_its_microseconds(filled):
    row = filled.connect("audit_auditor").execute("SELECT recorded_at FROM audit.ledger").fetchone()
    assert row == (kNovember,)


def test_the_writer_is_refused_through_the_parent(database):
    fill(database)
    with pytest.raises(InsufficientPrivilege):
        insert(database.connect("audit_writer"), event(), "ledger")
    with pytest.raises(psycopg.Error):
        with database.connect("audit_writer").cursor().copy("COPY audit.ledger FROM STDIN (FORMAT binary)"):
            pass
