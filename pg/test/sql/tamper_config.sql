-- What somebody can do to tables, triggers, functions and the configuration,
-- and what verify() calls it.
SET client_min_messages = warning;
\set VERBOSITY terse

CREATE TABLE plain (id bigint PRIMARY KEY, a text, b text);
CREATE TABLE picked (id int PRIMARY KEY, kind text);
CREATE TABLE parted (id int, org int, PRIMARY KEY (id, org)) PARTITION BY LIST (org);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES IN (2);
DO $$ BEGIN
	PERFORM tally.attach('plain');
	PERFORM tally.attach('picked', only_when => $w$kind = 'security'$w$);
	PERFORM tally.attach('parted', append_only => false);
END $$;
INSERT INTO plain SELECT g, 'a' || g, 'b' || g FROM generate_series(1, 4) g;
INSERT INTO picked VALUES (1, 'security'), (2, 'noise');
INSERT INTO parted VALUES (1, 1), (2, 2);
CREATE VIEW found AS
	SELECT concat_ws(' ', kind, chain || coalesce('/' || seq, ''), '[' || source || coalesce(' ' || key, '') || ']', '- ' || detail) AS finding
	FROM tally.verify() WHERE kind <> 'legacy' AND detail !~ '^event trigger';
\pset tuples_only on
\pset format unaligned
\set show 'SELECT finding FROM found ORDER BY finding COLLATE "C"'
:show;

\echo -- the guards of the own tables of tally
ALTER TABLE tally.record DISABLE TRIGGER guard;
ALTER TABLE tally.event ENABLE REPLICA TRIGGER guard;
:show;
ALTER TABLE tally.record ENABLE ALWAYS TRIGGER guard;
ALTER TABLE tally.event ENABLE TRIGGER guard;
:show;
BEGIN;
ALTER TABLE tally.chain RENAME TO chains;
:show;
ROLLBACK;
DROP TRIGGER guard ON tally.chain;
CREATE TRIGGER guard BEFORE INSERT ON tally.chain FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();
:show;
DROP TRIGGER guard ON tally.chain;
:show;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE
	ON tally.chain FOR EACH STATEMENT EXECUTE FUNCTION tally.guard();
CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER other AFTER INSERT ON tally.record FOR EACH ROW EXECUTE FUNCTION public.nothing();
CREATE INDEX other ON tally.event (length(event));
CREATE RULE other AS ON UPDATE TO tally.attachment DO INSTEAD NOTHING;
CREATE TABLE public.heir () INHERITS (tally.record);
:show;
DROP TRIGGER other ON tally.record;
DROP INDEX tally.other;
DROP RULE other ON tally.attachment;
DROP TABLE public.heir;
ALTER TABLE tally.event SET UNLOGGED;
:show;
ALTER TABLE tally.event SET LOGGED;
BEGIN;
ALTER TABLE tally.record DROP CONSTRAINT record_seq;
CREATE INDEX record_seq ON tally.record (chain_id, seq);
DROP INDEX tally.record_id;
CREATE UNIQUE INDEX record_id ON tally.record (chain_id, id) WHERE id > 'k';
:show;
ROLLBACK;
BEGIN;
ALTER TABLE tally.record ADD extra int;
:show;
ROLLBACK;
BEGIN;
ALTER TABLE tally.event ALTER event TYPE varchar;
:show;
ROLLBACK;

\echo -- functions
BEGIN;
CREATE OR REPLACE FUNCTION tally.capture() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE FUNCTION tally.append(chain text, event text) RETURNS void LANGUAGE sql AS 'SELECT';
:show;
ROLLBACK;
BEGIN;
CREATE OR REPLACE FUNCTION tally.guard() RETURNS trigger LANGUAGE c AS '$libdir/tally', 'tally_sql_capture';
:show;
ROLLBACK;

\echo -- triggers of attached tables
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
ALTER TABLE plain DISABLE TRIGGER "!tally_capture";
INSERT INTO plain VALUES (50, 'smuggled', 'in');
ALTER TABLE plain DISABLE TRIGGER ALL;
:show;
ALTER TABLE plain ENABLE TRIGGER ALL;
:show;
ALTER TABLE plain DISABLE TRIGGER USER;
DELETE FROM plain WHERE id = 50;
ALTER TABLE plain ENABLE TRIGGER USER;
ALTER TABLE parted_2 DISABLE TRIGGER "!tally_capture";
:show;
ALTER TABLE parted_2 ENABLE TRIGGER "!tally_capture";
ALTER TABLE plain ENABLE REPLICA TRIGGER "!tally_capture";
:show;
ALTER TABLE plain ENABLE TRIGGER "!tally_capture";
BEGIN;
DROP TRIGGER "!tally_capture" ON plain;
DROP TRIGGER "!tally_truncate" ON plain;
CREATE TRIGGER "!tally_capture" AFTER INSERT ON plain FOR EACH ROW EXECUTE FUNCTION public.nothing();
COMMIT;
:show;
DROP TRIGGER "!tally_capture" ON plain;
CREATE TRIGGER "!tally_capture" AFTER INSERT OR UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION tally.capture();
CREATE TRIGGER "!tally_truncate" BEFORE TRUNCATE ON plain FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_truncate();
:show;
DROP TRIGGER "!tally_capture" ON plain;
CREATE TRIGGER "!tally_capture" AFTER INSERT OR UPDATE OR DELETE ON plain FOR EACH ROW WHEN (false) EXECUTE FUNCTION tally.capture();
:show;
DROP TRIGGER "!tally_capture" ON plain;
CREATE TRIGGER "!tally_capture" AFTER INSERT OR UPDATE OF id OR DELETE ON plain FOR EACH ROW EXECUTE FUNCTION tally.capture();
:show;
DROP TRIGGER "!tally_capture" ON plain;
CREATE TRIGGER "!tally_capture" AFTER INSERT OR UPDATE OR DELETE ON plain FOR EACH ROW EXECUTE FUNCTION tally.capture();
:show;

\echo -- tables
ALTER TABLE plain RENAME a TO c;
ALTER TABLE plain RENAME b TO a;
ALTER TABLE plain RENAME c TO b;
:show;
ALTER TABLE plain RENAME a TO c;
ALTER TABLE plain RENAME b TO a;
ALTER TABLE plain RENAME c TO b;
ALTER TABLE plain RENAME TO other_name;
:show;
ALTER TABLE other_name RENAME TO plain;
ALTER TABLE plain ALTER a TYPE varchar(10);
:show;
ALTER TABLE plain ALTER a TYPE text;
:show;
BEGIN;
ALTER TABLE plain DROP a;
COMMIT;
:show;
SELECT verdict FROM tally.verify_summary();
