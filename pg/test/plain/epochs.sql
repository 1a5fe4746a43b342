-- SPDX-License-Identifier: Apache-2.0
-- What a team does to a sealed table in its first year, and what is done to it
-- behind its back.  Run in a database with the extension and in one with plain
-- SQL: 401_plain_epochs.pl compares what both say.
SET client_min_messages = warning;
\set SHOW_CONTEXT never
\set verify 'SELECT concat_ws(\' \', kind, chain, seq, source, key, \'"\' || detail || \'"\') FROM tally.verify() ORDER BY 1;'
\set forge 'SET session_replication_role = replica;'
\set honest 'SET session_replication_role = origin;'
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE TYPE pair AS (a numeric(8,2), m mood, ms mood[]);
CREATE DOMAIN paired AS pair;
CREATE TYPE deep AS (p pair, q pair, c char(3), r int4range, "odd "" name" text);
CREATE TABLE x (id int PRIMARY KEY, org text, m mood, mm mood[], p pair, d paired,
	o deep, od deep[], t text, bc char(4), v varchar(9), n numeric(6,1)[]);
INSERT INTO x VALUES (1, 'a', 'sad', '{ok,sad}', ROW(1.5, 'ok', '{sad}')), (2, 'b', NULL, NULL, NULL);
SELECT tally.attach('x', chain_by => 'org', append_only => false);
INSERT INTO x VALUES (3, 'a', 'ok', '{ok}', ROW(1, 'ok', '{}'), ROW(2, 'sad', '{ok}'),
	ROW(ROW(1, 'ok', '{}'), NULL, 'q', '[1,5)', 'w'));
INSERT INTO x (id, org, t) VALUES (4, 'b', 'x');
UPDATE x SET t = 'y' WHERE id IN (1, 3);
\echo legacy rows
:verify
SELECT tally.alter('x', exclude => '{t}', keep_event => true);
UPDATE x SET t = 'z';
UPDATE x SET m = 'ok', n = '{1,2}' WHERE id = 3;
\echo a column less
:verify
SELECT tally.alter('x', include => '{t}', prefix => 'xx', only_when => 'id < 100');
INSERT INTO x (id, org) VALUES (5, 'a'), (100, 'a');
UPDATE x SET t = 'zz' WHERE id IN (2, 3);
\echo another prefix, and a condition
:verify
SELECT tally.alter('x', append_only => true, salted => true, only_when => '');
INSERT INTO x (id, org) VALUES (6, 'a'), (101, 'a');
\echo append-only
:verify
ALTER TABLE x RENAME bc TO cb;
SELECT tally.alter('x', label => 'y', chain_by => '');
INSERT INTO x (id, org) VALUES (7, 'a');
\echo another label, no chain_by, a column renamed
:verify
\echo what is refused
SELECT tally.alter('x', columns => '{id}', include => '{t}');
SELECT tally.alter('x', exclude => '{id}');
SELECT tally.alter(NULL);
SELECT tally.alter('pg_class');
CREATE TABLE other (id int PRIMARY KEY);
SELECT tally.alter('other');
SELECT tally.attach('other', label => 'y');
SELECT tally.attach('other');
INSERT INTO other VALUES (1), (2);
SELECT tally.alter('x', label => 'other');
\echo behind its back
:forge
UPDATE x SET t = 'forged' WHERE id = 6;
DELETE FROM x WHERE id = 7;
INSERT INTO x (id, org) VALUES (8, 'a');
:honest
:verify
:forge
UPDATE x SET t = NULL WHERE id = 6;
INSERT INTO x (id, org) VALUES (7, 'a');
DELETE FROM x WHERE id = 8;
:honest
\echo undone
:verify
\echo a key of a record
:forge
UPDATE tally.record SET key = '77' WHERE key = '2' AND epoch = (SELECT epoch FROM tally.attachment WHERE label = 'other');
:honest
:verify
:forge
UPDATE tally.record SET key = '2' WHERE key = '77';
:honest
\echo detached, changed, attached again
SELECT tally.detach('x');
UPDATE x SET t = 'changed' WHERE id = 6;
INSERT INTO x (id, org) VALUES (9, 'a');
:verify
SELECT tally.attach('x', label => 'y', append_only => false);
INSERT INTO x (id, org) VALUES (10, 'a');
:verify
SELECT unnest(not_covered) FROM tally.verify_summary() ORDER BY 1;
UPDATE x SET t = 'x' WHERE id = 6;
DELETE FROM x WHERE id = 9;
UPDATE x SET org = 'q' WHERE id = 10;
\echo a type that says something else
ALTER TYPE mood ADD VALUE 'happy';
:verify
ALTER TYPE mood RENAME VALUE 'ok' TO 'fine';
INSERT INTO x (id, org) VALUES (11, 'a');
:verify
ALTER TYPE mood RENAME VALUE 'fine' TO 'ok';
ALTER TYPE pair ADD ATTRIBUTE z int;
INSERT INTO x (id, org) VALUES (11, 'a');
:verify
ALTER TYPE pair DROP ATTRIBUTE z;
INSERT INTO x (id, org) VALUES (11, 'a');
:verify
\echo another key
ALTER TABLE other ADD k text;
UPDATE other SET k = 'k' || id;
ALTER TABLE other ALTER k SET NOT NULL;
ALTER TABLE other DROP CONSTRAINT other_pkey, ADD PRIMARY KEY (k);
SELECT tally.alter('other', append_only => false, include => '{k}');
INSERT INTO other VALUES (3, 'k3');
UPDATE other SET id = 30 WHERE k = 'k3';
:verify
UPDATE other SET id = 20 WHERE k = 'k2';
:verify
\echo dropped while attached
DROP TABLE other;
:verify
