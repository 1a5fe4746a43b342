-- tally.alter: one epoch ends and the next begins, with nothing in between.
SET client_min_messages = warning;
\set VERBOSITY default
\pset tuples_only on
\pset format unaligned
CREATE VIEW found AS
	SELECT concat_ws(' ', kind, chain || coalesce('/' || seq, ''), '[' || source || coalesce(' ' || key, '') || ']', '- ' || detail) AS finding
	FROM tally.verify() WHERE kind <> 'legacy' AND detail !~ '^event trigger';
\set show 'SELECT finding FROM found ORDER BY finding COLLATE "C"'
CREATE VIEW configured AS
	SELECT r.seq, k.kind, v.value ->> 'label' AS label, v.value ->> 'prefix' AS prefix,
		(SELECT string_agg(c ->> 'name', ',') FROM json_array_elements(v.value -> 'columns') c) AS columns,
		v.value ->> 'chain_by' AS chain_by, v.value ->> 'only_when' AS only_when,
		v.value ->> 'append_only' AS append_only, v.value ->> 'keep_event' AS kept, v.value ->> 'salted' AS salted
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id JOIN tally.event e ON e.id = r.event_id,
		json_object_keys(e.event::json) AS k (kind), LATERAL (SELECT e.event::json -> k.kind) AS v (value)
	WHERE c.name = 'tally:log' AND k.kind <> 'created';

CREATE TABLE t (id int PRIMARY KEY, org int, what text, note text);
INSERT INTO t VALUES (-1, 0, 'before', '');
SELECT tally.attach('t', chain_by => 'org', exclude => '{note}');
INSERT INTO t VALUES (1, 1, 'a', ''), (2, 1, 'b', ''), (3, 2, 'c', '');
\echo -- a new column joins, one goes, one is renamed
ALTER TABLE t ADD COLUMN added text DEFAULT 'then';
INSERT INTO t VALUES (4, 1, 'd', '', 'not sealed');
SELECT tally.alter('t', include => '{added,note}');
INSERT INTO t VALUES (5, 1, 'e', '', 'sealed');
SELECT tally.alter('t', exclude => '{note}', keep_event => true);
ALTER TABLE t RENAME what TO said;
SELECT tally.alter('t', append_only => false, salted => true);
UPDATE t SET said = 'changed', org = 3 WHERE id IN (1, 5);
DELETE FROM t WHERE id = 2;
SELECT tally.alter('t', only_when => 'org < 9', chain_by => '', prefix => 'other', label => 'tt');
INSERT INTO t VALUES (6, 9, 'left out', '', ''), (7, 8, 'sealed', '', '');
SELECT tally.alter('t', only_when => '', prefix => '', columns => '{said}');
INSERT INTO t VALUES (8, 9, 'sealed', '', '');
SELECT * FROM configured ORDER BY seq;
:show;
SELECT verdict FROM tally.verify_summary();
SELECT u FROM tally.verify_summary(), unnest(not_covered) u WHERE u ~ 'detached';
SELECT subject, state, split_part(detail, ', sealed by', 1) FROM tally.status WHERE item = 'table';

\echo -- what the transaction wrote before it is sealed as it was captured
BEGIN;
INSERT INTO t VALUES (9, 1, 'before', '', '');
SELECT tally.alter('t', prefix => 'later', include => '{org}');
INSERT INTO t VALUES (10, 1, 'behind', '', '');
COMMIT;
SELECT chain, key FROM tally.log WHERE key IN ('9', '10') ORDER BY 2;
BEGIN;
SELECT tally.alter('t', prefix => 'never');
ROLLBACK;
INSERT INTO t VALUES (11, 1, 'goes on', '', '');
SELECT chain FROM tally.log WHERE key = '11';
:show;

\echo -- past the triggers
SET session_replication_role = replica;
UPDATE t SET said = 'tampered' WHERE id IN (3, 5, 7, 8);
DELETE FROM t WHERE id = 10;
INSERT INTO t VALUES (12, 1, 'smuggled', '', '');
RESET session_replication_role;
:show;

\echo -- what is refused
CREATE TABLE u (id int PRIMARY KEY, what text);
SELECT tally.alter('u', salted => true);
SELECT tally.alter(NULL);
SELECT tally.attach('u');
SELECT tally.alter('u', label => 'tt');
SELECT tally.alter('u', exclude => '{id}');
SELECT tally.alter('u', include => '{nothing}');
SELECT tally.alter('u', include => '{what}', columns => '{what}');
SELECT tally.alter('u', only_when => 'random() < 1');
CREATE ROLE alter_nobody;
SET ROLE alter_nobody;
SELECT tally.alter('u', salted => true);
RESET ROLE;
GRANT tally_admin TO alter_nobody;
SET ROLE alter_nobody;
SELECT tally.alter('u', salted => true);
RESET ROLE;
DROP ROLE alter_nobody;

\echo -- a type that changed
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
ALTER TABLE u ALTER what TYPE varchar(9);
INSERT INTO u VALUES (1, 'refused');
SELECT tally.alter('u');
INSERT INTO u VALUES (1, 'sealed');
SELECT finding FROM found WHERE finding ~ '\[u';
