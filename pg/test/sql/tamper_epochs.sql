-- What somebody can do with attach and detach, and with what they leave.
SET client_min_messages = warning;
\set VERBOSITY terse

CREATE TABLE a (id bigint PRIMARY KEY, kind text, what text);
CREATE TABLE b (id int PRIMARY KEY, what text);
CREATE TABLE c (id int PRIMARY KEY, code int NOT NULL UNIQUE, what text);
INSERT INTO a VALUES (-1, 'x', 'before'), (-2, 'x', 'before');
DO $$ BEGIN
	PERFORM tally.attach('a', only_when => $w$kind = 'security'$w$);
	PERFORM tally.attach('b', append_only => false);
	PERFORM tally.attach('c');
END $$;
INSERT INTO a SELECT g, CASE WHEN g % 2 = 0 THEN 'security' ELSE 'noise' END, 'row ' || g
	FROM generate_series(1, 6) g;
INSERT INTO b SELECT g, 'row ' || g FROM generate_series(1, 6) g;
INSERT INTO c SELECT g, 10 + g, 'row ' || g FROM generate_series(1, 4) g;
CREATE VIEW found AS
	SELECT concat_ws(' ', kind, chain || coalesce('/' || seq, ''), '[' || source || coalesce(' ' || key, '') || ']', '- ' || detail) AS finding
	FROM tally.verify() WHERE kind <> 'legacy' AND detail !~ '^event trigger';
\pset tuples_only on
\pset format unaligned
\set show 'SELECT finding FROM found ORDER BY finding COLLATE "C"'
:show;

\echo -- detached: rows are compared, what is written is not covered
DO $$ BEGIN PERFORM tally.detach('b'); END $$;
:show;
INSERT INTO b VALUES (7, 'while detached');
UPDATE b SET what = 'changed while detached' WHERE id = 2;
DELETE FROM b WHERE id IN (3, 4);
:show;
SELECT verdict, findings FROM tally.verify_summary();
SELECT unnest(not_covered) FROM tally.verify_summary() OFFSET 1;

\echo -- attached again: now it shows
DO $$ BEGIN PERFORM tally.attach('b', append_only => false); END $$;
:show;
SELECT unnest(not_covered) FROM tally.verify_summary() OFFSET 1;
\echo -- put back
SET session_replication_role = replica;
DELETE FROM b WHERE id = 7;
UPDATE b SET what = 'row 2' WHERE id = 2;
INSERT INTO b VALUES (3, 'row 3'), (4, 'row 4');
RESET session_replication_role;
:show;
UPDATE b SET what = 'row 5, changed' WHERE id = 5;
DELETE FROM b WHERE id = 6;
:show;

\echo -- another only_when, for a while
DO $$ BEGIN PERFORM tally.detach('a'); PERFORM tally.attach('a', only_when => $w$kind = 'nothing'$w$); END $$;
INSERT INTO a VALUES (20, 'security', 'while nobody looked');
DO $$ BEGIN PERFORM tally.detach('a'); END $$;
INSERT INTO a VALUES (21, 'security', 'while it was detached');
DO $$ BEGIN PERFORM tally.attach('a', only_when => $w$kind = 'security'$w$); END $$;
INSERT INTO a VALUES (22, 'security', 'seen again');
:show;
SELECT r.seq, left(e.event, 10), e.event::json -> 'attach' ->> 'only_when'
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id JOIN tally.event e ON e.id = r.event_id
	WHERE c.name = 'tally:log' ORDER BY 1;
DELETE FROM a WHERE false;
SET session_replication_role = replica;
DELETE FROM a WHERE id = 21;
RESET session_replication_role;
:show;

\echo -- with another key, other columns, other label
DO $$ BEGIN PERFORM tally.detach('c'); END $$;
ALTER TABLE c DROP CONSTRAINT c_pkey, ADD PRIMARY KEY (code);
DO $$ BEGIN PERFORM tally.attach('c', columns => '{what}', label => 'see', salted => true); END $$;
INSERT INTO c VALUES (5, 15, 'row 5');
:show;
UPDATE c SET id = 50 WHERE id = 5;
:show;
SET session_replication_role = replica;
UPDATE c SET what = 'other' WHERE id = 5 OR id = 2;
INSERT INTO c VALUES (6, 16, 'smuggled');
RESET session_replication_role;
:show;
SET session_replication_role = replica;
UPDATE c SET what = 'row ' || id, id = CASE id WHEN 50 THEN 5 ELSE id END;
DELETE FROM c WHERE id = 6;
UPDATE c SET what = 'row 5' WHERE code = 15;
RESET session_replication_role;
:show;

\echo -- tally.attachment
CREATE TABLE was AS TABLE tally.attachment;
CREATE PROCEDURE edit(what text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE what;
	COMMIT;
END $$;
CALL edit($$UPDATE tally.attachment SET label = 'd' WHERE label = 'b'$$); :show;
CALL edit($$TRUNCATE tally.attachment; INSERT INTO tally.attachment SELECT * FROM was$$);
CALL edit($$UPDATE tally.attachment SET relation = 'pg_class' WHERE label = 'b'$$); :show;
CALL edit($$TRUNCATE tally.attachment; INSERT INTO tally.attachment SELECT * FROM was$$);
CALL edit($$UPDATE tally.attachment SET epoch = 4 WHERE label = 'b'$$); :show;
CALL edit($$TRUNCATE tally.attachment; INSERT INTO tally.attachment SELECT * FROM was$$);
CALL edit($$DELETE FROM tally.attachment WHERE label = 'b'$$); :show;
CALL edit($$TRUNCATE tally.attachment; INSERT INTO tally.attachment SELECT * FROM was$$);
CALL edit($$INSERT INTO tally.attachment VALUES ('pg_class', 999, 'z')$$); :show;
CALL edit($$TRUNCATE tally.attachment; INSERT INTO tally.attachment SELECT * FROM was$$);
:show;

\echo -- the attach event itself
CREATE TABLE was_event AS TABLE tally.event;
CALL edit($$UPDATE tally.event SET event = replace(event, '"append_only":false', '"append_only":true') WHERE event LIKE '{"attach%"label":"b"%'$$); :show;
CALL edit($$TRUNCATE tally.event; INSERT INTO tally.event SELECT * FROM was_event$$);
CALL edit($$DELETE FROM tally.event WHERE event LIKE '{"attach%"label":"see"%'$$); :show;
CALL edit($$TRUNCATE tally.event; INSERT INTO tally.event SELECT * FROM was_event$$);
CALL edit($$UPDATE tally.event SET event = 'no JSON' WHERE event LIKE '{"detach%"label":"b"%'$$); :show;
CALL edit($$TRUNCATE tally.event; INSERT INTO tally.event SELECT * FROM was_event$$);
:show;

\echo -- tables dropped: attached, then detached
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
DROP TABLE b;
:show;
DO $$ BEGIN PERFORM tally.detach((SELECT relation FROM tally.attachment WHERE label = 'b')); END $$;
:show;
ALTER TABLE c SET UNLOGGED;
:show;
ALTER TABLE c SET LOGGED;
CREATE TABLE heir () INHERITS (c);
INSERT INTO heir VALUES (9, 19, 'by inheritance');
:show;
