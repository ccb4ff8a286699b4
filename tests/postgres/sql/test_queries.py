"""Goal: every query that schemas/queries.md shows runs, finds rows, and reads a large ledger by an index.

Method: take the blocks of SQL out of the document, and run each on a ledger of 1,000,000 rows as the role that its first
line names; look for the nodes of its plan that read a leaf.
"""

import re

import pytest
from ledger_rows import kNovemberLeaf
from million_rows import fill_a_million
from sql_databases import kRoot

kDocument = (kRoot / "schemas" / "queries.md").read_text()
kQueries = re.findall(r"```sql\n-- as (audit_app|audit_reader|audit_auditor)\n(.*?)```", kDocument, re.DOTALL)
kViews = ("gateway_audit_events", "agent_audit_events", "admin_audit_logs", "audit_logs", "audit_log", "audit_events",
          "api_key_audit_log")


@pytest.fixture(scope="module")
def large_ledger(databases, template):
    database = databases.create(template)
    fill_a_million(database)
    databases.login("dora", member_of="audit_reader")
    database.connect().execute("INSERT INTO audit.reader_tenants VALUES ('dora', 'acme')")
    yield database
    databases.drop(database)


def session_as(database, role):
    session = database.connect("dora" if role == "audit_reader" else role)
    if role == "audit_app":
        session.execute("SET app.current_tenant = 'acme'")
    return session


def nodes(plan):
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


def plan_of(session, query):
    (plan,), = session.execute("EXPLAIN (FORMAT JSON) " + query).fetchone()
    return list(nodes(plan["Plan"]))


def indexes_used(session, query):
    """The indexes by which the plan reads the large leaf, and '' where it is read whole."""
    return {node.get("Index Name", "").removeprefix(kNovemberLeaf) for node in plan_of(session, query)
            if node.get("Relation Name", node.get("Index Name", "")).startswith(kNovemberLeaf)
            and node["Node Type"] != "Bitmap Heap Scan"}  # the node below it names the index


def kind_of(query):
    return f"{query[0]}-{re.search(r'FROM audit.([a-z_]+)', query[1])[1]}"


def test_every_view_has_a_query_and_every_block_names_its_role():
    assert {re.search(r"FROM audit\.([a-z_]+)", query)[1] for _, query in kQueries} == set(kViews)
    assert {role for role, _ in kQueries} == {"audit_app", "audit_reader", "audit_auditor"}
    assert len(kQueries) == kDocument.count("```sql")


@pytest.mark.parametrize("role, query", kQueries, ids=map(kind_of, kQueries))
def test_a_query_of_the_document_finds_rows_by_an_index_of_the_leaf(large_ledger, role, query):
    session = session_as(large_ledger, role)
    assert session.execute(query).fetchone() is not None
    used = indexes_used(session, query)
    assert used and "" not in used, used
    if "policies_hit @>" in query and role == "audit_auditor":
        assert used == {"_policies_hit_idx"}
    elif "key_id =" in query:
        assert used == {"_key_id_idx"}
    else:
        assert "_event_time_idx" in used


def test_the_latest_rows_of_a_tenant_are_read_without_sorting(large_ledger):
    (role, query), = [(role, query) for role, query in kQueries if "LIMIT" in query]
    assert "Sort" not in {node["Node Type"] for node in plan_of(session_as(large_ledger, role), query)}


def test_a_query_without_tenant_or_policy_reads_the_leaf_whole(large_ledger):
    """What the test above would see, if an index were missing."""
    session = session_as(large_ledger, "audit_auditor")
    assert indexes_used(session, "SELECT max(total_tokens) FROM audit.gateway_audit_events") == {""}
