-- What the rules over the events of API keys know and what they found (schemas/read-models.md). The rules come with 0008.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

-- Late events of family api_key, and the end of the last minute in which a key was active: with the watermark it says
-- whether a window may close. Chains that are there already may have keys with open windows: none is overlooked.
ALTER TABLE audit.chain_heads
  ADD COLUMN late_events bigint NOT NULL DEFAULT 0,
  ADD COLUMN keys_active_until timestamptz DEFAULT now() + interval '25 hours';
ALTER TABLE audit.chain_heads ALTER COLUMN keys_active_until DROP DEFAULT;

CREATE TABLE audit.api_key_thresholds (
  version int NOT NULL,
  key_type text COLLATE "C" NOT NULL,
  in_force_from timestamptz NOT NULL,      -- equal for all rows of a version
  requests_per_minute bigint NOT NULL,
  baseline_minutes bigint NOT NULL,        -- that many minutes with requests make a baseline
  baseline_factor bigint NOT NULL,
  baseline_requests bigint NOT NULL,
  error_requests bigint NOT NULL,
  error_permille bigint NOT NULL,
  error_day_requests bigint NOT NULL,
  error_day_permille bigint NOT NULL,
  addresses_per_half_hour bigint NOT NULL,
  unusual_requests bigint NOT NULL,        -- 9223372036854775807: never, for this type
  unusual_weeks bigint NOT NULL,
  unusual_history_days bigint NOT NULL,
  unusual_history_requests bigint NOT NULL,
  failures bigint NOT NULL,
  spray_failures bigint NOT NULL,
  spray_principals bigint NOT NULL,
  success_failures bigint NOT NULL,
  hour_bytes bigint NOT NULL,
  hour_factor bigint NOT NULL,
  hour_baseline_hours bigint NOT NULL,
  exports bigint NOT NULL,
  resources bigint NOT NULL,
  burst_resources bigint NOT NULL,
  CONSTRAINT api_key_thresholds_pkey PRIMARY KEY (version, key_type)
);
-- Only audit_owner may change it: a new version comes by a migration, and is in force from a moment to come.
INSERT INTO audit.api_key_thresholds
SELECT 1, key_type, '-infinity', requests_per_minute, 60, 5, 60, 20, 500, 200, 250, addresses_per_half_hour,
       unusual_requests, 3, 14, 100, 10, 15, 5, 5, 104857600, 5, 24, 10, 100, 25
FROM (VALUES ('user', 300, 5, 3), ('integration', 300, 20, 9223372036854775807), ('service', 1200, 50, 9223372036854775807),
             ('system', 1200, 50, 9223372036854775807), ('other', 1200, 50, 9223372036854775807), ('emergency', 60, 5, 3))
  AS type (key_type, requests_per_minute, addresses_per_half_hour, unusual_requests);
GRANT SELECT ON audit.api_key_thresholds
  TO audit_writer, audit_rebuilder, audit_auditor, audit_operator, audit_app, audit_reader;

-- What a key did in a minute that closed. Written once, never changed.
CREATE TABLE audit.api_key_activity (
  tenant_id text COLLATE "C" NOT NULL,
  key_id text COLLATE "C" NOT NULL,
  minute timestamptz NOT NULL,
  events bigint NOT NULL,
  first_event timestamptz NOT NULL,
  requests bigint NOT NULL,
  errors bigint NOT NULL,
  response_bytes numeric NOT NULL,
  exports bigint NOT NULL,
  addresses bytea[] NOT NULL,  -- of its requests, the distinct ones: the first 16 bytes of each one's SHA-256, sorted, at most 4,096
  agents bytea[] NOT NULL,     -- likewise
  resources bytea[] NOT NULL,  -- likewise
  key_type text COLLATE "C",   -- of the latest event up to the minute's end that has one
  rpm_limit bigint,            -- likewise
  first_seq bigint NOT NULL,
  last_seq bigint NOT NULL,
  CONSTRAINT api_key_activity_pkey PRIMARY KEY (tenant_id, key_id, minute)
);
-- POSIX compares as C does, but a planner without statistics cannot take one index for the other: whoever wants the
-- minutes of all keys says so with the collation.
CREATE INDEX api_key_activity_minute_idx ON audit.api_key_activity (tenant_id COLLATE "POSIX", minute);
-- A day closes for all keys at once: only those with errors are looked at.
CREATE INDEX api_key_activity_errors_idx ON audit.api_key_activity (tenant_id COLLATE "POSIX", minute) WHERE errors > 0;

-- Since when a key's requests come from an address.
CREATE TABLE audit.api_key_seen (
  tenant_id text COLLATE "C" NOT NULL,
  key_id text COLLATE "C" NOT NULL,
  address bytea NOT NULL,  -- as api_key_activity has it
  first_minute timestamptz NOT NULL,
  CONSTRAINT api_key_seen_pkey PRIMARY KEY (tenant_id, key_id, address)
);

-- Failures of minutes that closed. And of each minute the last success of the same key, prefix, user and client, where a
-- failure of the tenant came before it in its half hour.
CREATE TABLE audit.api_key_attempts (
  tenant_id text COLLATE "C" NOT NULL,
  event_time timestamptz NOT NULL,
  seq bigint NOT NULL,
  succeeded boolean NOT NULL,
  key_id text COLLATE "C",
  key_prefix text COLLATE "C",
  user_id text COLLATE "C",  -- personal
  client_ip inet,            -- personal
  CONSTRAINT api_key_attempts_pkey PRIMARY KEY (tenant_id, event_time, seq)
);

CREATE TABLE audit.api_key_anomalies (
  anomaly_id uuid NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  anomaly_type text COLLATE "C" NOT NULL,
  severity text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  key_id text COLLATE "C",
  key_prefix text COLLATE "C",
  user_id text COLLATE "C",     -- personal
  ip_address inet,              -- personal
  window_start timestamptz NOT NULL,
  window_end timestamptz NOT NULL,
  request_count bigint NOT NULL,
  error_count bigint NOT NULL,
  error_rate bigint NOT NULL,   -- permille
  unique_ips bigint NOT NULL,
  details jsonb NOT NULL,
  judged_seq bigint NOT NULL,   -- the row that closed the window
  resolved boolean NOT NULL DEFAULT false,
  resolved_at timestamptz,
  resolved_by text COLLATE "C", -- personal
  created_at timestamptz NOT NULL,
  CONSTRAINT api_key_anomalies_pkey PRIMARY KEY (tenant_id, anomaly_id),
  CONSTRAINT api_key_anomalies_type_check CHECK (anomaly_type IN
    ('high_request_rate', 'high_error_rate', 'multiple_ips', 'unusual_time', 'brute_force', 'data_exfiltration')),
  CONSTRAINT api_key_anomalies_severity_check CHECK (severity IN ('low', 'medium', 'high', 'critical')),
  CONSTRAINT api_key_anomalies_subject_check CHECK (subject IN ('key', 'prefix', 'user', 'address')),
  CONSTRAINT api_key_anomalies_created_check CHECK (created_at = window_end)
);
CREATE INDEX api_key_anomalies_key_idx ON audit.api_key_anomalies (tenant_id, key_id, window_start);

ALTER TABLE audit.api_key_attempts
  ALTER COLUMN user_id SET STATISTICS 0, ALTER COLUMN client_ip SET STATISTICS 0;
ALTER TABLE audit.api_key_anomalies
  ALTER COLUMN user_id SET STATISTICS 0, ALTER COLUMN ip_address SET STATISTICS 0, ALTER COLUMN resolved_by SET STATISTICS 0;

ALTER TABLE audit.api_key_activity ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY api_key_activity_writer ON audit.api_key_activity TO audit_writer USING (true) WITH CHECK (true);
CREATE POLICY api_key_activity_rebuilder ON audit.api_key_activity TO audit_rebuilder USING (true) WITH CHECK (true);
CREATE POLICY api_key_activity_auditor ON audit.api_key_activity FOR SELECT TO audit_auditor USING (true);
GRANT SELECT, INSERT, UPDATE ON audit.api_key_activity TO audit_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit.api_key_activity TO audit_rebuilder;
GRANT SELECT ON audit.api_key_activity TO audit_auditor;

ALTER TABLE audit.api_key_seen ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY api_key_seen_writer ON audit.api_key_seen TO audit_writer USING (true) WITH CHECK (true);
CREATE POLICY api_key_seen_rebuilder ON audit.api_key_seen TO audit_rebuilder USING (true) WITH CHECK (true);
CREATE POLICY api_key_seen_auditor ON audit.api_key_seen FOR SELECT TO audit_auditor USING (true);
GRANT SELECT, INSERT, UPDATE ON audit.api_key_seen TO audit_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit.api_key_seen TO audit_rebuilder;
GRANT SELECT ON audit.api_key_seen TO audit_auditor;

ALTER TABLE audit.api_key_attempts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY api_key_attempts_writer ON audit.api_key_attempts TO audit_writer USING (true) WITH CHECK (true);
CREATE POLICY api_key_attempts_rebuilder ON audit.api_key_attempts TO audit_rebuilder USING (true) WITH CHECK (true);
CREATE POLICY api_key_attempts_auditor ON audit.api_key_attempts FOR SELECT TO audit_auditor USING (true);
GRANT SELECT, INSERT, UPDATE ON audit.api_key_attempts TO audit_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit.api_key_attempts TO audit_rebuilder;
GRANT SELECT ON audit.api_key_attempts TO audit_auditor;

ALTER TABLE audit.api_key_anomalies ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY api_key_anomalies_writer ON audit.api_key_anomalies TO audit_writer USING (true) WITH CHECK (true);
CREATE POLICY api_key_anomalies_rebuilder ON audit.api_key_anomalies TO audit_rebuilder USING (true) WITH CHECK (true);
CREATE POLICY api_key_anomalies_auditor ON audit.api_key_anomalies FOR SELECT TO audit_auditor USING (true);
CREATE POLICY api_key_anomalies_app ON audit.api_key_anomalies FOR SELECT TO audit_app
  USING (tenant_id = current_setting('app.current_tenant', true));
CREATE POLICY api_key_anomalies_reader ON audit.api_key_anomalies FOR SELECT TO audit_reader
  USING (tenant_id = ANY (ARRAY(SELECT t.tenant_id FROM audit.reader_tenants t WHERE t.role_name = session_user)));
CREATE POLICY api_key_anomalies_operator ON audit.api_key_anomalies FOR SELECT TO audit_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON audit.api_key_anomalies TO audit_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON audit.api_key_anomalies TO audit_rebuilder;
GRANT SELECT ON audit.api_key_anomalies TO audit_auditor, audit_app, audit_reader, audit_operator;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 7';

SET LOCAL ROLE NONE;
