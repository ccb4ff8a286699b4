-- Where each chain and each Kafka partition stands, and the two guards of the one transaction.

SET LOCAL ROLE audit_owner;
DO $$ BEGIN ASSERT current_user = 'audit_owner', 'apply this file in one transaction (psql -1)'; END $$;

-- The head of each chain. base_seq and base_checksum are what the last writer found: INSERT … ON CONFLICT carries
-- them in, and compares them with seq and checksum. A batch rewrites the row once; half-empty pages keep that HOT.
CREATE TABLE audit.chain_heads (
  tenant_id text COLLATE "C" NOT NULL,
  seq bigint NOT NULL,
  checksum bytea NOT NULL,
  recorded_at timestamptz NOT NULL,
  watermark timestamptz,
  events bigint NOT NULL DEFAULT 0,       -- rows of the chain that are events
  quarantined bigint NOT NULL DEFAULT 0,  -- rows of the chain that are tombstones
  base_seq bigint NOT NULL,               -- −1: the chain began
  base_checksum bytea NOT NULL,
  CONSTRAINT chain_heads_pkey PRIMARY KEY (tenant_id),
  CONSTRAINT chain_heads_base_seq_check CHECK (base_seq >= -1 AND base_seq < seq),
  CONSTRAINT chain_heads_checksum_check CHECK (octet_length(checksum) = 64),
  CONSTRAINT chain_heads_base_checksum_check CHECK (octet_length(base_checksum) = 64)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);

ALTER TABLE audit.chain_heads ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY chain_heads_writer_select ON audit.chain_heads FOR SELECT TO audit_writer USING (true);
CREATE POLICY chain_heads_writer_insert ON audit.chain_heads FOR INSERT TO audit_writer WITH CHECK (true);
CREATE POLICY chain_heads_writer_update ON audit.chain_heads FOR UPDATE TO audit_writer USING (true) WITH CHECK (true);
CREATE POLICY chain_heads_auditor ON audit.chain_heads FOR SELECT TO audit_auditor USING (true);
GRANT SELECT, INSERT, UPDATE ON audit.chain_heads TO audit_writer;
GRANT SELECT ON audit.chain_heads TO audit_auditor;

-- Each partition: its position, its owner, and what became of every offset since first_offset. Few rows, each rewritten
-- by every batch: nearly empty pages keep that HOT, and vacuum comes by count.
CREATE TABLE audit.partitions (
  topic text COLLATE "C" NOT NULL,
  partition int NOT NULL,
  log_epoch bigint NOT NULL DEFAULT 0,
  first_offset bigint NOT NULL,
  next_offset bigint NOT NULL,
  owner_epoch bigint NOT NULL,
  owner text COLLATE "C",
  last_offset bigint,                        -- the last record whose effect is committed
  last_digest bytea,                         -- its source digest, with 32 zero bytes as the key
  witness_offset bigint,                     -- the first record that was read of this log,
  witness_time timestamptz,                  -- and when the broker appended it: NULL where no broker said
  another_log boolean NOT NULL DEFAULT false,  -- the witness told that the broker has another log now: nothing is read of it
  accepted bigint NOT NULL DEFAULT 0,
  duplicate bigint NOT NULL DEFAULT 0,
  quarantined bigint NOT NULL DEFAULT 0,
  skipped bigint NOT NULL DEFAULT 0,         -- control records, aborted transactions, compaction
  lost bigint NOT NULL DEFAULT 0,            -- accepted as lost by an operator
  log_unverified bigint NOT NULL DEFAULT 0,  -- times the log could not be told to be the same
  claimed_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT partitions_pkey PRIMARY KEY (topic, partition),
  CONSTRAINT partitions_offsets_check CHECK (first_offset >= 0 AND last_offset < next_offset),
  CONSTRAINT partitions_last_check CHECK ((last_offset IS NULL) = (last_digest IS NULL)),
  CONSTRAINT partitions_last_digest_check CHECK (octet_length(last_digest) = 16),
  CONSTRAINT partitions_witness_check CHECK ((witness_offset IS NULL) = (witness_time IS NULL)),
  CONSTRAINT partitions_counts_check
    CHECK (accepted >= 0 AND duplicate >= 0 AND quarantined >= 0 AND skipped >= 0 AND lost >= 0),
  CONSTRAINT partitions_totals_check
    CHECK (next_offset - first_offset = accepted + duplicate + quarantined + skipped + lost)
) WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000,
        autovacuum_analyze_scale_factor = 0, autovacuum_analyze_threshold = 10000);

GRANT SELECT, INSERT, UPDATE ON audit.partitions TO audit_writer;
GRANT SELECT ON audit.partitions TO audit_auditor, audit_operator;

-- The same of every log that a partition had before, as it stood when an operator moved on. What was lost of it is booked here,
-- and said by an event of family admin, action reset, in the chain of the tenant _sealstream.
CREATE TABLE audit.partition_epochs (
  topic text COLLATE "C" NOT NULL,
  partition int NOT NULL,
  log_epoch bigint NOT NULL,
  first_offset bigint NOT NULL,
  next_offset bigint NOT NULL,
  owner_epoch bigint NOT NULL,
  owner text COLLATE "C",
  last_offset bigint,
  last_digest bytea,
  accepted bigint NOT NULL DEFAULT 0,
  duplicate bigint NOT NULL DEFAULT 0,
  quarantined bigint NOT NULL DEFAULT 0,
  skipped bigint NOT NULL DEFAULT 0,
  lost bigint NOT NULL DEFAULT 0,
  log_unverified bigint NOT NULL DEFAULT 0,
  reason text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  closed_at timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT partition_epochs_pkey PRIMARY KEY (topic, partition, log_epoch),
  CONSTRAINT partition_epochs_offsets_check CHECK (first_offset >= 0 AND last_offset < next_offset),
  CONSTRAINT partition_epochs_last_check CHECK ((last_offset IS NULL) = (last_digest IS NULL)),
  CONSTRAINT partition_epochs_last_digest_check CHECK (octet_length(last_digest) = 16),
  CONSTRAINT partition_epochs_counts_check
    CHECK (accepted >= 0 AND duplicate >= 0 AND quarantined >= 0 AND skipped >= 0 AND lost >= 0),
  CONSTRAINT partition_epochs_totals_check
    CHECK (next_offset - first_offset = accepted + duplicate + quarantined + skipped + lost)
);

GRANT SELECT ON audit.partition_epochs TO audit_auditor, audit_operator;

-- Closes the log that a partition had, if the partition still stands there, with what an operator accepts as lost of it; the
-- partition goes on at `go_on_at` of the next log. Returns that log's epoch, NULL where the partition stands elsewhere. Whoever
-- holds the partition is fenced, and finds the new epoch when it looks. It runs as its owner: nobody may set a position freely.
CREATE FUNCTION audit.accept_loss(topic text, partition int, log_epoch bigint, next_offset bigint, lost bigint, go_on_at bigint,
                                  reason text, event_id text) RETURNS bigint
  LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, audit, pg_temp
AS $$
DECLARE
  closed audit.partitions;
BEGIN
  SELECT * INTO closed FROM audit.partitions AS p
  WHERE p.topic = accept_loss.topic AND p.partition = accept_loss.partition AND p.log_epoch = accept_loss.log_epoch
    AND p.next_offset = accept_loss.next_offset
  FOR UPDATE;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;

  INSERT INTO audit.partition_epochs
  VALUES (closed.topic, closed.partition, closed.log_epoch, closed.first_offset, closed.next_offset + accept_loss.lost,
          closed.owner_epoch, closed.owner, closed.last_offset, closed.last_digest, closed.accepted, closed.duplicate,
          closed.quarantined, closed.skipped, closed.lost + accept_loss.lost, closed.log_unverified, accept_loss.reason,
          accept_loss.event_id);

  UPDATE audit.partitions AS p
  SET log_epoch = p.log_epoch + 1, owner_epoch = p.owner_epoch + 1, first_offset = accept_loss.go_on_at,
      next_offset = accept_loss.go_on_at, last_offset = NULL, last_digest = NULL, witness_offset = NULL, witness_time = NULL,
      another_log = false, accepted = 0, duplicate = 0, quarantined = 0, skipped = 0, lost = 0, log_unverified = 0, updated_at = now()
  WHERE p.topic = closed.topic AND p.partition = closed.partition;
  RETURN closed.log_epoch + 1;
END
$$;
REVOKE ALL ON FUNCTION audit.accept_loss(text, int, bigint, bigint, bigint, bigint, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.accept_loss(text, int, bigint, bigint, bigint, bigint, text, text) TO audit_operator;

-- Locks these rows of audit.partitions to the end of the transaction, in the order of (topic, partition), and raises
-- SL002 unless each is there under this epoch and with this next offset. The lock must be the transaction's own: no
-- EXCEPTION block here, and the caller under no savepoint, or the row's xmax does not lead a claim to the holder.
CREATE FUNCTION audit.hold(topics text[], partitions int[], owner_epochs bigint[], next_offsets bigint[]) RETURNS void
  LANGUAGE plpgsql SET search_path = pg_catalog, audit, pg_temp
AS $$
DECLARE
  held bigint;
BEGIN
  SELECT count(*) FILTER (WHERE row_epoch = wanted_epoch AND row_offset = wanted_offset) INTO held
  FROM (SELECT p.owner_epoch AS row_epoch, w.owner_epoch AS wanted_epoch,
               p.next_offset AS row_offset, w.next_offset AS wanted_offset
        FROM unnest(topics, partitions, owner_epochs, next_offsets) AS w (topic, partition, owner_epoch, next_offset)
        JOIN audit.partitions AS p ON p.topic = w.topic AND p.partition = w.partition
        ORDER BY p.topic, p.partition
        FOR UPDATE OF p) AS locked;
  IF held IS DISTINCT FROM cardinality(topics) THEN
    RAISE EXCEPTION USING ERRCODE = 'SL002',
      MESSAGE = format('fenced: %s of %s partitions are held under the epoch and next offset given',
                       held, cardinality(topics));
  END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.hold(text[], int[], bigint[], bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.hold(text[], int[], bigint[], bigint[]) TO audit_writer;

-- Raises this SQLSTATE unless the condition is true; NULL is not. Volatile: it is never optimised away.
CREATE FUNCTION audit.expect(condition boolean, code text) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, audit, pg_temp
AS $$
BEGIN
  IF condition IS NOT TRUE THEN
    RAISE EXCEPTION USING ERRCODE = code, MESSAGE = format('not as expected: %s', code);
  END IF;
END
$$;
REVOKE ALL ON FUNCTION audit.expect(boolean, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit.expect(boolean, text) TO audit_writer;

CREATE OR REPLACE FUNCTION audit.schema_version() RETURNS int
  LANGUAGE sql STABLE SET search_path = pg_catalog, audit, pg_temp
  AS 'SELECT 3';

SET LOCAL ROLE NONE;
