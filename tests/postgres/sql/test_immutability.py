"""Goal: nobody changes a row of the ledger in any way, but the eraser, who sets all personal columns of a row to NULL at once.

Method: each way to change a row, tried by every role, by the owner and by a superuser, for whom only the triggers stand; through
the parent, on a leaf, on one made later and on one that was detached. Nothing is rolled back: afterwards every row is as it was.
What the owner's DDL and a superuser who turns triggers off can still do is told in schemas/protection.md, and found by `verify`
in tests/e2e/test_protection.py.
"""

import psycopg
import pytest
from ledger_rows import event, fill, insert, kLedgerColumns, kNovemberLeaf, kPersonal, tombstone
from sql_databases import kLoginRoles

kPlaces = {"the ledger": "ledger", "a leaf": "ledger_y2026m11", "a later leaf": "ledger_y2026m12",
           "a detached leaf": "ledger_y2026m10"}
kLeaves = [place for place in kPlaces if place != "the ledger"]
kActors = [*kLoginRoles, "audit_owner", "superuser"]
kFamilies = ("llm_call", "tool_invocation", "api_key", "admin")  # a row for every view
kOther = {"text": "{0} || 'x'", "bigint": "{0} + 1", "timestamp with time zone": "{0} + interval '1 microsecond'",
          "boolean": "NOT {0}", "bytea": "set_byte({0}, 0, 255 - get_byte({0}, 0))", "numeric": "{0} + 0.01",
          "jsonb": "'{{\"n\": 1.00}}'", "inet": "{0} + 1"}
kEraseAll = ", ".join(f"{name} = NULL" for name in kPersonal)
kWays = (
    "DELETE FROM audit.{place}",
    "DELETE FROM audit.{place} WHERE tenant_id = 'acme' AND seq = 0 RETURNING *",
    "WITH gone AS (DELETE FROM audit.{place} RETURNING *) SELECT FROM gone",
    "UPDATE audit.{place} SET recorded_at = recorded_at + interval '1 month'",  # to another leaf
    "UPDATE audit.{place} SET recorded_at = recorded_at - interval '1 month'",
    "UPDATE audit.{place} SET tenant_id = tenant_id",
    "UPDATE audit.{place} AS l SET status = o.status || 'x' FROM audit.{place} AS o WHERE o.event_id = l.event_id",
    "UPDATE audit.{place} SET " + kEraseAll.replace("user_id = NULL", "user_id = 'mallory'"),
    "UPDATE audit.{place} SET " + kEraseAll.replace("user_id = NULL", "user_id = ''"),
    "UPDATE audit.{place} SET " + kEraseAll.replace("personal_detail = NULL", "personal_detail = '{}'"),
    "MERGE INTO audit.{place} AS l USING (VALUES (1)) AS one ON true WHEN MATCHED THEN UPDATE SET status = 'x'",
    "MERGE INTO audit.{place} AS l USING (VALUES (1)) AS one ON true WHEN MATCHED THEN DELETE",
)
kTruncations = ("TRUNCATE audit.{place}", "TRUNCATE ONLY audit.{place}", "TRUNCATE audit.{place} RESTART IDENTITY CASCADE",
                "TRUNCATE audit.reader_tenants, audit.{place}")


class Sealed:
    """A database with rows in four leaves, one of them detached, whose rows must not change."""

    def __init__(self, database):
        self.database = database
        self._superuser = database.connect()
        writer = database.connect("audit_writer")
        for month in (9, 10, 11, 12):
            moment = f"2026-{month:02}-22 12:00:00.123456+00"
            leaf, = writer.execute("SELECT audit.ensure_partition(%s)", [moment]).fetchone()
            for seq, family in enumerate(kFamilies):
                insert(writer, event("acme", seq, family=family, recorded_at=moment), leaf)
        self.session("audit_owner").execute("ALTER TABLE audit.ledger DETACH PARTITION audit.ledger_y2026m10")
        self.columns = self.ask("SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                                " WHERE attrelid = 'audit.ledger'::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum")

    def ask(self, sql):
        return self._superuser.execute(sql).fetchall()

    def rows(self):
        """Every row with the leaf that it lies in and its place there: that it was not even written again."""
        return self.ask("SELECT tableoid, ctid::text, l::text FROM audit.ledger l UNION ALL"
                        " SELECT tableoid, ctid::text, l::text FROM audit.ledger_y2026m10 l ORDER BY 1, 2")

    def session(self, actor):
        session = self.database.connect({"superuser": "postgres", "audit_owner": "audit_migrator"}.get(actor, actor))
        if actor == "audit_owner":
            session.execute("SET ROLE audit_owner")
        return session


@pytest.fixture(scope="module")
def sealed_once(shared_database):
    return Sealed(shared_database)


@pytest.fixture
def sealed(sealed_once):
    before = sealed_once.rows()
    assert len(before) == 4 * len(kFamilies)
    yield sealed_once
    assert sealed_once.rows() == before


def outcome(session, statement, values=None):
    """The SQLSTATE of a statement that failed, or how many rows it changed."""
    try:
        return session.execute(statement, values).rowcount
    except psycopg.Error as error:
        return error.sqlstate


def passed(sealed, actor, place, statements):
    """What was not refused. As members of the owner both see no row of the ledger: changing all of none is no change."""
    refused = {"42501"} | ({0} if actor in ("audit_owner", "audit_migrator") and kPlaces.get(place) == "ledger" else set())
    with sealed.session(actor) as session:
        outcomes = {statement: outcome(session, statement.replace("{place}", kPlaces[place])) for statement in statements}
    return {statement: result for statement, result in outcomes.items() if result not in refused}


def assignments(sealed):
    """Every column to another value, and to NULL."""
    for name, type_name in sealed.columns:
        yield f"{name} = {kOther[type_name].format(name)}"
        yield f"{name} = NULL"


@pytest.mark.parametrize("place", kPlaces)
@pytest.mark.parametrize("actor", kActors)
def test_no_column_can_be_set_to_another_value_or_to_null(sealed, actor, place):
    assert [name for name, _ in sealed.columns] == kLedgerColumns
    assert passed(sealed, actor, place, ["UPDATE audit.{place} SET " + assigned for assigned in assignments(sealed)]) == {}


@pytest.mark.parametrize("place", kPlaces)
@pytest.mark.parametrize("actor", kActors)
def test_no_erasure_goes_through_that_keeps_a_personal_column(sealed, actor, place):
    halves = [[name for name in kPersonal if name != kept] for kept in kPersonal]
    halves += [kPersonal[:count] for count in range(1, len(kPersonal))]
    assert passed(sealed, actor, place, [
        f"UPDATE audit.{{place}} SET {', '.join(f'{name} = NULL' for name in half)}" for half in halves]) == {}


@pytest.mark.parametrize("place", kPlaces)
@pytest.mark.parametrize("actor", kActors)
def test_no_erasure_goes_through_that_changes_another_column(sealed, actor, place):
    assert passed(sealed, actor, place, [
        f"UPDATE audit.{{place}} SET {kEraseAll}, {assigned}" for assigned in assignments(sealed)
        if assigned.split()[0] not in kPersonal]) == {}


@pytest.mark.parametrize("place", kPlaces)
@pytest.mark.parametrize("actor", kActors)
def test_no_row_is_deleted_moved_merged_or_truncated(sealed, actor, place):
    assert passed(sealed, actor, place, kWays) == {}
    with sealed.session(actor) as session:
        truncated = {statement: outcome(session, statement.replace("{place}", kPlaces[place])) for statement in kTruncations}
    if kPlaces[place] == "ledger":
        assert truncated.pop("TRUNCATE ONLY audit.{place}") in ("42501", "42809")  # 42809: it holds no rows of its own
    assert set(truncated.values()) == {"42501"}


@pytest.mark.parametrize("place", kLeaves)
@pytest.mark.parametrize("actor", kActors)
def test_no_second_row_takes_the_place_of_one_that_is_there(sealed, actor, place):
    """Who may insert is stopped by the key; whoever may not, by the right."""
    leaf = kPlaces[place]
    may_insert = actor in ("audit_writer", "superuser")
    row = event("acme", 0, event_id="another", recorded_at=f"2026-{leaf[-2:]}-22 12:00:00+00")
    names, values = ", ".join(row), list(row.values())
    inserting = f"INSERT INTO audit.{leaf} ({names}) VALUES ({', '.join(['%s'] * len(row))})"
    with sealed.session(actor) as session:
        assert outcome(session, inserting, values) == ("23505" if may_insert else "42501")
        with pytest.raises(psycopg.Error) as refused:
            with session.cursor().copy(f"COPY audit.{leaf} ({names}) FROM STDIN") as copy:
                copy.write_row(values)
        assert refused.value.sqlstate == ("23505" if may_insert else "42501")
        replacing = inserting + " ON CONFLICT (tenant_id, seq) DO UPDATE SET status = 'x'"
        assert outcome(session, replacing, values) == "42501"


@pytest.mark.parametrize("actor", kActors)
def test_no_view_is_a_way_to_a_row(sealed, actor):
    """55000, 0A000: nothing can be written through this view, or through this column of it."""
    views = sealed.ask(
        """WITH RECURSIVE looking AS (
             SELECT 'audit.ledger'::regclass::oid AS oid
             UNION SELECT ev_class FROM looking JOIN pg_depend ON refobjid = looking.oid AND classid = 'pg_rewrite'::regclass
                   JOIN pg_rewrite r ON r.oid = objid)
           SELECT relname, attname FROM looking JOIN pg_class c USING (oid) JOIN pg_attribute ON attrelid = c.oid AND attnum > 0
           WHERE relkind = 'v'""")
    statements = [f"UPDATE audit.{view} SET {column} = NULL" for view, column in views]
    statements += [f"DELETE FROM audit.{view}" for view in sorted({view for view, _ in views})]
    refused = {"42501", "55000", "0A000"} | ({0} if actor in ("audit_owner", "audit_migrator") else set())
    with sealed.session(actor) as session:
        outcomes = {statement: outcome(session, statement) for statement in statements}
    assert {statement: result for statement, result in outcomes.items() if result not in refused} == {}
    assert views


def test_no_rule_rewrites_what_is_written(sealed):
    """Making one is the owner's DDL."""
    assert sealed.ask("SELECT ev_class::regclass::text, rulename FROM pg_rewrite JOIN pg_class c ON c.oid = ev_class"
                      " WHERE relnamespace = 'audit'::regnamespace AND rulename <> '_RETURN'") == []


def test_every_leaf_has_triggers_of_its_own_that_stay_when_it_is_detached(sealed):
    triggers = sealed.ask(
        """SELECT relname, array_agg(tgname::text ORDER BY tgname), bool_and(tgenabled = 'O')
           FROM pg_class c JOIN pg_trigger ON tgrelid = c.oid AND tgparentid = 0
           WHERE relname LIKE 'ledger\\_y%' GROUP BY 1 ORDER BY 1""")
    assert triggers == [(f"ledger_y2026m{month:02}", ["leaf_refuse_change", "ledger_refuse_truncate"], True)
                        for month in (9, 10, 11, 12)]


def test_the_eraser_clears_all_personal_columns_of_a_row_at_once(database):
    sealed = Sealed(database)
    select = "SELECT tableoid, l.* FROM audit.ledger AS l ORDER BY tableoid, seq"
    before = sealed.ask(select)
    with sealed.session("audit_eraser") as eraser:
        done = eraser.execute(f"UPDATE audit.ledger SET {kEraseAll} WHERE seq = 1")
        assert done.rowcount == 3  # in three leaves
        assert eraser.execute(f"UPDATE audit.ledger SET {kEraseAll} WHERE seq < 2").rowcount == 6  # some of them again
    personal = [name in kPersonal for name in ("tableoid", *kLedgerColumns)]
    assert sealed.ask(select) == [tuple(None if row[2] < 2 and hidden else value for value, hidden in zip(row, personal))
                                  for row in before]


def test_erasing_a_row_that_has_no_personal_values_changes_nothing(database):
    fill(database, tombstone())
    before = database.connect().execute(f"SELECT * FROM audit.{kNovemberLeaf}").fetchall()
    assert database.connect("audit_eraser").execute(f"UPDATE audit.ledger SET {kEraseAll}").rowcount == 1
    assert database.connect().execute(f"SELECT * FROM audit.{kNovemberLeaf}").fetchall() == before


@pytest.mark.parametrize("leaf_first", [True, False])
def test_a_column_added_later_is_protected_from_the_first_day(database, leaf_first):
    superuser = database.connect()
    if leaf_first:
        fill(database, event())
    superuser.execute("ALTER TABLE audit.ledger ADD COLUMN added_later text")
    if not leaf_first:
        fill(database, event(added_later="x"))
    for change in ("added_later = 'y'", "added_later = coalesce(added_later, '') || 'y'", f"{kEraseAll}, added_later = 'y'"):
        assert outcome(superuser, f"UPDATE audit.ledger SET {change}") == "42501"
    assert superuser.execute(f"UPDATE audit.ledger SET {kEraseAll}").rowcount == 1
