-- Every key and what its events said of it (schemas/read-models.md): a read model.
--
-- A value and the event_time of the event that said it stand side by side: an older event never turns a newer value back.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

-- How long a key of this type lives, and how long it is honoured after its rotation. NULL: for ever, never.
CREATE FUNCTION audit.key_life(key_type text) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE key_type WHEN 'system' THEN interval '8760 hours' WHEN 'user' THEN interval '2160 hours'
                       WHEN 'service' THEN interval '4320 hours' WHEN 'integration' THEN interval '720 hours'
                       WHEN 'emergency' THEN interval '24 hours' END;
CREATE FUNCTION audit.key_grace(key_type text) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN CASE key_type WHEN 'system' THEN interval '72 hours' WHEN 'service' THEN interval '48 hours'
                       WHEN 'emergency' THEN interval '0 hours' ELSE interval '24 hours' END;
-- What a generated column takes: moment + span depends on the session's time zone, where the span has days.
CREATE FUNCTION audit.moment_after(moment timestamptz, span interval) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (moment AT TIME ZONE 'UTC' + span) AT TIME ZONE 'UTC';
REVOKE ALL ON FUNCTION audit.key_life(text), audit.key_grace(text), audit.moment_after(timestamptz, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.key_life(text), audit.key_grace(text), audit.moment_after(timestamptz, interval)
  TO audit_writer, audit_rebuilder, audit_auditor, audit_eraser;

-- An RFC 3339 time that an event holds as text, cut to microseconds as event_time is. NULL outside of the years 1 to
-- 9999. Not a plain cast: PostgreSQL knows no year 0 and no zone 16 hours away, and rounds.
CREATE FUNCTION audit.moment_of(rfc3339 text) RETURNS timestamptz
  LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, audit, pg_temp
AS $$
  SELECT moment FROM (
    SELECT CASE WHEN rfc3339 NOT LIKE '0000%'
      THEN (left(rfc3339, 10) || ' ' || substr(rfc3339, 12, 8) || ' UTC')::timestamptz
           + coalesce(rpad(substring(rfc3339 FROM '[.]([0-9]{1,6})'), 6, '0')::int, 0) * interval '1 microsecond'
           - coalesce(substring(rfc3339 FROM '[+-][0-9]{2}:[0-9]{2}$'), '0')::interval END AS moment) AS parsed
  WHERE moment >= '0001-01-01 00:00:00 UTC' AND moment < '10000-01-01 00:00:00 UTC'
$$;
CREATE FUNCTION audit.texts_of(texts jsonb) RETURNS text[]
  LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, audit, pg_temp
AS $$
  SELECT CASE WHEN texts IS NOT NULL THEN ARRAY(SELECT jsonb_array_elements_text(texts)) END
$$;

-- What an event says of its key, beside the columns of the ledger that stand in it as they are. NULL says nothing.
CREATE FUNCTION audit.key_statement(action text, actor_type text, actor_id text, on_behalf_of text, detail jsonb,
                                    personal_detail jsonb)
  RETURNS TABLE (key_name text, user_id text, service text, permissions jsonb, rpm_limit bigint, expires_given timestamptz,
                 status text, rotation_required boolean, rotation_reason text, grace_given timestamptz)
  LANGUAGE sql STABLE PARALLEL SAFE ROWS 1
BEGIN ATOMIC
  SELECT
    personal_detail #>> '{data,key,name}',
    coalesce(on_behalf_of, CASE actor_type WHEN 'user' THEN actor_id END),
    CASE actor_type WHEN 'service' THEN actor_id END,
    detail -> 'permissions_after',
    (detail ->> 'rpm_limit')::bigint,
    CASE WHEN action <> 'rotated' THEN audit.moment_of(detail ->> 'expires_at') END,
    CASE action WHEN 'created' THEN 'active' WHEN 'enabled' THEN 'active' WHEN 'rotated' THEN 'grace'
                WHEN 'disabled' THEN 'disabled' WHEN 'revoked' THEN 'revoked' WHEN 'expired' THEN 'expired' END,
    CASE WHEN action IN ('created', 'rotated') THEN false
         WHEN action = 'updated' AND personal_detail #>> '{data,rotation_reason}' IS NOT NULL THEN true END,
    personal_detail #>> '{data,rotation_reason}',
    audit.moment_of(detail ->> 'grace_period_end');
END;

REVOKE ALL ON FUNCTION audit.moment_of(text), audit.texts_of(jsonb), audit.key_statement(text, text, text, text, jsonb, jsonb)
  FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.moment_of(text), audit.texts_of(jsonb),
  audit.key_statement(text, text, text, text, jsonb, jsonb) TO audit_writer, audit_rebuilder, audit_auditor;

CREATE TABLE audit.api_keys (
  tenant_id text COLLATE "C" NOT NULL,
  key_id text COLLATE "C" NOT NULL,
  key_hash text COLLATE "C",
  key_prefix text COLLATE "C",
  key_name text COLLATE "C",         -- personal
  key_type text COLLATE "C",
  user_id text COLLATE "C",          -- personal: the owner, where it is a person
  service text COLLATE "C",          -- personal: the owner, where it is a service
  permissions text[] COLLATE "C",
  rpm_limit bigint,
  created_at timestamptz,
  expires_given timestamptz,
  expires_at timestamptz GENERATED ALWAYS AS
    (coalesce(expires_given, audit.moment_after(created_at, audit.key_life(key_type)))) STORED,
  last_used_at timestamptz,
  last_used_ip inet,                 -- personal
  usage_count bigint NOT NULL DEFAULT 0,
  status text COLLATE "C" NOT NULL DEFAULT 'active',
  rotation_required boolean NOT NULL DEFAULT false,
  rotation_reason text COLLATE "C",  -- personal
  rotated_at timestamptz,
  grace_given timestamptz,
  grace_period_end timestamptz GENERATED ALWAYS AS
    (coalesce(grace_given, audit.moment_after(rotated_at, audit.key_grace(key_type)))) STORED,
  -- when what stands above was said
  key_hash_at timestamptz,
  key_prefix_at timestamptz,
  key_name_at timestamptz,
  key_type_at timestamptz,
  permissions_at timestamptz,
  rpm_limit_at timestamptz,
  expires_given_at timestamptz,
  status_at timestamptz,
  rotation_at timestamptz,
  CONSTRAINT api_keys_pkey PRIMARY KEY (tenant_id, key_id),
  CONSTRAINT api_keys_status_check CHECK (status IN ('active', 'grace', 'disabled', 'revoked', 'expired'))
) WITH (fillfactor = 70);

ALTER TABLE audit.api_keys
  ALTER COLUMN key_name SET STATISTICS 0, ALTER COLUMN user_id SET STATISTICS 0, ALTER COLUMN service SET STATISTICS 0,
  ALTER COLUMN last_used_ip SET STATISTICS 0, ALTER COLUMN rotation_reason SET STATISTICS 0;

ALTER TABLE audit.api_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY api_keys_writer ON audit.api_keys TO audit_writer USING (true) WITH CHECK (true);
CREATE POLICY api_keys_rebuilder ON audit.api_keys TO audit_rebuilder USING (true) WITH CHECK (true);
CREATE POLICY api_keys_auditor ON audit.api_keys FOR SELECT TO audit_auditor USING (true);
CREATE POLICY api_keys_app ON audit.api_keys FOR SELECT TO audit_app
  USING (tenant_id = current_setting('app.current_tenant', true));
CREATE POLICY api_keys_reader ON audit.api_keys FOR SELECT TO audit_reader
  USING (tenant_id = ANY (ARRAY(SELECT t.tenant_id FROM audit.reader_tenants t WHERE t.role_name = session_user)));
GRANT SELECT, INSERT, UPDATE ON audit.api_keys TO audit_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit.api_keys TO audit_rebuilder;
GRANT SELECT ON audit.api_keys TO audit_auditor, audit_app, audit_reader;

-- Adds what these events say: of family api_key, neither used nor auth_failed. Those of a key stand in the order of their
-- seq, and behind all that was added before: at equal times they win.
CREATE FUNCTION audit.note_key_events(
    tenant_ids text[], key_ids text[], event_times timestamptz[], actions text[], key_hashes text[], key_prefixes text[],
    key_types text[], actor_types text[], user_ids text[], on_behalf_ofs text[], details text[], personal_details text[])
  RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, audit, pg_temp
AS $$
DECLARE
  said record;
BEGIN
  FOR said IN
    SELECT e.tenant_id, e.key_id, e.event_time, e.action, e.key_hash, e.key_prefix, e.key_type, says.*
    FROM unnest(tenant_ids, key_ids, event_times, actions, key_hashes, key_prefixes, key_types, actor_types, user_ids,
                on_behalf_ofs, details, personal_details) WITH ORDINALITY
      AS e (tenant_id, key_id, event_time, action, key_hash, key_prefix, key_type, actor_type, user_id, on_behalf_of, detail,
            personal_detail, place)
    CROSS JOIN LATERAL audit.key_statement(e.action, e.actor_type, e.user_id, e.on_behalf_of, e.detail::jsonb,
                                           e.personal_detail::jsonb) AS says
    ORDER BY e.tenant_id COLLATE "C", e.key_id COLLATE "C", e.place
  LOOP
    INSERT INTO audit.api_keys AS k (
      tenant_id, key_id, key_hash, key_hash_at, key_prefix, key_prefix_at, key_name, key_name_at, key_type, key_type_at,
      user_id, service, created_at, permissions, permissions_at, rpm_limit, rpm_limit_at, expires_given, expires_given_at,
      status, status_at, rotation_required, rotation_reason, rotation_at, grace_given, rotated_at)
    VALUES (
      said.tenant_id, said.key_id,
      said.key_hash, CASE WHEN said.key_hash IS NOT NULL THEN said.event_time END,
      said.key_prefix, CASE WHEN said.key_prefix IS NOT NULL THEN said.event_time END,
      said.key_name, CASE WHEN said.key_name IS NOT NULL THEN said.event_time END,
      said.key_type, CASE WHEN said.key_type IS NOT NULL THEN said.event_time END,
      CASE WHEN said.action = 'created' THEN said.user_id END, CASE WHEN said.action = 'created' THEN said.service END,
      CASE WHEN said.action = 'created' THEN said.event_time END,
      audit.texts_of(said.permissions), CASE WHEN said.permissions IS NOT NULL THEN said.event_time END,
      said.rpm_limit, CASE WHEN said.rpm_limit IS NOT NULL THEN said.event_time END,
      said.expires_given, CASE WHEN said.expires_given IS NOT NULL THEN said.event_time END,
      coalesce(said.status, 'active'), CASE WHEN said.status IS NOT NULL THEN said.event_time END,
      coalesce(said.rotation_required, false), CASE WHEN said.rotation_required IS NOT NULL THEN said.rotation_reason END,
      CASE WHEN said.rotation_required IS NOT NULL THEN said.event_time END,
      CASE WHEN said.action = 'rotated' THEN said.grace_given END, CASE WHEN said.action = 'rotated' THEN said.event_time END)
    ON CONFLICT (tenant_id, key_id) DO UPDATE SET
      key_hash = CASE WHEN excluded.key_hash_at >= coalesce(k.key_hash_at, '-infinity') THEN excluded.key_hash ELSE k.key_hash END,
      key_hash_at = greatest(k.key_hash_at, excluded.key_hash_at),
      key_prefix = CASE WHEN excluded.key_prefix_at >= coalesce(k.key_prefix_at, '-infinity')
                        THEN excluded.key_prefix ELSE k.key_prefix END,
      key_prefix_at = greatest(k.key_prefix_at, excluded.key_prefix_at),
      key_name = CASE WHEN excluded.key_name_at >= coalesce(k.key_name_at, '-infinity') THEN excluded.key_name ELSE k.key_name END,
      key_name_at = greatest(k.key_name_at, excluded.key_name_at),
      key_type = CASE WHEN excluded.key_type_at >= coalesce(k.key_type_at, '-infinity') THEN excluded.key_type ELSE k.key_type END,
      key_type_at = greatest(k.key_type_at, excluded.key_type_at),
      user_id = CASE WHEN excluded.created_at >= coalesce(k.created_at, '-infinity') THEN excluded.user_id ELSE k.user_id END,
      service = CASE WHEN excluded.created_at >= coalesce(k.created_at, '-infinity') THEN excluded.service ELSE k.service END,
      created_at = greatest(k.created_at, excluded.created_at),
      permissions = CASE WHEN excluded.permissions_at >= coalesce(k.permissions_at, '-infinity')
                         THEN excluded.permissions ELSE k.permissions END,
      permissions_at = greatest(k.permissions_at, excluded.permissions_at),
      rpm_limit = CASE WHEN excluded.rpm_limit_at >= coalesce(k.rpm_limit_at, '-infinity')
                       THEN excluded.rpm_limit ELSE k.rpm_limit END,
      rpm_limit_at = greatest(k.rpm_limit_at, excluded.rpm_limit_at),
      expires_given = CASE WHEN excluded.expires_given_at >= coalesce(k.expires_given_at, '-infinity')
                           THEN excluded.expires_given ELSE k.expires_given END,
      expires_given_at = greatest(k.expires_given_at, excluded.expires_given_at),
      status = CASE WHEN excluded.status_at >= coalesce(k.status_at, '-infinity') THEN excluded.status ELSE k.status END,
      status_at = greatest(k.status_at, excluded.status_at),
      rotation_required = CASE WHEN excluded.rotation_at >= coalesce(k.rotation_at, '-infinity')
                               THEN excluded.rotation_required ELSE k.rotation_required END,
      rotation_reason = CASE WHEN excluded.rotation_at >= coalesce(k.rotation_at, '-infinity')
                             THEN excluded.rotation_reason ELSE k.rotation_reason END,
      rotation_at = greatest(k.rotation_at, excluded.rotation_at),
      grace_given = CASE WHEN excluded.rotated_at >= coalesce(k.rotated_at, '-infinity')
                         THEN excluded.grace_given ELSE k.grace_given END,
      rotated_at = greatest(k.rotated_at, excluded.rotated_at);
  END LOOP;
END
$$;
REVOKE ALL ON FUNCTION audit.note_key_events(text[], text[], timestamptz[], text[], text[], text[], text[], text[], text[],
                                             text[], text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.note_key_events(text[], text[], timestamptz[], text[], text[], text[], text[], text[], text[],
                                                text[], text[], text[]) TO audit_writer;

-- The table as people read it: with the status that is right now.
CREATE VIEW audit.api_keys_current WITH (security_invoker = true) AS
SELECT
  tenant_id, key_id, key_hash, key_prefix, key_name, key_type, user_id, service, permissions, rpm_limit, created_at,
  expires_at, last_used_at, last_used_ip, usage_count,
  CASE WHEN status IN ('active', 'grace', 'disabled') AND expires_at <= now() THEN 'expired'
       WHEN status = 'grace' AND grace_period_end <= now() THEN 'expired'
       ELSE status END COLLATE "C" AS status,
  rotation_required, rotation_reason, rotated_at, grace_period_end
FROM audit.api_keys;
GRANT SELECT ON audit.api_keys_current TO audit_app, audit_reader, audit_auditor;

-- The table as the ledger alone gives it, but for the columns that are generated.
CREATE VIEW audit.api_keys_from_ledger WITH (security_invoker = true) AS
WITH event AS NOT MATERIALIZED (  -- so that a condition on tenant_id reaches the ledger
  SELECT * FROM audit.ledger WHERE family = 'api_key' AND action <> 'auth_failed' AND key_id IS NOT NULL
), statement AS (
  SELECT tenant_id, key_id, event_time, action, key_hash, key_prefix, key_type, says.*,
         row_number() OVER (PARTITION BY tenant_id, key_id ORDER BY event_time DESC, seq DESC) AS age  -- 1: the latest
  FROM event AS e
  CROSS JOIN LATERAL audit.key_statement(e.action, e.actor_type, e.user_id, e.on_behalf_of, e.detail, e.personal_detail) AS says
  WHERE action <> 'used'
), said AS (  -- what the latest event says that says something
  SELECT
    tenant_id, key_id,
    (array_agg(key_hash ORDER BY age) FILTER (WHERE key_hash IS NOT NULL))[1] AS key_hash,
    max(event_time) FILTER (WHERE key_hash IS NOT NULL) AS key_hash_at,
    (array_agg(key_prefix ORDER BY age) FILTER (WHERE key_prefix IS NOT NULL))[1] AS key_prefix,
    max(event_time) FILTER (WHERE key_prefix IS NOT NULL) AS key_prefix_at,
    (array_agg(key_name ORDER BY age) FILTER (WHERE key_name IS NOT NULL))[1] AS key_name,
    max(event_time) FILTER (WHERE key_name IS NOT NULL) AS key_name_at,
    (array_agg(key_type ORDER BY age) FILTER (WHERE key_type IS NOT NULL))[1] AS key_type,
    max(event_time) FILTER (WHERE key_type IS NOT NULL) AS key_type_at,
    (array_agg(user_id ORDER BY age) FILTER (WHERE action = 'created'))[1] AS user_id,
    (array_agg(service ORDER BY age) FILTER (WHERE action = 'created'))[1] AS service,
    max(event_time) FILTER (WHERE action = 'created') AS created_at,
    (array_agg(permissions ORDER BY age) FILTER (WHERE permissions IS NOT NULL))[1] AS permissions,
    max(event_time) FILTER (WHERE permissions IS NOT NULL) AS permissions_at,
    (array_agg(rpm_limit ORDER BY age) FILTER (WHERE rpm_limit IS NOT NULL))[1] AS rpm_limit,
    max(event_time) FILTER (WHERE rpm_limit IS NOT NULL) AS rpm_limit_at,
    (array_agg(expires_given ORDER BY age) FILTER (WHERE expires_given IS NOT NULL))[1] AS expires_given,
    max(event_time) FILTER (WHERE expires_given IS NOT NULL) AS expires_given_at,
    (array_agg(status ORDER BY age) FILTER (WHERE status IS NOT NULL))[1] AS status,
    max(event_time) FILTER (WHERE status IS NOT NULL) AS status_at,
    (array_agg(rotation_required ORDER BY age) FILTER (WHERE rotation_required IS NOT NULL))[1] AS rotation_required,
    (array_agg(rotation_reason ORDER BY age) FILTER (WHERE rotation_required IS NOT NULL))[1] AS rotation_reason,
    max(event_time) FILTER (WHERE rotation_required IS NOT NULL) AS rotation_at,
    (array_agg(grace_given ORDER BY age) FILTER (WHERE action = 'rotated'))[1] AS grace_given,
    max(event_time) FILTER (WHERE action = 'rotated') AS rotated_at
  FROM statement GROUP BY 1, 2
), used AS (  -- sorted rather than gathered in arrays: a key may have been used a hundred million times
  SELECT DISTINCT ON (tenant_id, key_id)
    tenant_id, key_id, event_time AS last_used_at, client_ip AS last_used_ip,
    count(*) OVER (PARTITION BY tenant_id, key_id) AS usage_count,
    first_value(key_hash) OVER (PARTITION BY tenant_id, key_id ORDER BY key_hash IS NULL, seq) AS key_hash,
    first_value(key_prefix) OVER (PARTITION BY tenant_id, key_id ORDER BY key_prefix IS NULL, seq) AS key_prefix,
    first_value(key_type) OVER (PARTITION BY tenant_id, key_id ORDER BY key_type IS NULL, seq) AS key_type
  FROM event WHERE action = 'used'
  ORDER BY tenant_id, key_id, event_time DESC, seq DESC
)
SELECT
  tenant_id, key_id, coalesce(said.key_hash, used.key_hash) AS key_hash,
  coalesce(said.key_prefix, used.key_prefix) AS key_prefix, key_name, coalesce(said.key_type, used.key_type) AS key_type,
  user_id, service, audit.texts_of(permissions) COLLATE "C" AS permissions, rpm_limit, created_at, expires_given,
  last_used_at, last_used_ip, coalesce(usage_count, 0) AS usage_count, coalesce(status, 'active') COLLATE "C" AS status,
  coalesce(rotation_required, false) AS rotation_required, rotation_reason, rotated_at, grace_given,
  key_hash_at, key_prefix_at, key_name_at, key_type_at, permissions_at, rpm_limit_at, expires_given_at, status_at,
  rotation_at
FROM said FULL JOIN used USING (tenant_id, key_id);
GRANT SELECT ON audit.api_keys_from_ledger TO audit_auditor, audit_rebuilder;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 6';

SET LOCAL ROLE NONE;
