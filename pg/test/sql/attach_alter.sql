-- What happens to an attached table afterwards, and what a transaction may do
-- around attach and detach.
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
CREATE VIEW sealed AS
	SELECT l.chain, l.seq, l.source, l.key, e.event
	FROM tally.log l JOIN tally.record r ON r.hash = l.hash
		LEFT JOIN tally.event e ON e.id = r.event_id
	WHERE l.chain <> 'tally:log' ORDER BY l.chain, l.seq;
CREATE VIEW log_kinds AS
	SELECT r.seq, k.key AS kind, k.value ->> 'label' AS label,
		k.value ->> 'table' AS "table"
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
		JOIN tally.event e ON e.id = r.event_id,
		json_each(e.event::json) k
	WHERE c.name = 'tally:log' ORDER BY 1;
-- Of tally.status what does not differ from run to run.
CREATE VIEW table_status AS
	SELECT subject, state, regexp_replace(regexp_replace(detail,
		' at 20.*', ' at <time>'), 'detach\(\d+', 'detach(<oid>') AS detail
	FROM tally.status WHERE item = 'table';

-- Renamed: the label and the names of columns stay ------------------------------

CREATE TABLE t (id integer PRIMARY KEY, a text, b integer);
SELECT tally.attach('t', chain_by => 'b', only_when => $$a <> 'no'$$,
	keep_event => true);
INSERT INTO t VALUES (1, 'x', 1);
ALTER TABLE t RENAME TO renamed;
CREATE SCHEMA elsewhere;
ALTER TABLE renamed SET SCHEMA elsewhere;
INSERT INTO elsewhere.renamed VALUES (2, 'x', 1);
ALTER TABLE elsewhere.renamed RENAME a TO swap;
ALTER TABLE elsewhere.renamed RENAME b TO a;
ALTER TABLE elsewhere.renamed RENAME swap TO b;
INSERT INTO elsewhere.renamed (id, b, a) VALUES (3, 'x', 1), (4, 'no', 1);
-- A new column is in no event of this epoch.
ALTER TABLE elsewhere.renamed ADD extra text DEFAULT 'new';
INSERT INTO elsewhere.renamed (id, b, a) VALUES (5, 'x', 1);
UPDATE elsewhere.renamed SET extra = 'changed' WHERE id = 5;
TABLE sealed;
TABLE table_status;
-- Two tables of one name, as long as their labels differ.
CREATE TABLE t (id integer PRIMARY KEY);
SELECT tally.attach('t');
SELECT tally.attach('t', label => 't (new)', prefix => 't');
SELECT tally.detach('elsewhere.renamed');
SELECT tally.detach('t');
DROP SCHEMA elsewhere CASCADE;
DROP TABLE t;

-- Columns that cannot be sealed as they were -------------------------------------

CREATE TABLE t (id integer PRIMARY KEY, a varchar(10), b integer);
SELECT tally.attach('t', exclude => '{b}');
INSERT INTO t VALUES (1, 'x', 1);
ALTER TABLE t ALTER b TYPE text;
INSERT INTO t VALUES (2, 'x', 'not sealed');
ALTER TABLE t ALTER a TYPE varchar(20);
INSERT INTO t VALUES (3, 'x', 1);
TABLE table_status;
ALTER TABLE t ALTER a TYPE text;
INSERT INTO t VALUES (3, 'x', 1);
ALTER TABLE t ALTER a TYPE varchar(10);
INSERT INTO t VALUES (3, 'x', 1);
ALTER TABLE t DROP a;
INSERT INTO t VALUES (4, 1);
TABLE table_status;
SELECT tally.detach('t');
SELECT tally.attach('t');
INSERT INTO t VALUES (4, 1);
SELECT source, key FROM sealed WHERE chain = 't' ORDER BY seq DESC LIMIT 1;
SELECT tally.detach('t');
DROP TABLE t;
-- A type that has another name is another type.
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE TABLE t (id integer PRIMARY KEY, m mood);
SELECT tally.attach('t');
INSERT INTO t VALUES (1, 'sad');
ALTER TYPE mood RENAME TO temper;
INSERT INTO t VALUES (2, 'sad');
ALTER TYPE temper RENAME TO mood;
INSERT INTO t VALUES (2, 'sad');
-- Rows that a crash would lose.
ALTER TABLE t SET UNLOGGED;
INSERT INTO t VALUES (3, 'sad');
TABLE table_status;
ALTER TABLE t SET LOGGED;
INSERT INTO t VALUES (3, 'sad');
SELECT tally.detach('t');
DROP TABLE t;

-- By other hands -----------------------------------------------------------------

-- Dropped while it was attached: the epoch goes on, and keeps the label.
CREATE TABLE t (id integer PRIMARY KEY);
SELECT tally.attach('t');
SELECT relation::oid AS gone FROM tally.attachment \gset
DROP TABLE t;
TABLE table_status;
CREATE TABLE t (id integer PRIMARY KEY);
DO $$
DECLARE
	hint text;
BEGIN
	PERFORM tally.attach('t');
EXCEPTION WHEN duplicate_object THEN
	GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
	RAISE NOTICE '%: %', SQLERRM, regexp_replace(hint, '\d+', '<oid>');
END
$$;
SELECT tally.detach(:gone::regclass);
SELECT * FROM log_kinds ORDER BY seq DESC LIMIT 1;
SELECT tally.attach('t');
-- Triggers that are disabled, changed, gone.
ALTER TABLE t DISABLE TRIGGER "!tally_capture";
TABLE table_status;
ALTER TABLE t ENABLE REPLICA TRIGGER "!tally_capture";
SELECT state FROM table_status;
ALTER TABLE t ENABLE ALWAYS TRIGGER "!tally_capture";
SELECT state FROM table_status;
DROP TRIGGER "!tally_truncate" ON t;
TABLE table_status;
ALTER TRIGGER "!tally_capture" ON t RENAME TO other;
INSERT INTO t VALUES (1);
SELECT source, key FROM sealed ORDER BY seq DESC LIMIT 1;
CREATE OR REPLACE TRIGGER other AFTER INSERT ON t
	FOR EACH ROW EXECUTE FUNCTION tally.capture();
TABLE table_status;
SELECT tally.detach('t');
SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass;
SELECT tally.attach('t');
DROP TRIGGER "!tally_truncate" ON t;
DROP TRIGGER "!tally_capture" ON t;
SELECT tally.detach('t');
-- A key that is none any more.
SELECT tally.attach('t');
ALTER TABLE t DROP CONSTRAINT t_pkey;
CREATE UNIQUE INDEX half ON t (id) WHERE id > 0;
TABLE table_status;
CREATE UNIQUE INDEX whole ON t (id);
SELECT state FROM table_status;
DROP INDEX whole, half;
ALTER TABLE t ADD PRIMARY KEY (id);
SELECT tally.detach('t');
-- A trigger without an attachment, as a dump restores it.
CREATE TRIGGER "!tally_capture" AFTER INSERT OR UPDATE OR DELETE ON t
	FOR EACH ROW EXECUTE FUNCTION tally.capture();
INSERT INTO t VALUES (2);
TABLE table_status;
SELECT tally.attach('t');
INSERT INTO t VALUES (2);
SELECT tgname FROM pg_trigger WHERE tgrelid = 't'::regclass ORDER BY 1;
SELECT source, key FROM sealed ORDER BY seq DESC LIMIT 1;
-- An event that was changed: nobody seals under what it says now.
ALTER TABLE tally.event DISABLE TRIGGER guard;
UPDATE tally.event SET event = replace(event, '"label":"t"', '"label":"u"')
	WHERE id = (SELECT epoch FROM tally.attachment);
\c -
DO $$
DECLARE
	detail text;
	hint text;
BEGIN
	INSERT INTO t VALUES (3);
EXCEPTION WHEN data_corrupted THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL,
		hint = PG_EXCEPTION_HINT;
	RAISE NOTICE '%: % %', SQLERRM, regexp_replace(detail, '\d+', '<id>'), hint;
END
$$;
SELECT subject, state, regexp_replace(detail, '\d+', '<id>') AS detail
	FROM table_status;
UPDATE tally.event SET event = replace(event, '"label":"u"', '"label":"t"')
	WHERE id = (SELECT epoch FROM tally.attachment);
INSERT INTO t VALUES (3);
DELETE FROM tally.event WHERE id = (SELECT epoch FROM tally.attachment);
\c -
SELECT state FROM table_status;
SELECT tally.detach('t');
ALTER TABLE tally.event ENABLE TRIGGER guard;
DROP TABLE t;

-- Within one transaction ---------------------------------------------------------

CREATE TABLE t (id integer PRIMARY KEY, a text);
BEGIN;
INSERT INTO t VALUES (101, 'before');
SELECT tally.attach('t');
INSERT INTO t VALUES (102, 'attached');
SELECT state, detail FROM table_status;
SELECT tally.detach('t');
INSERT INTO t VALUES (103, 'detached');
SELECT tally.attach('t', label => 'again', prefix => 't', columns => '{}');
INSERT INTO t VALUES (104, 'attached again');
COMMIT;
SELECT l.source, l.key, l.digest = sha256('\x02'::bytea
		|| repeat('\000', 16)::bytea || convert_to(
		CASE l.source WHEN 't' THEN '{"row":{"a":"attached","id":"102"},"table":"t"}'
			ELSE '{"row":{"id":"104"},"table":"again"}' END, 'UTF8')) AS digest
	FROM tally.log l WHERE key LIKE '10_' ORDER BY chain, seq;
SELECT kind, label FROM (SELECT * FROM log_kinds ORDER BY seq DESC LIMIT 3) k
	ORDER BY seq;
-- Rolled back, all of it.
SELECT count(*) AS records FROM tally.record \gset
BEGIN;
SELECT tally.detach('t');
INSERT INTO t VALUES (105);
ROLLBACK;
INSERT INTO t VALUES (106);
SELECT state FROM table_status;
SELECT count(*) - :records AS new FROM tally.record;
-- Rolled back, a part of it.
BEGIN;
INSERT INTO t VALUES (107);
SAVEPOINT s;
SELECT tally.detach('t');
SELECT tally.attach('t', label => 'third');
INSERT INTO t VALUES (108);
ROLLBACK TO s;
INSERT INTO t VALUES (109);
SAVEPOINT s;
SELECT tally.detach('t');
INSERT INTO t VALUES (110);
SELECT tally.attach('t', label => 'fourth');
RELEASE s;
INSERT INTO t VALUES (111);
COMMIT;
SELECT source, key FROM tally.log WHERE key IN ('107', '108', '109', '110', '111')
	ORDER BY key;
SELECT label FROM tally.attachment;
-- In the middle of a statement that writes to the table.
CREATE FUNCTION attaches() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM tally.detach('t');
	RETURN 112;
END
$$;
INSERT INTO t VALUES (attaches());
SELECT tally.detach('t');
CREATE OR REPLACE FUNCTION attaches() RETURNS integer LANGUAGE plpgsql AS $$
BEGIN
	PERFORM tally.attach('t');
	RETURN 112;
END
$$;
INSERT INTO t VALUES (attaches());
-- With a check that waits for the end of the transaction.
CREATE TABLE r (id integer PRIMARY KEY,
	t integer REFERENCES t DEFERRABLE INITIALLY DEFERRED);
BEGIN;
INSERT INTO r VALUES (1, 101);
SELECT tally.attach('r');
ROLLBACK;
BEGIN;
INSERT INTO r VALUES (1, 101);
SET CONSTRAINTS ALL IMMEDIATE;
SELECT tally.attach('r');
COMMIT;

-- What a backend remembers does not grow with what changes, beyond the
-- transaction that changes it.
CREATE TABLE m (id integer PRIMARY KEY);
SELECT tally.attach('m');
INSERT INTO m VALUES (1);
SELECT count(*) AS remembered FROM pg_backend_memory_contexts
	WHERE name = 'tally attachment' \gset
BEGIN;
DO $$
BEGIN
	FOR n IN 2 .. 21 LOOP
		EXECUTE format('ALTER TABLE m ADD c%s integer', n);
		EXECUTE format('INSERT INTO m VALUES (%s)', n);
	END LOOP;
END
$$;
SELECT count(*) - :remembered AS more FROM pg_backend_memory_contexts
	WHERE name = 'tally attachment';
COMMIT;
SELECT count(*) - :remembered AS more FROM pg_backend_memory_contexts
	WHERE name = 'tally attachment';
SELECT tally.detach('m');
DROP TABLE m, r;
SELECT tally.detach(relation) FROM tally.attachment;
SELECT tally.attach('t');
INSERT INTO t VALUES (113);
SELECT count(*) AS remembered FROM pg_backend_memory_contexts
	WHERE name = 'tally attachment';
