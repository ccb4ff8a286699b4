"""Goal: the heads of a batch move all together, and only from where the writer found them.

Method: the statement that the ingester sends, as audit_writer under row-level security, with heads that are new, in
place, moved by another, and gone; and the system column xmax, by which it tells an insert from an update, under
every kind of lock that another session can leave on the row.
"""

import threading

import psycopg
import pytest
from sql_databases import wait_until, wait_until_blocked

kUpsert = """
WITH h AS (
  INSERT INTO audit.chain_heads AS chain_heads
    (tenant_id, seq, checksum, recorded_at, watermark, events, quarantined, base_seq, base_checksum)
  SELECT * FROM unnest(%(tenants)s::text[], %(seqs)s::bigint[], %(checksums)s::bytea[], %(times)s::timestamptz[],
                       %(times)s::timestamptz[], %(counts)s::bigint[], %(counts)s::bigint[], %(base_seqs)s::bigint[],
                       %(base_checksums)s::bytea[]) AS n (tenant_id)
  ORDER BY n.tenant_id COLLATE "C"
  ON CONFLICT (tenant_id) DO UPDATE SET
    seq = excluded.seq, checksum = excluded.checksum, recorded_at = excluded.recorded_at,
    watermark = greatest(chain_heads.watermark, excluded.watermark), events = chain_heads.events + excluded.events,
    quarantined = chain_heads.quarantined + excluded.quarantined,
    base_seq = excluded.base_seq, base_checksum = excluded.base_checksum
  WHERE chain_heads.seq = excluded.base_seq AND chain_heads.checksum = excluded.base_checksum
  RETURNING base_seq, (xmax = 0) AS inserted)
SELECT audit.expect(count(*) = %(count)s AND coalesce(bool_and(NOT inserted OR base_seq = -1), true), 'SL001'),
       count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted)
FROM h
"""
kNone = bytes(64)


def checksum(seq, mark=1):
    return bytes([mark]) * 32 + seq.to_bytes(32, "big")


def move(session, *heads):
    """Each head: tenant, from seq, to seq. Returns how many were inserted and how many updated."""
    def before(seq):
        return kNone if seq == -1 else checksum(seq)

    row = session.execute(kUpsert, {
        "tenants": [tenant for tenant, _, _ in heads], "seqs": [to for _, _, to in heads],
        "checksums": [checksum(to) for _, _, to in heads], "times": ["2026-11-22 12:00+00"] * len(heads),
        "counts": [1] * len(heads), "base_seqs": [base for _, base, _ in heads],
        "base_checksums": [before(base) for _, base, _ in heads], "count": len(heads)}).fetchone()
    return row[1:]


def assert_conflict(session, *heads):
    with pytest.raises(psycopg.Error) as raised:
        move(session, *heads)
    assert raised.value.sqlstate == "SL001"


def heads(database):
    return database.connect("audit_auditor").execute(
        "SELECT tenant_id, base_seq, seq, events FROM audit.chain_heads ORDER BY tenant_id").fetchall()


@pytest.fixture
def writer(database):
    return database.connect("audit_writer")


def test_new_heads_are_inserted_and_known_heads_updated_in_one_statement(database, writer):
    assert move(writer, ("b", -1, 4), ("a", -1, 2)) == (2, 0)
    assert move(writer, ("c", -1, 0), ("a", 2, 3), ("b", 4, 9)) == (1, 2)
    assert heads(database) == [("a", 2, 3, 2), ("b", 4, 9, 2), ("c", -1, 0, 1)]


@pytest.mark.parametrize("stale", [("a", 1, 5), ("a", 3, 5), ("a", -1, 5)])
def test_one_head_moved_by_another_writes_none_of_the_batch(database, writer, stale):
    move(writer, ("a", -1, 2), ("b", -1, 4))
    assert_conflict(writer, ("b", 4, 5), stale, ("c", -1, 0))
    assert heads(database) == [("a", -1, 2, 1), ("b", -1, 4, 1)]


def test_the_same_sequence_with_another_checksum_is_a_conflict(database, writer):
    move(writer, ("a", -1, 2))
    database.connect().execute("UPDATE audit.chain_heads SET checksum = %s", [checksum(2, mark=9)])
    assert_conflict(writer, ("a", 2, 3))


def test_a_head_that_vanished_is_a_conflict_and_not_made_again(database, writer):
    move(writer, ("a", -1, 2), ("b", -1, 4))
    database.connect().execute("DELETE FROM audit.chain_heads WHERE tenant_id = 'a'")
    assert_conflict(writer, ("a", 2, 3), ("b", 4, 5))
    assert heads(database) == [("b", -1, 4, 1)]


def test_two_that_move_one_head_do_not_both_succeed(database, writer):
    move(writer, ("a", -1, 2))
    race(database, writer, ("a", 2, 3), ("a", 2, 4), end="commit", expected="SL001")
    assert heads(database) == [("a", 2, 3, 2)]


def test_two_that_begin_one_chain_do_not_both_succeed(database, writer):
    race(database, writer, ("a", -1, 3), ("a", -1, 4), end="commit", expected="SL001")
    assert heads(database) == [("a", -1, 3, 1)]


def test_the_second_goes_on_where_the_first_rolled_back(database, writer):
    move(writer, ("a", -1, 2))
    race(database, writer, ("a", 2, 3), ("a", 2, 4), end="rollback", expected=(0, 1))
    assert heads(database) == [("a", 2, 4, 2)]


def race(database, second, first_move, second_move, *, end, expected):
    first = database.connect("audit_writer", autocommit=False)
    move(first, first_move)
    outcome = []

    def go():
        try:
            outcome.append(move(second, second_move))
        except psycopg.Error as error:
            outcome.append(error.sqlstate)

    thread = threading.Thread(target=go)
    thread.start()
    watcher = database.connect()
    wait_until_blocked(watcher, second)
    getattr(first, end)()
    thread.join(10)
    assert outcome == [expected]


def test_batches_with_the_same_heads_in_other_orders_do_not_deadlock(database, writer):
    tenants = [f"tenant-{number:03}" for number in range(100)]
    move(writer, *[(tenant, -1, 0) for tenant in tenants])
    outcomes = []

    def go(session, order):
        for seq in range(20):
            try:
                move(session, *[(tenant, seq, seq + 1) for tenant in order])
                outcomes.append("moved")
            except psycopg.Error as error:
                outcomes.append(error.sqlstate)

    threads = [threading.Thread(target=go, args=[database.connect("audit_writer"), order])
               for order in (tenants, tenants[::-1], tenants[50:] + tenants[:50])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(outcomes) <= {"moved", "SL001"} and outcomes.count("moved") >= 20 and len(outcomes) == 60


def test_an_update_of_a_row_inserted_by_the_same_transaction_is_told_from_an_insert(database):
    writer = database.connect("audit_writer", autocommit=False)
    assert move(writer, ("a", -1, 2)) == (1, 0)
    assert move(writer, ("a", 2, 3)) == (0, 1)
    assert move(writer, ("a", 3, 4)) == (0, 1)
    writer.commit()
    assert move(writer, ("a", 4, 5)) == (0, 1)


@pytest.mark.parametrize("strength", ["FOR KEY SHARE", "FOR SHARE", "FOR NO KEY UPDATE", "FOR UPDATE"])
@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_locks_that_others_left_on_a_row_do_not_make_an_update_look_like_an_insert(database, writer, strength, end):
    move(writer, ("a", -1, 2))
    for _ in range(2):
        locker = database.connect(autocommit=False)
        locker.execute(f"SELECT FROM audit.chain_heads {strength}")
        getattr(locker, end)()
    assert move(writer, ("a", 2, 3)) == (0, 1)


def test_locks_that_others_still_hold_do_not_make_an_update_look_like_an_insert(database, writer):
    move(writer, ("a", -1, 2))
    lockers = [database.connect(autocommit=False) for _ in range(2)]
    for locker in lockers:
        locker.execute("SELECT FROM audit.chain_heads FOR KEY SHARE")
    assert move(writer, ("a", 2, 3)) == (0, 1)


def test_a_row_inserted_where_one_was_deleted_looks_like_an_insert(database, writer):
    move(writer, ("a", -1, 2))
    database.connect().execute("DELETE FROM audit.chain_heads")
    assert move(writer, ("a", -1, 0)) == (1, 0)


def test_an_update_after_vacuum_and_freeze_is_told_from_an_insert(database, writer):
    move(writer, ("a", -1, 2))
    move(writer, ("a", 2, 3))
    database.connect().execute("VACUUM (FREEZE) audit.chain_heads")
    assert move(writer, ("a", 3, 4)) == (0, 1)


def test_updates_of_heads_stay_hot(database, writer):
    tenants = [f"tenant-{number:03}" for number in range(200)]
    move(writer, *[(tenant, -1, 0) for tenant in tenants])
    for seq in range(50):
        move(writer, *[(tenant, seq, seq + 1) for tenant in tenants])
    writer.close()
    watcher = database.connect()
    wait_until(lambda: watcher.execute("SELECT n_tup_upd FROM pg_stat_user_tables WHERE relname = 'chain_heads'"
                                       ).fetchone()[0] == 10000, 10, "the statistics of all updates")
    hot, = watcher.execute("SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'chain_heads'").fetchone()
    assert hot > 9900


@pytest.mark.parametrize("change, constraint", [
    ("base_seq = seq", "chain_heads_base_seq_check"), ("base_seq = -2", "chain_heads_base_seq_check"),
    ("checksum = '\\x00'", "chain_heads_checksum_check"),
    ("base_checksum = '\\x00'", "chain_heads_base_checksum_check")])
def test_a_head_that_cannot_be_is_refused(writer, change, constraint):
    move(writer, ("a", -1, 2))
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        writer.execute(f"UPDATE audit.chain_heads SET {change}")
    assert refused.value.diag.constraint_name == constraint
