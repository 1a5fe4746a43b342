-- Types that are changed under an attached table: what cannot be printed as
-- it was is unverifiable, and never taken for tampering.
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
\set VERBOSITY terse
CREATE VIEW found AS
	SELECT concat_ws(' ', kind, chain || coalesce('/' || seq, ''), '[' || source || coalesce(' ' || key, '') || ']', '- ' || detail) AS finding
	FROM tally.verify() WHERE kind <> 'legacy' AND detail !~ '^event trigger';
CREATE PROCEDURE tamper(what text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE what;
	COMMIT;
END $$;
\pset tuples_only on
\pset format unaligned
\set show 'SELECT finding FROM found ORDER BY finding COLLATE "C"'

CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN feeling AS mood;
CREATE TYPE pair AS (a int, m mood[]);
CREATE TABLE e (id int PRIMARY KEY, m feeling);
CREATE TABLE p (id int PRIMARY KEY, v pair);
DO $$ BEGIN PERFORM tally.attach('e'); PERFORM tally.attach('p'); END $$;
SELECT column_ ->> 'name', regexp_replace(column_ ->> 'shape', '[1-9][0-9]{4,}', '<oid>', 'g')
	FROM tally.event, json_array_elements(event::json -> 'attach' -> 'columns') column_
	WHERE event LIKE '{"attach%' ORDER BY id;
INSERT INTO e VALUES (1, 'sad'), (2, 'happy');
INSERT INTO p VALUES (1, (1, '{sad}'));
:show;

\echo -- values that are added change nothing
ALTER TYPE mood ADD VALUE 'angry' BEFORE 'happy';
INSERT INTO e VALUES (3, 'angry');
:show;

\echo -- a value that is renamed: nothing is sealed, and nothing accused
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
INSERT INTO e VALUES (4, 'happy');
INSERT INTO p VALUES (2, (2, '{happy}'));
:show;
SELECT subject, state, detail FROM tally.status WHERE item = 'table' ORDER BY 1;
ALTER TYPE mood RENAME VALUE 'happy' TO 'sad';
:show;
\echo -- and back
ALTER TYPE mood RENAME VALUE 'sad' TO 'happy';
ALTER TYPE mood RENAME VALUE 'blue' TO 'sad';
INSERT INTO e VALUES (4, 'happy');
:show;

\echo -- an attribute that is added, in the session that has the renderer
INSERT INTO p VALUES (2, (2, '{happy}'));
ALTER TYPE pair ADD ATTRIBUTE f float8;
INSERT INTO p VALUES (3, (3, '{sad}', 0.1));
:show;
\echo -- attached again: both, each as far as it can be
DO $$ BEGIN PERFORM tally.detach('p'); PERFORM tally.attach('p', append_only => false, keep_event => true); END $$;
INSERT INTO p VALUES (3, (3, '{sad}', 0.1));
SET extra_float_digits = -15;
INSERT INTO p VALUES (4, (4, '{sad}', 0.1));
RESET extra_float_digits;
:show;
CALL tamper($$UPDATE p SET v = (9, '{happy}', 1) WHERE id IN (1, 3)$$);
:show;
ALTER TYPE pair ALTER ATTRIBUTE f TYPE float4;
ALTER TYPE pair RENAME ATTRIBUTE f TO g;
CALL tamper($$UPDATE p SET v = (3, '{sad}', 0.1) WHERE id = 3$$);
CALL tamper($$UPDATE p SET v = (1, '{sad}', NULL) WHERE id = 1$$);
INSERT INTO p VALUES (5, (5, '{sad}', 0.1));
:show;

\echo -- kept events, another type, attached again
CREATE TABLE k (id int PRIMARY KEY, n int, what text);
DO $$ BEGIN PERFORM tally.attach('k', keep_event => true); END $$;
INSERT INTO k SELECT g, g, 'row ' || g FROM generate_series(1, 4) g;
DO $$ BEGIN PERFORM tally.detach('k'); END $$;
ALTER TABLE k ALTER n TYPE text;
DO $$ BEGIN PERFORM tally.attach('k', keep_event => true); END $$;
INSERT INTO k VALUES (5, '5', 'row 5');
SELECT finding FROM found WHERE finding ~ '\[k' ORDER BY 1;
SELECT u FROM tally.verify_summary(), unnest(not_covered) u WHERE u ~ '"k"' ORDER BY 1;
CALL tamper($$UPDATE k SET what = 'tampered' WHERE id IN (2, 5)$$);
CALL tamper($$DELETE FROM k WHERE id = 3$$);
SELECT finding FROM found WHERE finding ~ '\[k' ORDER BY 1;
