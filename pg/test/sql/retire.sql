-- Partitions: they come, they are retired, they go; what goes without is
-- refused, and found if it is done nevertheless.
SET client_min_messages = notice;
\pset tuples_only on
\pset format unaligned
CREATE VIEW found AS
	SELECT concat_ws(' ', kind, chain || coalesce('/' || seq, ''), '[' || source || coalesce(' ' || key, '') || ']', '- ' || detail) AS finding
	FROM tally.verify();
\set show 'SELECT finding FROM found ORDER BY finding COLLATE "C"'
CREATE VIEW retired AS
	SELECT regexp_replace(e.event, '"relation":\d+', '"relation":<oid>') AS event
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id JOIN tally.event e ON e.id = r.event_id
	WHERE c.name = 'tally:log' AND e.event LIKE '{"retire"%' ORDER BY r.seq;
\set behind 'DO $$ DECLARE n name; BEGIN FOR n IN SELECT evtname FROM pg_event_trigger LOOP EXECUTE format(\'ALTER EVENT TRIGGER %I DISABLE\', n); END LOOP; END $$'
\set before 'DO $$ DECLARE n name; BEGIN FOR n IN SELECT evtname FROM pg_event_trigger LOOP EXECUTE format(\'ALTER EVENT TRIGGER %I ENABLE ALWAYS\', n); END LOOP; END $$'

CREATE TABLE p (id int, at int, org int, what text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (2) TO (3);
CREATE TABLE p3 PARTITION OF p FOR VALUES FROM (3) TO (4);
INSERT INTO p VALUES (-1, 1, 0, 'before'), (-2, 2, 0, 'before');
SELECT tally.attach('p', chain_by => 'org');
INSERT INTO p SELECT g, 1 + g % 3, g % 2, 'row ' || g FROM generate_series(1, 18) g;

\echo -- partitions that come
CREATE TABLE p4 PARTITION OF p FOR VALUES FROM (4) TO (5);
INSERT INTO p VALUES (19, 4, 1, 'd');
CREATE UNLOGGED TABLE p5 PARTITION OF p FOR VALUES FROM (5) TO (6);
CREATE TABLE p5 (LIKE p);
ALTER TABLE p ATTACH PARTITION p5 FOR VALUES FROM (5) TO (6);
INSERT INTO p VALUES (20, 5, 1, 'e');
CREATE TABLE p6 (LIKE p);
INSERT INTO p6 VALUES (21, 6, 1, 'f');
ALTER TABLE p ATTACH PARTITION p6 FOR VALUES FROM (6) TO (7);
CREATE TABLE p7 PARTITION OF p FOR VALUES FROM (7) TO (8) PARTITION BY LIST (at);
CREATE TABLE p71 (LIKE p);
INSERT INTO p71 VALUES (21, 7, 1, 'f');
ALTER TABLE p7 ATTACH PARTITION p71 FOR VALUES IN (7);
DELETE FROM p71;
ALTER TABLE p7 ATTACH PARTITION p71 FOR VALUES IN (7);
INSERT INTO p VALUES (22, 7, 1, 'g');
:show;

\echo -- partitions that would go
ALTER TABLE p DETACH PARTITION p1;
ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY;
DROP TABLE p1;
DROP TABLE p7;
ALTER TABLE p7 DETACH PARTITION p71;
ALTER TABLE p1 DISABLE TRIGGER ALL;
ALTER TABLE p1 SET UNLOGGED;
DROP TABLE p;
CREATE TABLE p8 PARTITION OF p FOR VALUES FROM (8) TO (9);
ALTER TABLE p DETACH PARTITION p8;
DROP TABLE p8;
SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent IN ('p'::regclass, 'p7'::regclass) AND inhrelid::regclass::text !~ 'pkey' ORDER BY 1;

\echo -- retired
SELECT tally.retire('p');
SELECT tally.retire('p6');
SELECT tally.retire(0);
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT tally.retire('p1');
ROLLBACK;
BEGIN;
INSERT INTO p VALUES (30, 2, 1, 'x');
SELECT tally.retire('p1');
ROLLBACK;
BEGIN;
SELECT tally.retire('p1');
ROLLBACK;
INSERT INTO p VALUES (23, 1, 1, 'one more');
SELECT tally.retire('p1');
SELECT * FROM retired;
SELECT tally.retire('p1');
:show;
INSERT INTO p VALUES (24, 1, 1, 'too late');
UPDATE p SET what = 'x' WHERE id = 3;
DELETE FROM p1;
TRUNCATE p1;
TRUNCATE p;
INSERT INTO p VALUES (24, 2, 1, 'elsewhere');
DROP TABLE p1;
:show;
SELECT verdict FROM tally.verify_summary();
SELECT u FROM tally.verify_summary(), unnest(not_covered) u WHERE u ~ 'retired';
\echo -- in one transaction, and what was detached
BEGIN;
SELECT tally.retire('p2');
ALTER TABLE p DETACH PARTITION p2;
COMMIT;
:show;
INSERT INTO p2 VALUES (40, 2, 1, 'too late');
\echo -- and attached again: its rows are those of before
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (2) TO (3);
:show;
ALTER TABLE p DETACH PARTITION p2 CONCURRENTLY;
DROP TABLE p2;
\echo -- a partition of partitions
SELECT tally.retire('p7');
ALTER TABLE p7 DETACH PARTITION p71;
DROP TABLE p7, p71;
:show;
SELECT * FROM retired;

\echo -- a row of a retired partition that comes again is judged like any other
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2);
INSERT INTO p VALUES (3, 1, 1, 'again');
:show;
SET session_replication_role = replica;
INSERT INTO p VALUES (6, 1, 0, 'smuggled'), (7, 1, 0, 'smuggled');
RESET session_replication_role;
:show;
SET session_replication_role = replica;
DELETE FROM p WHERE id IN (6, 7);
\echo -- behind the event triggers
:behind;
DROP TABLE p3;
:show;
:before;
RESET session_replication_role;
:show;

\echo -- updates and deletions; rows that move from one partition to another
CREATE TABLE q (id int, at int, what text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE q1 PARTITION OF q FOR VALUES FROM (1) TO (2);
CREATE TABLE q2 PARTITION OF q FOR VALUES FROM (2) TO (3);
SELECT tally.attach('q', append_only => false);
INSERT INTO q VALUES (1, 1, 'a'), (2, 1, 'b'), (3, 1, 'c'), (4, 2, 'd');
UPDATE q SET what = 'bb' WHERE id = 2;
UPDATE q SET at = 2 WHERE id = 1;
UPDATE q SET at = 1 WHERE id = 4;
DELETE FROM q WHERE id = 3;
SELECT finding FROM found WHERE finding ~ '\[q';
SELECT tally.retire('q1');
SELECT event FROM retired WHERE event ~ '"q"';
DROP TABLE q1;
UPDATE q SET what = 'aa' WHERE id = 1;
SELECT finding FROM found WHERE finding ~ '\[q';

\echo -- one partition alone that is attached
CREATE TABLE s (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE s1 PARTITION OF s FOR VALUES FROM (1) TO (2);
CREATE TABLE s2 PARTITION OF s FOR VALUES FROM (2) TO (3);
SELECT tally.attach('s1');
INSERT INTO s VALUES (1, 1), (2, 2);
SELECT tally.retire('s1');
SELECT tally.retire('s2');
ALTER TABLE s DETACH PARTITION s1;
ALTER TABLE s ATTACH PARTITION s1 FOR VALUES FROM (1) TO (2);
ALTER TABLE s RENAME at TO moment;
INSERT INTO s VALUES (3, 1);
DROP TABLE s2;
DROP TABLE s;
SELECT finding FROM found WHERE finding ~ '\[s1';

\echo -- come back without its triggers, for other rows
CREATE TABLE r (id int PRIMARY KEY, what text) PARTITION BY RANGE (id);
CREATE TABLE r1 PARTITION OF r FOR VALUES FROM (1) TO (10);
CREATE TABLE r2 PARTITION OF r FOR VALUES FROM (10) TO (20);
SELECT tally.attach('r');
INSERT INTO r VALUES (1, 'a'), (10, 'b');
SELECT tally.retire('r1');
ALTER TABLE r DETACH PARTITION r1;
DROP TRIGGER "!tally_retired" ON r1;
ALTER TABLE r ATTACH PARTITION r1 FOR VALUES FROM (1) TO (10);
TRUNCATE r1;
DROP TRIGGER "!tally_retired_truncate" ON r1;
TRUNCATE r1;
ALTER TABLE r ATTACH PARTITION r1 FOR VALUES FROM (1) TO (10);
INSERT INTO r VALUES (2, 'c');
DROP TABLE r1;
ALTER TABLE r DETACH PARTITION r1;
SELECT tally.retire('r1');
INSERT INTO r VALUES (3, 'd');
DROP TABLE r1;
SELECT finding FROM found WHERE finding ~ '\[r';

\echo -- who may
CREATE ROLE retire_nobody;
GRANT tally_admin TO retire_nobody;
SET ROLE retire_nobody;
SELECT tally.retire('p4');
RESET ROLE;
DROP ROLE retire_nobody;
CREATE TRIGGER mine BEFORE INSERT ON p4 FOR EACH ROW EXECUTE FUNCTION tally.refuse_retired();
INSERT INTO p4 VALUES (50, 4, 1, '');

\echo -- a partition is truncated as its table is
CREATE TABLE z (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE z1 PARTITION OF z FOR VALUES FROM (1) TO (2);
SELECT tally.attach('z');
CREATE TABLE z2 PARTITION OF z FOR VALUES FROM (2) TO (3);
CREATE TABLE z3 PARTITION OF z FOR VALUES FROM (3) TO (9) PARTITION BY RANGE (id);
CREATE TABLE z31 PARTITION OF z3 FOR VALUES FROM (3) TO (4);
CREATE TABLE z32 (LIKE z3 INCLUDING ALL);
ALTER TABLE z3 ATTACH PARTITION z32 FOR VALUES FROM (4) TO (5);
CREATE VIEW guarded AS SELECT t.tgrelid::regclass AS "table", t.tgname, t.tgenabled
	FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgname ~ 'truncate$'
		AND t.tgrelid::regclass::text ~ '^z' ORDER BY t.tgrelid::regclass::text;
SELECT * FROM guarded;
INSERT INTO z SELECT generate_series(1, 4);
TRUNCATE z;
TRUNCATE z1;
TRUNCATE z3;
TRUNCATE z31, z32;
ALTER TABLE z1 DISABLE TRIGGER "!tally_truncate";
DROP TRIGGER "!tally_truncate" ON z31;
SELECT finding FROM found WHERE finding ~ '\[z' ORDER BY 1;
:behind;
DROP TRIGGER "!tally_truncate" ON z1;
ALTER TABLE z2 DISABLE TRIGGER "!tally_truncate";
CREATE TABLE z9 PARTITION OF z FOR VALUES FROM (9) TO (10);
:before;
SELECT finding FROM found WHERE finding ~ '\[z' ORDER BY 1;
SELECT subject, state FROM tally.status WHERE state <> 'attached' AND item = 'table' AND subject = 'public.z';
:behind;
ALTER TABLE z2 ENABLE TRIGGER "!tally_truncate";
:before;
\echo -- one that came unseen is guarded when somebody looks
TRUNCATE z9;
ALTER TABLE z ADD CHECK (id > 0);
SELECT * FROM guarded;
TRUNCATE z9;
\echo -- empty, and gone by the same transaction
DROP TABLE z9;
BEGIN;
ALTER TABLE z DETACH PARTITION z9;
INSERT INTO z9 VALUES (9);
DROP TABLE z9;
COMMIT;
BEGIN;
SAVEPOINT a;
SELECT tally.retire('z1');
ALTER TABLE z DETACH PARTITION z1;
ROLLBACK TO a;
DROP TABLE z1;
ROLLBACK;
DROP TABLE z3;
\echo -- while others write: those that are retired
CREATE TABLE z9 PARTITION OF z FOR VALUES FROM (9) TO (10);
ALTER TABLE z DETACH PARTITION z9 CONCURRENTLY;
SELECT tally.retire('z3');
ALTER TABLE z DETACH PARTITION z3 CONCURRENTLY;
SELECT * FROM guarded;
TRUNCATE z3;
SELECT finding FROM found WHERE finding ~ '\[z' ORDER BY 1;
SELECT tally.detach('z');
SELECT * FROM guarded;
