-- Epochs ----------------------------------------------------------------
-- The sealed text of an attach is the configuration; nothing else says it.

-- What the settings are while a row is rendered (doc/format.md, section 6):
-- GMT is UTC, but compiled in.  The others are for what only_when parses.
CREATE FUNCTION tally.pinned() RETURNS text LANGUAGE sql IMMUTABLE
AS $$
	SELECT $settings$
	SET search_path = pg_catalog, pg_temp
	SET "TimeZone" = 'GMT' SET "DateStyle" = 'ISO, MDY'
	SET "IntervalStyle" = 'iso_8601' SET extra_float_digits = 1
	SET bytea_output = 'hex' SET xmlbinary = 'base64' SET lc_monetary = 'C'
	SET array_nulls = on SET xmloption = 'content'
	SET standard_conforming_strings = on SET transform_null_equals = off
	SET quote_all_identifiers = off$settings$
$$;

-- What the attach event says (pg/src/epoch.c), in the form of RFC 8785.
CREATE FUNCTION tally.attach_event(relation oid, chain_by name, columns smallint[],
	key smallint[], only_when text, prefix text, label text, salted boolean,
	keep_event boolean, append_only boolean, xid text) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
	SELECT '{"attach":{"append_only":' || append_only
		|| coalesce(',"chain_by":' || tally.quote(chain_by), '')
		|| ',"cluster":"' || system_identifier || '","columns":['
		|| (SELECT string_agg('{"name":' || tally.quote(attname)
			|| ',"number":' || attnum
			|| ',"type":' || tally.quote(tally.type_name(atttypid))
			|| ',"typmod":' || atttypmod || '}', ',' ORDER BY attnum)
			FROM pg_attribute WHERE attrelid = relation AND attnum = ANY (columns))
		|| '],"database":' || tally.quote(current_database())
		|| ',"keep_event":' || keep_event
		|| ',"key":[' || (SELECT string_agg(tally.quote(attname), ',' ORDER BY n)
			FROM unnest(key) WITH ORDINALITY AS k (number, n)
				JOIN pg_attribute ON attrelid = relation AND attnum = number)
		|| '],"label":' || tally.quote(label)
		|| coalesce(',"only_when":' || tally.quote(only_when), '')
		|| ',"prefix":' || tally.quote(prefix)
		|| ',"relation":' || relation
		|| ',"salted":' || salted
		|| ',"table":' || tally.quote(tally.table_name(relation))
		|| ',"xid":"' || xid || '"}}'
	FROM pg_control_system()
$$;

CREATE FUNCTION tally.detach_event(relation oid, "table" text, label text, xid text)
	RETURNS text LANGUAGE sql IMMUTABLE
AS $$
	SELECT '{"detach":{"label":' || tally.quote(label) || ',"relation":'
		|| relation || ',"table":' || tally.quote("table")
		|| ',"xid":"' || xid || '"}}'
$$;

-- The columns of an epoch, where they are now and what they were.
CREATE FUNCTION tally.columns_of(epoch json, OUT n bigint, OUT name text,
	OUT name_now name, OUT fault text) RETURNS SETOF record
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
	SELECT c.n, c.v ->> 'name', a.attname,
		CASE WHEN a.attname IS NULL
			THEN format('column "%s" of table "%s" is gone', c.v ->> 'name', epoch ->> 'table')
		WHEN tally.type_name(a.atttypid) <> c.v ->> 'type'
			OR a.atttypmod <> (c.v ->> 'typmod')::integer
			THEN format('column "%s" of table "%s" is "%s" now, was "%s"', c.v ->> 'name',
				epoch ->> 'table',
				CASE WHEN tally.type_name(a.atttypid) <> c.v ->> 'type'
					THEN tally.type_name(a.atttypid)
					ELSE format_type(a.atttypid, a.atttypmod) END,
				CASE WHEN tally.type_name(a.atttypid) <> c.v ->> 'type' THEN c.v ->> 'type'
					ELSE format_type(a.atttypid, (c.v ->> 'typmod')::integer) END)
		ELSE (SELECT format('column "%s" of table "%s" cannot be rendered: %s', c.v ->> 'name',
				epoch ->> 'table', f) FROM tally.type_fault(a.atttypid) AS f
				WHERE f IS NOT NULL) END
	FROM json_array_elements(epoch -> 'columns') WITH ORDINALITY AS c (v, n)
		LEFT JOIN pg_attribute a ON a.attrelid = (epoch ->> 'relation')::oid
			AND a.attnum = (c.v ->> 'number')::smallint AND NOT a.attisdropped
	ORDER BY c.n
$$;

-- Why rows cannot be rendered under an epoch now, or null.
CREATE FUNCTION tally.columns_fault(epoch json) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT fault FROM tally.columns_of(epoch) WHERE fault IS NOT NULL
	ORDER BY n LIMIT 1
$$;

-- A column's text, null where it is null: IS NULL would also be true of a
-- composite value whose fields are all null.
CREATE FUNCTION tally.text_of("column" text) RETURNS text
	LANGUAGE sql IMMUTABLE STRICT
AS $$
	SELECT format('CASE WHEN num_nulls(%1$I) = 0 THEN format(''%%s'', %1$I) END', "column")
$$;

-- The list of expressions that render the columns of an epoch, in a query
-- over rows whose columns have the epoch's names: tally.rendered's fields.
CREATE FUNCTION tally.rendering(epoch json) RETURNS text
	LANGUAGE sql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
	SELECT format(E'coalesce((%s), false),\n', coalesce(epoch ->> 'only_when', 'true'))
		|| E'''{'' || array_to_string(ARRAY[\n'
		|| (SELECT string_agg(format('%L || to_json(%s)::text',
			tally.quote(v ->> 'name') || ':', tally.text_of(v ->> 'name')), E',\n'
			ORDER BY tally.utf16(v ->> 'name') COLLATE "C")
			FROM json_array_elements(epoch -> 'columns') AS v)
		|| E'], '','') || ''}'',\ntally.key_name('
		|| CASE json_array_length(epoch -> 'key')
			WHEN 1 THEN tally.text_of(epoch -> 'key' ->> 0)
			ELSE '''['' || ' || (SELECT string_agg(
				format('coalesce(to_json(%s)::text, ''null'')', tally.text_of(k)),
				' || '','' || ' ORDER BY n)
				FROM json_array_elements_text(epoch -> 'key') WITH ORDINALITY AS k (k, n))
				|| ' || '']''' END
		|| format(E'),\ntally.chain_name(%L, %s)', epoch ->> 'prefix',
			coalesce(tally.text_of(epoch ->> 'chain_by'), 'NULL::text'))
$$;

-- The trigger function of an epoch.  It is written from the epoch's event, and
-- from what the columns are called today; the verifier writes it again and
-- compares.
CREATE FUNCTION tally.capture_source(epoch_id bigint, epoch json) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
	SELECT format($source$
#variable_conflict use_column
DECLARE
	was tally.rendered;
	now tally.rendered;
	went text;
	came text;
	is_older boolean := false;
	is_gone boolean := false;
BEGIN
	IF TG_RELID <> %1$s THEN
		PERFORM tally.require_member(TG_RELID, %1$s);
	END IF;
	IF TG_OP <> 'INSERT' THEN
		SELECT %2$s
		INTO was FROM (SELECT %3$s) AS "row";
		went := TG_RELID || OLD.ctid::text;
		is_older := tally.is_older(OLD.xmin, %5$s);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		SELECT %2$s
		INTO now FROM (SELECT %4$s) AS "row";
		came := TG_RELID || NEW.ctid::text;
		is_gone := NEW.xmax <> '0';
	END IF;
	PERFORM tally.captured(%6$s, %7$s, %8$s, %9$s, %10$L, TG_OP, was, now, went, came,
		is_older, is_gone);
	RETURN NULL;
END
$source$,
		epoch ->> 'relation',
		replace(tally.rendering(epoch), E'\n', E'\n\t\t\t'),
		(SELECT string_agg(format('OLD.%I AS %I', name_now, name), ', ' ORDER BY n)
			FROM tally.columns_of(epoch)),
		(SELECT string_agg(format('NEW.%I AS %I', name_now, name), ', ' ORDER BY n)
			FROM tally.columns_of(epoch)),
		(epoch ->> 'xid')::bigint & 4294967295,
		epoch_id, epoch ->> 'append_only', epoch ->> 'keep_event', epoch ->> 'salted',
		',"table":' || tally.quote(epoch ->> 'label') || '}')
$$;

CREATE FUNCTION tally.make_capture(epoch_id bigint) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	epoch json;
	function text := format('tally.%I()', 'capture_' || epoch_id);
BEGIN
	SELECT e.event::json -> 'attach' INTO epoch FROM tally.event e WHERE e.id = epoch_id;
	EXECUTE format('CREATE OR REPLACE FUNCTION %s RETURNS trigger LANGUAGE plpgsql'
		' SECURITY DEFINER %s AS %L', function, tally.pinned(),
		tally.capture_source(epoch_id, epoch));
	EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tally_admin') THEN
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tally_admin', function);
	END IF;
END
$$;

