-- tally.attach: tables of every shape, and that their rows are sealed.
CREATE VIEW log_events AS
	SELECT r.seq, e.event::json -> 'attach' AS attach
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
		JOIN tally.event e ON e.id = r.event_id
	WHERE c.name = 'tally:log';
-- The columns and the key of the last attach.
CREATE VIEW last_attach AS
	SELECT c.number, c.name, c.type, c.typmod, k.place AS key
	FROM (SELECT attach FROM log_events ORDER BY seq DESC LIMIT 1) l,
		json_to_recordset(l.attach -> 'columns')
			AS c (name text, number integer, type text, typmod integer)
		LEFT JOIN json_array_elements_text(l.attach -> 'key')
			WITH ORDINALITY AS k (name, place) ON k.name = c.name
	ORDER BY c.number;
-- What was sealed of rows, in the order in which it was.
CREATE VIEW sealed AS
	SELECT l.chain, l.seq, l.source, l.key, e.event
	FROM tally.log l JOIN tally.record r ON r.hash = l.hash
		LEFT JOIN tally.event e ON e.id = r.event_id
	WHERE l.chain <> 'tally:log' ORDER BY l.chain, l.seq;

-- Names that need quoting everywhere.
CREATE SCHEMA "Odd ""Schema""";
CREATE TABLE "Odd ""Schema"""."Weird ""Name"" é" (
	"Id ""1""" integer PRIMARY KEY,
	"select" text,
	"back\slash" text,
	"tab	and
line" text
);
SELECT tally.attach('"Odd ""Schema"""."Weird ""Name"" é"', keep_event => true,
	chain_by => 'select');
TABLE last_attach;
SELECT a.label, a.relation FROM tally.attachment a;
SELECT attach ->> 'table' AS "table", attach ->> 'prefix' AS prefix
	FROM log_events ORDER BY seq DESC LIMIT 1;
INSERT INTO "Odd ""Schema"""."Weird ""Name"" é"
	VALUES (1, 'é/#"', 'x', 'y');
TABLE sealed;
SELECT tally.detach('"Odd ""Schema"""."Weird ""Name"" é"');
DROP SCHEMA "Odd ""Schema""" CASCADE;

-- A table's name that is no label or no prefix.
CREATE TABLE "a
b" (id integer PRIMARY KEY);
SELECT tally.attach(E'"a\nb"');
CREATE TABLE "a/b" (id integer PRIMARY KEY);
SELECT tally.attach('"a/b"');
SELECT tally.attach('"a/b"', prefix => 'a_b');
SELECT tally.detach('"a/b"');
DROP TABLE "a/b";

-- Keys of several columns, in the key's order, with columns that it includes.
CREATE TABLE several (
	a text, b integer, c uuid, d text,
	PRIMARY KEY (c, a) INCLUDE (d)
);
SELECT tally.attach('several', columns => '{b}', keep_event => true);
TABLE last_attach;
INSERT INTO several VALUES
	('x', 1, '4d6a5b0e-7f8a-4c1d-9e2f-000000000001', 'not sealed');
SELECT key, event FROM sealed WHERE source = 'several';

-- A replica identity is a key, but a primary key comes first.
CREATE TABLE identity_key (id integer NOT NULL, code text NOT NULL);
CREATE UNIQUE INDEX by_code ON identity_key (code);
ALTER TABLE identity_key REPLICA IDENTITY USING INDEX by_code;
SELECT tally.attach('identity_key');
SELECT name FROM last_attach WHERE key = 1;
SELECT tally.detach('identity_key');
ALTER TABLE identity_key ADD PRIMARY KEY (id);
SELECT tally.attach('identity_key');
SELECT name FROM last_attach WHERE key = 1;
SELECT tally.detach('identity_key');
ALTER TABLE identity_key DROP CONSTRAINT identity_key_pkey,
	ADD PRIMARY KEY (id) DEFERRABLE;
SELECT tally.attach('identity_key');
SELECT name FROM last_attach WHERE key = 1;

-- Types with types inside.
CREATE TYPE mood AS ENUM ('sad', 'fine');
CREATE DOMAIN positive AS numeric(10, 2) CHECK (VALUE > 0);
CREATE TYPE pair AS (x integer, y mood[]);
CREATE DOMAIN pairs AS pair[];
CREATE TABLE typed (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	amount positive,
	moods mood[],
	p pair,
	ps pairs,
	period tstzrange,
	code char(4),
	"time" timestamptz(3) DEFAULT '2026-11-21 12:00:00+02',
	doubled numeric GENERATED ALWAYS AS (amount * 2) STORED
);
ALTER TABLE typed DROP COLUMN code;
SELECT tally.attach('typed', keep_event => true);
TABLE last_attach;
INSERT INTO typed (amount, moods, p, ps, period) VALUES
	(1.5, '{sad,fine}', '(1,{sad})', '{"(1,{sad})"}', '[2026-01-01,)');
INSERT INTO typed DEFAULT VALUES;
SELECT key, event FROM sealed WHERE source = 'typed';

-- Partitions: also those whose columns have other numbers, and those to come.
CREATE TABLE parted (id integer, place text, note text, PRIMARY KEY (id, place))
	PARTITION BY LIST (place);
CREATE TABLE parted_a PARTITION OF parted FOR VALUES IN ('a');
CREATE TABLE parted_b (gone integer, note text, place text NOT NULL,
	id integer NOT NULL);
ALTER TABLE parted_b DROP COLUMN gone;
ALTER TABLE parted ATTACH PARTITION parted_b FOR VALUES IN ('b');
CREATE TABLE parted_c PARTITION OF parted FOR VALUES IN ('c', 'd')
	PARTITION BY LIST (place);
CREATE TABLE parted_c1 PARTITION OF parted_c FOR VALUES IN ('c');
SELECT tally.attach('parted', chain_by => 'place', keep_event => true);
INSERT INTO parted VALUES (1, 'a', 'x'), (2, 'b', 'x'), (3, 'c', 'x');
INSERT INTO parted_b VALUES ('y', 'b', 4);
CREATE TABLE parted_d PARTITION OF parted_c FOR VALUES IN ('d');
INSERT INTO parted_d VALUES (5, 'd', 'x');
COPY parted FROM stdin;
6	a	\N
\.
SELECT chain, key, event FROM sealed WHERE source = 'parted';
SELECT tgrelid::regclass, tgname, tgenabled FROM pg_trigger
	WHERE tgrelid::regclass::text LIKE 'parted%' ORDER BY 1, 2;
-- Of a tree one table is attached: its rows are sealed once.
SELECT tally.attach('parted_a');
SELECT tally.attach('parted_c');
SELECT tally.attach('parted_c1');
SELECT tally.detach('parted_c1');
SELECT tally.detach('parted');
SELECT count(*) FROM pg_trigger WHERE tgfoid = 'tally.capture'::regproc
	AND tgrelid::regclass::text LIKE 'parted%';
SELECT tally.attach('parted_c');
SELECT tally.attach('parted');
SELECT tally.detach('parted_c');
-- A partition that is no table of ours.
CREATE UNLOGGED TABLE parted_e PARTITION OF parted FOR VALUES IN ('e');
SELECT tally.attach('parted');
ALTER TABLE parted_e SET LOGGED;
SELECT tally.attach('parted');
-- A table that is attached by itself joins no attached table.
CREATE TABLE parted_f (LIKE parted INCLUDING ALL);
SELECT tally.attach('parted_f');
ALTER TABLE parted ATTACH PARTITION parted_f FOR VALUES IN ('f');
SELECT tally.detach('parted_f');
ALTER TABLE parted ATTACH PARTITION parted_f FOR VALUES IN ('f');
INSERT INTO parted VALUES (7, 'f', 'x');
SELECT source, key FROM sealed WHERE key LIKE '["7"%';
-- One that leaves is not sealed any more.
SELECT tally.retire('parted_f');
ALTER TABLE parted DETACH PARTITION parted_f;
INSERT INTO parted_f VALUES (8, 'f', 'x');
SELECT count(*) FROM sealed WHERE key LIKE '["8"%';

-- The widest table that there can be.
DO $$
BEGIN
	EXECUTE 'CREATE TABLE wide (id integer PRIMARY KEY, '
		|| (SELECT string_agg(format('c%s boolean', i), ', ')
			FROM generate_series(1, 1599) i) || ')';
END
$$;
SELECT tally.attach('wide');
SELECT count(*), max(number) FROM last_attach;
INSERT INTO wide (id, c1599) VALUES (1, true);
SELECT key FROM sealed WHERE source = 'wide';
