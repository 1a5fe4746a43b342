-- SPDX-License-Identifier: Apache-2.0
-- What a superuser does to tracked tables, their events and their
-- configuration, and how it is found.
SET client_min_messages = warning;
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
CREATE TABLE t (id int, v text);
CREATE TABLE u (id int, v text);
CREATE TABLE a (id int PRIMARY KEY);
SELECT tally.track('t');
SELECT tally.track('u', salted => true);
SELECT tally.attach('a');
INSERT INTO t VALUES (1, 'one');
UPDATE t SET v = 'two';
DELETE FROM t;
INSERT INTO u VALUES (1, 'one');
INSERT INTO a VALUES (1);
SELECT chain FROM tally.append('t', '{"op":"insert","rows":[{"new":{"id":"9"}}],"table":"t"}');
CREATE FUNCTION finds() RETURNS TABLE (kind text, chain text, seq bigint, source text, key text, detail text)
	LANGUAGE sql AS $$
	SELECT kind, chain, seq, source, key, regexp_replace(detail, 'event( is)? \d+', 'event\1 <n>', 'g')
	FROM tally.verify() WHERE detail !~ '^event trigger' ORDER BY 1, 2, 3, 4, 5, 6 $$;
ALTER TABLE tally.event DISABLE TRIGGER guard;
ALTER TABLE tally.record DISABLE TRIGGER guard;
ALTER TABLE tally.attachment DISABLE TRIGGER guard;
CREATE FUNCTION rid(chain text, seq bigint) RETURNS tid LANGUAGE sql AS $$
	SELECT r.ctid FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id WHERE c.name = $1 AND r.seq = $2 $$;
CREATE FUNCTION eid(chain text, seq bigint) RETURNS bigint LANGUAGE sql AS $$
	SELECT r.event_id FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id WHERE c.name = $1 AND r.seq = $2 $$;
-- The guards that are off are told each time; not here.
CREATE FUNCTION found() RETURNS TABLE (kind text, chain text, seq bigint, source text, key text, detail text)
	LANGUAGE sql AS $$ SELECT * FROM finds() WHERE detail !~ 'trigger "guard"' $$;
SELECT * FROM found();
-- Whoever may append can write what looks like it; but it names no epoch.
SELECT seq, tally.source(r.epoch) FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
WHERE c.name = 't' ORDER BY 1;

-- Each change is made, found, and taken back.
UPDATE tally.event SET event = replace(event, 'two', 'TWO') WHERE id = eid('t', 2);
SELECT * FROM found();
UPDATE tally.event SET event = replace(event, 'TWO', 'two') WHERE id = eid('t', 2);
CREATE TEMPORARY TABLE saved AS SELECT * FROM tally.event WHERE id = eid('t', 3);
DELETE FROM tally.event WHERE id = eid('t', 3);
SELECT * FROM found();
INSERT INTO tally.event SELECT * FROM saved;
SELECT * FROM found();
-- The events of two records swapped; a record that names none, or nobody's epoch.
CREATE TEMPORARY TABLE pair AS SELECT eid('t', 1) AS one, eid('t', 2) AS two;
UPDATE tally.record SET event_id = CASE event_id WHEN one THEN two ELSE one END FROM pair WHERE event_id IN (one, two);
SELECT * FROM found();
UPDATE tally.record SET event_id = CASE event_id WHEN one THEN two ELSE one END FROM pair WHERE event_id IN (one, two);
UPDATE tally.record SET event_id = NULL WHERE ctid = rid('t', 1);
SELECT * FROM found();
UPDATE tally.record SET event_id = one FROM pair WHERE record.ctid = rid('t', 1);
UPDATE tally.record SET epoch = 4711 WHERE ctid = rid('t', 1);
SELECT * FROM found();
-- The epoch of another tracked table; that of an attached one; a key.
CREATE TEMPORARY TABLE epochs AS SELECT relation::text AS name, epoch FROM tally.attachment;
UPDATE tally.record SET epoch = (SELECT epoch FROM epochs WHERE name = 'u') WHERE ctid = rid('t', 1);
SELECT * FROM found();
UPDATE tally.record SET epoch = (SELECT epoch FROM epochs WHERE name = 'a') WHERE ctid = rid('t', 1);
SELECT * FROM found();
UPDATE tally.record SET epoch = (SELECT epoch FROM epochs WHERE name = 't'), key = '1' WHERE ctid = rid('t', 1);
SELECT * FROM found();
UPDATE tally.record SET key = NULL WHERE ctid = rid('t', 1);
-- A row's record that says that it is of a tracked table.
UPDATE tally.record SET epoch = (SELECT epoch FROM epochs WHERE name = 't') WHERE ctid = rid('a', 1);
SELECT * FROM found();
UPDATE tally.record SET epoch = (SELECT epoch FROM epochs WHERE name = 'a') WHERE ctid = rid('a', 1);
-- The forged one names the epoch of the table: its form is right, and so it is
-- what tally.append sealed, at that time and place.
SELECT * FROM found();

-- The triggers: disabled, replica, dropped, another, a condition, a column.
ALTER TABLE t DISABLE TRIGGER "!tally_track_delete";
SELECT * FROM found();
SELECT state FROM tally.status WHERE subject = 'public.t';
ALTER TABLE t ENABLE REPLICA TRIGGER "!tally_track_delete";
SELECT * FROM found();
ALTER TABLE t ENABLE TRIGGER "!tally_track_delete";
DROP TRIGGER "!tally_track_truncate" ON t;
SELECT * FROM found();
SELECT state, detail FROM tally.status WHERE subject = 'public.t';
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE TRIGGER "!tally_track_truncate" AFTER TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION nothing();
SELECT * FROM found();
DROP TRIGGER "!tally_track_truncate" ON t;
CREATE TRIGGER "!tally_track_truncate" AFTER TRUNCATE ON t FOR EACH STATEMENT WHEN (false) EXECUTE FUNCTION tally.capture_statement();
SELECT * FROM found();
DROP TRIGGER "!tally_track_truncate" ON t;
CREATE TRIGGER "!tally_track_truncate" BEFORE TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION tally.capture_statement();
SELECT * FROM found();
DROP TRIGGER "!tally_track_truncate" ON t;
CREATE TRIGGER "!tally_track_truncate" AFTER TRUNCATE ON t FOR EACH STATEMENT EXECUTE FUNCTION tally.capture_statement();
DROP TRIGGER "!tally_track_update" ON t;
CREATE TRIGGER "!tally_track_update" AFTER UPDATE OF id ON t FOR EACH STATEMENT EXECUTE FUNCTION tally.capture_statement();
SELECT * FROM found();
DROP TRIGGER "!tally_track_update" ON t;
CREATE TRIGGER "!tally_track_update" AFTER UPDATE ON t REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION tally.capture_statement();
SELECT * FROM found();
DROP TRIGGER "!tally_track_update" ON t;
CREATE TRIGGER "!tally_track_update" AFTER UPDATE ON t REFERENCING OLD TABLE AS o NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION tally.capture_statement();
SELECT * FROM found();

-- The table: unlogged, a partition, a parent, columns renamed, gone.
ALTER TABLE t SET UNLOGGED;
SELECT * FROM found();
INSERT INTO t VALUES (2, 'lost');
ALTER TABLE t SET LOGGED;
CREATE TABLE p (id int, v text) PARTITION BY LIST (id);
ALTER TABLE p ATTACH PARTITION t DEFAULT;
SELECT * FROM found();
ALTER TABLE p DETACH PARTITION t;
DROP TABLE p;
CREATE TABLE child () INHERITS (t);
SELECT * FROM found();
DROP TABLE child;
ALTER TABLE t RENAME v TO w;
SELECT * FROM found();
ALTER TABLE t RENAME w TO v;
-- The configuration: its row, its label, its event.
UPDATE tally.attachment SET label = 'x' WHERE relation = 't'::regclass;
SELECT * FROM found();
INSERT INTO t VALUES (2, 'lost');
UPDATE tally.attachment SET label = 't' WHERE relation = 't'::regclass;
DELETE FROM tally.attachment WHERE relation = 't'::regclass;
SELECT * FROM found();
INSERT INTO tally.attachment SELECT 't'::regclass, epoch, 't' FROM epochs WHERE name = 't';
UPDATE tally.event SET event = replace(event, '"actor":false', '"actor":true') WHERE event LIKE '{"track"%"label":"t"%';
SELECT * FROM found();
SELECT state FROM tally.status WHERE subject <> 'public.a' AND item = 'table' ORDER BY 1;
UPDATE tally.event SET event = replace(event, '"actor":true', '"actor":false') WHERE event LIKE '{"track"%"label":"t"%';
SELECT * FROM found();
DROP TABLE t;
SELECT * FROM found();
SELECT state FROM tally.status WHERE item = 'table' AND subject = 'public.t';
CREATE TEMPORARY TABLE gone AS SELECT a.* FROM tally.attachment a JOIN epochs e USING (epoch) WHERE e.name = 't';
SELECT tally.untrack(relation) FROM gone;
SELECT * FROM found();
INSERT INTO tally.attachment SELECT * FROM gone;
SELECT * FROM found();
