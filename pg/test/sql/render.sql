-- Rendering: every type under hostile settings, whole rows, limits.
-- The vectors are made by pg/test/vectors/generate.py, which asks no server.
\set ECHO none
\set vectors `cat "$PG_ABS_SRCDIR/vectors/render.json"`
CREATE TABLE value_vectors AS
	SELECT n::integer AS id, v ->> 'type' AS type, v ->> 'input' AS input,
		v ->> 'event' AS event, decode(v ->> 'digest', 'hex') AS digest
	FROM json_array_elements(:'vectors'::json -> 'values')
		WITH ORDINALITY AS e (v, n);
CREATE TABLE row_vectors AS
	SELECT n::integer AS id, v
	FROM json_array_elements(:'vectors'::json -> 'rows')
		WITH ORDINALITY AS e (v, n);
\set ECHO all

CREATE FUNCTION digest_of(event text) RETURNS bytea LANGUAGE sql AS $$
	SELECT sha256(decode('02' || repeat('00', 16), 'hex')
		|| convert_to(event, 'UTF8'))
$$;

-- Values ----------------------------------------------------------------

CREATE TYPE v_mood AS ENUM ('sad', 'very "ok"');
CREATE DOMAIN v_zip AS integer CHECK (VALUE > 0);
CREATE DOMAIN v_when AS timestamptz;
CREATE DOMAIN v_name AS text;
CREATE TYPE v_place AS (street text, zip v_zip, mood v_mood, since v_when);
CREATE TYPE v_trip AS (place v_place, numbers float8[], places v_place[]);
CREATE DOMAIN v_trips AS v_trip[];
CREATE TYPE v_span AS RANGE (
	subtype = float8, multirange_type_name = v_spans
);
CREATE TYPE v_paid AS (amount money, more money[]);

-- For each type a table with the values and an attached one.
CREATE TABLE value_types AS
	SELECT row_number() OVER (ORDER BY type COLLATE "C") AS number, type
	FROM (SELECT DISTINCT type FROM value_vectors) t;
DO $$
DECLARE
	t record;
	v record;
BEGIN
	FOR t IN SELECT * FROM value_types LOOP
		EXECUTE format('CREATE TABLE given_%s (id integer PRIMARY KEY, v %s)',
			t.number, t.type);
		FOR v IN SELECT * FROM value_vectors WHERE type = t.type LOOP
			EXECUTE format('INSERT INTO given_%s VALUES (%s, %L)',
				t.number, v.id, v.input);
		END LOOP;
		EXECUTE format('CREATE TABLE value_%1$s (LIKE given_%1$s INCLUDING ALL)',
			t.number);
		PERFORM tally.attach(format('value_%s', t.number)::regclass,
			label => format('value %s', t.type), prefix => 'value',
			keep_event => true, append_only => false);
	END LOOP;
END
$$;

-- Every name is qualified: the settings that it runs under are hostile.
CREATE PROCEDURE seal_values() LANGUAGE plpgsql AS $$
DECLARE
	number bigint;
BEGIN
	FOR number IN SELECT t.number FROM public.value_types t LOOP
		EXECUTE pg_catalog.format('DELETE FROM public.value_%s', number);
		EXECUTE pg_catalog.format('INSERT INTO public.value_%1$s '
			'TABLE public.given_%1$s', number);
	END LOOP;
END
$$;

-- What was not rendered as the vectors say, of what was since the last time.
CREATE SEQUENCE judged;
CREATE FUNCTION judge() RETURNS TABLE (problem text, id integer, event text)
	LANGUAGE sql AS $$
	WITH since AS MATERIALIZED (
		SELECT e.event FROM tally.event e
		WHERE e.id > (SELECT last_value FROM judged)
			AND e.event LIKE '{"row":%'
	)
	SELECT 'not rendered', v.id, v.event FROM value_vectors v
	WHERE NOT EXISTS (SELECT FROM since s WHERE s.event = v.event)
	UNION ALL
	SELECT 'not expected', NULL, s.event FROM since s
	WHERE NOT EXISTS (SELECT FROM value_vectors v WHERE s.event = v.event)
	UNION ALL
	SELECT 'count', NULL, count(*)::text FROM since
	HAVING count(*) <> (SELECT count(*) FROM value_vectors)
	UNION ALL
	SELECT NULL, NULL, NULL
	WHERE setval('judged', (SELECT max(e.id) FROM tally.event e)) IS NULL
$$;
SELECT setval('judged', max(id)) > 0 AS begun FROM tally.event;

-- As they are here.
CALL seal_values();
SELECT * FROM judge();

-- Each way of writing dates, times and numbers.
BEGIN;
SET LOCAL DateStyle = 'German, DMY';
SET LOCAL TimeZone = 'Asia/Kathmandu';
SET LOCAL IntervalStyle = 'sql_standard';
SET LOCAL extra_float_digits = -15;
SET LOCAL bytea_output = 'escape';
CALL seal_values();
COMMIT;
SELECT * FROM judge();
BEGIN;
SET LOCAL DateStyle = 'SQL, DMY';
SET LOCAL TimeZone = 'America/St_Johns';
SET LOCAL IntervalStyle = 'postgres_verbose';
SET LOCAL extra_float_digits = 3;
CALL seal_values();
COMMIT;
SELECT * FROM judge();
BEGIN;
SET LOCAL DateStyle = 'Postgres, MDY';
SET LOCAL TimeZone = '<+14>-14';
SET LOCAL IntervalStyle = 'postgres';
SET LOCAL extra_float_digits = 0;
CALL seal_values();
COMMIT;
SELECT * FROM judge();

-- Money, where the system has another locale.
BEGIN;
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['POSIX', 'en_US.utf8', 'de_DE.utf8', 'C.UTF-8']
	LOOP
		BEGIN
			PERFORM set_config('lc_monetary', name, true),
				set_config('lc_numeric', name, true),
				set_config('lc_time', name, true);
		EXCEPTION WHEN invalid_parameter_value THEN
			NULL;
		END;
	END LOOP;
END
$$;
CALL seal_values();
SELECT current_setting('lc_monetary') <> 'C' AS other;
COMMIT;
SHOW lc_monetary;
SELECT * FROM judge();

-- The rest of what a session can set.
BEGIN;
SET LOCAL xmlbinary = 'hex';
SET LOCAL xmloption = 'document';
SET LOCAL standard_conforming_strings = off;
SET LOCAL escape_string_warning = off;
SET LOCAL quote_all_identifiers = on;
SET LOCAL array_nulls = off;
SET LOCAL transform_null_equals = on;
SET LOCAL default_text_search_config = 'simple';
SET LOCAL client_encoding = 'LATIN1';
SET LOCAL row_security = off;
CALL seal_values();
COMMIT;
SELECT * FROM judge();

-- Objects that shadow the built-in ones.
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.numeric_out(numeric) RETURNS cstring
	LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE FUNCTION hostile.textout(text) RETURNS cstring
	LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE FUNCTION hostile.format(text, VARIADIC "any") RETURNS text
	LANGUAGE internal AS 'text_format';
CREATE TYPE hostile.timestamptz AS (x integer);
CREATE DOMAIN hostile.int4 AS text;
CREATE DOMAIN hostile.text AS integer;
CREATE TABLE hostile.pg_type (oid oid, typname text);
CREATE TABLE hostile.pg_enum (oid oid);
CREATE FUNCTION hostile.never(text, text) RETURNS boolean
	LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile'; END $$;
CREATE OPERATOR hostile.= (
	leftarg = text, rightarg = text, function = hostile.never
);
BEGIN;
SET LOCAL search_path = hostile, pg_catalog;
CALL public.seal_values();
COMMIT;
SELECT * FROM judge();
DROP SCHEMA hostile CASCADE;

-- All of them were sealed with the digests of the vectors.
SELECT count(*) AS sealed, count(*) FILTER (WHERE r.digest = v.digest) AS right
	FROM tally.record r JOIN tally.event e ON e.id = r.event_id
		JOIN value_vectors v ON v.event = e.event;

-- Rows ------------------------------------------------------------------

CREATE FUNCTION columns_of(v json, what text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(CASE what
		WHEN 'definition' THEN format('%I %s', c ->> 'name', c ->> 'type')
		ELSE format('%L', c ->> 'input') END, ', ')
	FROM json_array_elements(v -> 'columns') c
$$;
CREATE FUNCTION names_of(v json) RETURNS name[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(n::name), '{}') FROM json_array_elements_text(v) n
$$;
DO $$
DECLARE
	r record;
BEGIN
	FOR r IN SELECT * FROM row_vectors LOOP
		EXECUTE format('CREATE TABLE row_%s (%s, PRIMARY KEY (%s))', r.id,
			columns_of(r.v, 'definition'),
			(SELECT string_agg(quote_ident(n), ', ')
				FROM unnest(names_of(r.v -> 'key')) n));
		PERFORM tally.attach(format('row_%s', r.id)::regclass,
			label => r.v ->> 'label', prefix => r.v ->> 'prefix',
			chain_by => (r.v ->> 'chain_by')::name,
			exclude => names_of(r.v -> 'exclude'), keep_event => true);
		EXECUTE format('INSERT INTO row_%s VALUES (%s)', r.id,
			columns_of(r.v, 'input'));
	END LOOP;
END
$$;
-- Nothing comes out of this if all is right.
SELECT v.v ->> 'what' AS what, l.*, e.event
	FROM row_vectors v
		FULL JOIN (tally.log l JOIN tally.record r ON r.hash = l.hash
				AND l.chain NOT IN ('tally:log', 'value')
			JOIN tally.event e ON e.id = r.event_id)
		ON l.source = v.v ->> 'label'
	WHERE (l.chain, l.key, encode(l.digest, 'hex'), e.event) IS DISTINCT FROM
		(v.v ->> 'chain', v.v ->> 'key_text', v.v ->> 'digest', v.v ->> 'event');
SELECT count(*) FROM row_vectors;

-- Updates and deletions --------------------------------------------------

-- Values stored out of line, compressed and not, that an update leaves alone.
CREATE TABLE toasted (
	id integer PRIMARY KEY, n float8, packed text, plain text, list text[]
);
ALTER TABLE toasted ALTER plain SET STORAGE EXTERNAL,
	ALTER list SET STORAGE EXTERNAL;
SELECT tally.attach('toasted', keep_event => true, append_only => false);
INSERT INTO toasted VALUES (1, 0.5, repeat('p"', 500000), repeat('é', 20000),
	ARRAY[repeat('l', 20000)]);
UPDATE toasted SET n = 1.5;
DELETE FROM toasted;
CREATE VIEW last_events AS SELECT e.id, e.event FROM tally.event e
	ORDER BY e.id DESC LIMIT 3;
SELECT e.event = op || '"row":{"id":"1","list":"{' || repeat('l', 20000)
		|| '}","n":"' || n || '","packed":"' || repeat('p\"', 500000)
		|| '","plain":"' || repeat('é', 20000) || '"},"table":"toasted"}' AS right,
		length(e.event), r.digest = digest_of(e.event) AS digest
	FROM (SELECT *, row_number() OVER (ORDER BY id) FROM last_events) e
		JOIN (VALUES (1, '{', '0.5'), (2, '{"op":"update",', '1.5'),
			(3, '{"op":"delete",', '1.5')) x (row_number, op, n) USING (row_number)
		JOIN tally.record r ON r.event_id = e.id
	ORDER BY row_number;

-- Columns that the table fills in itself.
CREATE TABLE filled (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	v text DEFAULT 'default',
	upper_v text GENERATED ALWAYS AS (upper(v)) STORED,
	n integer GENERATED BY DEFAULT AS IDENTITY
);
CREATE FUNCTION change_v() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	NEW.v := NEW.v || '!';
	RETURN NEW;
END
$$;
CREATE TRIGGER change_v BEFORE INSERT ON filled
	FOR EACH ROW EXECUTE FUNCTION change_v();
SELECT tally.attach('filled', keep_event => true);
INSERT INTO filled DEFAULT VALUES;
INSERT INTO filled (v, n) VALUES ('given', 9);
-- Added later, with a value for rows that were there before.
SELECT tally.detach('filled');
ALTER TABLE filled ADD later text DEFAULT 'x';
SELECT tally.attach('filled', keep_event => true, append_only => false);
UPDATE filled SET v = 'changed' WHERE id = 1;
SELECT event FROM tally.event WHERE event LIKE '{%"table":"filled"}' ORDER BY id;

-- Columns that change -----------------------------------------------------

CREATE TABLE changing (
	gone text, id integer PRIMARY KEY, a varchar(10), b v_mood
);
ALTER TABLE changing DROP gone;
SELECT tally.attach('changing', keep_event => true);
INSERT INTO changing VALUES (1, 'a', 'sad');
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
-- A renamed column keeps its name in the events; another may take the name.
ALTER TABLE changing RENAME a TO c;
ALTER TABLE changing RENAME b TO a;
INSERT INTO changing VALUES (2, 'c', 'sad');
SELECT event FROM tally.event WHERE event LIKE '{"row":%"table":"changing"}'
	ORDER BY id;
ALTER TABLE changing ALTER c TYPE varchar(20);
INSERT INTO changing VALUES (3, 'c', 'sad');
ALTER TABLE changing ALTER c TYPE text;
INSERT INTO changing VALUES (3, 'c', 'sad');
ALTER TABLE changing ALTER c TYPE varchar(10);
INSERT INTO changing VALUES (3, 'c', 'sad');
ALTER TYPE v_mood RENAME TO v_temper;
INSERT INTO changing VALUES (4, 'c', 'sad');
ALTER TYPE v_temper RENAME TO v_mood;
INSERT INTO changing VALUES (4, 'c', 'sad');
ALTER TABLE changing DROP c;
INSERT INTO changing VALUES (5, 'sad');
SELECT tally.detach('changing');
SELECT tally.attach('changing', keep_event => true);
INSERT INTO changing VALUES (5, 'sad');
SELECT event FROM tally.event WHERE event LIKE '{"row":%"table":"changing"}'
	ORDER BY id DESC LIMIT 1;

-- Partitions, with their columns in other places.
CREATE TABLE whole (
	gone text, id integer, at date, v text, PRIMARY KEY (id, at)
) PARTITION BY RANGE (at);
ALTER TABLE whole DROP gone;
CREATE TABLE part_1 PARTITION OF whole
	FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE part_2 (v text, lost integer, at date NOT NULL, id integer NOT NULL);
ALTER TABLE part_2 DROP lost;
ALTER TABLE whole ATTACH PARTITION part_2
	FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE part_3 (id integer NOT NULL, v text, at date NOT NULL)
	PARTITION BY RANGE (at);
CREATE TABLE part_3_1 (at date NOT NULL, v text, id integer NOT NULL);
ALTER TABLE part_3 ATTACH PARTITION part_3_1 DEFAULT;
ALTER TABLE whole ATTACH PARTITION part_3
	FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
SELECT tally.attach('whole', chain_by => 'v', keep_event => true);
INSERT INTO whole VALUES (1, '2024-05-06', 'one'), (2, '2025-05-06', 'two'),
	(3, '2026-05-06', 'three');
INSERT INTO part_2 (id, at, v) VALUES (4, '2025-07-08', 'four');
INSERT INTO part_3_1 (id, at, v) VALUES (5, '2026-07-08', 'five');
ALTER TABLE whole RENAME v TO w;
INSERT INTO whole VALUES (6, '2024-05-06', 'six'), (7, '2026-05-06', 'seven');
SELECT l.chain, l.key, e.event FROM tally.log l
	JOIN tally.record r ON r.hash = l.hash JOIN tally.event e ON e.id = r.event_id
	WHERE l.source = 'whole' ORDER BY l.key COLLATE "C";

-- Limits ------------------------------------------------------------------

-- An event of 16 MiB, and one of a byte more.
CREATE TABLE big (id integer PRIMARY KEY, f float8, m money, v text);
SELECT tally.attach('big');
CREATE FUNCTION text_of(event_length integer) RETURNS text
	LANGUAGE sql AS $$
	SELECT repeat('x', event_length -
		length('{"row":{"f":"0.1","id":"1","m":"$1.00","v":""},"table":"big"}'))
$$;
SET DateStyle = 'German';
SET extra_float_digits = 0;
SET bytea_output = 'escape';
SET IntervalStyle = 'postgres_verbose';
SET TimeZone = 'Asia/Kathmandu';
SET lc_monetary = 'POSIX';
INSERT INTO big VALUES (1, 0.1, '1', text_of(16777216));
INSERT INTO big VALUES (2, 0.1, '1', text_of(16777217));
INSERT INTO big VALUES (2, 0.1, '1', repeat(E'\x01', 3000000));
INSERT INTO big VALUES (2, 0.1, '1', repeat('x', 20000000));
-- It fails in the middle of a transaction that goes on.
DO $$
BEGIN
	INSERT INTO big VALUES (2, 0.1, '1', text_of(16777217));
EXCEPTION WHEN program_limit_exceeded THEN
	RAISE NOTICE '%', SQLERRM;
END
$$;
-- The session's settings are what they were.
SHOW lc_monetary;
SELECT '2024-02-29 12:00+00'::timestamptz, 0.1::float8 + 0.2, '\x00'::bytea,
	'1 day'::interval;
RESET ALL;
SELECT l.key, l.digest = digest_of('{"row":{"f":"0.1","id":"1","m":"$1.00","v":"'
		|| b.v || '"},"table":"big"}') AS digest
	FROM tally.log l, big b WHERE l.source = 'big';

-- Bytes that are no UTF-8, which only a superuser can bring in.
CREATE CAST (bytea AS text) WITHOUT FUNCTION;
CREATE TABLE broken (id text PRIMARY KEY, v text);
SELECT tally.attach('broken', chain_by => 'v', keep_event => true);
INSERT INTO broken VALUES ('1', '\xc3'::bytea::text);
INSERT INTO broken VALUES ('2', '\x61eda08061'::bytea::text);
INSERT INTO broken VALUES ('\xff'::bytea::text, '');
INSERT INTO broken VALUES ('3', '\xc3a9'::bytea::text);
SELECT event FROM tally.event WHERE event LIKE '{"row":%"table":"broken"}';
DROP CAST (bytea AS text);

-- A verification goes on over rows that cannot have been sealed as they are.
CREATE TABLE spoilt (id integer PRIMARY KEY, org text, v text, t timestamptz);
SELECT tally.attach('spoilt', chain_by => 'org');
INSERT INTO spoilt SELECT n, 'o', 'v', '2024-01-01' FROM generate_series(1, 4) n;
SET session_replication_role = replica;
CREATE CAST (bytea AS text) WITHOUT FUNCTION;
CREATE CAST (bigint AS timestamptz) WITHOUT FUNCTION;
UPDATE spoilt SET v = repeat('x', 17000000) WHERE id = 1;
UPDATE spoilt SET v = '\xff'::bytea::text WHERE id = 2;
UPDATE spoilt SET t = (9223372036854775806)::timestamptz WHERE id = 3;
DROP CAST (bytea AS text);
DROP CAST (bigint AS timestamptz);
RESET session_replication_role;
SELECT kind, chain, seq, key, detail FROM tally.verify('spoilt/o')
	WHERE source = 'spoilt' ORDER BY seq;
