-- The platforms' own tables, as views of the ledger (schemas/queries.md says which column is which), and the index for
-- what a policy hit.
--
-- A view reads with the rights and the policies of whoever asks: row-level security is that of the ledger. The owner, who
-- sees no row of the ledger, sees none here.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

-- What the publisher sent and no column took stands in detail and, where it may name people, under data in
-- personal_detail; both have attributes of the envelope. Put together again in the views: an erased row keeps its detail.

CREATE VIEW audit.gateway_audit_events WITH (security_invoker = true) AS
SELECT event_id AS id, tenant_id, event_time, family || '.' || action AS event_type, user_id, user_email, department_id,
       session_id, client_type, client_ip, provider, model, route, input_tokens, output_tokens, total_tokens, latency_ms,
       digest, policies_hit, tools_called, prev_checksum, checksum,
       NULL::bytea AS signature  -- comes with the checkpoints
FROM audit.ledger
WHERE family = 'llm_call';

CREATE VIEW audit.agent_audit_events WITH (security_invoker = true) AS
SELECT event_id AS id, tenant_id, agent_id, user_id, family AS action_type, input_summary, output_summary, latency_ms,
       coalesce(personal_detail -> 'data', '{}') || coalesce(detail, '{}')
         || jsonb_strip_nulls(jsonb_build_object(
              'attributes', nullif(coalesce(personal_detail -> 'attributes', '{}')
                                     || coalesce(detail -> 'attributes', '{}'), '{}'),
              'action', action, 'status', status, 'session_id', session_id, 'on_behalf_of', on_behalf_of,
              'error_type', error_type, 'error_code', error_code,
              'operation', operation, 'provider', provider, 'model', model, 'input_tokens', input_tokens,
              'output_tokens', output_tokens, 'total_tokens', total_tokens, 'cost_usd', cost_usd,
              'tool_name', tool_name, 'tool_type', tool_type, 'tool_server', tool_server, 'tool_call_id', tool_call_id,
              'tool_error', tool_error, 'trace_id', trace_id, 'span_id', span_id)) AS metadata,
       event_time AS created_at
FROM audit.ledger
WHERE family IN ('tool_invocation', 'escalation')
   OR family = 'llm_call' AND (agent_id IS NOT NULL OR actor_type = 'agent');

CREATE VIEW audit.admin_audit_logs WITH (security_invoker = true) AS
SELECT event_id AS id, tenant_id, user_id AS actor, action,
       CASE family WHEN 'auth' THEN 'session' ELSE resource_type END COLLATE "C" AS resource_type,
       CASE family WHEN 'auth' THEN session_id ELSE resource_id END AS resource_id,
       nullif(coalesce(personal_detail -> 'data', '{}') || coalesce(detail, '{}')
         || jsonb_strip_nulls(jsonb_build_object(
              'attributes', nullif(coalesce(personal_detail -> 'attributes', '{}')
                                     || coalesce(detail -> 'attributes', '{}'), '{}'))), '{}') AS details,
       status AS result, client_ip AS ip_address, user_agent, event_time AS created_at
FROM audit.ledger
WHERE family IN ('admin', 'auth');

CREATE VIEW audit.audit_logs WITH (security_invoker = true) AS
SELECT id, tenant_id, actor AS employee_id, action, resource_type AS resource, resource_id, details, result, ip_address,
       user_agent, created_at
FROM audit.admin_audit_logs;

CREATE VIEW audit.audit_log WITH (security_invoker = true) AS
SELECT id, tenant_id, actor AS user_id, action, resource_type, resource_id, details, ip_address, user_agent, created_at
FROM audit.admin_audit_logs;

CREATE VIEW audit.audit_events WITH (security_invoker = true) AS
SELECT id, tenant_id, actor, action, resource_type AS target_kind, resource_id AS target_id, details AS detail, result,
       ip_address, user_agent, created_at
FROM audit.admin_audit_logs;

-- anomaly_type costs nothing where it is not asked for. No window is longer than 24 hours: without that bound a key's
-- anomalies of all years would be looked at for each of its events.
CREATE VIEW audit.api_key_audit_log WITH (security_invoker = true) AS
SELECT event_id AS id, tenant_id, key_id, action, user_id AS actor, client_ip AS ip_address, user_agent, request_path,
       response_code,
       (SELECT string_agg(DISTINCT a.anomaly_type, ',' ORDER BY a.anomaly_type)
        FROM audit.api_key_anomalies a
        WHERE a.tenant_id = e.tenant_id AND a.key_id = e.key_id AND a.subject = 'key'
          AND a.window_start > e.event_time - interval '24 hours'
          AND a.window_start <= e.event_time AND a.window_end > e.event_time) AS anomaly_type,
       nullif(coalesce(personal_detail -> 'data', '{}') || coalesce(detail, '{}')
         || jsonb_strip_nulls(jsonb_build_object(
              'attributes', nullif(coalesce(personal_detail -> 'attributes', '{}')
                                     || coalesce(detail -> 'attributes', '{}'), '{}'),
              'key_prefix', key_prefix, 'key_type', key_type, 'status', status)), '{}') AS details,
       event_time AS created_at
FROM audit.ledger e
WHERE family = 'api_key';

GRANT SELECT ON audit.gateway_audit_events, audit.agent_audit_events, audit.admin_audit_logs, audit.audit_logs,
                audit.audit_log, audit.audit_events, audit.api_key_audit_log
  TO audit_app, audit_reader, audit_auditor;

-- For auditors. A reader's query cannot search it: @> is not leakproof, so row-level security comes first. Leaves that are
-- there already get it under the name that new ones have; writers wait meanwhile. fastupdate stays on, as is the default:
-- without it COPY takes twice the time where every row has policies.
CREATE INDEX ledger_policies_hit_idx ON audit.ledger USING gin (policies_hit jsonb_path_ops)
  WHERE policies_hit IS NOT NULL;

-- The planner's statistics hold values of a column, and its estimates tell who may read no row of another tenant whether a
-- value is common there. Personal values are in none; so there is nothing left of them in statistics when they are erased.
ALTER TABLE audit.ledger
  ALTER COLUMN user_id SET STATISTICS 0, ALTER COLUMN user_email SET STATISTICS 0, ALTER COLUMN user_name SET STATISTICS 0,
  ALTER COLUMN on_behalf_of SET STATISTICS 0, ALTER COLUMN session_id SET STATISTICS 0,
  ALTER COLUMN client_ip SET STATISTICS 0, ALTER COLUMN user_agent SET STATISTICS 0,
  ALTER COLUMN resource_id SET STATISTICS 0, ALTER COLUMN input_summary SET STATISTICS 0,
  ALTER COLUMN output_summary SET STATISTICS 0, ALTER COLUMN error_message SET STATISTICS 0,
  ALTER COLUMN personal_detail SET STATISTICS 0;
ALTER TABLE audit.quarantine
  ALTER COLUMN key SET STATISTICS 0, ALTER COLUMN value SET STATISTICS 0, ALTER COLUMN header_names SET STATISTICS 0,
  ALTER COLUMN header_values SET STATISTICS 0, ALTER COLUMN message SET STATISTICS 0;

-- DETACH takes the clone of the ledger's row trigger off a leaf: each has one of its own too, which stays. Leaves that are
-- there already get it here; their owner has no right on them, not even the one to make a trigger.
DO $$
DECLARE
  leaf regclass;
BEGIN
  FOR leaf IN SELECT relid FROM pg_partition_tree('audit.ledger') WHERE isleaf LOOP
    EXECUTE format('GRANT TRIGGER ON %s TO audit_owner', leaf);
    EXECUTE format('CREATE TRIGGER leaf_refuse_change BEFORE UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION audit.refuse_change()', leaf);
    EXECUTE format('REVOKE ALL ON %s FROM audit_owner', leaf);
  END LOOP;
END
$$;

-- As in 0002_ledger, with that index, that trigger, and no statistics of personal columns.
CREATE OR REPLACE FUNCTION audit.ensure_partition(moment timestamptz) RETURNS text
  LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, audit, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO'
AS $$
DECLARE
  month CONSTANT timestamptz := date_trunc('month', moment);
  leaf CONSTANT text := to_char(month, '"ledger_y"YYYY"m"MM');
BEGIN
  IF moment IS NULL OR moment < '1970-01-01' OR moment >= '9999-01-01' THEN
    RAISE datetime_field_overflow USING MESSAGE = format('no leaf for %s: from 1970 to 9998', moment);
  END IF;
  IF pg_partition_root(to_regclass('audit.' || leaf)) = 'audit.ledger'::regclass THEN
    RETURN leaf;
  END IF;
  LOCK TABLE ONLY audit.ledger IN SHARE UPDATE EXCLUSIVE MODE;
  IF pg_partition_root(to_regclass('audit.' || leaf)) = 'audit.ledger'::regclass THEN
    RETURN leaf;
  END IF;

  EXECUTE format('CREATE TABLE audit.%I (LIKE audit.ledger INCLUDING ALL EXCLUDING INDEXES,'
                 ' CONSTRAINT %I UNIQUE (tenant_id, seq), CONSTRAINT %I UNIQUE (tenant_id, event_id))',
                 leaf, leaf || '_seq_key', leaf || '_event_id_key');
  EXECUTE format('CREATE INDEX %I ON audit.%I (tenant_id, event_time)', leaf || '_event_time_idx', leaf);
  EXECUTE format('CREATE INDEX %I ON audit.%I (tenant_id, key_id, event_time) WHERE key_id IS NOT NULL',
                 leaf || '_key_id_idx', leaf);
  EXECUTE format('CREATE INDEX %I ON audit.%I USING gin (policies_hit jsonb_path_ops)'
                 ' WHERE policies_hit IS NOT NULL', leaf || '_policies_hit_idx', leaf);
  EXECUTE (SELECT format('ALTER TABLE audit.%I ', leaf) || string_agg(format('ALTER COLUMN %I SET STATISTICS 0', attname), ', ')
           FROM pg_attribute
           WHERE attrelid = 'audit.ledger'::regclass AND attnum > 0 AND NOT attisdropped AND attstattarget = 0);
  EXECUTE format('CREATE TRIGGER leaf_refuse_change BEFORE UPDATE OR DELETE ON audit.%I'
                 ' FOR EACH ROW EXECUTE FUNCTION audit.refuse_change()', leaf);
  EXECUTE format('CREATE TRIGGER ledger_refuse_truncate BEFORE TRUNCATE ON audit.%I'
                 ' FOR EACH STATEMENT EXECUTE FUNCTION audit.refuse_change()', leaf);
  EXECUTE format('ALTER TABLE audit.ledger ATTACH PARTITION audit.%I FOR VALUES FROM (%L) TO (%L)',
                 leaf, month, month + interval '1 month');
  EXECUTE format('REVOKE ALL ON audit.%I FROM audit_owner', leaf);  -- not before: cloning the trigger takes a right
  EXECUTE format('GRANT SELECT, INSERT ON audit.%I TO audit_writer', leaf);
  RETURN leaf;
END
$$;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 10';

SET LOCAL ROLE NONE;
