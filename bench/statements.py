"""Where the server's CPU goes: what each kind of a batch's statements takes.

pg_stat_kcache tells the CPU of statements that are planned and executed. COPY and COMMIT are not (they are utility statements), nor
are the sessions' own work, checkpointer and WAL writer: that is what remains of the server's CPU.
"""

import re
from contextlib import contextmanager

import psycopg

kSettings = {"shared_preload_libraries": "pg_stat_statements,pg_stat_kcache", "pg_stat_statements.track": "top"}
# What a statement of a batch is about, by what stands in it; the first that fits.
kStatements = {"heads": r"INTO audit.chain_heads", "usage": r"INTO audit.usage_records", "keys": r"INTO audit.api_keys|apply_key",
               "anomaly rules": r"judge_key_windows", "positions": r"UPDATE audit.partitions", "prepare": r"FROM unnest"}
kSpent = """SELECT query, exec_user_time + exec_system_time + plan_user_time + plan_system_time
FROM pg_stat_kcache_detail WHERE datname = %s"""


@contextmanager
def watched(postgres):
    """A session to ask what statements took, of a server that was started with kSettings."""
    with psycopg.connect(postgres.uri("postgres", postgres.superuser_password, "postgres"), autocommit=True) as session:
        session.execute("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pg_stat_kcache")
        yield session


def by_statement(session, database, server_cpu_s):
    """CPU seconds of each kind of statement in that database, and what remains of the server's."""
    spent = dict.fromkeys([*kStatements, "other statements"], 0.0)
    for query, seconds in session.execute(kSpent, [database]):
        spent[next((kind for kind, pattern in kStatements.items() if re.search(pattern, query)), "other statements")] += seconds
    return {"COPY, COMMIT, background": max(0.0, server_cpu_s - sum(spent.values())), **spent}


def drained(backlog, deployed, session):
    """A drain, with the CPU of each kind of statement from the claim on."""
    session.execute("SELECT pg_stat_statements_reset(), pg_stat_kcache_reset()")
    result = backlog.drain(deployed)
    return {**result, "by_statement": by_statement(session, deployed.database, result["claimed"]["server_cpu_s"])}
