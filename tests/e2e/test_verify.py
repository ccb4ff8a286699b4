"""Goal: `sealstream verify` finds every way to change the ledger, and names tenant, seq and reason.

Method: a small ledger sealed in a real run, in which every column of the live catalogue is filled. Each test changes it as
a superuser without triggers, asks `sealstream verify` (and where said the Python reference and the SQL statement), and
puts everything back.
"""

import json
import secrets
from contextlib import contextmanager

import chain
import psycopg
import pytest
from deployment import kKeyring, kRoot
from full_events import full_events
from keyring import read_keyring
from ledger import open_ledger
from producers import Producer, event
from verify import verify

kTenants = ("acme", "globex")
kEvents = 12  # of each tenant
kMiddle = 5
kLast = kEvents - 1
kPersonal = {"user_id", "user_email", "user_name", "on_behalf_of", "session_id", "client_ip", "user_agent", "resource_id",
             "input_summary", "output_summary", "error_message", "personal_detail"}
kOtherValue = {"text": "{0} || 'x'", "bigint": "{0} + 1", "timestamp with time zone": "{0} + interval '1 microsecond'",
               "boolean": "NOT {0}", "bytea": "set_byte({0}, 3, 255 - get_byte({0}, 3))", "numeric": "{0} + 0.01",
               "jsonb": "{0} || '{{\"x\": 1.0}}'", "inet": "{0} + 1"}
kTables = ("ledger", "chain_heads", "partitions")


def columns():
    """Of the registry, header included; that it is the catalogue's list is a test below."""
    registry = json.loads((kRoot / "schemas" / "chain-v1.columns.json").read_text())["columns"]
    return ["tenant_id", "seq", *(column["name"] for column in registry), "prev_checksum", "checksum"]


class Ledger:
    """The sealed ledger, and a superuser's way to change it."""

    def __init__(self, deployment):
        self.deployment = deployment
        self._session = psycopg.connect(deployment.uri_for_checker(), autocommit=True)
        self._session.execute("SET session_replication_role = replica")
        self._session.execute("SET client_min_messages = warning")
        self._session.execute("CREATE EXTENSION IF NOT EXISTS pgcrypto")
        for table in kTables:
            self._session.execute(f"CREATE TABLE public.{table} AS SELECT * FROM audit.{table}")

    def close(self):
        self._session.close()

    def ask(self, sql):
        return self._session.execute(sql).fetchall()

    @contextmanager
    def changed(self, *statements):
        """Runs them; afterwards all is as it was."""
        try:
            for statement in statements:
                assert self._session.execute(statement).rowcount != 0, f"it changes nothing: {statement}"
            yield self
        finally:
            self._session.execute("BEGIN")
            for table in kTables:
                self._session.execute(f"DELETE FROM audit.{table}")
                self._session.execute(f"INSERT INTO audit.{table} SELECT * FROM public.{table}")
            self._session.execute("COMMIT")

    def verify(self, *options, config=None):
        """(exit code, the report) of the program."""
        done = self.deployment.run("verify", "--json", *options, config=config)
        return done.returncode, json.loads(done.stdout)

    def reference(self):
        with open_ledger(self.deployment.uri_for_checker()) as database:
            return verify(database, read_keyring(self.deployment.keyring))

    def in_sql(self, tenant="acme"):
        """[tenant, verdict, rows, seq, wrong] of the one statement."""
        statement = (kRoot / "schemas" / "queries" / "verify_chain.sql").read_text()
        return self.deployment.postgres.psql(statement, self.deployment.database, variables={"tenant": tenant}).split("|")


@pytest.fixture(scope="module")
def ledger(module_deployment):
    deployment = module_deployment
    ingester = deployment.ingester()
    with Producer(deployment) as producer:
        for _ in range(kEvents // 6):
            for tenant in kTenants:
                for sent in full_events(tenant):
                    producer.send(tenant, sent)
        producer.flush()
        deployment.wait_sealed(producer.acknowledged)
    deployment.check()
    ingester.signal(15)
    ingester.wait_end()
    for column in columns():  # so that a superuser's NULL can be tried in each of them
        if column != "recorded_at":
            deployment.as_superuser(f"ALTER TABLE audit.ledger ALTER COLUMN {column} DROP NOT NULL")
    sealed = Ledger(deployment)
    yield sealed
    sealed.close()


def victim(ledger, column):
    """The seq of a row of acme in which the column is set; not the first or last one."""
    found = ledger.ask(f"SELECT min(seq) FROM audit.ledger WHERE tenant_id = 'acme' AND {column} IS NOT NULL"
                       f" AND seq BETWEEN 1 AND {kLast - 1}")[0][0]
    assert found is not None, f"no row fills {column}"
    return found


def assert_found(ledger, seq, wrong, tenant="acme"):
    """The program and the reference say tampered, and name this row."""
    code, report = ledger.verify()
    assert code == 1
    assert report["verdict"] == "tampered"
    faults = report["faults"]
    assert (tenant, seq, wrong) in [(fault["tenant"], fault["seq"], fault["wrong"]) for fault in faults], faults
    assert all(fault["detail"] for fault in faults)


def test_an_untouched_ledger_is_intact_for_three_verifiers(ledger):
    code, report = ledger.verify()
    assert (code, report["verdict"], report["faults"]) == (0, "intact", [])
    assert (report["rows"], report["chains"]) == (2 * kEvents, 2)
    assert report["personal"]["opened"] == 2 * kEvents
    assert ledger.reference().verdict == "intact"
    for tenant in kTenants:
        assert ledger.in_sql(tenant) == [tenant, "intact", str(kEvents), "", ""]


def test_the_columns_tried_are_those_of_the_live_catalogue(ledger):
    live = ledger.ask("SELECT attname FROM pg_attribute WHERE attrelid = 'audit.ledger'::regclass AND attnum > 0"
                      " AND NOT attisdropped")
    assert sorted(columns()) == sorted(name for (name,) in live)


@pytest.mark.parametrize("column", columns())
def test_another_value_in_a_column_is_found(ledger, column):
    type_name = ledger.ask("SELECT format_type(atttypid, atttypmod) FROM pg_attribute"
                           f" WHERE attrelid = 'audit.ledger'::regclass AND attname = '{column}'")[0][0]
    other = f"{column} + 1000" if column == "seq" else kOtherValue[type_name].format(column)
    seq = victim(ledger, column)
    wrong = "gap" if column in ("tenant_id", "seq") else "personal value" if column in kPersonal else "checksum"
    with ledger.changed(f"UPDATE audit.ledger SET {column} = {other} WHERE tenant_id = 'acme' AND seq = {seq}"):
        assert_found(ledger, seq, wrong)
        assert ledger.reference().faults[0].seq == seq
        if column not in kPersonal:
            assert ledger.in_sql()[1:4:2] == ["tampered", str(seq)]


@pytest.mark.parametrize("column", [name for name in columns() if name != "recorded_at"])
def test_null_in_a_column_is_found(ledger, column):
    seq = victim(ledger, column)
    wrong = "gap" if column in ("tenant_id", "seq") else "personal value" if column in kPersonal else "checksum"
    with ledger.changed(f"UPDATE audit.ledger SET {column} = NULL WHERE tenant_id = 'acme' AND seq = {seq}"):
        assert_found(ledger, seq, wrong)


def test_null_in_recorded_at_is_refused_by_postgresql_itself(ledger):
    """It decides the leaf."""
    with pytest.raises(psycopg.errors.IntegrityError):
        ledger.ask(f"UPDATE audit.ledger SET recorded_at = NULL WHERE tenant_id = 'acme' AND seq = {kMiddle} RETURNING 1")


@pytest.mark.parametrize("change", ["detail = replace(detail::text, '91', '91.0')::jsonb", "route = ''",
                                    "personal_detail = replace(personal_detail::text, '1.0', '1.00')::jsonb"])
def test_values_that_sql_calls_equal_or_empty_are_told_apart(ledger, change):
    wrong = "personal value" if change.startswith("personal") else "checksum"
    with ledger.changed(f"UPDATE audit.ledger SET {change} WHERE tenant_id = 'acme' AND seq = 6"):
        assert_found(ledger, 6, wrong)


def test_all_personal_values_erased_without_an_event_that_says_so_are_found(ledger):
    everything = ", ".join(f"{column} = NULL" for column in kPersonal)
    with ledger.changed(f"UPDATE audit.ledger SET {everything} WHERE tenant_id = 'acme' AND seq = {kMiddle}"):
        assert_found(ledger, kMiddle, "personal value")


@pytest.mark.parametrize("seq, wrong", [(0, "gap"), (kMiddle, "gap"), (kLast, "head")])
def test_a_deleted_row_is_found(ledger, seq, wrong):
    with ledger.changed(f"DELETE FROM audit.ledger WHERE tenant_id = 'acme' AND seq = {seq}"):
        assert_found(ledger, seq, wrong)
        assert ledger.in_sql()[1:4:2] == ["tampered", str(seq)]


def copy_of(original, tenant="acme", **values):
    """INSERT of a row like acme's row `original`, with other values in some columns."""
    chosen = {column: values.get(column, column) for column in columns()} | {"tenant_id": f"'{tenant}'"}
    return (f"INSERT INTO audit.ledger ({', '.join(chosen)}) SELECT {', '.join(chosen.values())} FROM audit.ledger"
            f" WHERE tenant_id = 'acme' AND seq = {original}")


def test_an_inserted_row_is_found_at_the_end_and_in_between(ledger):
    another = "event_id || 'x'"
    with ledger.changed(copy_of(kLast, seq=str(kLast + 1), event_id=another, prev_checksum="checksum")):
        assert_found(ledger, kLast + 1, "checksum")
    with ledger.changed(f"UPDATE audit.ledger SET seq = seq + 1000 WHERE tenant_id = 'acme' AND seq > {kMiddle}",
                        f"UPDATE audit.ledger SET seq = seq - 999 WHERE tenant_id = 'acme' AND seq > {kMiddle}",
                        copy_of(kMiddle, seq=str(kMiddle + 1), event_id=another, prev_checksum="checksum")):
        assert_found(ledger, kMiddle + 1, "checksum")


def test_swapped_rows_are_found(ledger):
    with ledger.changed(f"UPDATE audit.ledger SET seq = 1000 WHERE tenant_id = 'acme' AND seq = {kMiddle}",
                        f"UPDATE audit.ledger SET seq = {kMiddle} WHERE tenant_id = 'acme' AND seq = {kMiddle + 1}",
                        f"UPDATE audit.ledger SET seq = {kMiddle + 1} WHERE tenant_id = 'acme' AND seq = 1000"):
        assert_found(ledger, kMiddle, "checksum")


def test_a_row_of_another_tenant_is_found(ledger):
    """In the place of one that was deleted, and in a chain of its own."""
    with ledger.changed(f"DELETE FROM audit.ledger WHERE tenant_id = 'globex' AND seq = {kMiddle}",
                        copy_of(kMiddle, tenant="globex")):
        assert_found(ledger, kMiddle, "checksum", tenant="globex")
    with ledger.changed(copy_of(0, tenant="new")):
        assert_found(ledger, 0, "checksum", tenant="new")


def test_a_row_that_was_changed_and_sealed_anew_is_found_at_the_next_one(ledger):
    """Who knows the format can compute a checksum, but the next row covers the one that was there."""
    with open_ledger(ledger.deployment.uri_for_checker()) as database:
        row = next(row for row in database.rows("acme") if row["seq"] == kMiddle) | {"status": "denied"}
    checksum = chain.checksum(chain.row_record("acme", kMiddle, row["prev_checksum"], row))
    with ledger.changed(f"UPDATE audit.ledger SET status = 'denied', checksum = '\\x{checksum.hex()}' WHERE tenant_id = 'acme'"
                        f" AND seq = {kMiddle}"):
        assert_found(ledger, kMiddle + 1, "checksum")


@pytest.mark.parametrize("change, seq", [
    ("UPDATE audit.chain_heads SET seq = seq + 1 WHERE tenant_id = 'acme'", kLast + 1),
    ("UPDATE audit.chain_heads SET seq = seq - 1, base_seq = -1 WHERE tenant_id = 'acme'", kLast),
    ("UPDATE audit.chain_heads SET checksum = set_byte(checksum, 0, 1) WHERE tenant_id = 'acme'", kLast),
    ("UPDATE audit.chain_heads SET recorded_at = recorded_at + interval '1 second' WHERE tenant_id = 'acme'", kLast),
    ("DELETE FROM audit.chain_heads WHERE tenant_id = 'acme'", kLast),
    ("DELETE FROM audit.ledger WHERE tenant_id = 'acme'", 0),
])
def test_a_head_that_is_not_the_last_row_is_found(ledger, change, seq):
    with ledger.changed(change):
        assert_found(ledger, seq, "head")


def test_a_tail_cut_with_its_head_leaves_counters_that_disagree(ledger):
    """Only a checkpoint kept elsewhere proves it; the counters at least are not the rows'."""
    with ledger.changed(
            f"DELETE FROM audit.ledger WHERE tenant_id = 'acme' AND seq = {kLast}",
            "UPDATE audit.chain_heads SET events = events - 1, (seq, checksum, recorded_at, base_seq) ="
            f" (SELECT seq, checksum, recorded_at, -1 FROM audit.ledger l WHERE l.tenant_id = 'acme' AND seq = {kLast - 1})"
            " WHERE tenant_id = 'acme'"):
        code, report = ledger.verify()
        assert (code, report["verdict"]) == (2, "incomplete")
        assert {fault["wrong"] for fault in report["faults"]} == {"counters"}


def test_a_column_added_or_dropped_is_found(ledger):
    ledger.deployment.as_superuser("ALTER TABLE audit.ledger ADD COLUMN note text")
    try:
        code, report = ledger.verify()
    finally:
        ledger.deployment.as_superuser("ALTER TABLE audit.ledger DROP COLUMN note")
    assert (code, report["faults"][0]["wrong"]) == (1, "unknown column")
    assert '"note"' in report["faults"][0]["detail"]


def test_people_read_the_same(ledger):
    with ledger.changed(f"UPDATE audit.ledger SET status = 'x' WHERE tenant_id = 'acme' AND seq = {kMiddle}"):
        text = ledger.deployment.sealstream("verify", expect=1)
    assert text.startswith(f"tampered: {2 * kEvents} rows in 2 chains\n")
    assert f'tampered: tenant "acme", seq {kMiddle}, checksum: ' in text


def test_one_tenant_is_verified_alone(ledger):
    with ledger.changed(f"DELETE FROM audit.ledger WHERE tenant_id = 'acme' AND seq = {kMiddle}"):
        assert ledger.verify("--tenant", "globex")[0] == 0
        assert ledger.verify("--tenant", "acme")[0] == 1


def test_a_tenant_that_is_not_there_is_undecidable(ledger):
    assert ledger.verify("--tenant", "nobody")[0] == 3


def test_without_the_key_personal_values_are_undecidable_and_the_chain_is_not(ledger):
    other = ledger.deployment.directory / "other-keyring.yaml"
    ledger.deployment.write_secret(other, kKeyring.replace("2026q3", "another") % secrets.token_hex(32))
    config = ledger.deployment.write_config("other", 1, keyring_file=str(other))
    code, report = ledger.verify(config=config)
    assert (code, report["verdict"], report["personal"]["unchecked"]) == (3, "undecidable", 2 * kEvents)
    assert ledger.verify("--chain-only", config=config)[0] == 0
    with ledger.changed(f"UPDATE audit.ledger SET status = 'x' WHERE tenant_id = 'acme' AND seq = {kMiddle}"):
        assert ledger.verify("--chain-only", config=config)[0] == 1


def test_with_another_key_of_the_same_name_nothing_opens(ledger):
    other = ledger.deployment.directory / "forged-keyring.yaml"
    ledger.deployment.write_secret(other, kKeyring % secrets.token_hex(32))
    code, report = ledger.verify(config=ledger.deployment.write_config("forged", 1, keyring_file=str(other)))
    assert (code, report["verdict"], report["faults"][0]["wrong"]) == (1, "tampered", "personal value")


def test_an_erasure_that_its_event_proves_leaves_the_chain_intact(deployment):
    """As audit_eraser does it, whose update the trigger lets through."""
    deployment.ingester()
    with Producer(deployment) as producer:
        for sent in full_events("acme"):
            producer.send("acme", sent)
        producer.send("acme", event("acme", family="admin", action="erase", data={
            "actor": {"type": "user", "id": "dpo"}, "status": "success", "resource": {"type": "ledger_rows"},
            "erased_seqs": [[1, 3]]}))
        producer.flush()
        deployment.wait_sealed(producer.acknowledged)
    everything = ", ".join(f"{column} = NULL" for column in sorted(kPersonal))
    deployment.as_superuser(f"SET ROLE audit_eraser; UPDATE audit.ledger SET {everything} WHERE tenant_id = 'acme' AND seq"
                            " BETWEEN 1 AND 3")
    report = json.loads(deployment.sealstream("verify", "--json"))
    assert (report["verdict"], report["personal"]["erased"]) == ("intact", 3)
    assert report["personal"]["erasures"] == [{"tenant": "acme", "seq": 6, "rows": 3}]
    deployment.as_superuser(f"SET ROLE audit_eraser; UPDATE audit.ledger SET {everything} WHERE tenant_id = 'acme' AND seq = 4")
    deployment.sealstream("verify", expect=1)
