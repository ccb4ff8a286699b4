"""A ledger of 1,000,000 rows: November 2026 of 200 tenants, of which acme is the largest. Made in the server, in seconds."""

from __future__ import annotations

from ledger_rows import kNovemberLeaf

kRows = 1_000_000

# seq is the row's number: unique and rising as in a chain, but with gaps. random() follows the seed: every run makes the
# same rows. Tenants are crowded at the lower numbers.
kFill = f"""
INSERT INTO audit.{kNovemberLeaf} (
  tenant_id, seq, event_id, family, action, schema_version, source, event_time, recorded_at, kafka_topic, kafka_log_epoch,
  kafka_partition, kafka_offset, source_digest, status, actor_type, agent_id, rules_version, provider, model, total_tokens,
  tool_name, key_id, key_prefix, request_path, resource_type, policies_hit, detail, user_id, client_ip, personal_key_id,
  prev_checksum, checksum)
SELECT CASE tenant WHEN 0 THEN 'acme' ELSE 'tenant-' || tenant END, n, 'event-' || n, family, CASE family
         WHEN 'api_key' THEN CASE n % 4 WHEN 0 THEN 'auth_failed' ELSE 'used' END
         WHEN 'admin' THEN CASE n % 4 WHEN 0 THEN 'data_export' ELSE 'update' END
         WHEN 'auth' THEN 'login' ELSE 'completed' END,
       1, '/gateway', at, at, 'audit.events.v1', 0, 0, n, '\\x00112233445566778899aabbccddeeff',
       CASE n % 5 WHEN 0 THEN 'failure' ELSE 'success' END, 'user', 'agent-' || person % 20, 1,
       CASE family WHEN 'llm_call' THEN 'openai' END, CASE family WHEN 'llm_call' THEN 'gpt-5' END,
       CASE family WHEN 'llm_call' THEN 120 END, CASE family WHEN 'tool_invocation' THEN 'search' END,
       CASE family WHEN 'api_key' THEN 'key-' || person % 20 END, CASE family WHEN 'api_key' THEN 'mint_ab' END,
       CASE family WHEN 'api_key' THEN '/v1/chat' END, CASE family WHEN 'admin' THEN 'customer_list' END,
       CASE family WHEN 'llm_call' THEN CASE
         WHEN n % 1000 = 1 THEN jsonb '[{{"policy_id": "jailbreak", "verdict": "block"}}]'
         WHEN n % 20 = 3 THEN jsonb '[{{"policy_id": "pii", "verdict": "redact"}}]' END END,
       '{{"rows": 7}}', 'user-' || person, '192.0.2.1', 'k1', checksum, checksum
FROM (SELECT n, timestamptz '2026-11-01 00:00+00' + n * interval '2.5 seconds' AS at,
             floor(200 * power(random(), 2))::int AS tenant, floor(100 * random())::int AS person,
             ('{{llm_call,llm_call,llm_call,llm_call,llm_call,tool_invocation,escalation,api_key,admin,auth}}'::text[]
             )[1 + floor(10 * random())] AS family, decode(repeat('ab', 64), 'hex') AS checksum
      FROM generate_series(1, {kRows}) AS n) AS row
"""


def fill_a_million(database) -> None:
    """The leaf is built as audit.ensure_partition builds the next month's, but its indexes, copied from that one, come
    after its rows: in less than half the time. Only the leaf is analyzed, as autovacuum does it, and only where the next
    one would be."""
    owner = database.connect("audit_migrator")
    with owner.transaction():
        next_leaf, = owner.execute("SELECT audit.ensure_partition('2026-12-01 00:00+00')").fetchone()
        owner.execute("SET LOCAL ROLE audit_owner; SELECT setseed(0.5)")
        owner.execute(f"CREATE TABLE audit.{kNovemberLeaf} (LIKE audit.ledger INCLUDING ALL EXCLUDING INDEXES)")
        without = owner.execute("SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
                                " AND attstattarget = 0", [f"audit.{next_leaf}"]).fetchall()
        owner.execute(f"ALTER TABLE audit.{kNovemberLeaf} "
                      + ", ".join(f"ALTER COLUMN {column} SET STATISTICS 0" for column, in without))
        assert owner.execute(kFill).rowcount == kRows
        indexes = owner.execute("SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass",
                                [f"audit.{next_leaf}"]).fetchall()
        for definition, in indexes:
            owner.execute(definition.replace(next_leaf, kNovemberLeaf))
        owner.execute(f"ALTER TABLE audit.ledger ATTACH PARTITION audit.{kNovemberLeaf}"
                      " FOR VALUES FROM ('2026-11-01 00:00+00') TO ('2026-12-01 00:00+00')")
    owner.execute(f"SET ROLE audit_owner; ANALYZE audit.{kNovemberLeaf}")
