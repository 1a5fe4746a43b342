-- Which types can be sealed, and what is said about the others.
\set ECHO none
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
\set vectors `cat "$PG_ABS_SRCDIR/vectors/render.json"`
CREATE TABLE vector_types AS
	SELECT DISTINCT (v ->> 'type') AS type
	FROM json_array_elements(:'vectors'::json -> 'values') v
	WHERE v ->> 'type' NOT LIKE 'v\_%';
\set ECHO all

-- What tally.attach says of a table with a column of the type; null: nothing.
CREATE FUNCTION judge(type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	EXECUTE format('CREATE TABLE judged (id integer PRIMARY KEY, v %s)', type);
	PERFORM tally.attach('judged');
	PERFORM tally.detach('judged');
	DROP TABLE judged;
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
	RETURN concat_ws(' / ', message, nullif(detail, ''));
END
$$;

-- Each built-in type that a column can have is decided: what is neither
-- accepted nor refused for a reason is new in this version of PostgreSQL.
CREATE TABLE judged_types AS
	SELECT format_type(t.oid, NULL) AS type, t.typtype, judge(format_type(t.oid, NULL))
	FROM pg_type t
	WHERE t.oid < 16384 AND t.typtype IN ('b', 'r', 'm')
		AND t.typoutput <> 'array_out'::regproc
		AND t.typnamespace = 'pg_catalog'::regnamespace;
SELECT type, judge FROM judged_types WHERE judge LIKE '%not known%'
	ORDER BY type COLLATE "C";
SELECT type, judge FROM judged_types WHERE judge NOT LIKE '%not known%'
	ORDER BY type COLLATE "C";
-- An array is decided as its element is.
SELECT t.oid::regtype AS type, judge(t.oid::regtype::text)
	FROM pg_type t
	WHERE t.oid < 16384 AND t.typtype = 'b'
		AND t.typoutput = 'array_out'::regproc
		AND t.typnamespace = 'pg_catalog'::regnamespace
		AND (judge(t.oid::regtype::text) IS NULL) IS DISTINCT FROM
			(SELECT j.judge IS NULL FROM judged_types j
			WHERE j.type = format_type(t.typelem, NULL))
		AND t.typelem IN (SELECT e.oid FROM pg_type e WHERE e.typtype = 'b')
	ORDER BY 1;
-- What is accepted has a vector.
SELECT type FROM judged_types WHERE judge IS NULL
	EXCEPT SELECT format_type(type::regtype, NULL) FROM vector_types
	ORDER BY 1;

-- Pseudo-types come in arrays, if at all; composites of the catalog hold names.
SELECT type, judge(type) FROM unnest(ARRAY['record', 'record[]', 'cstring[]',
	'anyelement', 'unknown', 'pg_class', 'pg_enum', 'pg_range[]',
	'information_schema.sql_identifier', 'information_schema.yes_or_no']) type;

-- Types of users, whatever they are made of.
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN place AS text CHECK (VALUE <> '');
CREATE DOMAIN places AS place[];
CREATE TYPE pair AS (a mood, b places);
CREATE TYPE pairs AS (p pair, q pair[], t timestamptz);
CREATE DOMAIN all_pairs AS pairs[];
CREATE TYPE span AS RANGE (subtype = float8, multirange_type_name = spans);
CREATE TYPE emptiness AS ();
CREATE DOMAIN named AS regclass;
CREATE DOMAIN names AS named[];
CREATE TYPE with_name AS (a integer, n names);
CREATE DOMAIN deep AS with_name[];
CREATE TYPE deepest AS (d deep);
CREATE TYPE oids AS RANGE (subtype = regtype);
CREATE TABLE a_table (id integer, at date);
CREATE TABLE a_named_table (id integer, c regclass);
SELECT type, judge(type) FROM unnest(ARRAY['mood', 'mood[]', 'place', 'places',
	'pair', 'pair[]', 'pairs', 'all_pairs', 'span', 'spans', 'emptiness', 'named',
	'names', 'with_name', 'deep', 'deepest', 'deepest[]', 'oids', 'a_table',
	'a_named_table']) type;
ALTER TABLE a_named_table DROP c;
SELECT judge('a_named_table');
-- The type of an attached column cannot become one that is not accepted.
CREATE TYPE growing AS (a integer);
CREATE TABLE grown (id integer PRIMARY KEY, g growing);
SELECT tally.attach('grown', keep_event => true);
INSERT INTO grown VALUES (1, ROW(1));
ALTER TYPE growing ADD ATTRIBUTE c regclass;
\c
INSERT INTO grown VALUES (2, ROW(1, 'grown'));
ALTER TYPE growing DROP ATTRIBUTE c;
\c
INSERT INTO grown VALUES (2, ROW(1));

-- Base types of a user's own; PostgreSQL allows none that passes for an array.
-- What is said of a shell has other lines in PostgreSQL 18.
SET client_min_messages = warning;
CREATE TYPE own;
CREATE FUNCTION own_in(cstring) RETURNS own
	LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION own_out(own) RETURNS cstring
	LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE own (input = own_in, output = own_out, like = text);
CREATE TYPE own_array;
CREATE FUNCTION own_array_in(cstring) RETURNS own_array
	LANGUAGE internal IMMUTABLE STRICT AS 'textin';
CREATE FUNCTION own_array_out(own_array) RETURNS cstring
	LANGUAGE internal IMMUTABLE STRICT AS 'textout';
CREATE TYPE own_array (
	input = own_array_in, output = own_array_out, element = integer,
	subscript = array_subscript_handler, internallength = variable,
	alignment = int4, storage = extended
);
RESET client_min_messages;
CREATE DOMAIN own_domain AS own;
SELECT type, judge(type) FROM unnest(ARRAY['own', 'own[]', 'own_domain']) type;
-- Unless the column is left out.
CREATE TABLE mixed (id integer PRIMARY KEY, v own, w regclass);
SELECT tally.attach('mixed');
SELECT tally.attach('mixed', exclude => '{w,v}');

-- Types of other extensions.
CREATE EXTENSION citext;
CREATE EXTENSION lo;
SELECT type, judge(type) FROM unnest(ARRAY['citext', 'citext[]', 'lo']) type;
