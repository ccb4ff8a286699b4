"""Goal: no role sees a row, or changes one, beyond what the one table below says, whatever tenant is set or mapped.

Method: walk the catalogue. Each table, leaf and view of the schema audit, as it is found there, holds rows of two tenants.
Every role that there is, and a stranger, tries every verb on each, in three situations: nothing is set or mapped, one tenant,
the other one. The application is told by its setting and a person by the mapping, with the setting naming the other tenant;
to everybody else the setting must make no difference. Every statement is run for real and rolled back.
"""

import collections

import psycopg
import pytest
from ledger_rows import event, insert, kPersonal
from sql_databases import kLoginRoles

# What a role gets of a relation: what it sees, and behind + what it may do.
#   -     no right to read: 42501          all   every row                   own   the rows of the tenant in force
#   0     the right to read, and no row    some  every row, of the columns in kColumns
#   I U D T  insert, update, delete, truncate; COPY FROM goes with I, COPY TO with what it sees. L: may lock rows, not update them
# What stands here is refused to all others: 42501. audit_migrator is a member of audit_owner: what the owner gets, it gets.
# The owner made the relations and so has rights on them; forced row-level security leaves it no row that it could reach.
kTable = """
relation              owner     writer   rebuilder  auditor  operator  eraser   app  reader
ledger                0         -        all        all      -         some+U   own  own
(leaf)                -         all+I    -          -        -         -        -    -
chain_heads           0+T       all+IU   all+L      all      -         some+L   -    -
partitions            all+IUDT  all+IU   -          all      all       -        -    -
partition_epochs      all+IUDT  -        -          all      all       -        -    -
quarantine            0+T       -+I      -          some     all+U     some+U   -    -
reader_tenants        all+IUDT  -        -          all      -         -        -    own
schema_migrations     all+IUDT  -        -          all      all       -        -    -
migration_checksums   all+IUDT  -        -          all      all       -        -    -
usage_records         0+T       all+IU   all+IUD    all      -         all+IUD  own  own
usage_from_ledger     0         -        all        all      -         -        -    -
api_keys              0+T       all+IU   all+IUD    all      -         some+U   own  own
api_keys_current      0         -        -          all      -         -        own  own
api_keys_from_ledger  0         -        all        all      -         -        -    -
api_key_thresholds    all+IUDT  all      all        all      all       -        all  all
api_key_activity      0+T       all+IU   all+IUD    all      -         some+U   -    -
api_key_seen          0+T       all+IU   all+IUD    all      -         some+D   -    -
api_key_attempts      0+T       all+IU   all+IUD    all      -         some+U   -    -
api_key_anomalies     0+T       all+IU   all+IUD    all      all       some+U   own  own
gateway_audit_events  0         -        -          all      -         -        own  own
agent_audit_events    0         -        -          all      -         -        own  own
admin_audit_logs      0         -        -          all      -         -        own  own
audit_logs            0         -        -          all      -         -        own  own
audit_log             0         -        -          all      -         -        own  own
audit_events          0         -        -          all      -         -        own  own
api_key_audit_log     0         -        -          all      -         -        own  own
"""
# The columns of a right that does not span the relation. Nobody but the owner has a right on a column beyond this and kTable.
kColumns = {
    ("ledger", "eraser", "SELECT"):
        "tenant_id seq event_id family action event_time recorded_at status department_id operation provider model route"
        " input_tokens output_tokens total_tokens cache_read_tokens cache_write_tokens reasoning_tokens usage_basis cost_usd"
        " key_id resource_type detail " + " ".join(kPersonal),
    ("ledger", "eraser", "UPDATE"): " ".join(kPersonal),
    ("chain_heads", "rebuilder", "UPDATE"): "events",
    ("chain_heads", "eraser", "SELECT"): "tenant_id",
    ("chain_heads", "eraser", "UPDATE"): "events",
    ("quarantine", "eraser", "SELECT"): "tenant_id key value header_names header_values",
    ("quarantine", "eraser", "UPDATE"): "key value value_length header_names header_values redacted state",
    ("api_keys", "eraser", "SELECT"): "tenant_id key_id",
    ("api_keys", "eraser", "UPDATE"): "user_id service key_name rotation_reason last_used_ip",
    ("api_key_activity", "eraser", "SELECT"): "tenant_id key_id minute",
    ("api_key_activity", "eraser", "UPDATE"): "addresses agents",
    ("api_key_seen", "eraser", "SELECT"): "tenant_id key_id first_minute",
    ("api_key_attempts", "eraser", "SELECT"): "tenant_id event_time seq",
    ("api_key_attempts", "eraser", "UPDATE"): "user_id client_ip",
    ("api_key_anomalies", "eraser", "SELECT"):
        "tenant_id anomaly_id subject key_id user_id ip_address window_start window_end resolved_by",
    ("api_key_anomalies", "eraser", "UPDATE"): "user_id ip_address resolved_by",
    ("quarantine", "auditor", "SELECT"):
        "topic log_epoch partition kafka_offset kafka_timestamp reason redacted tenant_id state",
    ("quarantine", "operator", "UPDATE"): "state",
}
# Values that an update may set, where a column's default is refused.
kAllowedValues = {"header_names": "'{}'", "header_values": "'{}'", "redacted": "true", "addresses": "'{}'", "agents": "'{}'",
                  ("quarantine", "eraser", "state"): "'discarded'"}
# Rows of {tenant} for each table that is not the ledger. Views show what these and the ledger hold.
kChecksum = "decode(repeat('ab', 64), 'hex')"
kRows = {
    "chain_heads": "(tenant_id, seq, checksum, recorded_at, base_seq, base_checksum)"
                   f" VALUES ('{{tenant}}', 1, {kChecksum}, now(), -1, {kChecksum})",
    "partitions": "(topic, partition, first_offset, next_offset, owner_epoch) VALUES ('{tenant}', 0, 0, 0, 1)",
    "partition_epochs": "(topic, partition, log_epoch, first_offset, next_offset, owner_epoch, reason, event_id)"
                        " VALUES ('{tenant}', 0, 0, 0, 0, 1, 'made again', 'e-1')",
    "quarantine": "(topic, log_epoch, partition, kafka_offset, kafka_timestamp, header_names, header_values, redacted,"
                  " reason, message, tenant_id) VALUES ('{tenant}', 0, 0, 0, now(), '{{}}', '{{}}', false, 'schema', 'm', '{tenant}')",
    "reader_tenants": "VALUES ('reader_of_{tenant}', '{tenant}')",
    "schema_migrations": "VALUES (length('{tenant}'), false)",
    "migration_checksums": f"(version, name, checksum) VALUES (length('{{tenant}}'), '{{tenant}}', {kChecksum})",
    "usage_records": "VALUES ('{tenant}', '', 'u-1', 'p', 'm', 'r', '2026-11-22', 1, 0, 1, 1, 2, 0, 0, 0, 0.5)",
    "api_keys": "(tenant_id, key_id, status_at) VALUES ('{tenant}', 'k-1', now())",
    "api_key_thresholds": "VALUES (length('{tenant}'), 'user', now()" + ", 1" * 23 + ")",
    "api_key_activity": "VALUES ('{tenant}', 'k-1', '2026-11-22', 1, '2026-11-22', 1, 0, 0, 0, '{{}}', '{{}}', '{{}}', 'user', NULL,"
                        " 0, 0)",
    "api_key_seen": "VALUES ('{tenant}', 'k-1', decode(repeat('ab', 16), 'hex'), '2026-11-22')",
    "api_key_attempts": "VALUES ('{tenant}', '2026-11-22', 0, false, 'k-1', 'p', 'u-1', '192.0.2.1')",
    "api_key_anomalies": "VALUES (gen_random_uuid(), '{tenant}', 'multiple_ips', 'medium', 'key', 'k-1', 'p', 'u-1', '192.0.2.1',"
                         " '2026-11-22', '2026-11-22 00:30', 9, 0, 0, 9, '{{}}', 7, false, NULL, NULL, '2026-11-22 00:30')",
}
kFamilies = {"llm_call": "completed", "tool_invocation": "completed", "escalation": "created", "api_key": "used",
             "admin": "update", "auth": "login"}
kTenants = ("acme", "globex")
kSituations = {"nothing set": None, "own tenant": "acme", "foreign tenant": "globex"}
kLeaf = "(leaf)"
kHeading, *kLines = [line.split() for line in kTable.strip().splitlines()]
kRoles = kHeading[1:]
kCells = {(line[0], role): cell for line in kLines for role, cell in zip(kRoles, line[1:], strict=True)}
kWalkers = [*(role.removeprefix("audit_") for role in kLoginRoles), "owner", "stranger"]
kRefused = "42501"
# What PostgreSQL says of a view that nothing can be written through, before or after it looks at rights.
kNoSuchVerb = {"55000", "0A000", "42809"}

# line: its name in kTable. truth: how many rows of each tenant there are. samples: a row of each, as texts.
Relation = collections.namedtuple("Relation", "name line kind secured columns tenant_column truth samples all_columns")


class Walk:
    """The database, its relations as the catalogue lists them, and what is in them."""

    def __init__(self, database, databases):
        self.database = database
        self._superuser = database.connect()
        for tenant in kTenants:
            databases.login(f"reader_of_{tenant}", member_of="audit_reader")
        databases.login("reader_of_nothing", member_of="audit_reader")
        self._fill()
        self.relations = [self._relation(*row) for row in self._superuser.execute(
            """SELECT c.relname, CASE WHEN relispartition THEN %s ELSE relname END, relkind, relrowsecurity,
                      array_agg(attname ORDER BY attnum) FILTER (WHERE attgenerated = ''), array_agg(attname)
               FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped
               WHERE relnamespace = 'audit'::regnamespace AND relkind NOT IN ('i', 'I', 't', 'c')
               GROUP BY c.oid ORDER BY 1""", [kLeaf]).fetchall()]
        self.listed = [relation for relation in self.relations if (relation.line, kRoles[0]) in kCells]

    def _fill(self):
        writer = self.database.connect("audit_writer")
        for month in (11, 12):
            leaf, = writer.execute("SELECT audit.ensure_partition(%s)", [f"2026-{month}-22 00:00+00"]).fetchone()
            for tenant in kTenants:
                for number, (family, action) in enumerate(kFamilies.items()):
                    insert(writer, event(tenant, month * 10 + number, family=family, action=action,
                                         recorded_at=f"2026-{month}-22 00:00+00"), leaf)
        for table, rows in kRows.items():
            for tenant in kTenants:
                self._superuser.execute(f"INSERT INTO audit.{table} " + rows.format(tenant=tenant))

    def _relation(self, name, line, kind, secured, columns, all_columns):
        tenant_column = "tenant_id" if "tenant_id" in columns else columns[0]
        truth = collections.Counter(value for value, in self._superuser.execute(f"SELECT {tenant_column}::text FROM audit.{name}"))
        texts = ", ".join(f"{column}::text" for column in columns)
        samples = self._superuser.execute(f"SELECT DISTINCT ON ({tenant_column}) {texts} FROM audit.{name}").fetchall()
        return Relation(name, line, kind, secured, columns, tenant_column, truth, samples, set(all_columns))

    def session(self, role, tenant):
        """A session of the role in the situation in which this tenant is in force; None: no tenant is."""
        login = {"owner": "audit_migrator", "stranger": "stranger", "reader": f"reader_of_{tenant or 'nothing'}"}
        session = self.database.connect(login.get(role, f"audit_{role}"))
        if role == "owner":
            session.execute("SET ROLE audit_owner")
        setting = "globex" if role == "reader" and tenant != "globex" else "acme" if role == "reader" else tenant
        if setting:
            session.execute("SELECT set_config('app.current_tenant', %s, false)", [setting])
        return session

    def ask(self, sql):
        return self._superuser.execute(sql).fetchall()

    def column_rights(self, role):
        """{(relation, right): columns}, as the catalogue has them, for every right that there is on a column."""
        rights = collections.defaultdict(set)
        for line, right, column in self._superuser.execute(
                """SELECT CASE WHEN relispartition THEN %s ELSE relname END, kind, attname
                   FROM pg_class c JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped,
                        unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) AS kind
                   WHERE relnamespace = 'audit'::regnamespace AND relkind NOT IN ('i', 'I', 't', 'c')
                     AND has_column_privilege(%s, c.oid, attnum, kind)""", [kLeaf, {"stranger": "stranger"}.get(role, f"audit_{role}")]):
            rights[line, right].add(column)
        return rights


@pytest.fixture(scope="module")
def walk(shared_database, databases, stranger):
    return Walk(shared_database, databases)


def attempt(session, statement, values=None, *, rows=None):
    """The SQLSTATE of a statement that failed, or what it did: whose rows it returned (`rows`: in which column that
    stands), or how many it changed. It is rolled back."""
    try:
        with session.transaction(force_rollback=True), session.cursor() as cursor:
            if not statement.startswith("COPY"):
                cursor.execute(statement, values)
                return cursor.rowcount if rows is None else collections.Counter(str(row[rows]) for row in cursor)
            with cursor.copy(statement) as copy:
                if rows is not None:
                    return collections.Counter(row[rows] for row in copy.rows())
                copy.write_row(values)
            return cursor.rowcount
    except psycopg.Error as error:
        return error.sqlstate


def attempts(session, relation, role):
    """verb -> outcome, of everything that a role may try with a relation."""
    name = f"audit.{relation.name}"
    columns, tenant = ", ".join(relation.columns), relation.columns.index(relation.tenant_column)
    some = kColumns.get((relation.line, role, "SELECT"), "").replace(" ", ", ") or columns
    updated = kColumns.get((relation.line, role, "UPDATE"), "").split()
    allowed_value = {column: kAllowedValues.get((relation.line, role, column), kAllowedValues.get(column, "DEFAULT"))
                     for column in updated}
    assignments = ", ".join(f"{column} = {value}" for column, value in allowed_value.items()) or "{0} = {0}".format(relation.columns[0])
    outcomes = {
        "SELECT": attempt(session, f"SELECT {columns.replace(',', '::text,')}::text FROM {name}", rows=tenant),  # -infinity
        "SELECT some": attempt(session, f"SELECT {relation.tenant_column}, {some.replace(',', '::text,')}::text FROM {name}", rows=0),
        "SELECT FOR UPDATE": attempt(session, f"SELECT 1 FROM {name} FOR UPDATE"),
        "COPY TO": attempt(session, f"COPY (SELECT {columns} FROM {name}) TO STDOUT", rows=tenant),
        "COPY TO, named": attempt(session, f"COPY {name} ({columns}) TO STDOUT", rows=tenant),
        "UPDATE": attempt(session, f"UPDATE {name} SET {assignments}"),
        "DELETE": attempt(session, f"DELETE FROM {name}"),
        "TRUNCATE": attempt(session, f"TRUNCATE {name}"),
    }
    for number, sample in enumerate(relation.samples):
        insert_one = f"INSERT INTO {name} ({columns}) VALUES ({', '.join(['%s'] * len(sample))})"
        outcomes[f"INSERT {number}"] = attempt(session, insert_one, sample)
        outcomes[f"COPY FROM {number}"] = attempt(session, f"COPY {name} ({columns}) FROM STDIN", sample)
    return outcomes


def allowed(relation, cell, tenant):
    """verb -> the outcomes that the cell allows while this tenant is in force."""
    seen, _, verbs = cell.partition("+")
    rows = {"-": kRefused, "0": {}, "own": {name: count for name, count in relation.truth.items() if name == tenant}}.get(
        seen, relation.truth)
    whole = kRefused if seen == "some" else rows
    changed = kRefused if rows == kRefused else sum(rows.values())
    refused = {kRefused} | ({0} if seen == "0" else set()) | (kNoSuchVerb if relation.kind == "v" else set())
    named = whole if relation.kind == "r" or whole == kRefused else {} if relation.kind == "p" else "42809"  # p: of its own rows
    inserted = {1, "23505"} if "I" in verbs else refused
    copied = inserted if not relation.secured else {"0A000"} if "I" in verbs or seen == "0" else refused
    expected = {"SELECT": [whole], "SELECT some": [rows], "COPY TO": [whole], "COPY TO, named": [named],
                "SELECT FOR UPDATE": {changed} if set("UL") & set(verbs) else refused,
                "UPDATE": {changed} if "U" in verbs else refused, "DELETE": {changed} if "D" in verbs else refused,
                "TRUNCATE": {-1} if "T" in verbs else refused}
    for number in range(len(relation.samples)):
        expected |= {f"INSERT {number}": inserted, f"COPY FROM {number}": copied}
    return expected


def observed(walk, relation, role):
    """The cell that would hold now."""
    with walk.session(role, "acme") as session:
        outcomes = attempts(session, relation, role)
    rows = outcomes["SELECT"]
    if rows == kRefused:
        seen = "some" if walk.column_rights(role)[relation.line, "SELECT"] else "-"
    else:
        seen = "0" if not rows else "all" if rows == relation.truth else "own"
    letters = {"I": "INSERT 0", "U": "UPDATE", "D": "DELETE", "T": "TRUNCATE"}
    verbs = "".join(letter for letter, verb in letters.items() if outcomes.get(verb) not in (0, kRefused, *kNoSuchVerb))
    return seen + ("+" + verbs if verbs else "")


@pytest.mark.parametrize("situation", kSituations)
@pytest.mark.parametrize("role", kWalkers)
def test_a_role_gets_of_each_relation_what_the_table_says_and_nothing_else(walk, role, situation):
    tenant = kSituations[situation]
    session = walk.session(role, tenant)
    surprises = []
    for relation in walk.listed:
        cell = kCells.get((relation.line, "owner" if role == "migrator" else role), "-")
        expected = allowed(relation, cell, tenant)
        surprises += [f"{relation.name}, {verb}: {outcome}, allowed by '{cell}' is one of {list(expected[verb])}"
                      for verb, outcome in attempts(session, relation, role).items() if outcome not in expected[verb]]
    session.close()
    assert not surprises, f"{role}, {situation}:\n" + "\n".join(surprises)


def test_every_relation_has_a_line_in_the_table_and_every_line_a_relation(walk):
    missing = [relation for relation in walk.relations if relation not in walk.listed]
    proposals = "\n".join(" ".join([relation.line, *(observed(walk, relation, role) for role in kRoles)]) for relation in missing)
    assert not missing, ("add to kTable what is meant for these, and to kRows, if a table, rows of {tenant}; by the rights as they"
                         f" are it would be\n{' '.join(kHeading)}\n{proposals}")
    assert {name for name, _ in kCells} == {relation.line for relation in walk.relations}, "lines of kTable without a relation"
    assert {key[:2] for key in kColumns} <= set(kCells), "lines of kColumns without a relation"


def test_the_walk_has_rows_of_both_tenants_in_every_relation(walk):
    lacking = [relation.name for relation in walk.relations
               if relation.tenant_column == "tenant_id" and set(relation.truth) != set(kTenants) or len(relation.truth) < 2]
    assert not lacking, "add rows of {tenant} to kRows, or to the ledger, that show in these"


def test_relations_are_tables_and_views_that_look_with_their_reader_s_eyes(walk):
    """A materialized view would hold rows under no policy; a view without security_invoker looks with its owner's."""
    kinds = walk.ask("SELECT relname, relkind, coalesce('security_invoker=true' = ANY (reloptions), false) FROM pg_class"
                     " WHERE relnamespace = 'audit'::regnamespace AND relkind NOT IN ('i', 'I', 't', 'c')")
    assert [name for name, kind, invoker in kinds if kind not in "rpv" or invoker != (kind == "v")] == []


@pytest.mark.parametrize("role", [role for role in kWalkers if role not in ("owner", "migrator")])
def test_a_role_has_a_right_on_a_column_only_where_the_tables_say_so(walk, role):
    expected = {}
    for relation in walk.listed:
        seen, _, verbs = kCells.get((relation.line, role), "-").partition("+")
        whole = {"SELECT": seen in ("all", "own"), "INSERT": "I" in verbs, "UPDATE": "U" in verbs}
        for right, spans in whole.items():
            named = kColumns.get((relation.line, role, right), "").split()
            if named or spans:
                expected[relation.line, right] = set(named) or relation.all_columns
    rights = walk.column_rights(role)
    listed = {relation.line for relation in walk.listed}
    assert {key: columns for key, columns in rights.items() if key[0] in listed} == expected


def test_nobody_but_the_owner_may_make_a_trigger_or_a_reference_or_was_given_a_right_to_pass_on(walk):
    """PUBLIC, whose oid is 0, has no right at all."""
    rights = walk.ask(
        """SELECT relname, grantee, privilege_type, is_grantable FROM pg_class, aclexplode(relacl)
           WHERE relnamespace = 'audit'::regnamespace AND grantee <> relowner
             AND (grantee = 0 OR is_grantable OR privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE'))""")
    assert rights == []
