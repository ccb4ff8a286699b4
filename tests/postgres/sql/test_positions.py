"""Goal: a position always accounts for every offset, and what is kept of a refused record is kept whole.

Method: the writer's statements, with totals that do not add up and with records as hostile as Kafka lets them be.
"""

import psycopg
import pytest
from psycopg.errors import CheckViolation, UniqueViolation

kInsertPosition = ("INSERT INTO audit.{} (topic, partition, log_epoch, first_offset, next_offset, owner_epoch, {})"
                   " VALUES ('audit.events.v1', 0, 0, 100, 110, 1, {})")
kClosed = {"reason": "'topic made again'", "event_id": "'e-1'"}
kQuarantine = """INSERT INTO audit.quarantine
  (topic, log_epoch, partition, kafka_offset, kafka_timestamp, key, value, value_length, header_names, header_values,
   redacted, reason, member_path, message, sqlstate, constraint_name, tenant_id)
  VALUES ('audit.events.v1', 0, 0, %s, '2026-11-22 12:00+00', %s, %s, %s, %s::bytea[], %s::bytea[], false,
          'invalid_utf8', 'key', 'send the tenant id in UTF-8', NULL, NULL, NULL)"""


@pytest.mark.parametrize("counts", [
    {"accepted": 10}, {"accepted": 6, "duplicate": 1, "quarantined": 1, "skipped": 1, "lost": 1}])
@pytest.mark.parametrize("table", ["partitions", "partition_epochs"])
def test_totals_that_add_up_are_stored(database, table, counts):
    counts = counts | (kClosed if table == "partition_epochs" else {})
    database.connect().execute(
        kInsertPosition.format(table, ", ".join(counts), ", ".join(str(value) for value in counts.values())))


@pytest.mark.parametrize("counts, constraint", [
    ({"accepted": 9}, "totals_check"), ({"accepted": 11}, "totals_check"),
    ({"accepted": 11, "duplicate": -1}, "counts_check"), ({"accepted": 10, "last_offset": 109}, "last_check"),
    ({"accepted": 10, "last_offset": 110, "last_digest": "decode(repeat('ab', 16), 'hex')"}, "offsets_check"),
    ({"accepted": 10, "last_offset": 109, "last_digest": "'\\xab'"}, "last_digest_check")])
@pytest.mark.parametrize("table", ["partitions", "partition_epochs"])
def test_a_position_that_does_not_account_for_every_offset_is_refused(database, table, counts, constraint):
    counts = counts | (kClosed if table == "partition_epochs" else {})
    with pytest.raises(CheckViolation) as refused:
        database.connect().execute(
            kInsertPosition.format(table, ", ".join(counts), ", ".join(str(value) for value in counts.values())))
    assert refused.value.diag.constraint_name == f"{table}_{constraint}"


def test_a_witness_without_its_time_is_refused(database):
    with pytest.raises(CheckViolation) as refused:
        database.connect().execute(kInsertPosition.format("partitions", "accepted, witness_offset", "10, 100"))
    assert refused.value.diag.constraint_name == "partitions_witness_check"


def test_the_writer_makes_moves_and_claims_a_position(database):
    writer = database.connect("audit_writer")
    writer.execute(kInsertPosition.format("partitions", "accepted", "10"))
    writer.execute("UPDATE audit.partitions SET next_offset = 115, accepted = accepted + 3, skipped = skipped + 2,"
                   " last_offset = 112, last_digest = decode(repeat('ab', 16), 'hex'), updated_at = now()")
    claimed = writer.execute("UPDATE audit.partitions SET owner_epoch = owner_epoch + 1, owner = 'two',"
                             " claimed_at = now() RETURNING owner_epoch, next_offset, log_epoch, last_offset")
    assert claimed.fetchone() == (2, 115, 0, 112)


def test_a_loss_that_is_accepted_closes_a_log_and_begins_the_next(database):
    writer, operator = database.connect("audit_writer"), database.connect("audit_operator")
    writer.execute(kInsertPosition.format("partitions", "accepted, last_offset, last_digest, witness_offset, witness_time",
                                          "10, 109, decode(repeat('ab', 16), 'hex'), 100, now()"))
    accept = "SELECT audit.accept_loss('audit.events.v1', 0, %s, %s, 13, 123, 'the disk is gone', 'e-1')"
    assert operator.execute(accept, [0, 109]).fetchone() == (None,), "it stands elsewhere"
    assert operator.execute(accept, [1, 110]).fetchone() == (None,), "of another log"
    assert operator.execute(accept, [0, 110]).fetchone() == (1,)
    assert operator.execute("SELECT log_epoch, first_offset, next_offset, last_offset, accepted, lost, reason, event_id"
                            " FROM audit.partition_epochs").fetchall() == [
        (0, 100, 123, 109, 10, 13, "the disk is gone", "e-1")]
    assert operator.execute("SELECT log_epoch, first_offset, next_offset, last_offset, witness_offset, witness_time,"
                            " owner_epoch, accepted, lost FROM audit.partitions").fetchall() == [
        (1, 123, 123, None, None, None, 2, 0, 0)]
    with pytest.raises(psycopg.Error) as fenced:
        writer.execute("SELECT audit.hold('{audit.events.v1}', '{0}', '{1}', '{123}')")
    assert fenced.value.sqlstate == "SL002"


def test_nobody_gains_by_a_loss(database):
    """Neither a negative loss nor a position before the log's start is stored."""
    database.connect("audit_writer").execute(kInsertPosition.format("partitions", "accepted", "10"))
    for lost, go_on_at in ((-1, 110), (0, -1)):
        with pytest.raises(CheckViolation):
            database.connect("audit_operator").execute(
                "SELECT audit.accept_loss('audit.events.v1', 0, 0, 110, %s, %s, 'r', 'e-1')", [lost, go_on_at])


def test_updates_of_positions_stay_hot(database):
    writer = database.connect("audit_writer")
    writer.execute("INSERT INTO audit.partitions (topic, partition, first_offset, next_offset, owner_epoch)"
                   " SELECT 'audit.events.v1', p, 0, 0, 1 FROM generate_series(0, 63) AS p")
    for _ in range(50):
        writer.execute("UPDATE audit.partitions SET next_offset = next_offset + 1, accepted = accepted + 1")
    watcher = database.connect()
    assert watcher.execute("SELECT pg_relation_size('audit.partitions') < 40 * 8192").fetchone() == (True,)


def test_a_refused_record_is_kept_as_it_came(database):
    names = [b"ce_id", b"ce_id", b"\xff\xfe", b""]
    values = [b"one", None, b"\x00", b""]
    database.connect("audit_writer").execute(kQuarantine, [7, b"\xff\x00", b"\x00{", 2, names, values])
    kept = database.connect("audit_operator").execute(
        "SELECT key, value, value_length, header_names, header_values, state, member_path FROM audit.quarantine")
    assert kept.fetchone() == (b"\xff\x00", b"\x00{", 2, names, values, "open", "key")


def test_a_record_without_key_value_and_headers_is_kept(database):
    database.connect("audit_writer").execute(kQuarantine, [7, None, None, None, [], []])
    kept = database.connect("audit_operator").execute("SELECT key, value, header_names FROM audit.quarantine")
    assert kept.fetchone() == (None, None, [])


@pytest.mark.parametrize("value, names, values, constraint", [
    (bytes(1048577), [], [], "quarantine_value_check"),
    (None, [], [], "quarantine_value_length_check"),
    (b"x", [b"a"], [], "quarantine_headers_check")])
def test_a_record_that_cannot_be_is_refused(database, value, names, values, constraint):
    with pytest.raises(CheckViolation) as refused:
        database.connect("audit_writer").execute(kQuarantine, [7, None, value, 1, names, values])
    assert refused.value.diag.constraint_name == constraint


def test_a_record_is_kept_once(database):
    writer = database.connect("audit_writer")
    writer.execute(kQuarantine, [7, None, None, None, [], []])
    with pytest.raises(UniqueViolation):
        writer.execute(kQuarantine, [7, None, None, None, [], []])


def test_the_operator_changes_the_state_and_nothing_else(database):
    database.connect("audit_writer").execute(kQuarantine, [7, None, None, None, [], []])
    operator = database.connect("audit_operator")
    assert operator.execute("UPDATE audit.quarantine SET state = 'released'").rowcount == 1
    with pytest.raises(CheckViolation):
        operator.execute("UPDATE audit.quarantine SET state = 'forgotten'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        operator.execute("UPDATE audit.quarantine SET reason = 'schema'")


def test_the_auditor_counts_refused_records_and_reads_none(database):
    database.connect("audit_writer").execute(kQuarantine, [7, None, b"secret", 6, [], []])
    auditor = database.connect("audit_auditor")
    counts = auditor.execute("SELECT reason, state, count(*) FROM audit.quarantine GROUP BY reason, state").fetchall()
    assert counts == [("invalid_utf8", "open", 1)]
    for column in ("key", "value", "header_names", "header_values", "member_path", "message", "*"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            auditor.execute(f"SELECT {column} FROM audit.quarantine")
