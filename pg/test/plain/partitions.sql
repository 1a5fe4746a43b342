-- SPDX-License-Identifier: Apache-2.0
-- Partitions, columns that are renamed, and names that nobody should give.  Run
-- in both kinds of databases, as epochs.sql is.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\set verify 'SELECT concat_ws(\' \', kind, chain, seq, source, key, \'"\' || detail || \'"\') FROM tally.verify() ORDER BY 1;'
CREATE TABLE p (id int, org int, at date, v text, PRIMARY KEY (id, org, at)) PARTITION BY LIST (org);
CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1) PARTITION BY RANGE (at);
CREATE TABLE p1a PARTITION OF p1 FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE p1b (v text, at date NOT NULL, gone int, org int NOT NULL, id int NOT NULL);
ALTER TABLE p1b DROP gone;
ALTER TABLE p1 ATTACH PARTITION p1b FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2);
INSERT INTO p VALUES (0, 1, '2026-01-05', 'before');
SELECT tally.attach('p', chain_by => 'org', append_only => false);
SELECT tally.attach('p1');
SELECT tally.detach('p1a');
SELECT tally.alter('p1b', salted => true);
INSERT INTO p SELECT g, g % 2 + 1, '2026-01-15'::date + g, 'v' || g FROM generate_series(1, 20) g;
INSERT INTO p1b (id, org, at, v) VALUES (30, 1, '2026-02-10', 'direct');
UPDATE p SET at = '2026-02-02' WHERE id = 2;
UPDATE p SET org = 3 - org WHERE id IN (3, 4, 30);
DELETE FROM p1a WHERE id = 6;
:verify
\echo another partition
CREATE TABLE p3 PARTITION OF p FOR VALUES IN (3);
INSERT INTO p VALUES (40, 3, '2026-05-05', 'new');
SELECT tally.alter('p', chain_by => '');
INSERT INTO p VALUES (41, 3, '2026-05-05', 'new'), (42, 1, '2026-02-05', 'new');
UPDATE p SET v = 'changed' WHERE id IN (1, 2, 40);
:verify
TRUNCATE p;
\set VERBOSITY terse
TRUNCATE p1;
TRUNCATE p1a;
\set VERBOSITY default
\echo past the triggers
SET session_replication_role = replica;
UPDATE p1b SET v = 'forged' WHERE id = 42;
DELETE FROM p3 WHERE id = 41;
INSERT INTO p2 VALUES (50, 2, '2026-01-01', 'smuggled');
SET session_replication_role = origin;
:verify
ALTER TABLE p1a DISABLE TRIGGER ALL;
ALTER TABLE p2 SET UNLOGGED;
:verify
ALTER TABLE p1a ENABLE TRIGGER ALL;
ALTER TABLE p2 SET LOGGED;
ALTER TABLE p DETACH PARTITION p3;
:verify
SELECT tally.detach('p');
\echo names
CREATE TABLE names (was int PRIMARY KEY, "now" text, "row" text, came text, went text,
	is_older bool, "new" text, "old" text, tg_op text, "a""b'c\d%s%1$s$source$$query${rows}
" text, "𝄞" text, "ￜ" text, "é" text, covered text, place text, version text, form text);
SELECT tally.attach('names', append_only => false, keep_event => true,
	label => E'l"\\%s$query${rows}', only_when => '"row" IS NULL AND was <> 7 AND coalesce(came, '''') <> E''x\n y''');
INSERT INTO names VALUES (1, 'a', NULL, 'b', 'c', true, 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n');
INSERT INTO names (was, "row") VALUES (2, 'x'), (3, NULL), (7, NULL);
INSERT INTO names (was, came) VALUES (4, E'x\n y'), (5, E'x\n\t\t\t y');
UPDATE names SET "now" = 'z' WHERE was = 3;
UPDATE names SET "row" = NULL WHERE was = 2;
:verify
SELECT event FROM tally.event WHERE event LIKE '%"was"%' AND event NOT LIKE '%"columns"%' ORDER BY id;
