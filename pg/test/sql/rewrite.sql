-- Tables that are rewritten: all rows get another xmin, by which nobody can
-- tell any more which of them need no record.  It must not become the way to
-- launder what was smuggled in.
SET client_min_messages = notice;
\pset tuples_only on
\pset format unaligned
CREATE VIEW found AS
	SELECT concat_ws(' ', kind, chain || coalesce('/' || seq, ''), '[' || source || coalesce(' ' || key, '') || ']', '- ' || detail) AS finding
	FROM tally.verify();
\set show 'SELECT finding FROM found ORDER BY finding COLLATE "C"'
CREATE VIEW rewritten AS
	SELECT regexp_replace(e.event, '"(relation":|xid":")\d+', '"\1<n>', 'g') AS event
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id JOIN tally.event e ON e.id = r.event_id
	WHERE c.name = 'tally:log' AND e.event LIKE '{"rewrite"%' ORDER BY r.seq;

\echo -- nothing that needs no record: nothing to be sealed
CREATE TABLE n (id int PRIMARY KEY, what text);
SELECT tally.attach('n');
INSERT INTO n VALUES (1, 'a'), (2, 'b');
ALTER TABLE n ADD COLUMN at timestamptz DEFAULT clock_timestamp();
INSERT INTO n VALUES (3, 'c');
:show;
SET session_replication_role = replica;
INSERT INTO n VALUES (4, 'smuggled');
RESET session_replication_role;
ALTER TABLE n ADD COLUMN at2 timestamptz DEFAULT clock_timestamp();
:show;
SELECT tally.detach('n');
DROP TABLE n;

\echo -- rows from before the attach
CREATE TABLE t (id int PRIMARY KEY, org int, what text, note int);
INSERT INTO t VALUES (-1, 0, 'before', 1), (-2, 0, 'before', 2), (-3, 0, 'before', 3);
SELECT tally.attach('t', append_only => false, exclude => '{note}');
INSERT INTO t VALUES (1, 1, 'a', 1), (2, 1, 'b', 2);
ALTER TABLE t ADD COLUMN at timestamptz DEFAULT clock_timestamp();
ALTER TABLE t ALTER note TYPE bigint;
:show;
\echo -- what does not rewrite them
ALTER TABLE t ADD COLUMN flat timestamptz DEFAULT now();
ALTER TABLE t ALTER note SET DEFAULT 7;
VACUUM FULL t;
VACUUM FREEZE t;
CLUSTER t USING t_pkey;
:show;
\echo -- sealed
BEGIN;
SET LOCAL tally.ddl = 'seal';
ALTER TABLE t ALTER note TYPE bigint;
COMMIT;
SELECT * FROM rewritten;
INSERT INTO t VALUES (3, 1, 'c', 3);
:show;
\echo -- such a row that is updated, without a change and with one, is sealed
UPDATE t SET note = 9 WHERE id = -1;
UPDATE t SET what = 'changed' WHERE id = -2;
:show;
SELECT key, seq FROM tally.log WHERE source = 't' ORDER BY chain, seq;
\echo -- again, no more than that are taken over
BEGIN;
SET LOCAL tally.ddl = 'seal';
ALTER TABLE t ALTER note TYPE int, ALTER flat TYPE text;
ALTER TABLE t ALTER note TYPE bigint;
COMMIT;
SELECT * FROM rewritten;
:show;
\echo -- smuggled in before a rewriting
SET session_replication_role = replica;
INSERT INTO t VALUES (4, 1, 'smuggled', 4);
RESET session_replication_role;
:show;
BEGIN;
SET LOCAL tally.ddl = 'seal';
ALTER TABLE t ALTER note TYPE int;
COMMIT;
SELECT * FROM rewritten;
:show;
SET session_replication_role = replica;
INSERT INTO t VALUES (5, 1, 'smuggled', 4);
RESET session_replication_role;
:show;
SET session_replication_role = replica;
DELETE FROM t WHERE id IN (4, 5);
RESET session_replication_role;
\echo -- rolled back
BEGIN;
SET LOCAL tally.ddl = 'seal';
SAVEPOINT s;
ALTER TABLE t ALTER note TYPE bigint;
ROLLBACK TO s;
INSERT INTO t VALUES (6, 1, 'd', 1);
COMMIT;
:show;
\echo -- a savepoint has an xid of its own
BEGIN;
SET LOCAL tally.ddl = 'seal';
INSERT INTO t VALUES (7, 1, 'e', 1);
SAVEPOINT s;
ALTER TABLE t ALTER note TYPE bigint;
RELEASE s;
INSERT INTO t VALUES (8, 1, 'f', 1);
COMMIT;
:show;
\echo -- behind the event triggers: such rows look smuggled in
ALTER EVENT TRIGGER tally_ddl_rewrite DISABLE;
ALTER TABLE t ALTER note TYPE int;
ALTER EVENT TRIGGER tally_ddl_rewrite ENABLE ALWAYS;
:show;
SELECT tally.detach('t');
DROP TABLE t;

\echo -- rows that an earlier only_when left out, and one of now does not
CREATE TABLE w (id int PRIMARY KEY, kind text, note int);
SELECT tally.attach('w', only_when => $$kind = 'keep'$$, exclude => '{note}');
INSERT INTO w VALUES (1, 'keep', 1), (2, 'noise', 1);
ALTER TABLE w ALTER note TYPE bigint;
SELECT tally.alter('w', only_when => '');
INSERT INTO w VALUES (3, 'noise', 1);
SELECT finding FROM found WHERE finding ~ '\[w';
ALTER TABLE w ALTER note TYPE int;
SET tally.ddl = 'seal';
ALTER TABLE w ALTER note TYPE int;
RESET tally.ddl;
SELECT event FROM rewritten WHERE event ~ '"w"';
SELECT finding FROM found WHERE finding ~ '\[w';
SELECT tally.detach('w');
DROP TABLE w;

\echo -- a partition
CREATE TABLE p (id int, at int, note int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2);
CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (2) TO (3);
INSERT INTO p VALUES (-1, 1), (-2, 2), (-3, 2);
SELECT tally.attach('p', exclude => '{note}');
INSERT INTO p VALUES (1, 1), (2, 2);
ALTER TABLE p ALTER note TYPE bigint;
SET tally.ddl = 'seal';
ALTER TABLE p ALTER note TYPE bigint;
RESET tally.ddl;
SELECT event FROM rewritten WHERE event ~ '"p"';
INSERT INTO p VALUES (3, 1), (4, 2);
SELECT finding FROM found WHERE finding ~ '\[p';
SELECT tally.retire('p2');
DROP TABLE p2;
SELECT finding FROM found WHERE finding ~ '\[p';
\echo -- a column of the event, of a table with rows from before the attach
CREATE TABLE z (id int PRIMARY KEY, v text);
INSERT INTO z VALUES (1, 'before');
SELECT tally.attach('z');
INSERT INTO z VALUES (2, 'after');
ALTER TABLE z ALTER v TYPE varchar(9);
SET tally.ddl = 'seal';
ALTER TABLE z ALTER v TYPE varchar(9);
RESET tally.ddl;
INSERT INTO z VALUES (3, 'later');
SELECT finding FROM found WHERE finding ~ '\[z';
SELECT tally.alter('z', keep_event => true), tally.alter('z', keep_event => false);

-- Rows that were sealed under another label need no record of this one.
CREATE TABLE twice (id int PRIMARY KEY, note text);
SELECT tally.attach('twice', append_only => false);
INSERT INTO twice SELECT g, 'n' FROM generate_series(1, 3) g;
SELECT tally.detach('twice');
SELECT tally.attach('twice', append_only => false, label => 'twice_2');
INSERT INTO twice VALUES (4, 'n');
ALTER TABLE twice ALTER note TYPE varchar(99);
BEGIN;
SET LOCAL tally.ddl = 'seal';
ALTER TABLE twice ALTER note TYPE varchar(99);
COMMIT;
SELECT kind, source, count(*) FROM tally.verify() WHERE source LIKE 'twice%'
GROUP BY kind, source ORDER BY 2, 1;
SET session_replication_role = replica;
INSERT INTO twice VALUES (5, 'smuggled');
RESET session_replication_role;
SELECT kind, source, key FROM tally.verify() WHERE source LIKE 'twice%' AND kind = 'unsealed';
