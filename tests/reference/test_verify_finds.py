"""Goal: both independent verifiers, Python's and the SQL statement, call an honest ledger intact and find every way to
change it, at the exact row.

Method: chains sealed by the second writer into the real tables; each change is made by a superuser with triggers off,
inside a transaction that is rolled back. "Every column" means every column of the live catalogue.
"""

import psycopg
import pytest

import chain
import ledger
import make_query
import make_vectors
import verify
from conftest import ROOT, psql
from keyring import parse_keyring
from sealing import SecondWriter

VICTIM = 5
ROWS = 8
TYPES = dict(ledger.ROW_COLUMNS)

OTHER_VALUES = {
    "text": "{0} || 'x'", "int64": "{0} + 1", "timestamp": "{0} + interval '1 microsecond'", "bool": "NOT {0}",
    "bytes": "set_byte({0}, 3, 255 - get_byte({0}, 3))", "decimal": "{0} + 0.01", "json": "{0} || '{{\"x\": 1.0}}'",
    "ip": "{0} + 1",
}


@pytest.fixture(scope="module")
def chained_uri(make_database, migrated, keys):
    """Two tenants with rows in which every column of the registry is set."""
    uri = make_database(template=migrated)
    with psycopg.connect(uri) as connection:
        writer = SecondWriter(connection, keys)
        for tenant in ("acme", "other"):
            for number in range(ROWS):
                row = dict(make_vectors.full_row(number), event_id=f"{tenant}-{number:08d}", digest='{"a":1}',
                           policies_hit='{"n":1.00}', tools_called='{"a":[]}', detail='{"a":{}}', personal_detail='{"a":1}',
                           source_digest=bytes([number] * 16), client_ip="192.0.2.7", cost_usd="1.5", user_name="")
                writer.append_row(tenant, make_vectors.OCTOBER_2 + number * 1_000_000, row, "events")
    return uri


@pytest.fixture
def connection(chained_uri):
    with psycopg.connect(chained_uri) as connection:
        connection.execute("SET session_replication_role = replica")
        yield connection
        connection.rollback()


SQL_STATEMENT = make_query.rendered()


def in_plain_sql(connection, tenant="acme"):
    """(verdict, at_seq, wrong) of schemas/queries/verify_chain.sql inside this transaction."""
    statement = SQL_STATEMENT.replace(":'tenant'", f"'{tenant}'").replace("%", "%%")
    _, verdict, _, at_seq, wrong = connection.execute(statement.encode(), prepare=False).fetchone()
    return verdict, at_seq, wrong


def in_python(connection, keys, tenant="acme"):
    return verify.verify(ledger.Ledger(connection), keys, tenant)


def assert_found(connection, keys, seq, wrong, in_sql=True):
    """Both verifiers say tampered, name this row, and say this kind of wrong."""
    report = in_python(connection, keys)
    assert report.verdict == verify.TAMPERED
    assert (report.faults[0].tenant, report.faults[0].seq, report.faults[0].wrong) == ("acme", seq, wrong)
    if in_sql:
        verdict, at_seq, said = in_plain_sql(connection)
        assert (verdict, at_seq) == ("tampered", seq)
        assert said.split(":")[0] == wrong


def update_victim(connection, assignment):
    done = connection.execute(f"UPDATE audit.ledger SET {assignment} WHERE tenant_id = 'acme' AND seq = {VICTIM}")
    assert done.rowcount == 1


def test_an_untouched_ledger_is_intact(connection, keys):
    report = in_python(connection, keys)
    assert (report.verdict, report.rows, report.faults) == (verify.INTACT, ROWS, [])
    assert report.chains[0].personal == {"opened": ROWS}
    assert in_plain_sql(connection) == ("intact", None, None)


def test_every_column_of_the_registry_is_set_in_the_victim(connection):
    nulls = connection.execute(
        f"SELECT num_nulls({', '.join(ledger.ROW_NAMES)}) FROM audit.ledger WHERE seq = {VICTIM}").fetchall()
    assert nulls == [(0,), (0,)]


def test_the_live_table_has_exactly_the_columns_of_the_registry(connection):
    assert sorted(ledger.Ledger(connection).columns()) == sorted(ledger.ROW_NAMES)


@pytest.mark.parametrize("column", [c for c in chain.REGISTRY if not c.personal], ids=lambda column: column.name)
def test_another_value_in_a_column_is_found(connection, keys, column):
    update_victim(connection, f"{column.name} = " + OTHER_VALUES[column.type].format(column.name))
    assert_found(connection, keys, VICTIM, "checksum")


@pytest.mark.parametrize("column", [c for c in chain.REGISTRY if not c.personal], ids=lambda column: column.name)
def test_null_in_a_column_is_found(connection, keys, column):
    if column.name == "recorded_at":
        # A row without recorded_at belongs to no leaf, so the table must be made one that takes it.
        connection.execute("CREATE TABLE audit.loose PARTITION OF audit.ledger DEFAULT")
    for table in ("audit.ledger", "audit.ledger_y2026m10"):
        connection.execute(f"ALTER TABLE {table} ALTER COLUMN {column.name} DROP NOT NULL")
    update_victim(connection, f"{column.name} = NULL")
    assert_found(connection, keys, VICTIM, "checksum")


@pytest.mark.parametrize("column", [c for c in chain.REGISTRY if c.personal], ids=lambda column: column.name)
@pytest.mark.parametrize("change", ["other", "null"])
def test_a_changed_personal_value_is_found_with_the_keyring(connection, keys, column, change):
    update_victim(connection, f"{column.name} = "
                  + (OTHER_VALUES[column.type].format(column.name) if change == "other" else "NULL"))
    assert_found(connection, keys, VICTIM, "personal value", in_sql=False)
    assert in_plain_sql(connection)[0] == "intact", "personal values are not in the row record"


@pytest.mark.parametrize("name, wrong", [("checksum", "checksum"), ("prev_checksum", "order")])
def test_a_changed_checksum_column_is_found(connection, keys, name, wrong):
    update_victim(connection, f"{name} = set_byte({name}, 0, 255 - get_byte({name}, 0))")
    assert_found(connection, keys, VICTIM, wrong)


def test_a_number_with_another_scale_in_json_is_found(connection, keys):
    update_victim(connection, "policies_hit = '{\"n\": 1.0}'")
    assert_found(connection, keys, VICTIM, "checksum")


def test_null_in_the_place_of_the_empty_string_is_found(connection, keys):
    update_victim(connection, "user_name = NULL")
    assert_found(connection, keys, VICTIM, "personal value", in_sql=False)


@pytest.mark.parametrize("seq", [0, VICTIM])
def test_a_deleted_row_is_found(connection, keys, seq):
    connection.execute("DELETE FROM audit.ledger WHERE tenant_id = 'acme' AND seq = %s", (seq,))
    assert_found(connection, keys, seq, "gap")


def test_a_deleted_last_row_is_found_against_the_head(connection, keys):
    connection.execute("DELETE FROM audit.ledger WHERE tenant_id = 'acme' AND seq = %s", (ROWS - 1,))
    assert_found(connection, keys, ROWS - 1, "head")


def test_all_rows_deleted_are_found_against_the_head(connection, keys):
    connection.execute("DELETE FROM audit.ledger WHERE tenant_id = 'acme'")
    assert_found(connection, keys, 0, "head")


def test_a_tail_cut_together_with_the_head_is_not_found_without_a_checkpoint(connection, keys):
    connection.execute("DELETE FROM audit.ledger WHERE tenant_id = 'acme' AND seq > %s", (VICTIM,))
    connection.execute("UPDATE audit.chain_heads SET (seq, checksum, recorded_at, events, base_seq) = (SELECT seq, checksum,"
                       " recorded_at, seq + 1, seq - 1 FROM audit.ledger WHERE tenant_id = 'acme' AND seq = %s)"
                       " WHERE tenant_id = 'acme'", (VICTIM,))
    assert in_python(connection, keys).verdict == verify.INTACT
    assert in_plain_sql(connection)[0] == "intact"


def copied_row(target):
    """INSERT of a copy of acme's victim, with some columns replaced."""
    values = ", ".join(target.get(name, name) for name in ledger.ROW_NAMES)
    return (f"INSERT INTO audit.ledger ({', '.join(ledger.ROW_NAMES)}) SELECT {values} FROM audit.ledger"
            f" WHERE tenant_id = 'acme' AND seq = {VICTIM}")


def test_an_inserted_row_behind_the_last_is_found(connection, keys):
    connection.execute(copied_row({"seq": str(ROWS), "event_id": "'inserted-1'"}))
    assert_found(connection, keys, ROWS, "checksum")


def test_a_second_row_with_a_sequence_number_in_another_leaf_is_found(connection, keys):
    connection.execute("SELECT audit.ensure_partition('2026-11-15')")
    connection.execute(copied_row({"recorded_at": "'2026-11-15'", "event_id": "'inserted-1'"}))
    assert_found(connection, keys, VICTIM, "order")


def test_swapped_rows_are_found(connection, keys):
    connection.execute(f"UPDATE audit.ledger SET seq = 1000 WHERE tenant_id = 'acme' AND seq = {VICTIM}")
    connection.execute(f"UPDATE audit.ledger SET seq = {VICTIM} WHERE tenant_id = 'acme' AND seq = {VICTIM + 1}")
    connection.execute(f"UPDATE audit.ledger SET seq = {VICTIM + 1} WHERE tenant_id = 'acme' AND seq = 1000")
    assert_found(connection, keys, VICTIM, "checksum")


def test_a_row_copied_to_another_tenant_is_found(connection, keys):
    connection.execute(copied_row({"tenant_id": "'other'", "seq": str(ROWS)}))
    report = in_python(connection, keys, "other")
    assert (report.verdict, report.faults[0].tenant, report.faults[0].seq) == (verify.TAMPERED, "other", ROWS)
    assert in_plain_sql(connection, "other")[:2] == ("tampered", ROWS)


def test_a_row_moved_to_a_tenant_that_has_no_chain_is_found(connection, keys):
    update_victim(connection, "tenant_id = 'nobody'")
    assert_found(connection, keys, VICTIM, "gap")
    assert in_python(connection, keys, "nobody").verdict == verify.TAMPERED
    assert in_plain_sql(connection, "nobody")[0] == "tampered"


def test_a_row_behind_the_head_is_found_though_its_checksum_is_right(connection, keys):
    connection.execute("UPDATE audit.chain_heads SET (seq, checksum, base_seq) = (SELECT seq, checksum, seq - 1"
                       " FROM audit.ledger WHERE tenant_id = 'acme' AND seq = %s) WHERE tenant_id = 'acme'", (ROWS - 2,))
    assert_found(connection, keys, ROWS, "head")


def test_a_missing_head_is_found(connection, keys):
    connection.execute("DELETE FROM audit.chain_heads WHERE tenant_id = 'acme'")
    assert_found(connection, keys, ROWS, "head")


def test_an_added_column_is_found(connection, keys):
    connection.execute("ALTER TABLE audit.ledger ADD COLUMN approved boolean")
    report = in_python(connection, keys)
    assert (report.verdict, report.faults[0].wrong) == (verify.TAMPERED, "unknown column")
    assert in_plain_sql(connection) == ("tampered", None, "unknown column approved")


def test_a_detached_leaf_is_found(connection, keys):
    connection.execute("ALTER TABLE audit.ledger DETACH PARTITION audit.ledger_y2026m10")
    assert_found(connection, keys, 0, "head")


def test_erased_rows_verify_where_an_event_says_so(connection, keys):
    nulls = ", ".join(f"{name} = NULL" for name in verify.PERSONAL_NAMES)
    update_victim(connection, nulls)
    assert_found(connection, keys, VICTIM, "personal value", in_sql=False)
    report = verify.verify_chain("acme", ledger.Ledger(connection).rows("acme"), ledger.Ledger(connection).heads()["acme"],
                                 keys, [(VICTIM, VICTIM, 99)])
    assert report.fault is None
    assert report.personal == {"opened": ROWS - 1, "erased": 1}


def test_an_erasure_event_proves_the_ranges_that_its_detail_names():
    row = {"seq": 9, "family": "admin", "action": "erase", "resource_type": "ledger_rows",
           "detail": '{"erased_seqs": [[2, 4], [7, 7]]}'}
    assert verify.erased_ranges([row, dict(row, action="update"), dict(row, detail=None)]) == [(2, 4, 9), (7, 7, 9)]


def test_personal_values_that_no_key_opens_are_never_intact(connection):
    elsewhere = parse_keyring("keys: [{id: other, from: 2020-01-01, key: " + "00" * 32 + "}]")
    for unable in (None, elsewhere):
        report = in_python(connection, unable)
        assert (report.verdict, report.chains[0].personal) == (verify.UNDECIDABLE, {"unchecked": ROWS})
    assert verify.verify(ledger.Ledger(connection), None, "acme", chain_only=True).verdict == verify.INTACT


def test_a_wrong_key_under_the_right_id_is_found(connection):
    wrong = parse_keyring("keys: [{id: 2026q4, from: 2020-01-01, key: " + "00" * 32 + "}]")
    assert in_python(connection, wrong).faults[0].wrong == "personal value"


def test_a_tenant_without_rows_is_undecidable(connection, keys):
    assert in_python(connection, keys, "nobody").verdict == verify.UNDECIDABLE
    assert in_plain_sql(connection, "nobody")[0] == "undecidable"


def test_counters_that_rows_do_not_bear_out_are_incomplete(sealed):
    for number in range(3):
        sealed.seal(tenant=f"tenant-{number}")
    assert verify.verify(ledger.Ledger(sealed.connection), sealed.keys).verdict == verify.INTACT
    sealed.tamper("UPDATE audit.partitions SET accepted = accepted - 1, lost = lost + 1")
    report = verify.verify(ledger.Ledger(sealed.connection), sealed.keys)
    assert (report.verdict, report.faults[0].wrong) == (verify.INCOMPLETE, "counters")


def test_the_committed_statement_is_generated_from_the_registry():
    assert make_query.QUERY_FILE.read_text(encoding="utf-8") == make_query.rendered()


def test_the_statement_runs_in_psql_as_its_head_says(chained_uri):
    said = psql(chained_uri, "-v", "tenant=acme", "-f", str(ROOT / "schemas" / "queries" / "verify_chain.sql"))
    assert said == f"acme|intact|{ROWS}||\n"


def test_the_commands_say_verdicts_and_return_their_exit_codes(chained_uri, tmp_path, keyring_text, capsys):
    keyring = tmp_path / "keyring.yaml"
    keyring.write_text(keyring_text)
    assert verify.main(["--database", chained_uri, "--tenant", "acme", "--keyring", str(keyring)]) == 0
    assert capsys.readouterr().out == f"intact: {ROWS} rows in 1 chains; personal values: {ROWS} opened\n"
    assert verify.main(["--database", chained_uri, "--tenant", "acme", "--json"]) == 3
    assert '"verdict": "undecidable"' in capsys.readouterr().out


def test_events_and_tombstones_of_the_second_writer_verify(sealed):
    sealed.seal("llm_call.completed")
    sealed.seal(value=b"{")
    rows = list(ledger.Ledger(sealed.connection).rows())
    assert [row["family"] for row in rows] == ["llm_call", "quarantined"]
    assert verify.verify(ledger.Ledger(sealed.connection), sealed.keys).verdict == verify.INTACT


def test_an_auditor_may_run_the_statement_and_a_reader_may_not(connection):
    connection.execute("SET LOCAL ROLE audit_auditor")
    assert in_plain_sql(connection)[0] == "intact"
    connection.execute("RESET ROLE")
    connection.execute("SET LOCAL ROLE audit_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        in_plain_sql(connection)
