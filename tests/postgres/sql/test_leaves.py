"""Goal: audit.ensure_partition makes a month's leaf once, complete, and without waiting for anybody.

Method: call it as the writer, beside open writers and readers, from two sessions at once and under other time
zones, and compare the catalogue. A wait for a lock would break the lock timeout of the session that must not wait.
"""

import threading
import time

import psycopg
import pytest
from ledger_rows import event, fill, insert, kNovember, kNovemberLeaf
from psycopg.errors import DuplicateTable, InsufficientPrivilege, LockNotAvailable
from sql_databases import wait_until_blocked

kDecember = "2026-12-01 00:00:00+00"


def leaves(database):
    rows = database.connect().execute(
        """SELECT relname, pg_get_expr(relpartbound, c.oid)
           FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
           WHERE inhparent = 'audit.ledger'::regclass ORDER BY relname""")
    return rows.fetchall()


def ensure(session, moment=kDecember):
    return session.execute("SELECT audit.ensure_partition(%s)", [moment]).fetchone()[0]


def writer_that_never_waits(database, **options):
    session = database.connect("audit_writer", **options)
    session.execute("SET lock_timeout = '1s'")
    return session


def test_it_returns_the_name_of_the_leaf_and_makes_it_once(database):
    writer = database.connect("audit_writer")
    assert [ensure(writer), ensure(writer)] == ["ledger_y2026m12"] * 2
    assert [name for name, _ in leaves(database)] == ["ledger_y2026m12"]


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12", "America/New_York"])
@pytest.mark.parametrize("moment, leaf", [("2026-11-01 00:00:00+00", "ledger_y2026m11"),
                                          ("2026-11-30 23:59:59.999999+00", "ledger_y2026m11"),
                                          ("2026-12-01 00:00:00+00", "ledger_y2026m12"),
                                          ("2026-12-31 23:59:59.999999+00", "ledger_y2026m12")])
def test_a_month_is_one_of_utc_whatever_the_session_says(database, zone, moment, leaf):
    writer = database.connect("audit_writer")
    writer.execute("SELECT set_config('timezone', %s, false), set_config('datestyle', 'SQL, DMY', false)", [zone])
    assert ensure(writer, moment) == leaf
    insert(writer, event(recorded_at=moment), leaf)
    (name, bounds), = leaves(database)
    month = 11 if leaf.endswith("11") else 12
    end = "2026-12-01" if month == 11 else "2027-01-01"
    assert (name, bounds) == (leaf, f"FOR VALUES FROM ('2026-{month}-01 00:00:00+00') TO ('{end} 00:00:00+00')")


def test_neighbouring_months_leave_no_gap_and_do_not_overlap(database):
    writer = database.connect("audit_writer")
    for moment in ("2027-01-15 00:00+00", "2026-12-15 00:00+00", "2027-02-15 00:00+00", "2027-03-15 00:00+00"):
        ensure(writer, moment)
    bounds = [text.replace("FOR VALUES FROM (", "").rstrip(")").split(") TO (") for _, text in leaves(database)]
    assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]]


@pytest.mark.parametrize("moment", [None, "infinity", "-infinity", "1969-12-31 23:59:59+00", "9999-01-01 00:00+00"])
def test_a_moment_outside_the_calendar_is_refused(database, moment):
    with pytest.raises(psycopg.errors.DatetimeFieldOverflow):
        ensure(database.connect("audit_writer"), moment)
    assert leaves(database) == []


@pytest.mark.parametrize("moment, leaf", [("1970-01-01 00:00+00", "ledger_y1970m01"),
                                          ("9998-12-31 23:59+00", "ledger_y9998m12")])
def test_the_ends_of_the_calendar_have_leaves(database, moment, leaf):
    assert ensure(database.connect("audit_writer"), moment) == leaf


def test_a_leaf_has_its_indexes_once_under_their_names(database):
    fill(database)
    superuser = database.connect()
    indexes = superuser.execute(
        """SELECT replace(pg_get_indexdef(indexrelid), %s, 'LEAF'), inhparent::regclass::text
           FROM pg_index LEFT JOIN pg_inherits ON inhrelid = indexrelid
           WHERE indrelid = %s::regclass ORDER BY 1""", [kNovemberLeaf, f"audit.{kNovemberLeaf}"]).fetchall()
    assert indexes == [
        ("CREATE INDEX LEAF_event_time_idx ON audit.LEAF USING btree (tenant_id, event_time)",
         "audit.ledger_event_time_idx"),
        ("CREATE INDEX LEAF_key_id_idx ON audit.LEAF USING btree (tenant_id, key_id, event_time)"
         " WHERE (key_id IS NOT NULL)", "audit.ledger_key_id_idx"),
        ("CREATE INDEX LEAF_policies_hit_idx ON audit.LEAF USING gin (policies_hit jsonb_path_ops)"
         " WHERE (policies_hit IS NOT NULL)", "audit.ledger_policies_hit_idx"),
        ("CREATE UNIQUE INDEX LEAF_event_id_key ON audit.LEAF USING btree (tenant_id, event_id)", None),
        ("CREATE UNIQUE INDEX LEAF_seq_key ON audit.LEAF USING btree (tenant_id, seq)", None)]


def test_a_leaf_has_the_constraints_and_triggers_of_the_ledger_and_no_row_level_security(database):
    fill(database)
    superuser = database.connect()

    def checks(table):
        return superuser.execute("SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c'"
                                 " AND conrelid = %s::regclass ORDER BY 1", [f"audit.{table}"]).fetchall()

    def triggers(table):
        return superuser.execute("SELECT tgname, tgenabled, tgtype FROM pg_trigger"
                                 " WHERE tgrelid = %s::regclass ORDER BY 1", [f"audit.{table}"]).fetchall()

    assert checks(kNovemberLeaf) == checks("ledger") and len(checks("ledger")) == 5
    own = [("leaf_refuse_change", "O", 27)]  # stays when a leaf is detached; a clone does not
    assert triggers(kNovemberLeaf) == own + triggers("ledger") and len(triggers("ledger")) == 2
    assert superuser.execute("SELECT relrowsecurity, relforcerowsecurity, relowner::regrole::text FROM pg_class"
                             " WHERE oid = %s::regclass",
                             [f"audit.{kNovemberLeaf}"]).fetchone() == (False, False, "audit_owner")


def test_only_the_writer_has_rights_on_a_leaf(database):
    fill(database)
    rights = database.connect().execute(
        """SELECT grantee::regrole::text, string_agg(privilege_type, ' ' ORDER BY privilege_type)
           FROM pg_class, aclexplode(relacl) WHERE oid = %s::regclass GROUP BY 1""",
        [f"audit.{kNovemberLeaf}"]).fetchall()
    assert rights == [("audit_writer", "INSERT SELECT")]


def test_it_waits_for_no_open_writer_and_no_open_reader(database):
    fill(database, event(seq=0))
    open_writer = database.connect("audit_writer", autocommit=False)
    insert(open_writer, event(seq=1))
    copying = database.connect("audit_writer", autocommit=False)
    open_reader = database.connect("audit_auditor", autocommit=False)
    open_reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    assert open_reader.execute("SELECT count(*) FROM audit.ledger").fetchone() == (1,)
    with copying.cursor().copy(f"COPY audit.{kNovemberLeaf} FROM STDIN (FORMAT binary)") as copy:
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        start = time.monotonic()
        assert ensure(writer_that_never_waits(database)) == "ledger_y2026m12"
        assert time.monotonic() - start < 1
        copy.write(b"\xff\xff")
    open_writer.commit()
    assert open_reader.execute("SELECT count(*) FROM audit.ledger").fetchone() == (1,)


def test_no_writer_and_no_reader_waits_for_it(database):
    fill(database, event(seq=0))
    making = database.connect("audit_writer", autocommit=False)
    ensure(making)
    other = writer_that_never_waits(database)
    insert(other, event(seq=1))
    assert ensure(other, kNovember) == kNovemberLeaf
    reader = database.connect("audit_auditor")
    reader.execute("SET lock_timeout = '1s'")
    assert reader.execute("SELECT count(*) FROM audit.ledger").fetchone() == (2,)


def test_a_second_caller_waits_for_the_first_and_finds_the_leaf(database):
    first = database.connect("audit_writer", autocommit=False)
    ensure(first)
    second = database.connect("audit_writer")
    found = []
    thread = threading.Thread(target=lambda: found.append(ensure(second)))
    thread.start()
    watcher = database.connect()
    wait_until_blocked(watcher, second)
    first.commit()
    thread.join(10)
    assert found == ["ledger_y2026m12"]


def test_a_second_caller_makes_the_leaf_where_the_first_gave_up(database):
    first = database.connect("audit_writer", autocommit=False)
    ensure(first)
    second = writer_that_never_waits(database)
    with pytest.raises(LockNotAvailable):
        ensure(second)
    first.rollback()
    assert ensure(second) == "ledger_y2026m12"
    assert [name for name, _ in leaves(database)] == ["ledger_y2026m12"]


def test_callers_at_once_all_get_the_same_leaf(database):
    sessions = [database.connect("audit_writer") for _ in range(8)]
    gate, found = threading.Barrier(len(sessions)), []

    def call(session):
        gate.wait(10)
        for month in range(1, 7):
            found.append((month, ensure(session, f"2027-{month:02}-01 00:00+00")))

    threads = [threading.Thread(target=call, args=[session]) for session in sessions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == sorted([(m, f"ledger_y2027m{m:02}") for m in range(1, 7)] * len(sessions))
    assert len(leaves(database)) == 6


def test_under_repeatable_read_the_leaf_of_another_is_found(database):
    session = database.connect("audit_writer", autocommit=False)
    session.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    session.execute("SELECT 1")
    ensure(database.connect("audit_writer"))
    assert ensure(session) == "ledger_y2026m12"


def test_a_detached_leaf_is_not_taken_for_the_ledger_s(database):
    fill(database)
    owner = database.connect("audit_migrator")
    owner.execute("SET ROLE audit_owner")
    owner.execute(f"ALTER TABLE audit.ledger DETACH PARTITION audit.{kNovemberLeaf}")
    with pytest.raises(DuplicateTable):
        ensure(database.connect("audit_writer"), kNovember)


def test_the_migrator_may_call_it_as_the_owner_s_member(database):
    assert ensure(database.connect("audit_migrator")) == "ledger_y2026m12"


@pytest.mark.parametrize("role", ["audit_app", "audit_reader", "audit_auditor", "audit_operator", "audit_eraser"])
def test_nobody_but_the_writer_is_given_it(database, role):
    with pytest.raises(InsufficientPrivilege):
        ensure(database.connect(role))
