-- only_when: what may stand in it, what becomes of it, and what it leaves out.
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN code AS text;
CREATE DOMAIN codes AS code[];
CREATE TYPE place AS (street text, zip integer);
CREATE TYPE coded_place AS (street text, code code);
CREATE TABLE t (
	id integer PRIMARY KEY, kind text, short varchar(10), fixed character(3),
	c code, m mood, p place, tags text[], n integer, b bigint, num numeric,
	f float8, d date, at timestamptz, ts timestamp, i interval, j jsonb, by bytea,
	r int4range, ip inet, flag boolean, cp coded_place, cs codes, rc regclass,
	"select" text, "Odd ""name""" text, hidden text
);
-- The canonical form, or why there is none.
CREATE FUNCTION judge(condition text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	PERFORM tally.attach('t', exclude => '{hidden,rc}', only_when => condition);
	PERFORM tally.detach('t');
	RETURN (SELECT e.event::json -> 'attach' ->> 'only_when' FROM tally.event e
		WHERE e.event LIKE '{"attach":%' ORDER BY e.id DESC LIMIT 1);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT;
	RETURN '!! ' || message;
END
$$;

-- What is allowed.
SELECT condition, judge(condition) FROM (VALUES
	($$kind = 'security'$$), ($$ ((kind)) = ('security') $$),
	($$kind IN ('a', 'b') AND n BETWEEN 1 AND 5 OR NOT flag$$),
	($$t.kind = 'x'$$), ($$flag$$), ($$NOT flag IS TRUE$$),
	($$"select" = 'x' AND "Odd ""name""" <> E'\\'''$$),
	($$short LIKE 'a%' AND fixed = 'ab'$$), ($$c = 'x'$$), ($$c::text ~ '^x'$$),
	($$m = 'sad'$$), ($$m > 'sad' AND m IN ('ok', 'sad')$$),
	($$(p).zip > 10000$$), ($$p = ROW('x', 1)::public.place$$), ($$p IS NOT NULL$$),
	($$tags @> '{a}' AND tags[1] = 'b' AND 'c' = ANY (tags)$$),
	($$cardinality(tags) > 0$$),
	($$n::bigint = b AND n + 1 > -5 AND n % 2 = 0$$),
	($$num > 1.50 AND num > n AND round(num) = 2$$), ($$f > 0.1 OR f = 'NaN'$$),
	($$d >= '2024-02-29'$$), ($$at >= '2024-02-29 12:00+05:45'$$),
	($$ts > '2024-01-01' AND ts - ts > '1 day'$$), ($$i > '1 year 2 days'$$),
	($$j ->> 'a' = 'b' AND j @> '{"x": [1]}' AND j ? 'k'$$),
	($$jsonb_path_exists(j, '$.a ? (@ > 1)')$$), ($$(j -> 'n')::integer > 5$$),
	($$j['a'] = '"b"'$$), ($$by = '\x00ff' AND length(by) > 3$$),
	($$r @> 5 AND r && '[1,9]' AND lower(r) = 1$$), ($$ip << '10.0.0.0/8'$$),
	($$CASE kind WHEN 'a' THEN true WHEN 'b' THEN n > 5 ELSE false END$$),
	($$coalesce(kind, short, '') = '' AND greatest(n, 5) = 5$$),
	($$nullif(kind, '') IS NULL AND kind IS DISTINCT FROM 'x'$$),
	($$(n, b) = (1, 2) AND (n, b) < (3, 4)$$), ($$upper(kind) = 'A'$$),
	($$kind COLLATE "C" < 'm'$$), ($$substring(kind from 2 for 3) = 'x'$$),
	($$lpad(kind, 5) = 'x'$$), ($$f::text = '0.1' AND f::integer = 1$$),
	($$n = 5 /* a comment */ -- and another
	$$), ($$((t.n) = 1) and (((n = 2) and n = 3) and n = 4) or (n = 5 or n = 6)$$),
	($$true$$), ($$NULL$$), ($$num_nulls(n, b) = 1$$), ($$n = ALL (ARRAY[1, 2])$$), ($$'t'$$)
) v (condition);

-- What is not: other expressions than one of boolean.
SELECT condition, judge(condition) FROM (VALUES
	(''), (' '), ('-- nothing'), ('n'), ('kind'), ('1'), ('n = 1, n = 2'),
	('n = 1; DROP TABLE t'), ('true) OR (true'), ('n = 1 AS x'), ('n = 1 x'),
	('n = 1 FROM t'), ('n = 1 WHERE true'), ('n = 1 GROUP BY n'),
	('n = 1 HAVING true'), ('n = 1 ORDER BY 1'), ('n = 1 LIMIT 1'),
	('n = 1 OFFSET 1'), ('n = 1 FOR UPDATE'), ('DISTINCT n = 1'), ('*'), ('t.*'),
	('n = 1 WINDOW w AS ()'), ('n = 1 UNION SELECT true'), ('SELECT true'),
	('n := 1'), ('n =')
) v (condition);
-- Other rows, other columns, other moments.
SELECT condition, judge(condition) FROM (VALUES
	('EXISTS (SELECT FROM t)'), ('(SELECT true)'), ('n IN (SELECT 1)'),
	('n = ANY (SELECT 1)'), ('ARRAY(SELECT 1) = ARRAY[1]'), ('count(*) > 1'),
	('max(n) > 1'), ('bool_and(flag)'), ('row_number() OVER () = 1'),
	('count(*) OVER (PARTITION BY n) > 1'), ('grouping(n) = 1'),
	('generate_series(1, n) > 1'), ('jsonb_array_length(j) > 1'),
	('jsonb_array_elements(j) IS NULL'), ('missing'), ('missing(n)'),
	('other.n = 1'), ('public.t.n = 1'), ('hidden IS NULL'), ('t.hidden = ''x'''),
	('t IS NULL'), ('t = t'), ('t.* IS NULL'), ('ctid = ''(0,1)'''), ('xmin = ''1'''),
	('tableoid = 1'), ('tableoid::regclass::text = ''t'''), ('$1'), ('n = $1'),
	('at > now()'), ('d = CURRENT_DATE'), ('at > CURRENT_TIMESTAMP'),
	('kind = CURRENT_USER'), ('kind = session_user'), ('kind = current_schema'),
	('kind = current_setting(''x'')'), ('random() > 0.5'), ('n = nextval(''pg_class'')'),
	('pg_sleep(1) IS NULL'), ('kind::date = d'), ('at::date = d'), ('at::text = ''x'''),
	('d::text = ''x'''), ('to_char(n, ''9'') = ''1'''), ('extract(day from at) = 1'),
	('age(ts) > ''1 day'''), ('m::text = ''sad'''), ('tags::text = ''x'''),
	('kind || n = ''x'''), ('format(''%s'', n) = ''1'''), ('concat(n) = ''1'''),
	('to_json(n) IS NULL'), ('to_tsvector(kind) @@ ''a'''),
	('xmlelement(name a) IS NULL'), ('kind::xml IS DOCUMENT'),
	('rc = ''pg_class''::regclass'), ('rc::oid = 1'),
	('''pg_class''::regclass::oid = 5'), ('n = ''pg_class''::regclass'), ('has_table_privilege(''t'', ''select'')')
) v (condition);
-- What users have made.
CREATE FUNCTION yes(text) RETURNS boolean LANGUAGE sql IMMUTABLE
	AS $$ SELECT true $$;
CREATE FUNCTION yes(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE
	AS $$ SELECT true $$;
CREATE OPERATOR === (leftarg = text, rightarg = text, function = yes);
CREATE OPERATOR ==== (leftarg = text, rightarg = text, function = texteq);
CREATE FUNCTION code_of(integer) RETURNS code LANGUAGE sql IMMUTABLE
	AS $$ SELECT 'x'::code $$;
CREATE CAST (integer AS code) WITH FUNCTION code_of(integer);
CREATE CAST (integer AS mood) WITH INOUT;
CREATE COLLATION own (provider = libc, locale = 'C');
CREATE DOMAIN checked AS text CHECK (yes(VALUE));
CREATE TYPE holds_checked AS (a checked);
-- What is said of a shell has other lines in PostgreSQL 18.
SET client_min_messages = warning;
CREATE TYPE span;
CREATE FUNCTION one_span(span) RETURNS span
	LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
CREATE TYPE span AS RANGE (subtype = integer, canonical = one_span);
RESET client_min_messages;
CREATE DOMAIN named_span AS span;
ALTER TABLE t ADD s span, ADD ns named_span;
CREATE EXTENSION citext;
SELECT condition, judge(condition) FROM (VALUES
	('public.yes(kind)'), ('kind OPERATOR(public.===) ''x'''),
	('kind OPERATOR(public.====) ''x'''), ('kind < ''x'' COLLATE public.own'),
	('n::public.code = ''x'''), ('n::public.mood = ''sad'''),
	('kind::public.checked = ''x'''), ('''x''::public.checked = kind'),
	('c = ''x''::public.code'), ('''{x}''::public.codes = cs'), ('cs = ''{x}'''),
	('ARRAY[kind]::public.codes = cs'), ('ROW(''a'', ''b'')::public.coded_place = cp'),
	('(cp).street = ''x'''), ('cs[1:2] = ''{}'''),
	('''(x)''::public.holds_checked IS NULL'), ('kind::public.citext = ''x'''),
	('s @> 1'), ('ns @> 1'), ('lower(ns) = 1'), ('s IS NULL'),
	('''x''::public.citext IS NULL'), ('''{}''::public.citext[] IS NULL')
) v (condition);
-- The place of an error.
SELECT tally.attach('t', only_when => 'n = 1 AND missing = 2', exclude => '{rc}');
SELECT tally.attach('t', only_when => 'n = 1 AND now() = at', exclude => '{rc}');
SELECT tally.attach('t', only_when => 'n = 1 AND', exclude => '{rc}');
SELECT tally.attach('t', only_when => 'n', exclude => '{rc}');
-- What fails for every row fails at once.
SELECT judge('n = 1/0'), judge('flag OR 1/0 = 1'), judge('d = ''x''');

-- The canonical form is the same from every session.
CREATE FUNCTION odd_judge() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT judge(c) FROM unnest(ARRAY[
		'at = ''2024-02-29 12:00:00+00'' AND d = ''2024-02-29''',
		'f = 0.3333333333333333 AND i = ''P1Y2DT3H''',
		'by = ''\x00ff''', '"select" = ''x''', 'm = ''sad''',
		'tags = ''{NULL,a}''', 'kind = ''a\b''']) c
$$;
CREATE TABLE canonical AS SELECT * FROM odd_judge();
TABLE canonical;
SET DateStyle = 'German, DMY';
SET TimeZone = 'Asia/Kathmandu';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = -15;
SET bytea_output = 'escape';
SET quote_all_identifiers = on;
SET xmloption = 'document';
CREATE TABLE odd AS SELECT * FROM odd_judge();
RESET ALL;
TABLE odd EXCEPT TABLE canonical;
-- What a session's settings mean in the text is kept as it was meant.
SET transform_null_equals = on;
SELECT judge('kind = NULL');
RESET transform_null_equals;
SELECT judge('kind = NULL');
SET DateStyle = 'SQL, DMY';
SELECT judge('d = ''03/02/2024''');
RESET DateStyle;

-- What it leaves out is not sealed; null is not true.
CREATE TABLE logged (id integer PRIMARY KEY, kind text, f float8, i interval,
	m mood);
SELECT tally.attach('logged', keep_event => true,
	only_when => $$kind = 'security' OR f::text = '0.1' OR 10 / id = 2$$);
INSERT INTO logged VALUES (1, 'security'), (2, 'noise'), (3, NULL), (5, 'five');
SET extra_float_digits = 0;
INSERT INTO logged VALUES (6, '', 0.1), (7, 'x', 0.1 + 1e-17), (8, 'x', 0.1000000000000001);
RESET extra_float_digits;
SELECT key FROM tally.log WHERE source = 'logged' ORDER BY seq;
-- What cannot be decided fails.
INSERT INTO logged VALUES (0, 'noise');
-- Renamed columns are found, and no other takes their place.
ALTER TABLE logged RENAME kind TO was_kind;
ALTER TABLE logged ADD kind text DEFAULT 'security';
INSERT INTO logged (id, was_kind) VALUES (11, 'security'), (12, 'noise');
SELECT key FROM tally.log WHERE source = 'logged' ORDER BY seq DESC LIMIT 2;
ALTER TABLE logged ALTER was_kind TYPE varchar;
INSERT INTO logged (id, was_kind) VALUES (13, 'security');
SELECT tally.detach('logged');
-- Nothing in a session's search_path gets in between.
SELECT tally.attach('logged', keep_event => true, only_when => 'm = ''sad''');
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.never(mood, mood) RETURNS boolean
	LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile'; END $$;
CREATE OPERATOR hostile.= (
	leftarg = mood, rightarg = mood, function = hostile.never
);
CREATE TYPE hostile.mood AS ENUM ('ok', 'sad');
\c
SET search_path = hostile, public, pg_catalog;
INSERT INTO logged (id, m) VALUES (21, 'sad'), (22, 'ok'), (23, NULL);
SELECT key FROM tally.log WHERE source = 'logged' ORDER BY seq DESC LIMIT 2;
RESET search_path;
-- A partition's columns stand in other places.
CREATE TABLE parts (id integer PRIMARY KEY, kind text) PARTITION BY RANGE (id);
CREATE TABLE part (gone text, kind text, id integer NOT NULL);
ALTER TABLE part DROP gone;
ALTER TABLE parts ATTACH PARTITION part DEFAULT;
SELECT tally.attach('parts', only_when => 'kind = ''a''');
INSERT INTO parts VALUES (1, 'a'), (2, 'b');
INSERT INTO part (id, kind) VALUES (3, 'a'), (4, 'b');
SELECT key FROM tally.log WHERE source = 'parts' ORDER BY seq;
-- A user who may only insert needs no rights for it.
CREATE ROLE tally_test_writer;
GRANT INSERT ON logged TO tally_test_writer;
SET ROLE tally_test_writer;
INSERT INTO logged (id, m) VALUES (31, 'sad'), (32, 'ok');
RESET ROLE;
SELECT key FROM tally.log WHERE source = 'logged' ORDER BY seq DESC LIMIT 1;
REVOKE ALL ON logged FROM tally_test_writer;
DROP ROLE tally_test_writer;
