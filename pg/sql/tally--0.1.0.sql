-- SPDX-License-Identifier: Apache-2.0
-- The extension tally; doc/postgresql.md says how to use it,
-- doc/design/postgresql.md how it works.
\echo Use "CREATE EXTENSION tally" to load this file. \quit

-- Schema ----------------------------------------------------------------
-- One that was there before may be anybody's.  Whoever owned it could put
-- functions of the same names beside ours, for others to run.

DO $schema$
BEGIN
	IF EXISTS (
		SELECT FROM pg_catalog.pg_namespace n
		WHERE n.nspname = 'tally' AND (
			NOT EXISTS (SELECT FROM pg_catalog.pg_roles r
				WHERE r.oid = n.nspowner AND r.rolsuper)
			OR EXISTS (SELECT FROM pg_catalog.aclexplode(n.nspacl) a
				WHERE a.privilege_type = 'CREATE' AND a.grantee <> n.nspowner)
			OR EXISTS (SELECT FROM pg_catalog.pg_depend d
				WHERE d.refobjid = n.oid AND d.refclassid =
						'pg_catalog.pg_namespace'::pg_catalog.regclass
					AND d.classid <>
						'pg_catalog.pg_extension'::pg_catalog.regclass)))
	THEN
		RAISE EXCEPTION 'schema "tally" exists, and is not an empty one of a superuser in which nobody else can create objects'
			USING HINT = 'Drop or rename it: CREATE EXTENSION makes its own.',
				ERRCODE = 'duplicate_schema';
	END IF;
END
$schema$;

-- Roles -----------------------------------------------------------------

DO $roles$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['tally_reader', 'tally_writer', 'tally_admin']
	LOOP
		IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = name) THEN
			EXECUTE pg_catalog.format('CREATE ROLE %I NOLOGIN', name);
		END IF;
	END LOOP;
END
$roles$;

REVOKE ALL ON SCHEMA tally FROM PUBLIC;
GRANT USAGE ON SCHEMA tally TO tally_reader, tally_writer, tally_admin;

-- Tables ----------------------------------------------------------------
-- Written by the module, below the executor, and by nobody else.

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

-- Wide columns of fixed width first: no padding between them.
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
-- Hashes do not compress; and no record is long enough to be TOASTed.
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

-- Where that is: the last row counts (doc/design/restore.md).  Written by the
-- first commit, not here: a dump brings its own.
CREATE TABLE tally.origin (
	number bigint NOT NULL,
	cluster text COLLATE "C" NOT NULL,
	database oid NOT NULL,
	name text COLLATE "C" NOT NULL,
	record oid NOT NULL,
	timeline bigint NOT NULL,
	CONSTRAINT origin_number PRIMARY KEY (number)
) USING heap;

-- Where tally.backfill goes on.  Evidence of nothing: rows that it is led to
-- leave out stay legacy.  No part of a dump: in a restored database nobody
-- knows which rows were there before the first attach.
CREATE TABLE tally.backfill (
	relation regclass NOT NULL,
	era bigint NOT NULL,
	position text[] COLLATE "C" NOT NULL,
	taken bigint NOT NULL,
	is_finished boolean NOT NULL,
	CONSTRAINT backfill_relation PRIMARY KEY (relation)
) USING heap;

-- A dump holds all the rest.
SELECT pg_catalog.pg_extension_config_dump('tally.chain', '');
SELECT pg_catalog.pg_extension_config_dump('tally.chain_number', '');
SELECT pg_catalog.pg_extension_config_dump('tally.event', '');
SELECT pg_catalog.pg_extension_config_dump('tally.event_number', '');
SELECT pg_catalog.pg_extension_config_dump('tally.record', '');
SELECT pg_catalog.pg_extension_config_dump('tally.attachment', '');
SELECT pg_catalog.pg_extension_config_dump('tally.origin', '');

-- Guards ----------------------------------------------------------------

CREATE FUNCTION tally.guard() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'tally_sql_guard';
REVOKE ALL ON FUNCTION tally.guard() FROM PUBLIC;

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
	ON tally.backfill FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();

-- What logical replication brings fires no triggers but such.
CREATE FUNCTION tally.arrival() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'tally_sql_arrival';
REVOKE ALL ON FUNCTION tally.arrival() FROM PUBLIC;

CREATE TRIGGER arrival BEFORE INSERT OR UPDATE OR DELETE
	ON tally.chain FOR EACH ROW EXECUTE FUNCTION tally.arrival();
CREATE TRIGGER arrival BEFORE INSERT OR UPDATE OR DELETE
	ON tally.event FOR EACH ROW EXECUTE FUNCTION tally.arrival();
CREATE TRIGGER arrival BEFORE INSERT OR UPDATE OR DELETE
	ON tally.record FOR EACH ROW EXECUTE FUNCTION tally.arrival();
CREATE TRIGGER arrival BEFORE INSERT OR UPDATE OR DELETE
	ON tally.attachment FOR EACH ROW EXECUTE FUNCTION tally.arrival();
CREATE TRIGGER arrival BEFORE INSERT OR UPDATE OR DELETE
	ON tally.origin FOR EACH ROW EXECUTE FUNCTION tally.arrival();
CREATE TRIGGER arrival BEFORE INSERT OR UPDATE OR DELETE
	ON tally.backfill FOR EACH ROW EXECUTE FUNCTION tally.arrival();
ALTER TABLE tally.chain ENABLE ALWAYS TRIGGER arrival;
ALTER TABLE tally.event ENABLE ALWAYS TRIGGER arrival;
ALTER TABLE tally.record ENABLE ALWAYS TRIGGER arrival;
ALTER TABLE tally.attachment ENABLE ALWAYS TRIGGER arrival;
ALTER TABLE tally.origin ENABLE ALWAYS TRIGGER arrival;
ALTER TABLE tally.backfill ENABLE ALWAYS TRIGGER arrival;

-- Capture ---------------------------------------------------------------
-- Found by tally.attach by name; nobody else may make triggers of them.

CREATE FUNCTION tally.capture() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'tally_sql_capture';
REVOKE ALL ON FUNCTION tally.capture() FROM PUBLIC;

CREATE FUNCTION tally.refuse_truncate() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'tally_sql_refuse_truncate';
REVOKE ALL ON FUNCTION tally.refuse_truncate() FROM PUBLIC;

CREATE FUNCTION tally.capture_statement() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'tally_sql_capture_statement';
REVOKE ALL ON FUNCTION tally.capture_statement() FROM PUBLIC;

-- Attach and detach -----------------------------------------------------

CREATE FUNCTION tally.attach(
	tbl regclass,
	chain_by name DEFAULT NULL,
	prefix text DEFAULT NULL,
	label text DEFAULT NULL,
	columns name[] DEFAULT NULL,
	exclude name[] DEFAULT NULL,
	only_when text DEFAULT NULL,
	salted boolean DEFAULT false,
	keep_event boolean DEFAULT false,
	append_only boolean DEFAULT true
) RETURNS void
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tally_sql_attach';

CREATE FUNCTION tally.detach(tbl regclass) RETURNS void
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tally_sql_detach';

-- Null: as it is.
CREATE FUNCTION tally.alter(
	tbl regclass,
	chain_by name DEFAULT NULL,
	prefix text DEFAULT NULL,
	label text DEFAULT NULL,
	columns name[] DEFAULT NULL,
	exclude name[] DEFAULT NULL,
	only_when text DEFAULT NULL,
	salted boolean DEFAULT NULL,
	keep_event boolean DEFAULT NULL,
	append_only boolean DEFAULT NULL,
	include name[] DEFAULT NULL
) RETURNS void
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tally_sql_alter';

REVOKE ALL ON FUNCTION tally.attach(regclass, name, text, text, name[], name[],
	text, boolean, boolean, boolean), tally.detach(regclass) FROM PUBLIC;
REVOKE ALL ON FUNCTION tally.alter(regclass, name, text, text, name[], name[],
	text, boolean, boolean, boolean, name[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.alter(regclass, name, text, text, name[], name[],
	text, boolean, boolean, boolean, name[]) TO tally_admin;
GRANT EXECUTE ON FUNCTION tally.attach(regclass, name, text, text, name[], name[],
	text, boolean, boolean, boolean), tally.detach(regclass) TO tally_admin;

-- Old rows --------------------------------------------------------------
-- Commits between batches, so it can have no SET clause.

CREATE PROCEDURE tally.backfill(
	tbl regclass,
	order_by name[] DEFAULT NULL,
	batch integer DEFAULT 500,
	rest double precision DEFAULT 5
)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'tally_sql_backfill';

REVOKE ALL ON PROCEDURE tally.backfill(regclass, name[], integer,
	double precision) FROM PUBLIC;
GRANT EXECUTE ON PROCEDURE tally.backfill(regclass, name[], integer,
	double precision) TO tally_admin;

-- Track and untrack -----------------------------------------------------

CREATE FUNCTION tally.track(
	tbl regclass,
	chain_by name DEFAULT NULL,
	prefix text DEFAULT NULL,
	label text DEFAULT NULL,
	columns name[] DEFAULT NULL,
	exclude name[] DEFAULT NULL,
	only_when text DEFAULT NULL,
	salted boolean DEFAULT false,
	actor boolean DEFAULT false
) RETURNS void
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tally_sql_track';

CREATE FUNCTION tally.untrack(tbl regclass) RETURNS void
	LANGUAGE c VOLATILE STRICT SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tally_sql_untrack';

REVOKE ALL ON FUNCTION tally.track(regclass, name, text, text, name[], name[],
	text, boolean, boolean), tally.untrack(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.track(regclass, name, text, text, name[], name[],
	text, boolean, boolean), tally.untrack(regclass) TO tally_admin;

-- Retirement: a partition goes, with its rows -------------------------------

CREATE FUNCTION tally.refuse_retired() RETURNS trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'tally_sql_refuse_retired';
REVOKE ALL ON FUNCTION tally.refuse_retired() FROM PUBLIC;

CREATE FUNCTION tally.retire(partition regclass) RETURNS bigint
	LANGUAGE c VOLATILE STRICT SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tally_sql_retire';
REVOKE ALL ON FUNCTION tally.retire(regclass) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.retire(regclass) TO tally_admin;

-- Restored: a copy of a log goes on as that log ---------------------------

CREATE FUNCTION tally.restored(note text) RETURNS json
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tally_sql_restored';
REVOKE ALL ON FUNCTION tally.restored(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.restored(text) TO tally_admin;

-- Appending -------------------------------------------------------------

CREATE FUNCTION tally.append(
	chain text, event json, id text DEFAULT NULL,
	OUT chain text, OUT digest bytea, OUT id text
) RETURNS record
	LANGUAGE c VOLATILE
	AS 'MODULE_PATHNAME', 'tally_sql_append';

CREATE PROCEDURE tally.append_now(
	chain text, event json, INOUT id text DEFAULT NULL,
	INOUT seq bigint DEFAULT NULL, INOUT hash bytea DEFAULT NULL,
	INOUT "time" timestamptz DEFAULT NULL
)
	LANGUAGE c
	AS 'MODULE_PATHNAME', 'tally_sql_append_now';

CREATE FUNCTION tally.receipt(
	chain text, id text,
	OUT seq bigint, OUT hash bytea, OUT "time" timestamptz
) RETURNS record
	LANGUAGE c VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'tally_sql_receipt';

REVOKE ALL ON FUNCTION tally.append(text, json, text),
	tally.receipt(text, text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE tally.append_now(text, json, text, bigint, bytea,
	timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.append(text, json, text),
	tally.receipt(text, text) TO tally_writer, tally_admin;
GRANT EXECUTE ON PROCEDURE tally.append_now(text, json, text, bigint, bytea,
	timestamptz) TO tally_writer, tally_admin;

-- Heads and records -----------------------------------------------------
-- Only what is durable leaves: tally.durable() flushes, and waits for the
-- standby, after the snapshot of the query that it stands in was taken.

CREATE FUNCTION tally.durable() RETURNS boolean
	LANGUAGE c STABLE PARALLEL RESTRICTED COST 100000
	AS 'MODULE_PATHNAME', 'tally_sql_durable';

CREATE FUNCTION tally.head(
	chain text,
	OUT seq bigint, OUT hash bytea, OUT "time" timestamptz
) RETURNS record
	LANGUAGE c VOLATILE STRICT
	AS 'MODULE_PATHNAME', 'tally_sql_head';

CREATE FUNCTION tally.head_list(
	OUT chain text, OUT seq bigint, OUT hash bytea, OUT "time" timestamptz
) RETURNS SETOF record
	LANGUAGE c VOLATILE
	AS 'MODULE_PATHNAME', 'tally_sql_head_list';

CREATE VIEW tally.heads AS
	SELECT chain, seq, hash, "time" FROM tally.head_list();

CREATE FUNCTION tally.source(epoch bigint) RETURNS text
	LANGUAGE c STABLE STRICT COST 100
	AS 'MODULE_PATHNAME', 'tally_sql_source';

CREATE VIEW tally.log AS
	SELECT c.name AS chain, r.seq, r."time", tally.source(r.epoch) AS source,
		r.key, r.id, r.digest, r.salt, r.prev, r.hash
	FROM tally.record r LEFT JOIN tally.chain c ON c.id = r.chain_id
	WHERE tally.durable();

CREATE FUNCTION tally.status_list(
	OUT item text, OUT subject text, OUT state text, OUT owner integer,
	OUT waiters integer[], OUT detail text
) RETURNS SETOF record
	LANGUAGE c VOLATILE
	AS 'MODULE_PATHNAME', 'tally_sql_status';

CREATE VIEW tally.status AS
	SELECT item, subject, state, owner, waiters, detail FROM tally.status_list();

REVOKE ALL ON FUNCTION tally.durable(), tally.head(text), tally.head_list(),
	tally.source(bigint), tally.status_list() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.head(text), tally.head_list()
	TO tally_reader, tally_admin;
GRANT EXECUTE ON FUNCTION tally.durable(), tally.source(bigint),
	tally.status_list() TO tally_admin;
GRANT SELECT ON tally.heads TO tally_reader, tally_admin;
GRANT SELECT ON tally.log, tally.status TO tally_admin;

-- Verifying -------------------------------------------------------------

CREATE FUNCTION tally.verify(
	chain text DEFAULT NULL, from_seq bigint DEFAULT NULL,
	to_seq bigint DEFAULT NULL,
	OUT kind text, OUT chain text, OUT seq bigint, OUT source text,
	OUT key text, OUT detail text
) RETURNS SETOF record
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tally_sql_verify';

CREATE FUNCTION tally.verify_against(
	heads json,
	OUT kind text, OUT chain text, OUT seq bigint, OUT source text,
	OUT key text, OUT detail text
) RETURNS SETOF record
	LANGUAGE c VOLATILE STRICT SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tally_sql_verify_against';

CREATE FUNCTION tally.verify_summary(
	chain text DEFAULT NULL, from_seq bigint DEFAULT NULL,
	to_seq bigint DEFAULT NULL, heads json DEFAULT NULL,
	OUT verdict text, OUT records bigint, OUT chains bigint,
	OUT findings bigint, OUT seconds double precision, OUT not_covered text[]
) RETURNS record
	LANGUAGE c VOLATILE SET search_path = pg_catalog, pg_temp
	AS 'MODULE_PATHNAME', 'tally_sql_verify_summary';

REVOKE ALL ON FUNCTION tally.verify(text, bigint, bigint),
	tally.verify_against(json),
	tally.verify_summary(text, bigint, bigint, json) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tally.verify(text, bigint, bigint),
	tally.verify_against(json),
	tally.verify_summary(text, bigint, bigint, json)
	TO tally_reader, tally_admin;

-- DDL ---------------------------------------------------------------------
-- Last, so that nothing above is seen by them.  ALWAYS: they heed no
-- session_replication_role.  The functions can be called by PostgreSQL alone.

CREATE FUNCTION tally.ddl_start() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'tally_sql_ddl_start';
CREATE FUNCTION tally.ddl_end() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'tally_sql_ddl_end';
CREATE FUNCTION tally.ddl_drop() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'tally_sql_ddl_drop';
CREATE FUNCTION tally.ddl_rewrite() RETURNS event_trigger
	LANGUAGE c AS 'MODULE_PATHNAME', 'tally_sql_ddl_rewrite';
REVOKE ALL ON FUNCTION tally.ddl_start(), tally.ddl_end(), tally.ddl_drop(),
	tally.ddl_rewrite() FROM PUBLIC;

CREATE EVENT TRIGGER tally_ddl_start ON ddl_command_start
	WHEN TAG IN ('ALTER TABLE', 'DROP INDEX', 'DROP EXTENSION', 'DROP SCHEMA',
		'DROP OWNED')
	EXECUTE FUNCTION tally.ddl_start();
CREATE EVENT TRIGGER tally_ddl_end ON ddl_command_end
	WHEN TAG IN ('ALTER TABLE', 'ALTER INDEX', 'ALTER TRIGGER',
		'CREATE TRIGGER', 'CREATE TABLE', 'CREATE FOREIGN TABLE',
		'ALTER FOREIGN TABLE', 'ALTER TYPE', 'ALTER DOMAIN', 'ALTER SCHEMA',
		'CREATE SCHEMA')
	EXECUTE FUNCTION tally.ddl_end();
CREATE EVENT TRIGGER tally_ddl_drop ON sql_drop
	EXECUTE FUNCTION tally.ddl_drop();
CREATE EVENT TRIGGER tally_ddl_rewrite ON table_rewrite
	EXECUTE FUNCTION tally.ddl_rewrite();
ALTER EVENT TRIGGER tally_ddl_start ENABLE ALWAYS;
ALTER EVENT TRIGGER tally_ddl_end ENABLE ALWAYS;
ALTER EVENT TRIGGER tally_ddl_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER tally_ddl_rewrite ENABLE ALWAYS;
