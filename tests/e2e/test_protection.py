"""Goal: what triggers and rights do not prevent, such as an owner's DDL and a superuser who switches triggers off, `sealstream
verify` finds at the row; and schemas/protection.md names each of these ways.

Method: a ledger sealed in a real run, over three leaves. Each way is used, as the role that has it, on a copy of the database;
then the verifier of the built program is asked.
"""

import json
import re
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

import psycopg
import pytest
from deployment import kRoot, wait_until
from full_events import full_events
from producers import Producer, event

kDeploymentOptions = {"topic_settings": {"message.timestamp.type": "CreateTime", "retention.ms": "-1"}}
kTenants = ("acme", "globex")
kRows = 6  # of a tenant in each leaf
kFirst, kSecond, kThird = "{first}", "{second}", "{third}"  # the leaves, by time
kMiddle = 8  # in the second leaf
kLast = 3 * kRows - 1
kNow = datetime.now(timezone.utc)
kMonths = [(kNow.replace(day=1) - timedelta(days=back)).replace(day=5, hour=12) for back in (63, 32, 1)]

kRow = f"WHERE tenant_id = 'acme' AND seq = {kMiddle}"
kReplica = "SET session_replication_role = replica"
kOwnRights = f"GRANT SELECT, UPDATE, DELETE, TRUNCATE, TRIGGER ON audit.{kSecond} TO audit_owner"
kAttach = f"ALTER TABLE audit.ledger ATTACH PARTITION audit.{kSecond} {{bounds}}"
kDropViews = """DO $$ BEGIN
  EXECUTE (SELECT 'DROP VIEW ' || string_agg(oid::regclass::text, ', ') FROM pg_class
           WHERE relnamespace = 'audit'::regnamespace AND relkind = 'v'); END $$"""
kDetach = "ALTER TABLE audit.ledger DETACH PARTITION audit."
kForgery = "audit.{0} SET status = 'forged' " + kRow
kAnyUpdate = ("CREATE OR REPLACE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql"
              " AS 'BEGIN RETURN coalesce(NEW, OLD); END'")

# title in schemas/protection.md -> (who, statements, seq of acme at fault, what is wrong)
kWays = {
    "UPDATE with triggers off": ("superuser", [kReplica, "UPDATE " + kForgery.format("ledger")], kMiddle, "checksum"),
    "UPDATE of a personal column with triggers off": (
        "superuser", [kReplica, f"UPDATE audit.ledger SET user_name = 'forged' {kRow}"], kMiddle, "personal value"),
    "erasing without an event": (
        "superuser", [kReplica, f"UPDATE audit.ledger SET user_id = NULL, user_name = NULL, user_email = NULL {kRow}"], kMiddle,
        "personal value"),
    "DELETE with triggers off": ("superuser", [kReplica, f"DELETE FROM audit.ledger {kRow}"], kMiddle, "gap"),
    "INSERT of a row that no record made": (
        "writer", [f"CREATE TEMP TABLE forged AS SELECT * FROM audit.{kThird} WHERE tenant_id = 'acme' AND seq = {kLast}",
                   f"UPDATE forged SET seq = {kLast + 1}, event_id = 'forged', prev_checksum = checksum",
                   f"INSERT INTO audit.{kThird} TABLE forged"], kLast + 1, "checksum"),
    "disabling the triggers of a leaf": (
        "owner", [kOwnRights, f"ALTER TABLE audit.{kSecond} DISABLE TRIGGER USER", "UPDATE " + kForgery.format(kSecond)], kMiddle,
        "checksum"),
    "TRUNCATE of a leaf without its trigger": (
        "owner", [kOwnRights, f"DROP TRIGGER ledger_refuse_truncate ON audit.{kSecond}", f"TRUNCATE audit.{kSecond}"], kRows,
        "gap"),
    "replacing the trigger's function": (
        "owner", [kOwnRights, kAnyUpdate, "UPDATE " + kForgery.format(kSecond)], kMiddle, "checksum"),
    "rewriting a column by ALTER … TYPE": (  # the views that show it go first
        "owner", [kDropViews, "ALTER TABLE audit.ledger ALTER COLUMN source TYPE text COLLATE \"C\" USING source || 'x'"], 0, "checksum"),
    "detaching the first leaf": ("owner", [kDetach + kFirst], 0, "gap"),
    "detaching a leaf in between": ("owner", [kDetach + kSecond], kRows, "gap"),
    "detaching the last leaf": ("owner", [kDetach + kThird], 2 * kRows, "head"),
    "dropping a leaf": ("owner", [f"DROP TABLE audit.{kSecond}"], kRows, "gap"),
    "changing a leaf while it is detached": (
        "owner", [kDetach + kSecond, kOwnRights, f"ALTER TABLE audit.{kSecond} DISABLE TRIGGER USER",
                  "UPDATE " + kForgery.format(kSecond), kAttach], kMiddle, "checksum"),
    "hiding rows from the auditor by a policy": (
        "owner", ["CREATE POLICY hide ON audit.ledger AS RESTRICTIVE FOR SELECT TO audit_auditor USING"
                  f" (tenant_id <> 'acme' OR seq <> {kMiddle})"], kMiddle, "gap"),
    "emptying the heads": ("owner", ["TRUNCATE audit.chain_heads"], kLast, "head"),
}
kOnTheWayIn = "a trigger that changes rows as they come in"


@pytest.fixture(scope="module")
def sealed(module_deployment):
    """The deployment, its ledger sealed; nothing runs any more."""
    deployment = module_deployment
    with Producer(deployment) as producer:
        for month in kMonths:
            for tenant in kTenants:
                for number, sent in enumerate(full_events(tenant)):
                    moment = month + timedelta(seconds=number)
                    producer.send(tenant, sent | {"time": moment.isoformat()}, timestamp=moment)
        producer.flush()
    ingester = deployment.ingester(kafka={"accept_create_time": True})
    deployment.wait_sealed(len(kMonths) * len(kTenants) * kRows)
    deployment.check()
    ingester.signal(15)
    ingester.wait_end()
    assert len(deployment.leaves()) >= 3
    return deployment


class Copy:
    """A copy of the sealed database for one test."""

    def __init__(self, deployment, name):
        self.deployment = deployment
        self.name = name
        self.config = deployment.write_config(name, 1, postgres={"database": name})
        self._leaves = {place: f"ledger_y{month:%Y}m{month:%m}" for place, month in zip(("first", "second", "third"), kMonths)}

    @contextmanager
    def session(self, who):
        postgres = self.deployment.postgres
        login, password = {"superuser": ("postgres", postgres.superuser_password),
                           "owner": ("audit_migrator", "password-of-migrator"),
                           "writer": ("audit_writer", "password-of-writer")}[who]
        with psycopg.connect(postgres.uri(login, password, self.name), autocommit=True) as session:
            if who == "owner":
                session.execute("SET ROLE audit_owner")
            yield session

    def use(self, who, statements):
        """Runs them; {first}, {second}, {third} are the leaves, {bounds} those of the second."""
        with self.session(who) as session:
            bounds, = session.execute("SELECT pg_get_expr(relpartbound, oid) FROM pg_class WHERE relname = %s",
                                      [self._leaves["second"]]).fetchone()
            for statement in statements:
                done = session.execute(statement.format(**self._leaves, bounds=bounds))
                assert done.rowcount != 0, f"it changes nothing: {statement}"

    def verify(self):
        """(exit code, the report) of the program."""
        done = self.deployment.run("verify", "--json", config=self.config)
        return done.returncode, json.loads(done.stdout)


@pytest.fixture
def copy(sealed):
    made = Copy(sealed, f"{sealed.database}_copy")
    sealed.postgres.psql(f"CREATE DATABASE {made.name} TEMPLATE {sealed.database}")
    yield made
    sealed.postgres.psql(f"DROP DATABASE {made.name} WITH (FORCE)")


def assert_found(copy, seq, wrong):
    code, report = copy.verify()
    assert (code, report["verdict"]) == (1, "tampered")
    first = next(fault for fault in report["faults"] if fault["tenant"] == "acme")
    assert (first["seq"], first["wrong"]) == (seq, wrong), report["faults"]


def test_an_untouched_copy_is_intact(copy):
    code, report = copy.verify()
    assert (code, report["verdict"], report["rows"]) == (0, "intact", len(kMonths) * len(kTenants) * kRows)


@pytest.mark.parametrize("title", kWays)
def test_a_way_that_is_not_prevented_is_found_at_the_row(copy, title):
    who, statements, seq, wrong = kWays[title]
    copy.use(who, statements)
    assert_found(copy, seq, wrong)


def test_a_row_that_a_trigger_changed_on_its_way_in_is_found(copy):
    every_leaf = ", ".join(copy.deployment.leaves())
    copy.use("owner", [f"GRANT TRIGGER ON {every_leaf} TO audit_owner",
                       "CREATE FUNCTION audit.forge() RETURNS trigger LANGUAGE plpgsql"
                       " AS $$ BEGIN NEW.status := 'forged'; RETURN NEW; END $$",
                       "CREATE TRIGGER forge BEFORE INSERT ON audit.ledger FOR EACH ROW EXECUTE FUNCTION audit.forge()"])
    deployment = copy.deployment
    ingester = deployment.ingester("forged", postgres={"database": copy.name}, kafka={"accept_create_time": True, "group_id": copy.name})
    with Producer(deployment) as producer:
        producer.send("acme", event("acme"))
        producer.flush()
    with copy.session("superuser") as session:
        wait_until(lambda: session.execute("SELECT max(seq) FROM audit.ledger WHERE tenant_id = 'acme'").fetchone() == (kLast + 1,),
                   60, "the event sealed")
    ingester.signal(15)
    ingester.wait_end()
    assert_found(copy, kLast + 1, "checksum")


def test_counters_that_an_owner_turned_leave_the_verdict_incomplete(copy):
    copy.use("owner", ["UPDATE audit.partitions SET accepted = accepted - 1, skipped = skipped + 1 WHERE accepted > 0"])
    code, report = copy.verify()
    assert (code, report["verdict"]) == (2, "incomplete")


def test_the_document_names_each_way_and_what_is_found():
    text = (kRoot / "schemas" / "protection.md").read_text()
    rows = dict(re.findall(r"^\| ([^|]+?) \| (?:owner|superuser|writer) \| [^|]+ \| ([^|]+?) \|$", text, re.MULTILINE))
    assert rows == {title: wrong for title, (_, _, _, wrong) in kWays.items()} | {kOnTheWayIn: "checksum"}
