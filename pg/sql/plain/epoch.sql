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

-- The configuration that an event of tally:log holds, whatever its name.
CREATE FUNCTION tally.config(event text) RETURNS json LANGUAGE sql IMMUTABLE
AS $$
	SELECT coalesce(j -> 'attach', j -> 'alter', j -> 'track') FROM (SELECT event::json AS j) AS e
$$;

CREATE FUNCTION tally.config_of(epoch bigint) RETURNS json LANGUAGE sql STABLE
AS $$
	SELECT tally.config(e.event) FROM tally.event e WHERE e.id = epoch
$$;

-- The columns of an attach event.
CREATE FUNCTION tally.column_members(relation oid, columns smallint[]) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
	SELECT string_agg('{"name":' || tally.quote(attname) || ',"number":' || attnum
		|| coalesce(',"shape":[' || (SELECT string_agg(tally.quote(f), ',' ORDER BY n)
			FROM unnest(tally.shape_of(atttypid)) WITH ORDINALITY AS f (f, n)) || ']', '')
		|| ',"type":' || tally.quote(tally.type_name(atttypid))
		|| ',"typmod":' || atttypmod || '}', ',' ORDER BY attnum)
	FROM pg_attribute WHERE attrelid = relation AND attnum = ANY (columns)
$$;

-- What an attach event says (pg/src/epoch.c), in the form of RFC 8785; kind:
-- attach, or alter.
CREATE FUNCTION tally.attach_event(kind text, relation oid, chain_by name, columns smallint[],
	key smallint[], only_when text, prefix text, label text, salted boolean,
	keep_event boolean, append_only boolean) RETURNS text
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
	SELECT '{"' || kind || '":{"append_only":' || append_only
		|| coalesce(',"chain_by":' || tally.quote(chain_by), '')
		|| ',"cluster":"' || system_identifier
		|| '","columns":[' || tally.column_members(relation, columns)
		|| '],"database":' || tally.quote(current_database())
		|| ',"keep_event":' || keep_event
		|| ',"key":[' || (SELECT string_agg(tally.quote(attname), ',' ORDER BY n)
			FROM unnest(key) WITH ORDINALITY AS k (number, n)
				JOIN pg_attribute ON attrelid = relation AND attnum = number)
		|| '],"label":' || tally.quote(label)
		|| coalesce(',"only_when":' || tally.quote(only_when), '')
		|| ',"prefix":' || tally.quote(prefix)
		|| ',"relation":' || relation
		|| tally.running_member(m.running)
		|| ',"salted":' || salted
		|| ',"table":' || tally.quote(tally.table_name(relation))
		|| tally.xid_members(m.unclear, m.xid) || '}}'
	FROM pg_control_system(), tally.take_moment(false) AS m
$$;

CREATE FUNCTION tally.detach_event(relation oid, "table" text, label text)
	RETURNS text LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '{"detach":{"label":' || tally.quote(label) || ',"relation":' || relation
		|| tally.running_member(m.running) || ',"table":' || tally.quote("table")
		|| tally.xid_members(m.unclear, m.xid) || '}}'
	FROM tally.take_moment(true) AS m
$$;

-- The columns of an epoch, where they are now and what they were.  Of another
-- database numbers mean nothing: a dump leaves out columns that were dropped.
CREATE FUNCTION tally.columns_of(epoch json, relation oid, is_here boolean, OUT n bigint,
	OUT name text, OUT name_now name, OUT fault text, OUT shape_fault text)
	RETURNS SETOF record LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
	SELECT c.n, c.v ->> 'name', a.attname,
		CASE WHEN a.attname IS NULL
			THEN format('column "%s" of table "%s" is gone', c.v ->> 'name', epoch ->> 'table')
		WHEN t.name_now <> c.v ->> 'type'
			THEN format('column "%s" of table "%s" is "%s" now, was "%s"', c.v ->> 'name',
				epoch ->> 'table', t.name_now, c.v ->> 'type')
		WHEN a.atttypmod <> (c.v ->> 'typmod')::integer
			THEN format('column "%s" of table "%s" is "%s" now, was "%s"', c.v ->> 'name',
				epoch ->> 'table', tally.type_name(a.atttypid, a.atttypmod),
				tally.type_name(a.atttypid, (c.v ->> 'typmod')::integer))
		WHEN NOT tally.type_is_listed(a.atttypid) THEN (
			SELECT format('column "%s" of table "%s" cannot be rendered: %s', c.v ->> 'name',
				epoch ->> 'table', f) FROM tally.type_fault(a.atttypid) AS f
				WHERE f IS NOT NULL) END,
		CASE WHEN c.v -> 'shape' IS NOT NULL AND a.attname IS NOT NULL
			THEN tally.shape_fault(c.v, a.atttypid, epoch ->> 'table', is_here) END
	FROM json_array_elements(epoch -> 'columns') WITH ORDINALITY AS c (v, n)
		LEFT JOIN LATERAL (SELECT * FROM pg_attribute p WHERE p.attrelid = relation
			AND p.attnum > 0 AND NOT p.attisdropped
			AND (p.attnum = (c.v ->> 'number')::integer
				OR (NOT is_here AND p.attname = c.v ->> 'name'))
			ORDER BY NOT is_here AND p.attname = c.v ->> 'name' DESC LIMIT 1) AS a ON true
		LEFT JOIN LATERAL (SELECT tally.type_name(a.atttypid) AS name_now) AS t ON true
	ORDER BY c.n
$$;

-- Why rows cannot be rendered under an epoch, which is of here, now; or null.
CREATE FUNCTION tally.columns_fault(epoch json) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(fault, shape_fault)
	FROM tally.columns_of(epoch, (epoch ->> 'relation')::oid, true)
	WHERE fault IS NOT NULL OR shape_fault IS NOT NULL
	ORDER BY fault IS NULL, n LIMIT 1
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
		is_older := tally.is_older(OLD.xmin, %5$s, %11$L);
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
		tally.rendering(epoch),
		(SELECT string_agg(format('OLD.%I AS %I', name_now, name), ', ' ORDER BY n)
			FROM tally.columns_of(epoch, (epoch ->> 'relation')::oid, true)),
		(SELECT string_agg(format('NEW.%I AS %I', name_now, name), ', ' ORDER BY n)
			FROM tally.columns_of(epoch, (epoch ->> 'relation')::oid, true)),
		epoch ->> 'xid',
		epoch_id, epoch ->> 'append_only', epoch ->> 'keep_event', epoch ->> 'salted',
		',"table":' || tally.quote(epoch ->> 'label') || '}',
		ARRAY(SELECT json_array_elements_text(epoch -> 'running')))
$$;

CREATE FUNCTION tally.make_capture(epoch_id bigint) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	epoch json := tally.config_of(epoch_id);
	function text := format('tally.%I()', 'capture_' || epoch_id);
BEGIN
	EXECUTE format('CREATE OR REPLACE FUNCTION %s RETURNS trigger LANGUAGE plpgsql'
		' SECURITY DEFINER %s AS %L', function, tally.pinned(),
		tally.capture_source(epoch_id, epoch));
	EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', function);
	IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'tally_admin') THEN
		EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO tally_admin', function);
	END IF;
END
$$;

