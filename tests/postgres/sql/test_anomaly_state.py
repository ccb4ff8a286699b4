"""Goal: the state of the rules stays small and is found by index, only who derives read models writes it, and an event
resolves an anomaly once.

Method: more values than are kept, compared by their hashes; the rows that a call reads, counted by PostgreSQL itself, in a
database with and without statistics; calls as each role, and of the function's body over temporary tables; resolutions as
the ingester hands them over.
"""

import hashlib

import pytest
from key_histories import anomalies, at, clear, History, judge, kDay, kEveryRow, kHour, kMinute, kRecordedAt, kState, state, steps, write
from psycopg.errors import InsufficientPrivilege

kMost = 4096


@pytest.fixture(scope="module")
def once(shared_database):
    write(shared_database.connect("audit_writer"), [])
    return shared_database


@pytest.fixture
def sessions(once):
    """(superuser, writer), in a database without events."""
    owner, writer = once.connect(), once.connect("audit_writer")
    clear(owner)
    yield owner, writer
    once.close()


def judge_history(sessions, history, *sizes):
    owner, writer = sessions
    clear(owner)
    write(writer, history.rows)
    left = steps(history.rows)
    for size in sizes or (len(left),):
        judge(writer, left[:size])
        left = left[size:]
    judge(writer, left)
    return state(owner)


# --- what is kept -------------------------------------------------------------------------------------------------


def addresses(first, count):
    return [f"10.{number // 65536}.{number // 256 % 256}.{number % 256}" for number in range(first, first + count)]


def hashed(value):
    return hashlib.sha256(f"{value}/32".encode()).digest()[:16]


def test_an_address_is_known_from_its_first_minute_on(sessions):
    first, second, third = addresses(0, 3000), addresses(3000, 3000), addresses(6000, 10)
    history = History().use(0, 3000, 0.01, client_ip=first).use(kMinute, 3000, 0.01, client_ip=second)
    history.use(2 * kMinute, 10, client_ip=third).use(3 * kMinute, 10, client_ip=first[:10]).use(30 * kMinute, 10, client_ip=third)
    at_once = judge_history(sessions, history.pass_time(kHour))
    known = dict(sessions[0].execute("SELECT address, first_minute FROM audit.api_key_seen").fetchall())
    assert known == {hashed(value): at(minute * kMinute) for minute, values in enumerate((first, second, third)) for value in values}
    assert [row for row in anomalies(sessions[0]) if row[0] == "multiple_ips"] == [
        ("multiple_ips", "addresses", "high", kMost, 50)]
    assert judge_history(sessions, history, *[1] * 10) == at_once


def test_of_a_minute_4096_addresses_are_kept(sessions):
    judge_history(sessions, History().use(0, 5000, 0.01, client_ip=addresses(0, 5000), response_code=500).pass_time(kHour))
    minute, = sessions[0].execute("SELECT addresses FROM audit.api_key_activity").fetchone()
    assert minute == sorted(map(hashed, addresses(0, 5000)))[:kMost]
    assert anomalies(sessions[0], "anomaly_type, unique_ips") == [
        ("high_error_rate", kMost), ("high_request_rate", kMost), ("multiple_ips", kMost)]


def test_resources_of_an_hour_are_counted_up_to_4096(sessions):
    paths = [f"/v1/files/{number}" for number in range(5000)]
    judge_history(sessions, History().use(0, 5000, 0.7, request_path=paths).pass_time(kDay))
    assert [row for row in anomalies(sessions[0]) if row[1] == "resources"] == [
        ("data_exfiltration", "resources", "critical", kMost, 100)]


def test_successes_are_kept_only_behind_a_failure_of_the_half_hour_and_one_a_minute(sessions):
    history = History().use(0, 5, 1).fail(10, 2, 1, key_id="k-2").use(20, 5, 1)
    history.use(kMinute, 5, 1).use(kMinute + 30, user_id="u-1").use(30 * kMinute, 5, 1)
    judge_history(sessions, history.pass_time(kHour))
    assert sessions[0].execute("SELECT event_time, succeeded FROM audit.api_key_attempts ORDER BY 1").fetchall() == [
        (at(10), False), (at(11), False), (at(24), True), (at(kMinute + 4), True), (at(kMinute + 30), True)]


# --- what is read -------------------------------------------------------------------------------------------------

kKeys, kMinutes = 40, 1500


def fill_with_much(owner):
    """A tenant with a long chain, whose keys were active in every one of the last 1,500 minutes, with errors; and others."""
    names, values = ", ".join(kEveryRow), list(kEveryRow.values())
    owner.execute(f"""INSERT INTO audit.ledger_y2026m11 ({names}, tenant_id, seq, event_id, family, action, event_time, recorded_at,
                                                         kafka_offset, key_id)
                      SELECT {', '.join(['%s'] * len(values))}, CASE WHEN n %% 20 = 0 THEN 't-' || n ELSE 'acme' END, n, 'event-' || n,
                             'api_key', 'used', %s::timestamptz - n * interval '1 second', %s, n, 'k-' || n %% {kKeys}
                      FROM generate_series(1, 20000) AS n""", [*values, at(-kMinute), kRecordedAt])
    owner.execute(f"""INSERT INTO audit.api_key_activity
                      SELECT 'acme', 'k-' || key, %s::timestamptz - minute * interval '1 minute', 1, %s, 1, 1, 5000000, 0, '{{}}', '{{}}',
                             '{{}}', 'user', NULL, 1, 1 FROM generate_series(1, {kKeys}) AS key, generate_series(1, {kMinutes}) AS minute""",
                  [at(0), at(-20 * kDay)])
    owner.execute(f"""INSERT INTO audit.api_key_seen
                      SELECT 'acme', 'k-' || key, substr(sha256(value::text::bytea), 1, 16), %s
                      FROM generate_series(1, {kKeys}) AS key, generate_series(1, 500) AS value""",
                  [at(0)])
    owner.execute("""INSERT INTO audit.api_key_attempts
                     SELECT 'acme', %s::timestamptz - n * interval '1 second', n, false, NULL, 'p-' || n, NULL, NULL
                     FROM generate_series(1, 20000) AS n""", [at(-kHour)])


def reads(session, do):
    """{relation: (rows read one after the other, rows fetched by index, entries of an index read)} of what `do` does."""
    with session.transaction(force_rollback=True):
        do()
        return {name: tuple(map(int, counts)) for name, *counts in session.execute(
            """SELECT t.relname, t.seq_tup_read, coalesce(t.idx_tup_fetch, 0),
                      (SELECT sum(pg_stat_get_xact_tuples_returned(indexrelid)) FROM pg_index WHERE indrelid = t.relid)
               FROM pg_stat_xact_user_tables AS t
               WHERE relname LIKE 'api_key\\_%' AND relname <> 'api_key_thresholds' OR relname LIKE 'ledger\\_y%'""").fetchall()}


@pytest.mark.parametrize("known", [False, True], ids=["no statistics", "statistics"])
def test_a_call_reads_by_index_what_its_windows_hold_and_no_more(database, known):
    owner = database.connect()
    write(database.connect("audit_writer"), [])
    judge(owner, [("nobody", at(-kDay), at(-kDay + kMinute), 1)])  # the plan is that of empty tables
    owner.execute("ALTER TABLE audit.api_key_activity SET (autovacuum_enabled = off)")
    fill_with_much(owner)
    if known:
        owner.execute("ANALYZE")
    most = {  # of a minute on its own; of an hour's last; of a day's last, with every key's errors looked at
        (at(kMinute), at(2 * kMinute)): 10 * kKeys,
        (at(-kMinute), at(0)): kKeys * (4 * 60 + 168 * 60),
        (at(12 * kHour - kMinute), at(12 * kHour)): 3 * kKeys * kMinutes,
    }
    for (begin, end), rows in most.items():
        counts = reads(owner, lambda: judge(owner, [("acme", begin, end, 10**6)]))
        assert set(counts) >= {"ledger_y2026m11", "api_key_activity"}
        for name, (one_after_the_other, fetched, entries) in counts.items():
            assert one_after_the_other == 0, f"{name} is read from end to end"
            assert fetched <= rows and entries <= rows, f"{name}: {fetched} rows, {entries} entries for {begin} to {end}"
        assert counts["ledger_y2026m11"][1] <= 60


def test_thousands_of_steps_read_what_one_after_the_other_reads(database):
    owner = database.connect()
    writer = database.connect("audit_writer")
    history = History()
    for minute in range(600):
        for number in range(5):
            history.use(minute * kMinute + number, tenant=f"t-{number}", key_id=f"k-{minute % 3}", client_ip="10.0.0.1", response_code=500)
    write(writer, history.rows)
    every = steps(history.rows)
    counts = reads(owner, lambda: judge(owner, every))
    assert len(every) == 3000 and all(one_after_the_other == 0 for one_after_the_other, _, _ in counts.values())
    assert counts["ledger_y2026m11"][1] <= len(history.rows)
    assert counts["api_key_activity"][1] <= 30 * len(history.rows)


# --- who writes ---------------------------------------------------------------------------------------------------


def test_only_who_derives_read_models_writes_what_a_call_finds(once, sessions):
    owner, writer = sessions
    history = History().use(0, 60, 0.5, key_type="emergency").pass_time(kHour)
    write(writer, history.rows)
    every = steps(history.rows)
    for role in ("audit_auditor", "audit_app", "audit_reader", "audit_operator", "audit_eraser"):
        with pytest.raises(InsufficientPrivilege):
            judge(once.connect(role), every, ["audit.ledger"])
        with pytest.raises(InsufficientPrivilege):
            once.connect(role).execute("SELECT audit.resolve_anomalies('{acme}', '{x}', '{9}', '{now}', '{x}')")
    assert all(rows == [] for rows in state(owner).values())
    found = [("high_request_rate", "medium", 1)]
    assert judge(once.connect("audit_rebuilder"), every, ["audit.ledger"]) == found
    owner.execute("TRUNCATE " + ", ".join(f"audit.{table}" for table in kState))
    assert judge(writer, every) == found


@pytest.mark.parametrize("role", ["audit_writer", "audit_rebuilder", "audit_auditor", "audit_operator", "audit_eraser"])
def test_no_role_changes_a_threshold(once, role):
    for statement in ("UPDATE audit.api_key_thresholds SET failures = 1000", "DELETE FROM audit.api_key_thresholds",
                      "INSERT INTO audit.api_key_thresholds SELECT * FROM audit.api_key_thresholds"):
        with pytest.raises(InsufficientPrivilege):
            once.connect(role).execute(statement)


def test_the_body_runs_over_temporary_tables_too_and_leaves_the_others_alone(once, sessions):
    owner, writer = sessions
    history = History().use(0, 60, 0.5, key_type="emergency", client_ip="10.0.0.1").fail(0, 10, key_id="k-2").pass_time(kDay)
    judge_history(sessions, history)
    kept = state(owner)
    auditor = once.connect("audit_auditor")
    for table in (*kState, "api_key_thresholds"):
        auditor.execute(f"CREATE TEMPORARY TABLE {table} (LIKE audit.{table} INCLUDING ALL)")
    auditor.execute("INSERT INTO pg_temp.api_key_thresholds SELECT * FROM audit.api_key_thresholds")
    body, settings = auditor.execute("SELECT prosrc, proconfig FROM pg_proc WHERE proname = 'judge_key_windows'").fetchone()
    others = "".join(" SET " + setting for setting in settings if not setting.startswith("search_path"))
    auditor.execute(f"""CREATE FUNCTION pg_temp.judge_key_windows(sources text[], tenants text[], from_minutes timestamptz[],
                          to_minutes timestamptz[], seqs bigint[]) RETURNS TABLE (anomaly_type text, severity text, found bigint)
                        LANGUAGE plpgsql SET search_path = pg_temp, pg_catalog, audit {others} AS $body${body}$body$""")
    every = steps(history.rows)
    assert judge(auditor, every, ["audit.ledger"], schema="pg_temp") == [("brute_force", "medium", 1), ("high_request_rate", "medium", 1)]
    assert state(auditor, "pg_temp") == state(owner) == kept


# --- resolving ----------------------------------------------------------------------------------------------------


@pytest.fixture
def found(sessions):
    """(writer, superuser, the id of an anomaly of acme that row 60 closed)."""
    owner, writer = sessions
    history = History().use(0, 60, 0.5, key_type="emergency")
    judge_history(sessions, history.pass_time(kHour))
    (anomaly_id, judged_seq), = anomalies(owner, "anomaly_id::text, judged_seq")
    assert judged_seq == 60
    return writer, owner, anomaly_id


def resolve(session, *events):
    """Each event: anomaly_id, seq, user, and perhaps the tenant. Returns how many were resolved."""
    ids, seqs, users, tenants = zip(*[(*event, "acme")[:4] for event in events])
    return session.execute("SELECT audit.resolve_anomalies(%s::text[], %s::text[], %s::bigint[], %s::timestamptz[], %s::text[])",
                           [list(tenants), list(ids), list(seqs), [at(seq) for seq in seqs], list(users)]).fetchone()[0]


def resolution(owner):
    return anomalies(owner, "resolved, resolved_at, resolved_by")[0]


def test_the_first_resolution_by_seq_behind_the_closing_row_counts(found):
    writer, owner, anomaly_id = found
    assert resolve(writer, (anomaly_id, 59, "too early"), (anomaly_id, 60, "the row itself")) == 0
    assert resolution(owner) == (False, None, None)
    assert resolve(writer, (anomaly_id, 63, "bob"), (anomaly_id, 61, "ada"), (anomaly_id, 62, "eve")) == 1
    assert resolution(owner) == (True, at(61), "ada")
    assert resolve(writer, (anomaly_id, 61, "ada"), (anomaly_id, 64, "eve")) == 0
    assert resolution(owner) == (True, at(61), "ada")


def test_who_resolved_may_be_unknown(found):
    writer, owner, anomaly_id = found
    assert resolve(writer, (anomaly_id, 61, None)) == 1
    assert resolve(writer, (anomaly_id, 62, "bob")) == 0
    assert resolution(owner) == (True, at(61), None)


def test_what_names_no_anomaly_of_the_tenant_does_nothing(found):
    writer, owner, anomaly_id = found
    for other in ("", "no uuid", anomaly_id[:-1], anomaly_id.upper(), anomaly_id.replace("-", ""), f"{{{anomaly_id}}}",
                  anomaly_id + "\n", "00000000-0000-0000-0000-000000000000"):
        assert resolve(writer, (other, 61, "bob")) == 0
    assert resolve(writer, (anomaly_id, 61, "bob", "globex")) == 0
    assert resolution(owner) == (False, None, None)
    assert resolve(writer, ("no uuid", 61, "bob"), (anomaly_id, 62, "ada"), (anomaly_id, 61, "bob", "globex")) == 1
    assert resolution(owner) == (True, at(62), "ada")
