-- tally.attach and tally.detach: what is sealed, what is refused and why.
\set VERBOSITY default

-- Numbers that differ from run to run, replaced in a text.
CREATE FUNCTION steady(value text) RETURNS text LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(regexp_replace(regexp_replace(value,
		'"running":\[[^]]*\],', ''),
		'"xid":"[1-9][0-9]*"', '"xid":"<xid>"'),
		'"relation":[1-9][0-9]*', '"relation":<oid>'),
		'"cluster":"' || (SELECT system_identifier FROM pg_control_system()) || '"',
		'"cluster":"<cluster>"')
$$;
CREATE VIEW log_events AS
	SELECT r.seq, e.event, r.digest
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
		JOIN tally.event e ON e.id = r.event_id
	WHERE c.name = 'tally:log';

-- What is sealed ----------------------------------------------------------

CREATE TABLE audit_logs (
	id bigint PRIMARY KEY,
	org_id integer,
	kind varchar(20) NOT NULL,
	at timestamptz NOT NULL,
	note text
);
SELECT tally.attach('audit_logs', chain_by => 'org_id');
SELECT seq, regexp_replace(event, '[0-9a-f]{32}', '<id>', 'g') AS event
	FROM log_events WHERE seq = 1;
SELECT steady(event) FROM log_events WHERE seq = 2;

-- The event names this table, and a transaction that was to come.
SELECT (event::json -> 'attach' ->> 'relation')::oid = 'audit_logs'::regclass
		AS relation,
	(event::json -> 'attach' ->> 'xid')::bigint
		<= (SELECT xmin::text::bigint FROM tally.attachment) AS xid,
	digest = sha256('\x02'::bytea || repeat('\000', 16)::bytea
		|| convert_to(event, 'UTF8')) AS digest
	FROM log_events WHERE seq = 2;
SELECT a.relation, a.label, steady(e.event) = (SELECT steady(event)
		FROM log_events WHERE seq = 2) AS is_epoch
	FROM tally.attachment a JOIN tally.event e ON e.id = a.epoch;
SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger
	WHERE tgrelid = 'audit_logs'::regclass ORDER BY 1;

INSERT INTO audit_logs VALUES (1, 42, 'login', '2026-11-21 01:26:18Z', NULL),
	(2, NULL, 'login', '2026-11-21 01:26:18Z', NULL);
SELECT chain, seq, source, key FROM tally.log WHERE chain <> 'tally:log';
DELETE FROM audit_logs;
TRUNCATE audit_logs;

SELECT tally.detach('audit_logs');
SELECT steady(event) FROM log_events ORDER BY seq DESC LIMIT 1;
SELECT count(*) FROM tally.attachment;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'audit_logs'::regclass;
DELETE FROM audit_logs WHERE id = 2;

-- Every argument.
SELECT tally.attach('audit_logs', chain_by => 'kind', prefix => 'security',
	label => 'logs of "audit"', columns => '{at,at}',
	only_when => $$kind <> 'noise'$$, salted => true, keep_event => true,
	append_only => false);
SELECT steady(event) FROM log_events ORDER BY seq DESC LIMIT 1;
INSERT INTO audit_logs VALUES (3, 1, 'login', '2026-11-21 01:26:18Z', 'x'),
	(4, 1, 'noise', '2026-11-21 01:26:18Z', 'x');
SELECT l.chain, l.source, l.key, length(l.salt) AS salt, e.event
	FROM tally.log l JOIN tally.record r ON r.hash = l.hash
		JOIN tally.event e ON e.id = r.event_id
	WHERE l.source IS NOT NULL;
SELECT tally.detach('audit_logs');

-- Arguments that are refused -----------------------------------------------

SELECT tally.attach(NULL);
SELECT tally.attach(1::regclass);
SELECT tally.attach('audit_logs', salted => NULL);
SELECT tally.attach('audit_logs', keep_event => NULL);
SELECT tally.attach('audit_logs', append_only => NULL);
SELECT tally.attach('audit_logs', columns => '{id}', exclude => '{kind}');
SELECT tally.attach('audit_logs', columns => '{id,NULL}');
SELECT tally.attach('audit_logs', exclude => '{NULL}');
SELECT tally.attach('audit_logs', chain_by => 'nothing');
SELECT tally.attach('audit_logs', columns => '{nothing}');
SELECT tally.attach('audit_logs', exclude => '{nothing}');
SELECT tally.attach('audit_logs', columns => '{xmin}');
SELECT tally.attach('audit_logs', chain_by => 'tableoid');
SELECT tally.attach('audit_logs', exclude => '{note,id}');
SELECT tally.attach('audit_logs', chain_by => 'kind', exclude => '{kind}');
SELECT tally.attach('audit_logs', only_when => 'nothing = 1');
SELECT tally.attach('audit_logs', only_when => 'id');
SELECT tally.attach('audit_logs', label => '');
SELECT tally.attach('audit_logs', label => repeat('x', 191));
SELECT tally.attach('audit_logs', label => E'a\nb');
SELECT tally.attach('audit_logs', prefix => '');
SELECT tally.attach('audit_logs', prefix => repeat('x', 191));
SELECT tally.attach('audit_logs', prefix => E'a\u0085b');
SELECT tally.attach('audit_logs', prefix => 'a/b');
SELECT tally.attach('audit_logs', prefix => 'a#b');
SELECT tally.attach('audit_logs', prefix => 'tally:log');
SELECT tally.attach('audit_logs', label => 'a/b');
SELECT count(*) FROM tally.attachment;

-- At the limits.
BEGIN;
SELECT tally.attach('audit_logs', label => repeat('x', 190));
SELECT tally.detach('audit_logs');
SELECT tally.attach('audit_logs', label => 'tally:/#', prefix => 'p');
SELECT tally.detach('audit_logs');
SELECT tally.attach('audit_logs', columns => '{}');
SELECT event::json -> 'attach' -> 'columns' AS columns
	FROM tally.event ORDER BY id DESC LIMIT 1;
ROLLBACK;

-- Tables that are refused --------------------------------------------------

CREATE TEMPORARY TABLE temporary (id integer PRIMARY KEY);
DO $$
DECLARE
	detail text;
BEGIN
	PERFORM tally.attach('temporary');
EXCEPTION WHEN wrong_object_type THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RAISE NOTICE '%: %', regexp_replace(SQLERRM, '\d+', 'N'), detail;
END
$$;
CREATE UNLOGGED TABLE unlogged (id integer PRIMARY KEY);
SELECT tally.attach('unlogged');
CREATE VIEW a_view AS SELECT 1 AS id;
SELECT tally.attach('a_view');
CREATE MATERIALIZED VIEW a_matview AS SELECT 1 AS id;
SELECT tally.attach('a_matview');
CREATE SEQUENCE a_sequence;
SELECT tally.attach('a_sequence');
SELECT tally.attach('audit_logs_pkey');
CREATE TYPE a_composite AS (id integer);
SELECT tally.attach('a_composite');
CREATE FOREIGN DATA WRAPPER nowhere;
CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
CREATE FOREIGN TABLE elsewhere (id integer) SERVER nowhere;
SELECT tally.attach('elsewhere');
SELECT tally.attach('pg_class');
SELECT tally.attach('tally.record');
SELECT tally.attach('tally.attachment');
CREATE ACCESS METHOD pile TYPE TABLE HANDLER heap_tableam_handler;
CREATE TABLE piled (id integer PRIMARY KEY) USING pile;
SELECT tally.attach('piled');

CREATE TABLE parent (id integer PRIMARY KEY);
CREATE TABLE child (PRIMARY KEY (id)) INHERITS (parent);
SELECT tally.attach('parent');
SELECT tally.attach('child');
DROP TABLE child;
SELECT tally.attach('parent');

CREATE TABLE no_key (id integer NOT NULL, other integer UNIQUE);
SELECT tally.attach('no_key');
CREATE UNIQUE INDEX no_key_id ON no_key (id);
SELECT tally.attach('no_key');
ALTER TABLE no_key REPLICA IDENTITY FULL;
SELECT tally.attach('no_key');
ALTER TABLE no_key REPLICA IDENTITY USING INDEX no_key_id;
SELECT tally.attach('no_key');
SELECT event::json -> 'attach' -> 'key' AS key
	FROM log_events ORDER BY seq DESC LIMIT 1;

CREATE TABLE later_key (id integer PRIMARY KEY DEFERRABLE INITIALLY DEFERRED);
SELECT tally.attach('later_key');

CREATE TABLE hard (
	id integer PRIMARY KEY,
	"class" regclass,
	acl aclitem,
	plain text,
	"a ""b'" regproc[]
);
SELECT tally.attach('hard');
SELECT tally.attach('hard', exclude => '{plain}');
SELECT tally.attach('hard', columns => '{class}');
SELECT tally.attach('hard', chain_by => 'class');
SELECT tally.attach('hard', exclude => E'{acl,class,"a \\"b''"}');
CREATE TABLE hard_key (id regclass PRIMARY KEY);
SELECT tally.attach('hard_key');

-- Attached already -----------------------------------------------------------

SELECT tally.attach('hard');
CREATE TABLE second (id integer PRIMARY KEY);
SELECT tally.attach('second', label => 'hard');
SELECT tally.attach('second', prefix => 'hard');
SELECT tally.detach('audit_logs');
SELECT tally.detach(NULL);
SELECT tally.detach(1::regclass);
SELECT tally.detach('a_view');

-- Whose table ----------------------------------------------------------------

CREATE ROLE regress_tally_owner;
CREATE ROLE regress_tally_other;
GRANT CREATE ON SCHEMA public TO regress_tally_owner;
SET ROLE regress_tally_owner;
CREATE TABLE owned (id integer PRIMARY KEY);
-- The grant is needed,
SELECT tally.attach('owned');
RESET ROLE;
GRANT tally_admin TO regress_tally_owner, regress_tally_other;
-- and the table.
SET ROLE regress_tally_other;
SELECT tally.attach('owned');
SET ROLE regress_tally_owner;
-- Not needed is the right to make triggers of our functions.
CREATE TRIGGER mine AFTER INSERT ON owned
	FOR EACH ROW EXECUTE FUNCTION tally.capture();
REVOKE TRIGGER ON owned FROM regress_tally_owner;
SELECT tally.attach('owned');
SELECT current_user;
INSERT INTO owned VALUES (1);
SET ROLE regress_tally_other;
SELECT tally.detach('owned');
SET ROLE regress_tally_owner;
SELECT tally.detach('owned');
-- An error in the middle gives the caller no rights.
CREATE FUNCTION mine() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
GRANT TRIGGER ON owned TO regress_tally_owner;
CREATE TRIGGER "!tally_capture" AFTER INSERT ON owned
	FOR EACH ROW EXECUTE FUNCTION mine();
BEGIN;
SAVEPOINT s;
SELECT tally.attach('owned');
ROLLBACK TO s;
SELECT current_user;
SELECT count(*) FROM tally.record;
ROLLBACK;
RESET ROLE;

-- What programs can tell apart -------------------------------------------------

CREATE FUNCTION state_of(command text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE command;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE;
END
$$;
SELECT state_of(command), command FROM unnest(ARRAY[
	$$SELECT tally.attach(1::regclass)$$,
	$$SELECT tally.attach(NULL)$$,
	$$SELECT tally.attach('unlogged')$$,
	$$SELECT tally.attach('no_key')$$,
	$$SELECT tally.attach('later_key')$$,
	$$SELECT tally.attach('hard_key')$$,
	$$SELECT tally.attach('owned', label => 'hard')$$,
	$$SELECT tally.attach('owned', label => '')$$,
	$$SELECT tally.attach('owned', columns => '{ctid}')$$,
	$$SELECT tally.attach('owned', columns => '{nothing}')$$,
	$$SELECT tally.attach('owned', exclude => '{id}')$$,
	$$SELECT tally.attach('owned', columns => '{}', exclude => '{}')$$,
	$$SELECT tally.detach('owned')$$,
	$$SELECT tally.detach(NULL)$$]) AS command;

-- Where nothing can be written, or not in UTF-8 --------------------------------

BEGIN READ ONLY;
SELECT tally.attach('audit_logs');
ROLLBACK;
BEGIN READ ONLY;
SELECT tally.detach('hard');
ROLLBACK;

SELECT current_database() AS here \gset
CREATE DATABASE regress_tally_latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C';
\c regress_tally_latin1
CREATE EXTENSION tally;
CREATE TABLE t (id integer PRIMARY KEY);
SELECT tally.attach('t');
\c :"here"
DROP DATABASE regress_tally_latin1;

-- The extension is needed as long as there are attached tables.
\set VERBOSITY terse
DROP EXTENSION tally;
\set VERBOSITY default
DROP OWNED BY regress_tally_owner;
DROP ROLE regress_tally_owner, regress_tally_other;
