-- Erasing personal values: what audit_eraser may do beyond the ledger's own columns, and the one way in which it is done.
--
-- An erasure's event stands in the chain first (family admin, action erase, resource.type ledger_rows); then the rows that it
-- names lose their personal values here, with what was derived from them, in one transaction.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

-- What it reads beside 0002: the personal columns, to know a row that still holds a value, which may be any one of them; what
-- makes a row's usage, to move it; what leads to the derived rows.
GRANT SELECT (resource_type, status, department_id, operation, provider, model, route, input_tokens, output_tokens, total_tokens,
              cache_read_tokens, cache_write_tokens, reasoning_tokens, usage_basis, cost_usd, key_id, user_email, user_name,
              session_id, client_ip, user_agent, resource_id, input_summary, output_summary, error_message, personal_detail)
  ON audit.ledger TO audit_eraser;

-- What SELECT … FOR UPDATE of a head needs; the policy lets no update through.
CREATE POLICY chain_heads_eraser_select ON audit.chain_heads FOR SELECT TO audit_eraser USING (true);
CREATE POLICY chain_heads_eraser_lock ON audit.chain_heads FOR UPDATE TO audit_eraser USING (true) WITH CHECK (false);
GRANT SELECT (tenant_id), UPDATE (events) ON audit.chain_heads TO audit_eraser;

CREATE POLICY usage_records_eraser ON audit.usage_records TO audit_eraser USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON audit.usage_records TO audit_eraser;

-- Of all else it may only take values away.
CREATE POLICY api_keys_eraser_select ON audit.api_keys FOR SELECT TO audit_eraser USING (true);
CREATE POLICY api_keys_eraser_update ON audit.api_keys FOR UPDATE TO audit_eraser USING (true)
  WITH CHECK (num_nonnulls(user_id, service, key_name, rotation_reason, last_used_ip) = 0);
GRANT SELECT (tenant_id, key_id), UPDATE (user_id, service, key_name, rotation_reason, last_used_ip)
  ON audit.api_keys TO audit_eraser;

CREATE POLICY api_key_attempts_eraser_select ON audit.api_key_attempts FOR SELECT TO audit_eraser USING (true);
CREATE POLICY api_key_attempts_eraser_update ON audit.api_key_attempts FOR UPDATE TO audit_eraser USING (true)
  WITH CHECK (num_nonnulls(user_id, client_ip) = 0);
GRANT SELECT (tenant_id, event_time, seq), UPDATE (user_id, client_ip) ON audit.api_key_attempts TO audit_eraser;

CREATE POLICY api_key_activity_eraser_select ON audit.api_key_activity FOR SELECT TO audit_eraser USING (true);
CREATE POLICY api_key_activity_eraser_update ON audit.api_key_activity FOR UPDATE TO audit_eraser USING (true)
  WITH CHECK (addresses = '{}' AND agents = '{}');
GRANT SELECT (tenant_id, key_id, minute), UPDATE (addresses, agents) ON audit.api_key_activity TO audit_eraser;

CREATE POLICY api_key_seen_eraser_select ON audit.api_key_seen FOR SELECT TO audit_eraser USING (true);
CREATE POLICY api_key_seen_eraser_delete ON audit.api_key_seen FOR DELETE TO audit_eraser USING (true);
GRANT SELECT (tenant_id, key_id, first_minute), DELETE ON audit.api_key_seen TO audit_eraser;

CREATE POLICY api_key_anomalies_eraser_select ON audit.api_key_anomalies FOR SELECT TO audit_eraser USING (true);
CREATE POLICY api_key_anomalies_eraser_update ON audit.api_key_anomalies FOR UPDATE TO audit_eraser
  USING (true) WITH CHECK (true);
GRANT SELECT (tenant_id, anomaly_id, subject, key_id, user_id, ip_address, window_start, window_end, resolved_by),
      UPDATE (user_id, ip_address, resolved_by) ON audit.api_key_anomalies TO audit_eraser;
-- A row may keep a value that is another person's. A policy sees the new row only, and cannot tell it from one that is put in.
CREATE FUNCTION audit.refuse_new_value() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, audit, pg_temp
AS $$
BEGIN
  RAISE insufficient_privilege USING MESSAGE = 'an erasure only takes values away';
END
$$;
REVOKE ALL ON FUNCTION audit.refuse_new_value() FROM PUBLIC;
CREATE TRIGGER api_key_anomalies_refuse_new_value BEFORE UPDATE OF user_id, ip_address, resolved_by ON audit.api_key_anomalies
  FOR EACH ROW
  WHEN ((NEW.user_id IS NOT NULL AND NEW.user_id IS DISTINCT FROM OLD.user_id
         OR NEW.ip_address IS NOT NULL AND NEW.ip_address IS DISTINCT FROM OLD.ip_address
         OR NEW.resolved_by IS NOT NULL AND NEW.resolved_by IS DISTINCT FROM OLD.resolved_by)
        AND NOT pg_has_role('audit_writer', 'USAGE') AND NOT pg_has_role('audit_rebuilder', 'USAGE'))
  EXECUTE FUNCTION audit.refuse_new_value();

CREATE POLICY quarantine_eraser_select ON audit.quarantine FOR SELECT TO audit_eraser USING (true);
CREATE POLICY quarantine_eraser_update ON audit.quarantine FOR UPDATE TO audit_eraser USING (true)
  WITH CHECK (num_nonnulls(key, value) = 0 AND header_values = '{}' AND redacted AND state = 'discarded');
GRANT SELECT (tenant_id, key, value, header_names, header_values),
      UPDATE (key, value, value_length, header_names, header_values, redacted, state) ON audit.quarantine TO audit_eraser;

-- Sets the personal values of these rows of a chain to NULL, and those of everything that was derived from them; returns how
-- many rows still had any. Raises where an event of an erasure at event_seq does not name all of them, or stands before one.
--
-- The chain's head is locked first: whoever writes rows or read models of the tenant holds it, so nothing here can wait for
-- another in a circle, and no writer can put a value back that it read before.
CREATE FUNCTION audit.erase_rows(tenant text, event_seq bigint, from_seqs bigint[], to_seqs bigint[]) RETURNS bigint
  LANGUAGE plpgsql SET search_path = pg_catalog, audit, pg_temp
AS $$
DECLARE
  erased bigint;
BEGIN
  PERFORM 1 FROM audit.chain_heads AS h WHERE h.tenant_id = tenant FOR UPDATE;

  IF EXISTS (
    SELECT FROM unnest(from_seqs, to_seqs) AS r (from_seq, to_seq)
    WHERE (r.from_seq <= r.to_seq AND r.to_seq < event_seq AND EXISTS (
      SELECT FROM audit.ledger AS l, jsonb_array_elements(l.detail -> 'erased_seqs') AS named
      WHERE l.tenant_id = tenant AND l.seq = event_seq AND l.family = 'admin' AND l.action = 'erase'
        AND l.resource_type = 'ledger_rows'
        AND (named ->> 0)::numeric <= r.from_seq AND r.to_seq <= (named ->> 1)::numeric)) IS NOT TRUE)
  THEN
    RAISE invalid_parameter_value USING MESSAGE = format('no erasure at seq %s of the chain names all of these rows', event_seq);
  END IF;

  PERFORM audit.erase_usage(tenant, from_seqs, to_seqs);
  PERFORM audit.erase_keys(tenant, from_seqs, to_seqs);

  UPDATE audit.ledger AS l
  SET user_id = NULL, user_email = NULL, user_name = NULL, on_behalf_of = NULL, session_id = NULL, client_ip = NULL,
      user_agent = NULL, resource_id = NULL, input_summary = NULL, output_summary = NULL, error_message = NULL,
      personal_detail = NULL
  FROM unnest(from_seqs, to_seqs) AS r (from_seq, to_seq)
  WHERE l.tenant_id = tenant AND l.seq BETWEEN r.from_seq AND r.to_seq
    AND num_nonnulls(l.user_id, l.user_email, l.user_name, l.on_behalf_of, l.session_id, l.client_ip, l.user_agent,
                     l.resource_id, l.input_summary, l.output_summary, l.error_message, l.personal_detail) > 0;
  GET DIAGNOSTICS erased = ROW_COUNT;
  RETURN erased;
END
$$;

-- Moves the usage of these rows to user_id '', as schemas/read-models.md counts it. Where usage_records does not hold what the
-- rows used, which verify --read-models finds, nothing is moved.
CREATE FUNCTION audit.erase_usage(tenant text, from_seqs bigint[], to_seqs bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, audit, pg_temp
AS $$
BEGIN
  WITH used AS (
    SELECT coalesce(l.department_id, '') AS department_id, l.user_id, coalesce(l.provider, '') AS provider,
           coalesce(l.model, '') AS model, coalesce(l.route, '') AS route,
           date_trunc('hour', l.event_time, 'UTC') AS time_bucket, count(*) AS requests,
           count(*) FILTER (WHERE l.status = 'failure') AS errors,
           sum(coalesce(l.input_tokens, 0)::numeric + extra.cache_tokens) AS input_tokens,
           sum(coalesce(l.output_tokens, 0)) AS output_tokens,
           sum(CASE WHEN l.usage_basis = 'exclusive'
                    THEN coalesce(l.input_tokens, 0)::numeric + extra.cache_tokens + coalesce(l.output_tokens, 0)
                    ELSE coalesce(l.total_tokens, 0) END) AS total_tokens,
           sum(coalesce(l.cache_read_tokens, 0)) AS cache_read_tokens,
           sum(coalesce(l.cache_write_tokens, 0)) AS cache_write_tokens,
           sum(coalesce(l.reasoning_tokens, 0)) AS reasoning_tokens, sum(coalesce(l.cost_usd, 0)) AS cost_usd
    FROM unnest(from_seqs, to_seqs) AS r (from_seq, to_seq)
    JOIN audit.ledger AS l ON l.tenant_id = tenant AND l.seq BETWEEN r.from_seq AND r.to_seq
    CROSS JOIN LATERAL (SELECT CASE WHEN l.usage_basis = 'exclusive'
      THEN coalesce(l.cache_read_tokens, 0)::numeric + coalesce(l.cache_write_tokens, 0) ELSE 0 END AS cache_tokens) AS extra
    WHERE l.family = 'llm_call' AND l.user_id <> ''
      AND coalesce(l.operation, '') NOT IN ('create_agent', 'invoke_agent', 'invoke_workflow', 'execute_tool', 'retrieval')
    GROUP BY 1, 2, 3, 4, 5, 6
  ), taken AS (
    UPDATE audit.usage_records AS u
    SET requests = u.requests - used.requests, errors = u.errors - used.errors,
        input_tokens = u.input_tokens - used.input_tokens, output_tokens = u.output_tokens - used.output_tokens,
        total_tokens = u.total_tokens - used.total_tokens,
        cache_read_tokens = u.cache_read_tokens - used.cache_read_tokens,
        cache_write_tokens = u.cache_write_tokens - used.cache_write_tokens,
        reasoning_tokens = u.reasoning_tokens - used.reasoning_tokens,
        cost_usd = trim_scale(u.cost_usd - used.cost_usd)
    FROM used
    WHERE u.tenant_id = tenant AND u.department_id = used.department_id AND u.user_id = used.user_id
      AND u.provider = used.provider AND u.model = used.model AND u.route = used.route
      AND u.time_bucket = used.time_bucket AND u.requests >= used.requests
    RETURNING used.*
  )
  INSERT INTO audit.usage_records AS u
    (tenant_id, department_id, user_id, provider, model, route, time_bucket, requests, errors, input_tokens, output_tokens,
     total_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_usd)
  SELECT tenant, department_id, '', provider, model, route, time_bucket, sum(requests), sum(errors), sum(input_tokens),
         sum(output_tokens), sum(total_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens),
         trim_scale(sum(cost_usd))
  FROM taken
  GROUP BY department_id, provider, model, route, time_bucket
  ON CONFLICT (tenant_id, department_id, user_id, provider, model, route, time_bucket) DO UPDATE
  SET requests = u.requests + excluded.requests, errors = u.errors + excluded.errors,
      input_tokens = u.input_tokens + excluded.input_tokens, output_tokens = u.output_tokens + excluded.output_tokens,
      total_tokens = u.total_tokens + excluded.total_tokens,
      cache_read_tokens = u.cache_read_tokens + excluded.cache_read_tokens,
      cache_write_tokens = u.cache_write_tokens + excluded.cache_write_tokens,
      reasoning_tokens = u.reasoning_tokens + excluded.reasoning_tokens,
      cost_usd = trim_scale(u.cost_usd + excluded.cost_usd);

  DELETE FROM audit.usage_records AS u WHERE u.tenant_id = tenant AND u.requests = 0;
END
$$;

-- Takes the personal values out of what the rules and the life of keys derived from these rows.
CREATE FUNCTION audit.erase_keys(tenant text, from_seqs bigint[], to_seqs bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, audit, pg_temp
AS $$
BEGIN
  UPDATE audit.api_keys AS k
  SET user_id = NULL, service = NULL, key_name = NULL, rotation_reason = NULL, last_used_ip = NULL
  WHERE k.tenant_id = tenant AND k.key_id IN (
    SELECT l.key_id FROM unnest(from_seqs, to_seqs) AS r (from_seq, to_seq)
    JOIN audit.ledger AS l ON l.tenant_id = tenant AND l.seq BETWEEN r.from_seq AND r.to_seq);

  UPDATE audit.api_key_attempts AS a
  SET user_id = NULL, client_ip = NULL
  FROM unnest(from_seqs, to_seqs) AS r (from_seq, to_seq)
  JOIN audit.ledger AS l ON l.tenant_id = tenant AND l.seq BETWEEN r.from_seq AND r.to_seq
  WHERE a.tenant_id = tenant AND a.event_time = l.event_time AND a.seq = l.seq;

  UPDATE audit.api_key_activity AS a
  SET addresses = '{}', agents = '{}'
  FROM unnest(from_seqs, to_seqs) AS r (from_seq, to_seq)
  JOIN audit.ledger AS l ON l.tenant_id = tenant AND l.seq BETWEEN r.from_seq AND r.to_seq
  WHERE a.tenant_id = tenant AND a.key_id = l.key_id AND a.minute = audit.key_window_start('1 minute', l.event_time);

  DELETE FROM audit.api_key_seen AS s
  USING unnest(from_seqs, to_seqs) AS r (from_seq, to_seq)
  JOIN audit.ledger AS l ON l.tenant_id = tenant AND l.seq BETWEEN r.from_seq AND r.to_seq
  WHERE s.tenant_id = tenant AND s.key_id = l.key_id AND s.first_minute = audit.key_window_start('1 minute', l.event_time);

  -- Of a key that an erased row names; of a user or address that one has, in a window that the row lies in.
  WITH gone AS MATERIALIZED (
    SELECT l.key_id, l.user_id, audit.key_address(l.client_ip) AS address, l.event_time
    FROM unnest(from_seqs, to_seqs) AS r (from_seq, to_seq)
    JOIN audit.ledger AS l ON l.tenant_id = tenant AND l.seq BETWEEN r.from_seq AND r.to_seq
  ), found AS (
    SELECT a.anomaly_id, g.user_id FROM audit.api_key_anomalies AS a JOIN gone AS g USING (key_id)
    WHERE a.tenant_id = tenant
    UNION
    SELECT a.anomaly_id, g.user_id FROM audit.api_key_anomalies AS a JOIN gone AS g USING (user_id)
    WHERE a.tenant_id = tenant AND a.subject = 'user' AND g.event_time >= a.window_start AND g.event_time < a.window_end
    UNION
    SELECT a.anomaly_id, g.user_id
    FROM audit.api_key_anomalies AS a JOIN gone AS g ON g.address = audit.key_address(a.ip_address)
    WHERE a.tenant_id = tenant AND a.subject = 'address' AND g.event_time >= a.window_start AND g.event_time < a.window_end
  )
  UPDATE audit.api_key_anomalies AS n
  SET user_id = NULL, ip_address = NULL, resolved_by = CASE WHEN n.resolved_by <> ALL (f.users) THEN n.resolved_by END
  FROM (SELECT anomaly_id, array_remove(array_agg(user_id), NULL) AS users FROM found GROUP BY anomaly_id) AS f
  WHERE n.tenant_id = tenant AND n.anomaly_id = f.anomaly_id;

  UPDATE audit.api_key_anomalies AS n
  SET resolved_by = NULL
  FROM unnest(from_seqs, to_seqs) AS r (from_seq, to_seq)
  JOIN audit.ledger AS l ON l.tenant_id = tenant AND l.seq BETWEEN r.from_seq AND r.to_seq
  WHERE l.family = 'admin' AND l.action = 'resolve' AND l.resource_type = 'api_key_anomaly'
    AND n.tenant_id = tenant AND n.anomaly_id::text = l.resource_id AND n.resolved_by = l.user_id;
END
$$;

-- Whether a refused record holds one of these byte strings.
CREATE FUNCTION audit.refused_holds(key bytea, value bytea, header_names bytea[], header_values bytea[], needles bytea[])
  RETURNS boolean
  LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, audit, pg_temp
AS $$
  SELECT EXISTS (SELECT FROM unnest(ARRAY[key, value] || header_names || header_values) AS held (bytes), unnest(needles) AS n
                 WHERE position(n IN held.bytes) > 0)
$$;

-- Empties the refused records of a tenant that hold one of these byte strings; returns how many.
CREATE FUNCTION audit.erase_refused(tenant text, needles bytea[]) RETURNS bigint
  LANGUAGE plpgsql SET search_path = pg_catalog, audit, pg_temp
AS $$
DECLARE
  emptied bigint;
BEGIN
  UPDATE audit.quarantine AS q
  SET key = NULL, value = NULL, value_length = NULL, header_names = '{}', header_values = '{}', redacted = true,
      state = 'discarded'
  WHERE q.tenant_id = tenant AND audit.refused_holds(q.key, q.value, q.header_names, q.header_values, needles);
  GET DIAGNOSTICS emptied = ROW_COUNT;
  RETURN emptied;
END
$$;

REVOKE ALL ON FUNCTION
  audit.erase_rows(text, bigint, bigint[], bigint[]), audit.erase_usage(text, bigint[], bigint[]),
  audit.erase_keys(text, bigint[], bigint[]), audit.refused_holds(bytea, bytea, bytea[], bytea[], bytea[]),
  audit.erase_refused(text, bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
  audit.key_address(inet), audit.key_window_start(interval, timestamptz), audit.erase_rows(text, bigint, bigint[], bigint[]), audit.erase_usage(text, bigint[], bigint[]),
  audit.erase_keys(text, bigint[], bigint[]), audit.refused_holds(bytea, bytea, bytea[], bytea[], bytea[]),
  audit.erase_refused(text, bytea[]) TO audit_eraser;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 9';

SET LOCAL ROLE NONE;
