-- Schema ----------------------------------------------------------------
-- The tables of the extension, column by column, so that one verifier reads
-- both; and one more, for what a transaction has captured and not sealed.

DO $refuse$
BEGIN
	IF current_setting('server_version_num')::integer < 130000 THEN
		RAISE EXCEPTION 'PostgreSQL % is too old for tally', current_setting('server_version')
			USING ERRCODE = 'feature_not_supported',
				HINT = 'PostgreSQL 13 is the first that it works with.';
	END IF;
	IF EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'tally') THEN
		RAISE EXCEPTION 'the extension tally is installed in this database'
			USING ERRCODE = 'duplicate_object',
				DETAIL = 'It and plain SQL must never seal the same chain.',
				HINT = 'Use the extension; or print the way from it to plain SQL: tally pg sql --from-extension.';
	END IF;
	IF EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'tally') THEN
		RAISE EXCEPTION 'schema "tally" exists'
			USING ERRCODE = 'duplicate_schema',
				DETAIL = 'Whoever made it could have put anything there.',
				HINT = 'Rename or drop it.';
	END IF;
	IF current_setting('server_encoding') <> 'UTF8' THEN
		RAISE EXCEPTION 'the encoding of database "%" is %, not UTF8',
				current_database(), current_setting('server_encoding')
			USING ERRCODE = 'feature_not_supported',
				HINT = 'Sealed events are UTF-8.  Move the data to a database that was created with ENCODING ''UTF8''.';
	END IF;
	-- A prepared transaction would keep its chains locked until somebody
	-- remembers it.
	IF current_setting('max_prepared_transactions')::integer > 0 THEN
		RAISE EXCEPTION 'max_prepared_transactions is %, and has to be 0',
				current_setting('max_prepared_transactions')
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'Chains that a prepared transaction has locked would stay locked, also over a restart.',
				HINT = 'Set it to 0, or use the extension, which refuses such transactions one by one.';
	END IF;
END
$refuse$;

CREATE SCHEMA tally;

CREATE TABLE tally.chain (
	id bigint NOT NULL,
	name text COLLATE "C" NOT NULL,
	CONSTRAINT chain_id PRIMARY KEY (id),
	CONSTRAINT chain_name UNIQUE (name)
) USING heap;
CREATE SEQUENCE tally.chain_number AS bigint OWNED BY tally.chain.id;

CREATE TABLE tally.event (
	id bigint NOT NULL,
	event text NOT NULL,
	CONSTRAINT event_id PRIMARY KEY (id)
) USING heap;
CREATE SEQUENCE tally.event_number AS bigint CACHE 32 OWNED BY tally.event.id;

CREATE TABLE tally.record (
	chain_id bigint NOT NULL,
	seq bigint NOT NULL,
	"time" timestamptz NOT NULL,
	epoch bigint,
	event_id bigint,
	digest bytea NOT NULL,
	prev bytea NOT NULL,
	hash bytea NOT NULL,
	key text COLLATE "C",
	id text COLLATE "C",
	salt bytea,
	CONSTRAINT record_seq PRIMARY KEY (chain_id, seq)
) USING heap;
CREATE UNIQUE INDEX record_id ON tally.record (chain_id, id)
	WHERE id IS NOT NULL;
ALTER TABLE tally.record
	ALTER digest SET STORAGE EXTERNAL, ALTER prev SET STORAGE EXTERNAL,
	ALTER hash SET STORAGE EXTERNAL, ALTER key SET STORAGE EXTERNAL,
	ALTER id SET STORAGE EXTERNAL, ALTER salt SET STORAGE EXTERNAL;

CREATE TABLE tally.attachment (
	relation regclass NOT NULL,
	epoch bigint NOT NULL,
	label text COLLATE "C" NOT NULL,
	CONSTRAINT attachment_relation PRIMARY KEY (relation),
	CONSTRAINT attachment_label UNIQUE (label)
) USING heap;

-- Where that is: the last row counts (origin.sql).  Written by the first commit,
-- not here: a dump brings its own.
CREATE TABLE tally.origin (
	number bigint NOT NULL,
	cluster text COLLATE "C" NOT NULL,
	database oid NOT NULL,
	name text COLLATE "C" NOT NULL,
	record oid NOT NULL,
	timeline bigint NOT NULL,
	CONSTRAINT origin_number PRIMARY KEY (number)
) USING heap;

-- What transactions that are open have captured.  A table, because what a
-- rolled-back savepoint captured has to go with it.  Unlogged: no crash leaves
-- an open transaction.  Rows of others are not visible, own ones are deleted
-- when they are sealed, so to every reader it is empty.
CREATE UNLOGGED TABLE tally.pending (
	n bigint GENERATED ALWAYS AS IDENTITY,
	xid xid8 NOT NULL,
	place bigint,			-- in the order of sealing; null: n
	first boolean NOT NULL,	-- of the transaction: its trigger seals all
	lock_key bigint NOT NULL,
	chain text COLLATE "C" NOT NULL,
	digest bytea,			-- null: nothing to seal, only a step of a row
	epoch bigint,
	event_id bigint,
	key text COLLATE "C",
	id text COLLATE "C",
	salt bytea,
	came text,				-- the version of a row that came
	went text,				-- and the one that it took the place of
	only_first boolean NOT NULL DEFAULT false,
	wants_receipt boolean NOT NULL DEFAULT false
) USING heap WITH (autovacuum_vacuum_scale_factor = 0,
	autovacuum_vacuum_threshold = 10000, fillfactor = 100);
CREATE INDEX pending_xid ON tally.pending (xid, n);

-- A row as it is rendered (capture.sql).
CREATE TYPE tally.rendered AS (covered boolean, members text, key text, chain text);

-- Guards ----------------------------------------------------------------
-- A guard rail for honest hands.  Functions of ours say that it is they.

CREATE FUNCTION tally.guard() RETURNS trigger LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF current_setting('tally_plain.writing', true) = 'on' THEN
		RETURN NULL;
	END IF;
	RAISE EXCEPTION 'table "tally.%" is written by tally alone', TG_TABLE_NAME
		USING ERRCODE = 'object_not_in_prerequisite_state',
			DETAIL = 'Records are made when a transaction commits that changed an attached table or called tally.append.',
			HINT = 'A change by any other hand would be found by tally.verify().';
END
$$;

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
	ON tally.chain FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
	ON tally.event FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
	ON tally.record FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
	ON tally.attachment FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
	ON tally.origin FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
	ON tally.pending FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();

-- Off again before anybody else's code runs; an error takes it back by itself.
CREATE FUNCTION tally.writing(is_on boolean) RETURNS void LANGUAGE sql
AS $$
	SELECT pg_catalog.set_config('tally_plain.writing',
		CASE WHEN is_on THEN 'on' ELSE 'off' END, true)
$$;

