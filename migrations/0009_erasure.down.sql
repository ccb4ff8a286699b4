-- Takes nothing back of what was erased.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

DROP FUNCTION audit.erase_rows(text, bigint, bigint[], bigint[]);
DROP FUNCTION audit.erase_usage(text, bigint[], bigint[]);
DROP FUNCTION audit.erase_keys(text, bigint[], bigint[]);
DROP FUNCTION audit.erase_refused(text, bytea[]);
DROP FUNCTION audit.refused_holds(bytea, bytea, bytea[], bytea[], bytea[]);
REVOKE EXECUTE ON FUNCTION audit.key_address(inet), audit.key_window_start(interval, timestamptz) FROM audit_eraser;
DROP POLICY quarantine_eraser_update ON audit.quarantine;
DROP POLICY quarantine_eraser_select ON audit.quarantine;
DROP TRIGGER api_key_anomalies_refuse_new_value ON audit.api_key_anomalies;
DROP FUNCTION audit.refuse_new_value();
DROP POLICY api_key_anomalies_eraser_update ON audit.api_key_anomalies;
DROP POLICY api_key_anomalies_eraser_select ON audit.api_key_anomalies;
DROP POLICY api_key_seen_eraser_delete ON audit.api_key_seen;
DROP POLICY api_key_seen_eraser_select ON audit.api_key_seen;
DROP POLICY api_key_activity_eraser_update ON audit.api_key_activity;
DROP POLICY api_key_activity_eraser_select ON audit.api_key_activity;
DROP POLICY api_key_attempts_eraser_update ON audit.api_key_attempts;
DROP POLICY api_key_attempts_eraser_select ON audit.api_key_attempts;
DROP POLICY api_keys_eraser_update ON audit.api_keys;
DROP POLICY api_keys_eraser_select ON audit.api_keys;
DROP POLICY usage_records_eraser ON audit.usage_records;
DROP POLICY chain_heads_eraser_lock ON audit.chain_heads;
DROP POLICY chain_heads_eraser_select ON audit.chain_heads;
REVOKE SELECT (tenant_id, key, value, header_names, header_values),
      UPDATE (key, value, value_length, header_names, header_values, redacted, state)
  ON audit.quarantine FROM audit_eraser;
REVOKE SELECT (tenant_id, anomaly_id, subject, key_id, user_id, ip_address, window_start, window_end, resolved_by),
      UPDATE (user_id, ip_address, resolved_by) ON audit.api_key_anomalies FROM audit_eraser;
REVOKE SELECT (tenant_id, key_id, first_minute), DELETE ON audit.api_key_seen FROM audit_eraser;
REVOKE SELECT (tenant_id, key_id, minute), UPDATE (addresses, agents) ON audit.api_key_activity FROM audit_eraser;
REVOKE SELECT (tenant_id, event_time, seq), UPDATE (user_id, client_ip) ON audit.api_key_attempts FROM audit_eraser;
REVOKE SELECT (tenant_id, key_id), UPDATE (user_id, service, key_name, rotation_reason, last_used_ip)
  ON audit.api_keys FROM audit_eraser;
REVOKE SELECT, INSERT, UPDATE, DELETE ON audit.usage_records FROM audit_eraser;
REVOKE SELECT (tenant_id), UPDATE (events) ON audit.chain_heads FROM audit_eraser;
REVOKE SELECT (resource_type, status, department_id, operation, provider, model, route, input_tokens, output_tokens, total_tokens,
              cache_read_tokens, cache_write_tokens, reasoning_tokens, usage_basis, cost_usd, key_id, user_email, user_name,
              session_id, client_ip, user_agent, resource_id, input_summary, output_summary, error_message, personal_detail)
  ON audit.ledger FROM audit_eraser;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 8';

SET LOCAL ROLE NONE;
