-- Usage by hour (schemas/read-models.md): a read model, written in the transaction that writes the events.
--
-- Whoever derives read models from the ledger again works as audit_rebuilder: it reads every tenant, and writes nothing
-- but read models.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

GRANT USAGE ON SCHEMA audit TO audit_rebuilder;
GRANT EXECUTE ON FUNCTION audit.schema_version() TO audit_rebuilder;
CREATE POLICY ledger_rebuilder ON audit.ledger FOR SELECT TO audit_rebuilder USING (true);
CREATE POLICY chain_heads_rebuilder_select ON audit.chain_heads FOR SELECT TO audit_rebuilder USING (true);
CREATE POLICY chain_heads_rebuilder_lock ON audit.chain_heads FOR UPDATE TO audit_rebuilder
  USING (true) WITH CHECK (false);
GRANT SELECT ON audit.ledger, audit.chain_heads TO audit_rebuilder;
-- What SELECT … FOR UPDATE needs; the policy lets no update through.
GRANT UPDATE (events) ON audit.chain_heads TO audit_rebuilder;

CREATE TABLE audit.usage_records (
  tenant_id text COLLATE "C" NOT NULL,
  department_id text COLLATE "C" NOT NULL DEFAULT '',
  user_id text COLLATE "C" NOT NULL DEFAULT '',  -- personal: an erasure moves the row's sums to ''
  provider text COLLATE "C" NOT NULL DEFAULT '',
  model text COLLATE "C" NOT NULL DEFAULT '',
  route text COLLATE "C" NOT NULL DEFAULT '',
  time_bucket timestamptz NOT NULL,              -- the hour, in UTC
  requests bigint NOT NULL,
  errors bigint NOT NULL,
  input_tokens numeric NOT NULL,                 -- cache tokens included, whatever the provider's basis
  output_tokens numeric NOT NULL,
  total_tokens numeric NOT NULL,
  cache_read_tokens numeric NOT NULL,
  cache_write_tokens numeric NOT NULL,
  reasoning_tokens numeric NOT NULL,
  cost_usd numeric NOT NULL,
  CONSTRAINT usage_records_pkey
    PRIMARY KEY (tenant_id, department_id, user_id, provider, model, route, time_bucket)
) WITH (fillfactor = 70);

-- The planner's statistics hold values, and its estimates tell a reader of one tenant what is common among the others' rows:
-- personal columns have none, here and in the other read models.
ALTER TABLE audit.usage_records ALTER COLUMN user_id SET STATISTICS 0;

ALTER TABLE audit.usage_records ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY usage_records_writer ON audit.usage_records TO audit_writer USING (true) WITH CHECK (true);
CREATE POLICY usage_records_rebuilder ON audit.usage_records TO audit_rebuilder USING (true) WITH CHECK (true);
CREATE POLICY usage_records_auditor ON audit.usage_records FOR SELECT TO audit_auditor USING (true);
CREATE POLICY usage_records_app ON audit.usage_records FOR SELECT TO audit_app
  USING (tenant_id = current_setting('app.current_tenant', true));
CREATE POLICY usage_records_reader ON audit.usage_records FOR SELECT TO audit_reader
  USING (tenant_id = ANY (ARRAY(SELECT t.tenant_id FROM audit.reader_tenants t WHERE t.role_name = session_user)));
GRANT SELECT, INSERT, UPDATE ON audit.usage_records TO audit_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit.usage_records TO audit_rebuilder;
GRANT SELECT ON audit.usage_records TO audit_auditor, audit_app, audit_reader;

-- The table as the ledger alone gives it.
CREATE VIEW audit.usage_from_ledger WITH (security_invoker = true) AS
WITH call AS (
  SELECT *, CASE WHEN usage_basis = 'exclusive'
                 THEN coalesce(cache_read_tokens, 0)::numeric + coalesce(cache_write_tokens, 0)
                 ELSE 0 END AS tokens_beside_input
  FROM audit.ledger
  WHERE family = 'llm_call'
    -- agents and tools repeat what their children report
    AND coalesce(operation, '') NOT IN ('create_agent', 'invoke_agent', 'invoke_workflow', 'execute_tool', 'retrieval')
)
SELECT
  tenant_id, coalesce(department_id, '') AS department_id, coalesce(user_id, '') AS user_id,
  coalesce(provider, '') AS provider, coalesce(model, '') AS model, coalesce(route, '') AS route,
  date_trunc('hour', event_time, 'UTC') AS time_bucket,
  count(*) AS requests,
  count(*) FILTER (WHERE status = 'failure') AS errors,
  sum(coalesce(input_tokens, 0) + tokens_beside_input) AS input_tokens,
  sum(coalesce(output_tokens, 0)::numeric) AS output_tokens,
  sum(CASE WHEN usage_basis = 'exclusive'
           THEN coalesce(input_tokens, 0) + tokens_beside_input + coalesce(output_tokens, 0)
           ELSE coalesce(total_tokens, 0) END) AS total_tokens,
  sum(coalesce(cache_read_tokens, 0)::numeric) AS cache_read_tokens,
  sum(coalesce(cache_write_tokens, 0)::numeric) AS cache_write_tokens,
  sum(coalesce(reasoning_tokens, 0)::numeric) AS reasoning_tokens,
  trim_scale(sum(coalesce(cost_usd, 0))) AS cost_usd
FROM call
GROUP BY 1, 2, 3, 4, 5, 6, 7;
GRANT SELECT ON audit.usage_from_ledger TO audit_auditor, audit_rebuilder;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 5';

SET LOCAL ROLE NONE;
