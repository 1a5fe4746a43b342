-- Events that come as JSON (doc/format.md, section 1) -------------------

-- White space between tokens taken out, nothing respelled.
CREATE FUNCTION tally.compact(event text) RETURNS text
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT regexp_replace(event, '("(?:[^"\\]|\\.)*")|[ \t\r\n]+', '\1', 'g')
$$;

-- Is there a surrogate escape that has no other half?
CREATE FUNCTION tally.has_lone_surrogate(event text) RETURNS boolean
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT regexp_replace(replace(event, '\\', ''),
		'\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}', '', 'g')
		~ '\\u[dD][89a-fA-F]'
$$;

-- Member names are compared after their escapes are decoded; \u0000, which no
-- text of PostgreSQL holds, stands there as something that no text needs.
CREATE FUNCTION tally.event_fault(event text) RETURNS text
	LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	level json[];
	depth integer := 0;
BEGIN
	IF octet_length(event) > 16777216 THEN
		RETURN 'the event is longer than 16 MiB';
	ELSIF tally.has_lone_surrogate(event) THEN
		RETURN 'the event has half of a surrogate pair';
	END IF;
	-- replace() of both halves at once, so that \\u0000 stays what it is.
	event := regexp_replace(event, '((?:^|[^\\])(?:\\\\)*)\\u0000', '\1\\ufdd0', 'g');
	event := regexp_replace(event, '((?:^|[^\\])(?:\\\\)*)\\u0000', '\1\\ufdd0', 'g');
	level := ARRAY[event::json];
	LOOP
		level := (SELECT array_agg(v) FROM unnest(level) AS v
			WHERE json_typeof(v) IN ('object', 'array'));
		EXIT WHEN level IS NULL;
		depth := depth + 1;
		IF depth > 64 THEN
			RETURN 'the event has more than 64 open arrays and objects';
		ELSIF EXISTS (SELECT FROM unnest(level) AS v
			WHERE json_typeof(v) = 'object' AND (
				SELECT count(*) <> count(DISTINCT key COLLATE "C")
				FROM json_each(v)))
		THEN
			RETURN 'the event names a member twice';
		END IF;
		level := (SELECT array_agg(item) FROM unnest(level) AS v, LATERAL (
			SELECT value FROM json_each(
				CASE json_typeof(v) WHEN 'object' THEN v ELSE '{}' END)
			UNION ALL
			SELECT value FROM json_array_elements(
				CASE json_typeof(v) WHEN 'array' THEN v ELSE '[]' END)) AS i (item));
		EXIT WHEN level IS NULL;
	END LOOP;
	RETURN NULL;
END
$$;

-- Keeps the text of an event, which belongs to a record that is to come.
CREATE FUNCTION tally.keep(event text) RETURNS bigint
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number bigint := nextval('tally.event_number');
BEGIN
	PERFORM tally.writing(true);
	INSERT INTO tally.event (id, event) VALUES (number, keep.event);
	PERFORM tally.writing(false);
	RETURN number;
END
$$;

