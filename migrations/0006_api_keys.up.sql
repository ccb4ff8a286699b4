-- Every key and what its events said of it (schemas/read-models.md): a read model.
--
-- A value and the event_time of the event that said it stand side by side: an older event never turns a newer value back.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

-- How long a key of this type lives, and how long it is honoured after its rotation. NULL: for ever, never.
CREATE FUNCTION audit.key_life(key_type text) RETURNS interval
  LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, audit, pg_temp
AS $$
  SELECT CASE key_type WHEN 'system' THEN interval '8760 hours' WHEN 'user' THEN interval '2160 hours'
                       WHEN 'service' THEN interval '4320 hours' WHEN 'integration' THEN interval '720 hours'
                       WHEN 'emergency' THEN interval '24 hours' END
$$;
CREATE FUNCTION audit.key_grace(key_type text) RETURNS interval
  LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, audit, pg_temp
AS $$
  SELECT CASE key_type WHEN 'system' THEN interval '72 hours' WHEN 'service' THEN interval '48 hours'
                       WHEN 'emergency' THEN interval '0 hours' ELSE interval '24 hours' END
$$;

-- Stored, so that a plain SELECT of the table is right. Adding hours does not depend on the session's time zone.
CREATE FUNCTION audit.moment_after(moment timestamptz, span interval) RETURNS timestamptz
  LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT moment + span';
REVOKE ALL ON FUNCTION audit.key_life(text), audit.key_grace(text), audit.moment_after(timestamptz, interval) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.key_life(text), audit.key_grace(text), audit.moment_after(timestamptz, interval)
  TO audit_writer, audit_rebuilder, audit_auditor, audit_eraser;

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

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 6';

SET LOCAL ROLE NONE;
