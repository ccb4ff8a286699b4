"""Goal: audit.hold lets only the claimed epoch and the expected offset pass, and its lock leads to the holder;
audit.expect raises inside the server, so that a COMMIT behind it in the same pipeline writes nothing.

Method: two sessions of the writer, and the catalogue's view of who holds what.
"""

import threading

import psycopg
import pytest
from psycopg.errors import LockNotAvailable
from sql_databases import wait_until_blocked

kTopic = "audit.events.v1"


@pytest.fixture
def writer(database):
    session = database.connect("audit_writer", autocommit=False)
    for partition in range(4):
        session.execute("INSERT INTO audit.partitions (topic, partition, first_offset, next_offset, owner_epoch, owner)"
                        " VALUES (%s, %s, 0, 0, 1, 'one')", [kTopic, partition])
    session.commit()
    return session


def hold(session, *partitions, topic=kTopic, epoch=1, offset=0):
    count = len(partitions)
    session.execute("SELECT audit.hold(%s::text[], %s::int[], %s::bigint[], %s::bigint[])",
                    [[topic] * count, list(partitions), [epoch] * count, [offset] * count])


def sqlstate(raised):
    return raised.value.sqlstate


def test_it_holds_the_partitions_to_the_end_of_the_transaction(database, writer):
    hold(writer, 0, 1)
    other = database.connect("audit_writer")
    other.execute("SET lock_timeout = '50ms'")
    for partition in (0, 1):
        with pytest.raises(LockNotAvailable):
            other.execute("UPDATE audit.partitions SET owner_epoch = 2 WHERE partition = %s", [partition])
    assert other.execute("UPDATE audit.partitions SET owner_epoch = 2 WHERE partition = 2").rowcount == 1
    writer.commit()
    assert other.execute("UPDATE audit.partitions SET owner_epoch = 2 WHERE partition = 0").rowcount == 1


@pytest.mark.parametrize("wrong", [{"epoch": 0}, {"epoch": 2}, {"offset": 1}, {"topic": "audit.other.v1"}])
def test_another_epoch_offset_or_topic_is_fenced(writer, wrong):
    with pytest.raises(psycopg.Error) as raised:
        hold(writer, 0, 1, **wrong)
    assert sqlstate(raised) == "SL002"


def test_a_missing_partition_is_fenced(writer):
    with pytest.raises(psycopg.Error) as raised:
        hold(writer, 0, 99)
    assert sqlstate(raised) == "SL002"


@pytest.mark.parametrize("arguments", ["'{a}', '{0,1}', '{1,1}', '{0,0}'", "'{audit.events.v1}', '{0}', '{1}', '{}'",
                                       "'{audit.events.v1}', '{0}', NULL, '{0}'", "NULL, NULL, NULL, NULL",
                                       "'{audit.events.v1}', '{0}', '{NULL}', '{0}'"])
def test_arrays_that_do_not_match_are_fenced(writer, arguments):
    with pytest.raises(psycopg.Error) as raised:
        writer.execute(f"SELECT audit.hold({arguments})")
    assert sqlstate(raised) == "SL002"


def test_it_sees_what_a_claim_did_while_it_waited(database, writer):
    claiming = database.connect("audit_writer", autocommit=False)
    claiming.execute("UPDATE audit.partitions SET owner_epoch = owner_epoch + 1 WHERE partition = 1")
    outcome = []

    def try_to_hold():
        try:
            hold(writer, 0, 1)
            outcome.append("held")
        except psycopg.Error as error:
            outcome.append(error.sqlstate)

    thread = threading.Thread(target=try_to_hold)
    thread.start()
    watcher = database.connect()
    wait_until_blocked(watcher, writer)
    claiming.commit()
    thread.join(10)
    assert outcome == ["SL002"]


def test_it_locks_in_the_order_of_topic_and_partition_whatever_the_order_asked(database, writer):
    last = database.connect("audit_writer", autocommit=False)
    hold(last, 2)
    thread = threading.Thread(target=lambda: hold(writer, 3, 2, 0))
    thread.start()
    watcher = database.connect("audit_writer")
    wait_until_blocked(watcher, writer)
    free = watcher.execute("SELECT partition FROM audit.partitions ORDER BY 1 FOR UPDATE SKIP LOCKED").fetchall()
    assert free == [(1,), (3,)]
    last.rollback()
    thread.join(10)
    writer.rollback()


def test_the_row_leads_a_claim_to_its_holder_which_the_same_role_can_end(database, writer):
    hold(writer, 0)
    claiming = database.connect("audit_writer")
    claiming.execute("SET lock_timeout = '50ms'")
    claim = "UPDATE audit.partitions SET owner_epoch = owner_epoch + 1 WHERE partition = 0"
    with pytest.raises(LockNotAvailable):
        claiming.execute(claim)
    holder = claiming.execute("SELECT a.pid FROM audit.partitions p JOIN pg_stat_activity a ON a.backend_xid = p.xmax"
                              " WHERE p.partition = 0").fetchall()
    assert holder == [(writer.info.backend_pid,)]
    assert claiming.execute("SELECT pg_terminate_backend(%s, 5000)", [holder[0][0]]).fetchone() == (True,)
    assert claiming.execute(claim).rowcount == 1


def test_a_holder_frozen_in_mid_copy_is_found_and_ended(database, writer):
    leaf = database.connect("audit_writer").execute("SELECT audit.ensure_partition('2026-11-22')").fetchone()[0]
    hold(writer, 0)
    claiming = database.connect("audit_writer")
    with pytest.raises(psycopg.OperationalError):
        with writer.cursor().copy(f"COPY audit.{leaf} FROM STDIN (FORMAT binary)") as copy:
            copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
            ended = claiming.execute("SELECT pg_terminate_backend(a.pid, 5000) FROM audit.partitions p"
                                     " JOIN pg_stat_activity a ON a.backend_xid = p.xmax WHERE p.partition = 0")
            assert ended.fetchall() == [(True,)]
    claiming.execute("SET lock_timeout = '1s'")
    assert claiming.execute("UPDATE audit.partitions SET owner_epoch = 2 WHERE partition = 0").rowcount == 1


def test_expect_passes_only_what_is_true(writer):
    writer.execute("SELECT audit.expect(true, 'SL001')")
    for condition in ("false", "NULL"):
        with pytest.raises(psycopg.Error) as raised:
            writer.execute(f"SELECT audit.expect({condition}, 'SL001')")
        assert sqlstate(raised) == "SL001"
        writer.rollback()


def test_expect_is_evaluated_even_where_nobody_reads_it(writer):
    with pytest.raises(psycopg.Error) as raised:
        writer.execute("SELECT 1 FROM (SELECT audit.expect(count(*) = 5, 'SL009') FROM audit.partitions) AS unread")
    assert sqlstate(raised) == "SL009"


@pytest.mark.parametrize("guard", [
    "SELECT audit.expect(false, 'SL001')",
    "SELECT audit.hold(ARRAY['audit.events.v1'], ARRAY[0], ARRAY[7::bigint], ARRAY[0::bigint])"])
def test_after_a_raise_a_commit_in_the_same_pipeline_writes_nothing(database, writer, guard):
    writer.autocommit = True
    with pytest.raises(psycopg.Error) as raised:
        with writer.pipeline():
            writer.execute("BEGIN")
            writer.execute("UPDATE audit.partitions SET owner = 'two'")
            writer.execute(guard)
            writer.execute("COMMIT")
    assert sqlstate(raised).startswith("SL00")
    owners = database.connect("audit_auditor").execute("SELECT DISTINCT owner FROM audit.partitions").fetchall()
    assert owners == [("one",)]


def test_a_claim_can_bound_its_wait(database, writer):
    hold(writer, 0)
    other = database.connect("audit_writer", autocommit=False)
    other.execute("SET LOCAL lock_timeout = '50ms'")
    with pytest.raises(LockNotAvailable):
        hold(other, 0)
