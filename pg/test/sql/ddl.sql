-- DDL under an attached table: what loses nothing goes through and is sealed;
-- what would make rows unverifiable is refused, or sealed if that is wished;
-- what would end the sealing is refused.
SET client_min_messages = notice;
\pset tuples_only on
\pset format unaligned
CREATE VIEW found AS
	SELECT concat_ws(' ', kind, chain || coalesce('/' || seq, ''), '[' || source || coalesce(' ' || key, '') || ']', '- ' || detail) AS finding
	FROM tally.verify();
CREATE VIEW configured AS
	SELECT r.seq, k.kind, v.value ->> 'label' AS label, v.value ->> 'table' AS "table",
		(SELECT string_agg(concat(c ->> 'name', ' ', c ->> 'type'), ', ') FROM json_array_elements(v.value -> 'columns') c) AS columns,
		v.value ->> 'only_when' AS only_when
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id JOIN tally.event e ON e.id = r.event_id,
		json_object_keys(e.event::json) AS k (kind), LATERAL (SELECT e.event::json -> k.kind) AS v (value)
	WHERE c.name = 'tally:log' AND k.kind <> 'created';
\set show 'SELECT finding FROM found ORDER BY finding COLLATE "C"'
\set last 'SELECT * FROM configured ORDER BY seq DESC LIMIT 1'

CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN short AS varchar(20);
CREATE TABLE t (id int PRIMARY KEY, org int, what text, m mood, p pair, s short, note text);
SELECT tally.attach('t', chain_by => 'org', only_when => $$what <> 'no'$$, exclude => '{note}');
INSERT INTO t VALUES (1, 1, 'a', 'sad', (1, 'x'), 's'), (2, 2, 'b', 'happy', (2, 'y'), 's'), (3, 1, 'no', 'sad', (3, ''), '');

\echo -- columns that are added
ALTER TABLE t ADD COLUMN more text DEFAULT 'then', ADD "a ""B" int;
INSERT INTO t VALUES (4, 1, 'c');
SELECT tally.alter('t', include => '{more}');
\echo -- renamed: columns, the table, its schema
ALTER TABLE t RENAME what TO said;
:last;
ALTER TABLE t RENAME org TO swap;
ALTER TABLE t RENAME said TO org;
ALTER TABLE t RENAME swap TO said;
:last;
INSERT INTO t (id, said, org) VALUES (5, 1, 'd'), (6, 1, 'no');
ALTER TABLE t RENAME TO u;
CREATE SCHEMA elsewhere;
ALTER TABLE u SET SCHEMA elsewhere;
:last;
ALTER SCHEMA elsewhere RENAME TO there;
:last;
ALTER INDEX there.u RENAME TO t;
ALTER TABLE there.t SET SCHEMA public;
INSERT INTO t (id, said, org) VALUES (7, 1, 'e');
:show;
\echo -- a value of an enum that is added
ALTER TYPE mood ADD VALUE 'angry' BEFORE 'happy';
INSERT INTO t (id, said, org, m) VALUES (8, 1, 'f', 'angry');
:show;
\echo -- nothing of it is a matter
ALTER TABLE t ADD CONSTRAINT ch CHECK (id > 0), ALTER note TYPE varchar(9);
UPDATE t SET note = '';
ALTER TABLE t ALTER note SET NOT NULL, ALTER note SET DEFAULT '', ENABLE ROW LEVEL SECURITY, CLUSTER ON t_pkey;
ALTER TABLE t DROP note;
CREATE INDEX by_said ON t (said);
DROP INDEX by_said;
CREATE TRIGGER own BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
DROP TRIGGER own ON t;
ALTER DOMAIN short ADD CHECK (value <> '');
COMMENT ON TABLE t IS 'x';
ALTER TABLE t RENAME CONSTRAINT ch TO ch2;
CREATE TEMPORARY TABLE temporary (LIKE t);
ALTER TABLE temporary ADD x int;
DROP TABLE temporary;
CREATE TABLE copy AS SELECT * FROM t;
ALTER TABLE copy DROP m;
DROP TABLE copy;
VACUUM FULL t;
CLUSTER t;
:show;
SELECT count(*) FROM configured;

\echo -- what would make rows unverifiable
ALTER TABLE t ALTER org TYPE varchar(9);
ALTER TABLE t ALTER id TYPE bigint;
ALTER TABLE t DROP org;
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
ALTER TYPE mood RENAME TO temper;
ALTER TYPE pair ADD ATTRIBUTE c int;
ALTER TYPE pair DROP ATTRIBUTE b;
ALTER TYPE pair ALTER ATTRIBUTE b TYPE varchar(9);
ALTER TYPE pair SET SCHEMA there;
ALTER DOMAIN short RENAME TO shorter;
DROP TYPE mood CASCADE;
DROP DOMAIN short CASCADE;
ALTER TABLE t DROP CONSTRAINT t_pkey;
DO $$ BEGIN EXECUTE 'ALTER TABLE t DROP m'; END $$;
BEGIN;
ALTER TABLE t RENAME m TO m2;
SAVEPOINT s;
ALTER TABLE t DROP m2;
ROLLBACK TO s;
ROLLBACK;
ALTER TYPE pair RENAME ATTRIBUTE b TO bb;
:show;
SELECT count(*) FROM configured;

\echo -- what would end the sealing
ALTER TABLE t DISABLE TRIGGER "!tally_capture";
ALTER TABLE t DISABLE TRIGGER ALL;
ALTER TABLE t DISABLE TRIGGER USER;
ALTER TABLE t ENABLE REPLICA TRIGGER "!tally_capture";
ALTER TABLE t ENABLE ALWAYS TRIGGER "!tally_capture";
ALTER TABLE t ENABLE TRIGGER "!tally_capture";
DROP TRIGGER "!tally_capture" ON t;
DROP TRIGGER "!tally_truncate" ON t;
ALTER TRIGGER "!tally_capture" ON t RENAME TO z;
CREATE OR REPLACE TRIGGER "!tally_capture" AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger();
ALTER TABLE t SET UNLOGGED;
CREATE TABLE child () INHERITS (t);
CREATE SCHEMA hole CREATE TABLE child () INHERITS (public.t);
CREATE SCHEMA hole CREATE TABLE alone (id int);
DROP SCHEMA hole CASCADE;
CREATE TABLE parent (id int, said int, org text, m mood);
ALTER TABLE t INHERIT parent;
SET session_replication_role = replica;
ALTER TABLE t DISABLE TRIGGER ALL;
RESET session_replication_role;
SET tally.ddl = 'seal';
ALTER TABLE t DISABLE TRIGGER ALL;
RESET tally.ddl;
DROP TABLE t;
DROP TABLE parent, t;
DROP EXTENSION tally CASCADE;
DROP SCHEMA tally CASCADE;
DROP SCHEMA there CASCADE;
CREATE SCHEMA whole;
ALTER TABLE t SET SCHEMA whole;
DROP SCHEMA whole CASCADE;
ALTER TABLE whole.t SET SCHEMA public;
SELECT count(*) FROM configured WHERE label = 't';
:show;

\echo -- as its owner, who has no rights on tally
CREATE ROLE ddl_owner;
GRANT CREATE ON SCHEMA public TO ddl_owner;
ALTER TABLE t OWNER TO ddl_owner;
SET ROLE ddl_owner;
ALTER TABLE t RENAME m TO feels;
ALTER TABLE t DISABLE TRIGGER USER;
SELECT tally.ddl_end();
CREATE TABLE own (id int PRIMARY KEY);
ALTER TABLE own ADD x int;
DROP TABLE own;
RESET ROLE;
ALTER TABLE t OWNER TO CURRENT_USER;
REVOKE CREATE ON SCHEMA public FROM ddl_owner;
DROP ROLE ddl_owner;

\echo -- the way out: left out before
SELECT tally.alter('t', exclude => '{more}');
ALTER TABLE t DROP more;
INSERT INTO t (id, said, org) VALUES (9, 1, 'g');
:show;
\echo -- or sealed as what was done
BEGIN;
SET LOCAL tally.ddl = 'seal';
ALTER TABLE t DROP p;
ALTER TYPE mood RENAME VALUE 'sad' TO 'blue';
COMMIT;
INSERT INTO t (id, said, org, feels) VALUES (10, 1, 'h', 'blue');
:last;
:show;
BEGIN;
SET LOCAL tally.ddl = 'seal';
DROP TABLE t;
COMMIT;
SELECT * FROM configured ORDER BY seq DESC LIMIT 1;
:show;

\echo -- whose events are kept
CREATE TABLE k (id int PRIMARY KEY, n int, what text);
SELECT tally.attach('k', keep_event => true);
INSERT INTO k VALUES (1, 1, 'a');
ALTER TABLE k ALTER n TYPE text;
INSERT INTO k VALUES (2, 'two', 'b');
ALTER TABLE k DROP what;
INSERT INTO k VALUES (3, 'three');
SELECT finding FROM found WHERE finding ~ '\[k' ORDER BY 1;
ALTER TABLE k DROP id;
SELECT tally.alter('k', keep_event => false);
ALTER TABLE k ALTER n TYPE varchar(9);
SELECT tally.detach('k');
DROP TABLE k;

\echo -- tracked
CREATE TABLE f (id int, v text, w text);
SELECT tally.track('f');
INSERT INTO f VALUES (1, 'a', 'b');
ALTER TABLE f ADD x int;
ALTER TABLE f DROP w, ALTER id TYPE bigint;
ALTER TABLE f RENAME v TO vv;
INSERT INTO f VALUES (2, 'c');
:last;
ALTER TABLE f DISABLE TRIGGER ALL;
ALTER TABLE f SET UNLOGGED;
DROP TABLE f;
SELECT finding FROM found WHERE finding ~ '\[f' ORDER BY 1;
SELECT tally.untrack('f');
DROP TABLE f;

\echo -- a table whose row type another has
CREATE TABLE rt (a int);
CREATE TABLE h (id int PRIMARY KEY, r rt, l rt[]);
SELECT tally.attach('h');
INSERT INTO h VALUES (1, ROW(1), '{"(2)"}');
ALTER TABLE rt ADD b int;
ALTER TABLE rt RENAME a TO aa;
DROP TABLE rt CASCADE;
SELECT finding FROM found WHERE finding ~ '\[h' ORDER BY 1;
DROP OWNED BY CURRENT_USER;
SELECT tally.detach('h');
DROP TABLE h;
