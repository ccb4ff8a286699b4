-- The six rules over the events of API keys, beside their table in schemas/read-models.md.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

-- The distinct values that the rules count: IPv4 whole, IPv6 by its /64 network, IPv4-mapped IPv6 as IPv4.
CREATE FUNCTION audit.key_address(ip inet) RETURNS inet LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE WHEN family(ip) = 4 THEN ip
              WHEN ip << inet '::ffff:0:0/96' THEN inet '0.0.0.0' + (ip - inet '::ffff:0:0')
              ELSE network(set_masklen(ip, 64)) END;
CREATE FUNCTION audit.key_value_hash(value text) RETURNS bytea LANGUAGE sql STABLE PARALLEL SAFE
  RETURN substr(sha256(convert_to(value, 'UTF8')), 1, 16);
CREATE FUNCTION audit.key_window_start(span interval, moment timestamptz) RETURNS timestamptz
  LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN date_bin(span, moment, timestamptz '1970-01-01 00:00+00');

-- The events of these steps, from these relations: each step is one scan of the index (tenant_id, event_time) of each leaf.
CREATE FUNCTION audit.key_events(sources text[], tenants text[], from_minutes timestamptz[], to_minutes timestamptz[],
                                 seqs bigint[])
  RETURNS TABLE (tenant_id text, event_time timestamptz, seq bigint, key_id text, key_prefix text, user_id text,
                 client_ip inet, key_type text, rpm_limit bigint, user_agent text, request_path text,
                 response_bytes bigint, is_request boolean, is_error boolean, is_failure boolean, is_success boolean)
  LANGUAGE plpgsql STABLE ROWS 10000
  SET search_path = pg_catalog, audit, pg_temp SET enable_seqscan = off SET jit = off
AS $$
DECLARE
  events text;
BEGIN
  SELECT string_agg(format($sql$
    SELECT * FROM %s AS e
    WHERE e.tenant_id = step.tenant_id AND e.event_time >= step.from_minute AND e.event_time < step.to_minute
      AND e.family = 'api_key'$sql$, source::regclass), ' UNION ALL ') INTO events
  FROM unnest(sources) AS source;
  RETURN QUERY EXECUTE format($sql$
    SELECT e.tenant_id, e.event_time, e.seq, e.key_id, e.key_prefix, e.user_id, e.client_ip, e.key_type,
           CASE WHEN jsonb_typeof(e.detail -> 'rpm_limit') = 'number' THEN (e.detail -> 'rpm_limit')::bigint END,
           e.user_agent, e.request_path, e.response_bytes,
           e.action = 'used', e.action = 'used' AND e.response_code BETWEEN 400 AND 599 AND e.response_code <> 429,
           e.action = 'auth_failed', e.action = 'used' AND coalesce(e.response_code, 0) < 400
    FROM unnest($1, $2, $3, $4) AS step (tenant_id, from_minute, to_minute, seq)
    CROSS JOIN LATERAL (%s OFFSET 0) AS e
    WHERE e.seq <= step.seq$sql$, events)
    USING tenants, from_minutes, to_minutes, seqs;
END
$$;

-- Closes minutes and judges the windows that end with them. A step: the watermark of tenants[i] went from from_minutes[i]
-- to to_minutes[i] with the row seqs[i]. A tenant's steps rise, over all calls; those in which nothing ends may be left out.
-- The outcome does not depend on how they are spread over calls. sources: the leaves that the rows may be in, or the ledger.
-- Returns how many anomalies are new.
--
-- State is named without a schema: verify runs this body, under the same settings, over temporary tables. Each look at it
-- is a search of an index, in a subquery that cannot be flattened, by a plan that is made once: that no table had
-- statistics yet does not matter.
CREATE FUNCTION audit.judge_key_windows(sources text[], tenants text[], from_minutes timestamptz[],
                                        to_minutes timestamptz[], seqs bigint[])
  RETURNS TABLE (anomaly_type text, severity text, found bigint)
  LANGUAGE plpgsql
  SET search_path = pg_catalog, audit, pg_temp
  SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET jit = off
AS $$
#variable_conflict use_column
BEGIN
  WITH event AS MATERIALIZED (
    SELECT e.tenant_id COLLATE "C" AS tenant_id, e.key_id COLLATE "C" AS key_id, e.key_prefix, e.user_id, e.client_ip,
           e.key_type, e.rpm_limit, e.user_agent, e.request_path, e.response_bytes, e.event_time, e.seq,
           e.is_request, e.is_error, e.is_failure, e.is_success,
           audit.key_window_start('1 minute', e.event_time) AS minute,
           audit.key_window_start('30 minutes', e.event_time) AS half_hour
    FROM audit.key_events(sources, tenants, from_minutes, to_minutes, seqs) AS e),

  -- Of a minute's distinct values, the 4,096 with the lowest hashes.
  active AS (
    SELECT tenant_id, key_id, minute, count(*) AS events, min(event_time) AS first_event,
           count(*) FILTER (WHERE is_request) AS requests, count(*) FILTER (WHERE is_error) AS errors,
           coalesce(sum(response_bytes) FILTER (WHERE is_request), 0) AS response_bytes,
           count(*) FILTER (WHERE is_request AND request_path ~ '(^|/)(export|download)s?(/|$)') AS exports,
           coalesce((array_agg(DISTINCT audit.key_value_hash(audit.key_address(client_ip)::text))
                     FILTER (WHERE is_request AND client_ip IS NOT NULL))[:4096], '{}') AS addresses,
           coalesce((array_agg(DISTINCT audit.key_value_hash(user_agent))
                     FILTER (WHERE is_request AND user_agent IS NOT NULL))[:4096], '{}') AS agents,
           coalesce((array_agg(DISTINCT audit.key_value_hash(request_path))
                     FILTER (WHERE is_request AND request_path IS NOT NULL))[:4096], '{}') AS resources,
           (array_agg(key_type ORDER BY event_time DESC, seq DESC) FILTER (WHERE key_type IS NOT NULL))[1] AS key_type,
           (array_agg(rpm_limit ORDER BY event_time DESC, seq DESC) FILTER (WHERE rpm_limit IS NOT NULL))[1]
             AS rpm_limit,
           min(seq) AS first_seq, max(seq) AS last_seq
    FROM event WHERE key_id IS NOT NULL GROUP BY tenant_id, key_id, minute),
  -- Minutes behind the same number of minutes that say a value share what the last of them said.
  told AS (
    SELECT *, count(key_type) OVER earlier AS types_told, count(rpm_limit) OVER earlier AS limits_told
    FROM active WINDOW earlier AS (PARTITION BY tenant_id, key_id ORDER BY minute)),
  activity AS (
    INSERT INTO api_key_activity
      (tenant_id, key_id, minute, events, first_event, requests, errors, response_bytes, exports, addresses, agents,
       resources, key_type, rpm_limit, first_seq, last_seq)
    SELECT t.tenant_id, t.key_id, t.minute, t.events, t.first_event, t.requests, t.errors, t.response_bytes,
           t.exports, t.addresses, t.agents, t.resources,
           coalesce(first_value(t.key_type) OVER (PARTITION BY t.tenant_id, t.key_id, t.types_told ORDER BY t.minute),
                    before.key_type),
           coalesce(first_value(t.rpm_limit) OVER (PARTITION BY t.tenant_id, t.key_id, t.limits_told ORDER BY t.minute),
                    before.rpm_limit),
           t.first_seq, t.last_seq
    FROM told AS t
    LEFT JOIN LATERAL (
      SELECT a.key_type, a.rpm_limit FROM api_key_activity AS a
      WHERE a.tenant_id = t.tenant_id AND a.key_id = t.key_id AND a.minute < t.minute
      ORDER BY a.minute DESC LIMIT 1) AS before
      ON t.types_told = 0 OR t.limits_told = 0
    ORDER BY t.tenant_id, t.key_id, t.minute
    ON CONFLICT DO NOTHING),

  seen AS (
    INSERT INTO api_key_seen (tenant_id, key_id, address, first_minute)
    SELECT tenant_id, key_id, address, min(minute)
    FROM active CROSS JOIN unnest(addresses) AS address
    GROUP BY tenant_id, key_id, address
    ORDER BY tenant_id, key_id, address
    ON CONFLICT DO NOTHING),

  half_hour AS (
    SELECT tenant_id, half_hour, min(event_time) FILTER (WHERE is_failure) AS first_failure FROM event GROUP BY 1, 2),
  attacked AS MATERIALIZED (
    SELECT * FROM (
      SELECT h.tenant_id, h.half_hour, coalesce((
               SELECT a.event_time FROM api_key_attempts AS a
               WHERE a.tenant_id = h.tenant_id AND NOT a.succeeded
                 AND a.event_time >= h.half_hour AND a.event_time < h.half_hour + interval '30 minutes'
               ORDER BY a.event_time LIMIT 1), h.first_failure) AS first_failure
      FROM half_hour AS h) AS h
    WHERE first_failure IS NOT NULL),
  attempt AS (
    SELECT e.*, row_number() OVER (PARTITION BY tenant_id, minute, is_failure, key_id, key_prefix, user_id, client_ip
                                   ORDER BY event_time DESC, seq DESC) AS place
    FROM event AS e JOIN attacked USING (tenant_id, half_hour)
    WHERE e.is_failure OR (e.is_success AND e.event_time >= attacked.first_failure))
  INSERT INTO api_key_attempts (tenant_id, event_time, seq, succeeded, key_id, key_prefix, user_id, client_ip)
  SELECT tenant_id, event_time, seq, is_success, key_id, key_prefix, user_id, client_ip
  FROM attempt WHERE is_failure OR place = 1
  ORDER BY tenant_id, event_time, seq
  ON CONFLICT DO NOTHING;

  RETURN QUERY
  WITH threshold AS MATERIALIZED (
    SELECT *, lead(in_force_from, 1, 'infinity') OVER (PARTITION BY key_type ORDER BY in_force_from, version)
                AS in_force_until
    FROM api_key_thresholds),
  -- What a window must have at least for any condition to hold.
  lowest AS MATERIALIZED (
    SELECT min(least(requests_per_minute, baseline_requests, error_requests, error_day_requests, addresses_per_half_hour, 2,
                     unusual_requests, resources, burst_resources)) AS requests,
           min(hour_bytes) AS response_bytes, min(exports) AS exports
    FROM threshold),
  -- The windows of each length that end in a step: of the minutes from first_minute on, but before next_minute.
  closing AS MATERIALIZED (
    SELECT * FROM (
      SELECT step.tenant_id COLLATE "C" AS tenant_id, step.seq AS judged_seq, span.minutes,
             make_interval(mins => span.minutes) AS length,
             audit.key_window_start(make_interval(mins => span.minutes), step.from_minute) AS first_minute,
             audit.key_window_start(make_interval(mins => span.minutes), step.to_minute) AS next_minute
      FROM unnest(tenants, from_minutes, to_minutes, seqs) AS step (tenant_id, from_minute, to_minute, seq)
      CROSS JOIN unnest('{1,3,5,10,30,60,1440}'::int[]) AS span (minutes)) AS c
    WHERE first_minute < next_minute),

  -- Of the two lengths that are judged for errors only, the windows that have enough of them for the requests of the
  -- minutes with errors alone.
  faulty AS (
    SELECT c.tenant_id, c.minutes, a.key_id, audit.key_window_start(c.length, a.minute) AS window_start,
           min(c.judged_seq) AS judged_seq
    FROM closing AS c
    CROSS JOIN LATERAL (
      SELECT a.key_id, a.minute, a.requests, a.errors FROM api_key_activity AS a
      WHERE a.tenant_id = c.tenant_id COLLATE "POSIX" AND a.minute >= c.first_minute AND a.minute < c.next_minute
        AND a.errors > 0 OFFSET 0) AS a
    WHERE c.minutes IN (5, 1440)
    GROUP BY 1, 2, 3, 4
    HAVING EXISTS (
      SELECT FROM threshold AS t
      WHERE 1000 * sum(a.errors) >= CASE c.minutes
        WHEN 5 THEN t.error_permille * greatest(t.error_requests, sum(a.requests))
        ELSE t.error_day_permille * greatest(t.error_day_requests, sum(a.requests)) END)),
  key_window AS (
    SELECT a.tenant_id, a.minutes, a.key_id, a.window_start, min(a.judged_seq) AS judged_seq,
           sum(a.requests)::bigint AS requests, sum(a.errors)::bigint AS errors,
           sum(a.response_bytes) AS response_bytes, sum(a.exports)::bigint AS exported,
           min(a.first_seq) AS first_seq, max(a.last_seq) AS last_seq,
           (array_agg(a.key_type ORDER BY a.minute DESC))[1] AS type,
           (array_agg(a.rpm_limit ORDER BY a.minute DESC))[1] AS rpm_limit
    FROM (
      SELECT c.minutes, c.judged_seq, audit.key_window_start(c.length, a.minute) AS window_start, a.*
      FROM closing AS c
      CROSS JOIN LATERAL (
        SELECT * FROM api_key_activity AS a
        WHERE a.tenant_id = c.tenant_id COLLATE "POSIX" AND a.minute >= c.first_minute AND a.minute < c.next_minute
        OFFSET 0) AS a
      WHERE c.minutes IN (1, 3, 30, 60)
      UNION ALL
      SELECT f.minutes, f.judged_seq, f.window_start, a.*
      FROM faulty AS f
      CROSS JOIN LATERAL (
        SELECT * FROM api_key_activity AS a
        WHERE a.tenant_id = f.tenant_id AND a.key_id = f.key_id AND a.minute >= f.window_start
          AND a.minute < f.window_start + make_interval(mins => f.minutes) OFFSET 0) AS a) AS a
    GROUP BY 1, 2, 3, 4
    HAVING sum(a.requests) >= (SELECT requests FROM lowest) OR sum(a.requests) > min(a.rpm_limit)
      OR sum(a.response_bytes) >= (SELECT response_bytes FROM lowest) OR sum(a.exports) >= (SELECT exports FROM lowest)),
  -- What has to be looked up is looked up where the rest of the condition holds.
  measured AS MATERIALIZED (
    SELECT w.*, t.*, w.window_start + make_interval(mins => w.minutes) AS window_end,
      1000 * w.errors / w.requests AS error_rate,
      CASE WHEN w.minutes = 1 AND w.requests >= t.baseline_requests THEN (
        SELECT CASE WHEN count(*) = t.baseline_minutes THEN greatest(t.baseline_requests,
          (t.baseline_factor * ((array_agg(b.requests ORDER BY b.requests))[(t.baseline_minutes + 1) / 2]
                                + (array_agg(b.requests ORDER BY b.requests))[t.baseline_minutes / 2 + 1]) + 1) / 2) END
        FROM (SELECT a.requests FROM api_key_activity AS a
              WHERE a.tenant_id = w.tenant_id AND a.key_id = w.key_id AND a.minute < w.window_start AND a.requests > 0
              ORDER BY a.minute DESC LIMIT t.baseline_minutes) AS b) END AS baseline,
      CASE WHEN w.minutes = 30 AND (w.requests >= t.addresses_per_half_hour OR t.key_type = 'emergency') THEN (
        SELECT least(count(DISTINCT address), 4096) FROM api_key_activity AS a CROSS JOIN unnest(a.addresses) AS address
        WHERE a.tenant_id = w.tenant_id AND a.key_id = w.key_id
          AND a.minute >= w.window_start AND a.minute < w.window_start + interval '30 minutes') END AS addresses,
      CASE WHEN w.minutes = 30 AND t.key_type = 'emergency' THEN (
        SELECT least(count(DISTINCT agent), 4096) FROM api_key_activity AS a CROSS JOIN unnest(a.agents) AS agent
        WHERE a.tenant_id = w.tenant_id AND a.key_id = w.key_id
          AND a.minute >= w.window_start AND a.minute < w.window_start + interval '30 minutes') END AS agents,
      CASE WHEN w.minutes = 60 AND w.requests >= t.resources OR w.minutes = 3 AND w.requests >= t.burst_resources THEN (
        SELECT least(count(DISTINCT resource), 4096) FROM api_key_activity AS a CROSS JOIN unnest(a.resources) AS resource
        WHERE a.tenant_id = w.tenant_id AND a.key_id = w.key_id
          AND a.minute >= w.window_start AND a.minute < w.window_start + make_interval(mins => w.minutes))
        END AS used_resources,
      CASE WHEN w.minutes = 60 AND w.requests >= t.unusual_requests THEN (
        SELECT a.first_event <= w.window_start - make_interval(hours => 24 * t.unusual_history_days::int)
        FROM api_key_activity AS a WHERE a.tenant_id = w.tenant_id AND a.key_id = w.key_id ORDER BY a.minute LIMIT 1)
        AND (SELECT sum(b.requests) >= t.unusual_history_requests
             FROM (SELECT a.requests FROM api_key_activity AS a
                   WHERE a.tenant_id = w.tenant_id AND a.key_id = w.key_id AND a.minute < w.window_start AND a.requests > 0
                   ORDER BY a.minute DESC LIMIT t.unusual_history_requests) AS b)
        AND (SELECT count(*) < t.unusual_weeks
             FROM generate_series(1, 12) AS week
             WHERE (SELECT true FROM api_key_activity AS a
                    WHERE a.tenant_id = w.tenant_id AND a.key_id = w.key_id AND a.requests > 0
                      AND a.minute >= w.window_start - make_interval(hours => 168 * week)
                      AND a.minute < w.window_start - make_interval(hours => 168 * week - 1) LIMIT 1)) END AS is_unusual,
      CASE WHEN w.minutes = 60 AND w.response_bytes >= t.hour_bytes THEN (
        SELECT CASE WHEN count(*) >= t.hour_baseline_hours THEN greatest(t.hour_bytes, t.hour_factor * max(b.bytes)) END
        FROM (SELECT sum(a.response_bytes) AS bytes FROM api_key_activity AS a
              WHERE a.tenant_id = w.tenant_id AND a.key_id = w.key_id
                AND a.minute >= w.window_start - interval '168 hours' AND a.minute < w.window_start
              GROUP BY audit.key_window_start('1 hour', a.minute) HAVING sum(a.response_bytes) > 0) AS b)
        END AS bytes_threshold
    FROM key_window AS w
    JOIN threshold AS t ON w.window_start >= t.in_force_from AND w.window_start < t.in_force_until
      AND t.key_type = CASE WHEN w.type IN ('user', 'integration', 'service', 'system', 'emergency') THEN w.type
                            ELSE 'other' END),

  key_finding AS (
    SELECT w.*, r.*
    FROM measured AS w
    CROSS JOIN LATERAL (
      SELECT 1, 'high_request_rate', 'requests', w.requests::numeric, w.requests_per_minute::numeric
        WHERE w.minutes = 1 AND w.requests >= w.requests_per_minute
      UNION ALL SELECT 2, 'high_request_rate', 'rpm_limit', w.requests, w.rpm_limit + 1
        WHERE w.minutes = 1 AND w.requests > w.rpm_limit
      UNION ALL SELECT 3, 'high_request_rate', 'baseline', w.requests, w.baseline
        WHERE w.minutes = 1 AND w.requests >= w.baseline
      UNION ALL SELECT 4, 'high_error_rate', 'errors', w.error_rate, w.error_permille
        WHERE w.minutes = 5 AND w.requests >= w.error_requests AND w.error_rate >= w.error_permille
      UNION ALL SELECT 5, 'high_error_rate', 'errors_day', w.error_rate, w.error_day_permille
        WHERE w.minutes = 1440 AND w.requests >= w.error_day_requests AND w.error_rate >= w.error_day_permille
      UNION ALL SELECT 6, 'multiple_ips', 'addresses', w.addresses, w.addresses_per_half_hour
        WHERE w.minutes = 30 AND w.addresses >= w.addresses_per_half_hour
      UNION ALL SELECT 7, 'multiple_ips', 'emergency', w.addresses, 2
        WHERE w.minutes = 30 AND w.addresses >= 2 AND w.agents >= 2
      UNION ALL SELECT 8, 'unusual_time', 'unusual', w.requests, w.unusual_requests
        WHERE w.minutes = 60 AND w.is_unusual
      UNION ALL SELECT 9, 'data_exfiltration', 'bytes', w.response_bytes, w.bytes_threshold
        WHERE w.minutes = 60 AND w.response_bytes >= w.bytes_threshold
      UNION ALL SELECT 10, 'data_exfiltration', 'exports', w.exported, w.exports
        WHERE w.minutes = 60 AND w.exported >= w.exports
      UNION ALL SELECT 11, 'data_exfiltration', 'resources', w.used_resources, w.resources
        WHERE w.minutes = 60 AND w.used_resources >= w.resources
      UNION ALL SELECT 12, 'data_exfiltration', 'burst', w.used_resources, w.burst_resources
        WHERE w.minutes = 3 AND w.used_resources >= w.burst_resources
    ) AS r (place, anomaly_type, condition, value, threshold)),

  -- Each attempt once for each of its subjects, and how many failures of the subject the window had up to it. The value
  -- comes first because sorting by a text's first bytes is cheap.
  attempt AS (
    SELECT a.*, count(*) FILTER (WHERE NOT succeeded) OVER subject AS failed,
           count(*) FILTER (WHERE NOT succeeded) OVER (subject ORDER BY event_time, seq ROWS UNBOUNDED PRECEDING)
             AS failures_so_far
    FROM (
      SELECT subject.value, subject.kind, c.tenant_id, c.minutes,
             audit.key_window_start(c.length, a.event_time) AS window_start,
             c.judged_seq, a.event_time, a.seq, a.succeeded, a.client_ip,
             CASE WHEN c.minutes = 60 THEN coalesce('key:' || a.key_id, 'prefix:' || a.key_prefix, 'user:' || a.user_id)
               END AS principal
      FROM closing AS c
      CROSS JOIN LATERAL (
        SELECT * FROM api_key_attempts AS a
        WHERE a.tenant_id = c.tenant_id AND a.event_time >= c.first_minute AND a.event_time < c.next_minute OFFSET 0) AS a
      CROSS JOIN unnest('{key,prefix,user,address}'::text[],
                        ARRAY[a.key_id, a.key_prefix, a.user_id, audit.key_address(a.client_ip)::text])
        AS subject (kind, value)
      WHERE c.minutes IN (10, 30, 60) AND subject.value IS NOT NULL
        AND (c.minutes = 30 OR NOT a.succeeded) AND (c.minutes <> 60 OR subject.kind = 'address')) AS a
    WINDOW subject AS (PARTITION BY value COLLATE "C", kind COLLATE "C", tenant_id, minutes, window_start)),
  subject_window AS (
    SELECT value COLLATE "C" AS value, kind COLLATE "C" AS kind, tenant_id, minutes, window_start,
           min(judged_seq) AS judged_seq, min(failed) AS failed,
           max(failures_so_far) FILTER (WHERE succeeded) AS failed_before_success,
           count(DISTINCT principal) AS principals,
           least(count(DISTINCT audit.key_address(client_ip)) FILTER (WHERE NOT succeeded), 4096) AS addresses,
           min(client_ip) FILTER (WHERE NOT succeeded) AS lowest_ip,
           min(seq) FILTER (WHERE NOT succeeded) AS first_seq, max(seq) FILTER (WHERE NOT succeeded) AS last_seq
    FROM attempt WHERE failed >= (SELECT min(least(failures, spray_failures, success_failures)) FROM threshold)
    GROUP BY 1, 2, 3, 4, 5),
  subject_finding AS (
    SELECT w.*, t.version, r.*
    FROM subject_window AS w
    JOIN threshold AS t ON w.window_start >= t.in_force_from AND w.window_start < t.in_force_until AND t.key_type = 'other'
    CROSS JOIN LATERAL (
      SELECT 'failures', t.failures WHERE w.minutes = 10 AND w.failed >= t.failures
      UNION ALL SELECT 'spray', t.spray_failures
        WHERE w.minutes = 60 AND w.failed >= t.spray_failures AND w.principals >= t.spray_principals
      UNION ALL SELECT 'success', t.success_failures
        WHERE w.minutes = 30 AND w.failed_before_success >= t.success_failures
    ) AS r (condition, threshold)),

  finding AS (
    SELECT w.tenant_id, w.anomaly_type, w.minutes, w.window_start, 'key' AS subject, w.key_id AS identity,
           w.key_id, NULL AS key_prefix, NULL AS user_id, NULL::inet AS ip_address,
           CASE w.anomaly_type
             WHEN 'high_request_rate' THEN
               CASE WHEN w.value >= 10 * w.threshold THEN 'critical' WHEN w.value >= 3 * w.threshold THEN 'high'
                 ELSE 'medium' END
             WHEN 'high_error_rate' THEN CASE WHEN w.value >= 800 THEN 'high' ELSE 'medium' END
             WHEN 'multiple_ips' THEN
               CASE WHEN w.condition = 'emergency' OR w.value >= 2 * w.threshold THEN 'high' ELSE 'medium' END
             WHEN 'unusual_time' THEN
               CASE WHEN (SELECT true FROM api_key_activity AS a CROSS JOIN unnest(a.addresses) AS used (address)
                          WHERE a.tenant_id = w.tenant_id AND a.key_id = w.key_id
                            AND a.minute >= w.window_start AND a.minute < w.window_end
                            AND (SELECT true FROM api_key_seen AS s
                                 WHERE s.tenant_id = w.tenant_id AND s.key_id = w.key_id AND s.address = used.address
                                   AND s.first_minute < w.window_start) IS NULL
                          LIMIT 1) THEN 'medium' ELSE 'low' END
             ELSE CASE WHEN w.value >= 3 * w.threshold THEN 'critical' ELSE 'high' END END AS severity,
           w.place, w.condition, w.value, w.threshold, w.version, w.requests, w.errors, w.error_rate,
           (SELECT least(count(DISTINCT address), 4096)
            FROM api_key_activity AS a CROSS JOIN unnest(a.addresses) AS address
            WHERE a.tenant_id = w.tenant_id AND a.key_id = w.key_id
              AND a.minute >= w.window_start AND a.minute < w.window_end) AS unique_ips,
           w.first_seq, w.last_seq, w.judged_seq
    FROM key_finding AS w
    UNION ALL
    SELECT w.tenant_id, 'brute_force', w.minutes, w.window_start, w.kind,
           CASE WHEN w.kind = 'key' THEN w.value ELSE w.first_seq::text END,
           CASE WHEN w.kind = 'key' THEN w.value END, CASE WHEN w.kind = 'prefix' THEN w.value END,
           CASE WHEN w.kind = 'user' THEN w.value END, CASE WHEN w.kind = 'address' THEN w.lowest_ip END,
           CASE WHEN w.condition = 'success' THEN 'critical' WHEN w.failed >= 30 THEN 'high' ELSE 'medium' END,
           0, w.condition, w.failed, w.threshold, w.version, 0, w.failed, 0, w.addresses,
           w.first_seq, w.last_seq, w.judged_seq
    FROM subject_finding AS w),
  new AS (
    INSERT INTO api_key_anomalies
      (anomaly_id, tenant_id, anomaly_type, severity, subject, key_id, key_prefix, user_id, ip_address,
       window_start, window_end, request_count, error_count, error_rate, unique_ips, details, judged_seq, created_at)
    SELECT DISTINCT ON (tenant_id, anomaly_type, minutes, window_start, subject, identity)
      encode(substr(sha256(convert_to(concat_ws(E'\n', 'sealstream/anomaly/v1', tenant_id, anomaly_type, minutes * 60,
        extract(epoch FROM window_start)::bigint, version, subject, identity, ''), 'UTF8')), 1, 16), 'hex')::uuid,
      tenant_id, anomaly_type, severity, subject, key_id, key_prefix, user_id, ip_address,
      window_start, window_start + make_interval(mins => minutes), requests, errors, error_rate, unique_ips,
      jsonb_build_object('condition', condition, 'value', value, 'threshold', threshold, 'thresholds_version', version,
        'window_seconds', minutes * 60, 'first_seq', first_seq, 'last_seq', last_seq),
      judged_seq, window_start + make_interval(mins => minutes)
    FROM finding
    ORDER BY tenant_id, anomaly_type, minutes, window_start, subject, identity,
             array_position('{critical,high,medium,low}'::text[], severity), place
    ON CONFLICT DO NOTHING
    RETURNING anomaly_type, severity)
  SELECT anomaly_type, severity, count(*) FROM new GROUP BY anomaly_type, severity ORDER BY anomaly_type, severity;
END
$$;

-- All steps of the watermark of a tenant's chain: audit.judge_key_windows judges by them what was not judged before.
CREATE FUNCTION audit.key_window_steps(tenant text) RETURNS TABLE (from_minute timestamptz, to_minute timestamptz, seq bigint)
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
AS $$
  SELECT coalesce(before, '-infinity'), minute, seq
  FROM (SELECT seq, minute, lag(minute) OVER (ORDER BY seq) AS before
        FROM (SELECT e.seq, audit.key_window_start('1 minute', max(least(e.event_time, e.recorded_at)) OVER (ORDER BY e.seq)
                                                               - interval '5 minutes') AS minute
              FROM audit.ledger AS e WHERE e.tenant_id = tenant) AS row) AS row
  WHERE before IS DISTINCT FROM minute
  ORDER BY seq
$$;

-- Applies events that resolve an anomaly. What names no anomaly of the tenant, comes not behind the row that closed its
-- window, or comes second, does nothing. Returns how many were resolved.
CREATE FUNCTION audit.resolve_anomalies(tenants text[], anomaly_ids text[], seqs bigint[], times timestamptz[], users text[])
  RETURNS bigint LANGUAGE sql SET search_path = pg_catalog, audit, pg_temp
AS $$
  WITH resolving AS (
    SELECT DISTINCT ON (a.tenant_id, a.anomaly_id) a.tenant_id, a.anomaly_id, r.time, r.user_id
    FROM unnest(tenants, anomaly_ids, seqs, times, users) AS r (tenant_id, anomaly_id, seq, time, user_id)
    JOIN api_key_anomalies AS a ON a.tenant_id = r.tenant_id AND r.seq > a.judged_seq AND NOT a.resolved
      AND a.anomaly_id = CASE WHEN r.anomaly_id ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN r.anomaly_id::uuid END
    ORDER BY a.tenant_id, a.anomaly_id, r.seq),
  resolved AS (
    UPDATE api_key_anomalies AS a SET resolved = true, resolved_at = r.time, resolved_by = r.user_id
    FROM resolving AS r WHERE a.tenant_id = r.tenant_id AND a.anomaly_id = r.anomaly_id
    RETURNING 1)
  SELECT count(*) FROM resolved
$$;

REVOKE ALL ON FUNCTION audit.key_address(inet), audit.key_value_hash(text), audit.key_window_start(interval, timestamptz),
  audit.key_events(text[], text[], timestamptz[], timestamptz[], bigint[]),
  audit.judge_key_windows(text[], text[], timestamptz[], timestamptz[], bigint[]), audit.key_window_steps(text),
  audit.resolve_anomalies(text[], text[], bigint[], timestamptz[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.key_address(inet), audit.key_value_hash(text), audit.key_window_start(interval, timestamptz),
  audit.key_events(text[], text[], timestamptz[], timestamptz[], bigint[]),
  audit.judge_key_windows(text[], text[], timestamptz[], timestamptz[], bigint[])
  TO audit_writer, audit_rebuilder, audit_auditor;
GRANT EXECUTE ON FUNCTION audit.key_window_steps(text) TO audit_rebuilder, audit_auditor;
GRANT EXECUTE ON FUNCTION audit.resolve_anomalies(text[], text[], bigint[], timestamptz[], text[])
  TO audit_writer, audit_rebuilder;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 8';

SET LOCAL ROLE NONE;
