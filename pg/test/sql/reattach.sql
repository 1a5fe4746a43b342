-- Attached again in another way: what was honest is not accused, what was not
-- is found.
SET client_min_messages = warning;
\set VERBOSITY terse
CREATE VIEW found AS
	SELECT concat_ws(' ', kind, chain || coalesce('/' || seq, ''), '[' || source || coalesce(' ' || key, '') || ']', '- ' || detail) AS finding
	FROM tally.verify() WHERE kind <> 'legacy'
		AND source = ANY (string_to_array(current_setting('test.sources'), ' '));
CREATE PROCEDURE again(tbl regclass, how text DEFAULT '') LANGUAGE plpgsql AS $$
BEGIN
	IF tbl IN (SELECT relation FROM tally.attachment) THEN
		PERFORM tally.detach(tbl);
	END IF;
	EXECUTE format('SELECT tally.attach(%L%s)', tbl, how);
END $$;
-- Past every trigger.
CREATE PROCEDURE tamper(what text) LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL session_replication_role = replica;
	EXECUTE what;
	COMMIT;
END $$;
\pset tuples_only on
\pset format unaligned
\set show 'SELECT finding FROM found ORDER BY finding COLLATE "C"'

\echo -- another label, prefix and chain_by; changes are sealed from then on
SET test.sources = 'a aa';
CREATE TABLE a (id int PRIMARY KEY, org int, what text);
CALL again('a');
INSERT INTO a SELECT g, g % 2, 'row ' || g FROM generate_series(1, 6) g;
CALL again('a', $$, label => 'aa', prefix => 'other', chain_by => 'org', append_only => false$$);
UPDATE a SET what = 'changed' WHERE id = 1;
DELETE FROM a WHERE id = 2;
UPDATE a SET org = 7 WHERE id = 3;
UPDATE a SET id = 40 WHERE id = 4;
INSERT INTO a VALUES (2, 1, 'new'), (8, 1, 'new');
:show;
SELECT verdict FROM tally.verify_summary();
SELECT count(*) FROM tally.verify('a');
SELECT count(*) FROM tally.verify('other/1');
CALL tamper($$UPDATE a SET what = 'tampered' WHERE id IN (1, 3, 5)$$);
CALL tamper($$DELETE FROM a WHERE id IN (2, 6)$$);
:show;
SELECT chain, seq, kind FROM tally.verify('a') ORDER BY seq;

\echo -- append-only again: what was sealed before stays as it is
SET test.sources = 'b bb';
CREATE TABLE b (id int PRIMARY KEY, what text, note text);
CALL again('b');
INSERT INTO b SELECT g, 'row ' || g FROM generate_series(1, 4) g;
CALL again('b', $$, label => 'bb'$$);
:show;
CALL tamper($$UPDATE b SET what = 'tampered' WHERE id = 1$$);
UPDATE b SET id = id WHERE id = 1;
:show;

\echo -- fewer columns: the others may change
CALL tamper($$UPDATE b SET what = 'row 1' WHERE id = 1$$);
CALL again('b', $$, columns => '{id,what}'$$);
UPDATE b SET note = 'honest' WHERE id = 2;
:show;
CALL tamper($$UPDATE b SET what = 'tampered' WHERE id = 3$$);
:show;

\echo -- a narrower only_when: what it leaves out may change
SET test.sources = 'c';
CREATE TABLE c (id int PRIMARY KEY, kind text, what text);
CALL again('c');
INSERT INTO c SELECT g, CASE WHEN g < 4 THEN 'keep' ELSE 'noise' END, 'row ' || g FROM generate_series(1, 6) g;
CALL again('c', $q$, only_when => $$kind = 'keep'$$, append_only => false$q$);
DELETE FROM c WHERE id = 4;
UPDATE c SET what = 'changed' WHERE id = 5;
DELETE FROM c WHERE id = 1;
:show;
CALL tamper($$UPDATE c SET what = 'tampered' WHERE id = 2$$);
:show;

\echo -- another key
SET test.sources = 'd';
CREATE TABLE d (id int PRIMARY KEY, code int NOT NULL UNIQUE, what text);
CALL again('d');
INSERT INTO d SELECT g, 10 + g, 'row ' || g FROM generate_series(1, 4) g;
BEGIN;
SELECT tally.detach('d') IS NULL AS detached;
ALTER TABLE d DROP CONSTRAINT d_pkey, ADD PRIMARY KEY (code);
SELECT tally.attach('d', append_only => false) IS NULL AS attached;
COMMIT;
UPDATE d SET what = 'changed' WHERE id = 1;
UPDATE d SET id = 20 WHERE id = 2;
:show;
CALL tamper($$UPDATE d SET what = 'tampered' WHERE id = 3$$);
CALL tamper($$DELETE FROM d WHERE id = 4$$);
:show;

\echo -- a label that went to another table
SET test.sources = 'shared';
CREATE TABLE e (id int PRIMARY KEY, what text);
CREATE TABLE f (id int PRIMARY KEY, what text);
INSERT INTO f VALUES (1, 'there before');
CALL again('e', $$, label => 'shared'$$);
INSERT INTO e VALUES (1, 'sealed');
SELECT tally.detach('e') IS NULL AS detached;
INSERT INTO f VALUES (2, 'there before, too');
CALL again('f', $$, label => 'shared', prefix => 'f'$$);
INSERT INTO e VALUES (2, 'not covered');
INSERT INTO f VALUES (3, 'sealed');
:show;
CALL tamper($$UPDATE e SET what = 'changed' WHERE id = 1$$);
CALL tamper($$UPDATE f SET what = 'changed' WHERE id = 3$$);
CALL tamper($$INSERT INTO f VALUES (4, 'smuggled')$$);
:show;
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
DROP TABLE a, b, c, d, e, f CASCADE;
