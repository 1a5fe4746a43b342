
-- Verifying: one table --------------------------------------------------
-- The records of a table against its rows (pg/src/verify_key.c).  What a record
-- must show depends on what comes behind it:
--
--  the last of its key    a row that it holds for; or it is a deletion
--  under append-only      a row, even if others follow: it was sealed again
--  any other              nothing: the row was changed, or deleted
--
-- Behind it comes also what was sealed in a later epoch, in whatever chain.  A
-- row that nothing proves is judged by its age: by what was in force when it was
-- written.

-- The rows of a table as one epoch has them: form, tally.rendered, xmin, place.
CREATE FUNCTION tally.rows_query(form bigint, e tally.epoch) RETURNS text LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
	SELECT format(E'SELECT %s::bigint AS form, %s, xmin AS version,'
		' tableoid || ctid::text AS place\nFROM (SELECT %s, xmin, tableoid, ctid FROM %s%s) AS "row"',
		form, tally.rendering(e.config),
		(SELECT string_agg(format('%I AS %I', name_now, name), ', ' ORDER BY n)
			FROM tally.columns_of(e.config, e.root, e.is_here)),
		(SELECT CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END FROM pg_class
			WHERE oid = e.root),
		tally.table_name(e.root))
$$;

-- The columns of an epoch, or those of its key, as they can be compared with
-- another's: by number, and with all that is said of them; of another place, by
-- name.
CREATE FUNCTION tally.columns_said(epoch json, of_key boolean, by_name boolean)
	RETURNS text[] LANGUAGE sql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(CASE WHEN by_name THEN v ->> 'name'
			WHEN of_key THEN v::text ELSE v ->> 'number' END ORDER BY k.n, c.n), '{}')
	FROM json_array_elements(epoch -> 'columns') WITH ORDINALITY AS c (v, n)
		LEFT JOIN json_array_elements_text(epoch -> 'key') WITH ORDINALITY AS k (name, n)
			ON k.name = v ->> 'name'
	WHERE NOT of_key OR k.name IS NOT NULL
$$;

-- Could rows that were sealed in the earlier epoch be changed, or deleted, in
-- the later one without a record that tells so under their key of then?
CREATE FUNCTION tally.lets_escape(later json, earlier json) RETURNS boolean
	LANGUAGE sql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT NOT tally.columns_said(earlier, false, moved) <@ tally.columns_said(later, false, moved)
		OR (later ->> 'only_when' IS NOT NULL
			AND (later ->> 'only_when' IS DISTINCT FROM earlier ->> 'only_when'
				OR EXISTS (SELECT FROM json_array_elements(earlier -> 'columns') a
					JOIN json_array_elements(later -> 'columns') b
						ON a ->> 'number' = b ->> 'number'
					WHERE NOT moved AND a ->> 'name' <> b ->> 'name')))
		OR (later ->> 'append_only' = 'false' AND tally.columns_said(later, true, moved)
			<> tally.columns_said(earlier, true, moved))
	FROM (SELECT later ->> 'cluster' <> earlier ->> 'cluster'
		OR later ->> 'database' <> earlier ->> 'database' AS moved) AS m
$$;

-- What is found in one table.  epochs: all of the table, in order; forms: each
-- with the number of the rendering that is its own, or null; queries: these;
-- accused: records that were named already, from which nothing follows.
CREATE FUNCTION tally.verify_table(epochs tally.epoch[], forms bigint[], queries text,
	accused tally.finding[], next bigint)
	RETURNS SETOF tally.finding LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET "TimeZone" = 'GMT' SET "DateStyle" = 'ISO, MDY'
	SET "IntervalStyle" = 'iso_8601' SET extra_float_digits = 1
	SET bytea_output = 'hex' SET xmlbinary = 'base64' SET lc_monetary = 'C'
	SET array_nulls = on SET xmloption = 'content' SET standard_conforming_strings = on
	SET transform_null_equals = off SET row_security = off
	SET jit = off		-- which takes longer to compile this than to run it
AS $$
BEGIN
	RETURN QUERY EXECUTE replace($query$
	WITH epochs AS MATERIALIZED (
		SELECT e.*, f AS form, ',"table":' || tally.quote(e.label) || '}' AS tail,
			(e.config ->> 'append_only')::boolean AS append_only,
			tally.columns_said(e.config, true, false) AS key_class,
			max(e.seq) FILTER (WHERE e.is_here) OVER () AS last_here
		FROM unnest($1) WITH ORDINALITY AS e JOIN unnest($2) WITH ORDINALITY AS f (f, n)
			ON f.n = e.ordinality
	), source AS MATERIALIZED (
		SELECT bool_or(end_seq IS NULL) AS is_live, bool_or(NOT is_here) AS is_moved,
			max(end_seq) AS end_seq, (array_agg(label ORDER BY seq DESC))[1] AS label
		FROM epochs
	), escapes AS MATERIALIZED (
		SELECT e.id, l.seq FROM epochs e JOIN epochs l ON l.seq > e.seq
		WHERE tally.lets_escape(l.config, e.config)
	), records AS (
		SELECT c.name AS chain, r.chain_id, r.seq, r.epoch, r.key, r.digest, r.salt,
			e.seq AS since, a.seq IS NOT NULL AS is_accused, k.event IS NOT NULL AS is_kept,
			coalesce(k.event LIKE '{"op":"delete",%', false) AS is_deletion,
			a.seq IS NOT NULL OR NOT e.append_only AS closes
		FROM tally.record r JOIN epochs e ON e.id = r.epoch
			LEFT JOIN tally.chain c ON c.id = r.chain_id
			LEFT JOIN tally.event k ON k.id = r.event_id
			LEFT JOIN (SELECT DISTINCT chain, seq FROM unnest($3)) a
				ON a.chain = c.name AND a.seq = r.seq
		WHERE r.key IS NOT NULL
	), lines AS (
		SELECT *, max(since) FILTER (WHERE closes) OVER of_key AS closed,
			first_value(seq) OVER by_age AS last_seq, first_value(chain) OVER by_age AS last_chain,
			bool_or(closes) OVER (of_line ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
				AS is_over
		FROM records WINDOW of_key AS (PARTITION BY key),
			by_age AS (PARTITION BY key ORDER BY since DESC, seq DESC),
			of_line AS (PARTITION BY key, chain_id ORDER BY seq DESC)
	), standing AS MATERIALIZED (
		SELECT * FROM lines WHERE is_over IS NOT TRUE AND since >= coalesce(closed, 0)
			AND NOT is_accused AND NOT (is_deletion AND closes)
	), rows (form, covered, members, key, chain, version, place) AS MATERIALIZED (
		{rows}
	), proven AS MATERIALIZED (
		SELECT s.chain_id, s.chain, s.seq, s.key, e.label, w.place, w.chain AS chain_now
		FROM standing s JOIN epochs e ON e.id = s.epoch
			JOIN rows w ON w.form = e.form AND w.key = s.key
		WHERE s.digest IN (tally.commitment(s.salt, '{"row":' || w.members || e.tail),
			tally.commitment(s.salt, '{"op":"update","row":' || w.members || e.tail))
	), unproven AS MATERIALIZED (
		SELECT w.*, tally.full_xid(w.version, $4) AS xid FROM rows w
		WHERE NOT EXISTS (SELECT FROM proven p WHERE p.place = w.place)
	), places AS MATERIALIZED (
		SELECT place, xid, coalesce(array_agg(form) FILTER (WHERE NOT covered), '{}') AS left_out
		FROM unproven GROUP BY place, xid
	), aged AS MATERIALIZED (
		SELECT w.place, u.seq AS began, u.end_seq AS ended, u.label, CASE
				WHEN u.id IS NULL AND (s.is_moved OR w.xid = 0) OR NOT u.is_behind THEN 'unknown'
				WHEN u.id IS NULL THEN 'legacy'
				WHEN w.xid >= u.end_xid OR w.xid = ANY (u.end_running)
					THEN CASE WHEN u.seq = u.last_here THEN 'after' ELSE 'between' END
				WHEN w.xid >= u.end_unclear THEN 'unknown'
				ELSE 'sealed' END AS age,
			(u.form <> ALL (w.left_out)) IS NOT false AS is_covered,
			EXISTS (SELECT FROM epochs b WHERE (b.seq < u.seq) IS NOT false
				AND (b.form <> ALL (w.left_out)) IS NOT false) AS was_covered
		FROM places w CROSS JOIN source s
			LEFT JOIN LATERAL (
				SELECT e.*, w.xid >= e.xid OR w.xid = ANY (e.running) AS is_behind FROM epochs e
				WHERE e.is_here AND (w.xid >= e.xid OR w.xid = ANY (e.running)
					OR w.xid >= e.unclear)
				ORDER BY e.seq DESC LIMIT 1) AS u ON true
	), others AS MATERIALIZED (
		SELECT DISTINCT ON (w.key) w.key, w.place, a.began, a.age FROM unproven w JOIN aged a
			USING (place) ORDER BY w.key, w.place
	), proven_keys AS MATERIALIZED (
		SELECT DISTINCT w.key FROM rows w JOIN proven p USING (place)
	), missed AS MATERIALIZED (
		SELECT s.*, e.label, e.form, coalesce(e.fault, e.shape_fault) AS why, o.place,
			y.key IS NOT NULL AS is_elsewhere, x.seq AS escape,
			(e.form IS NULL OR x.seq IS NOT NULL) AND o.began > s.since
				AND o.age = 'sealed' AS is_of_later,
			CASE WHEN s.is_deletion THEN 'deletion'
				WHEN e.form IS NULL AND NOT (o.key IS NULL AND y.key IS NULL AND EXISTS (
					SELECT FROM epochs f WHERE f.form IS NOT NULL AND f.key_class = e.key_class))
					THEN CASE WHEN s.is_kept THEN 'kept' ELSE 'unrendered' END
				WHEN NOT z.is_live THEN CASE WHEN o.key IS NULL THEN 'gone' ELSE 'detached' END
				WHEN x.seq IS NOT NULL THEN 'escaped'
				WHEN o.key IS NOT NULL THEN 'altered'
				WHEN y.key IS NOT NULL AND (s.last_chain, s.last_seq) <> (s.chain, s.seq)
					THEN 'again'
				ELSE 'missing' END AS case
		FROM standing s JOIN epochs e ON e.id = s.epoch CROSS JOIN source z
			LEFT JOIN others o ON o.key = s.key
			LEFT JOIN proven_keys y ON y.key = s.key
			LEFT JOIN LATERAL (SELECT min(c.seq) AS seq FROM escapes c WHERE c.id = s.epoch
				AND (o.began >= c.seq) IS NOT false) AS x ON true
		WHERE NOT EXISTS (SELECT FROM proven p WHERE p.chain_id = s.chain_id AND p.seq = s.seq)
	), lonely AS MATERIALIZED (
		SELECT DISTINCT ON (w.place) w.*, a.age, a.began, a.ended, a.is_covered, a.was_covered,
			coalesce(a.label, z.label) AS label
		FROM unproven w JOIN aged a USING (place) CROSS JOIN source z
		WHERE NOT EXISTS (SELECT FROM unproven v JOIN missed m ON m.key = v.key
				WHERE v.place = w.place AND NOT m.is_of_later)
			AND NOT EXISTS (SELECT FROM unproven v JOIN records r ON r.key = v.key
				WHERE v.place = w.place AND r.is_accused)
		ORDER BY w.place, w.form DESC
	), claims AS MATERIALIZED (
		-- A key is not hashed: the digest brings record and row together again.
		SELECT m.chain_id, m.chain, m.seq, m.key, m.label, w.key AS key_now, w.place
		FROM missed m JOIN epochs e ON e.id = m.epoch JOIN (
				SELECT w.form, w.key, w.place, b.label, tally.commitment(NULL, p.op || w.members || b.tail) AS digest
				FROM lonely w JOIN epochs b ON b.form = w.form CROSS JOIN (VALUES ('{"row":'),
					('{"op":"update","row":')) AS p (op)) AS w
			ON w.form = e.form AND w.label = m.label AND w.digest = m.digest
		WHERE m.case = 'missing' AND m.salt IS NULL
	)
	SELECT CASE m.case WHEN 'deletion' THEN 'inserted' WHEN 'detached' THEN 'unverifiable'
			WHEN 'escaped' THEN 'unverifiable' WHEN 'missing' THEN 'missing'
			ELSE 'content-altered' END, chain, seq, m.label, key, CASE m.case
			WHEN 'deletion' THEN 'it deletes a row of a table that is append-only'
			WHEN 'detached' THEN format('the row is another than was sealed; its table was detached by tally:log/%s', z.end_seq)
			WHEN 'escaped' THEN format('its row is %s; since tally:log/%s it could be changed without a record of this key',
				CASE WHEN place IS NULL AND NOT is_elsewhere THEN 'not there'
				ELSE 'another than was sealed' END, escape)
			WHEN 'altered' THEN 'the row is another than was sealed'
			WHEN 'again' THEN format('the row is another than was sealed, and was sealed again as record %s of chain "%s"', last_seq, last_chain)
			ELSE 'its row is not there' END
		FROM missed m CROSS JOIN source z WHERE m.case NOT IN ('kept', 'unrendered', 'gone')
			AND NOT EXISTS (SELECT FROM claims c WHERE c.chain_id = m.chain_id AND c.seq = m.seq)
	UNION ALL
	SELECT 'content-altered', chain, seq, label, key,
			format('its key was changed: it seals row "%s" of "%s"', key_now, label) FROM claims
	UNION ALL
	SELECT 'content-altered', chain, seq, label, key, format('its row belongs to chain "%s"', chain_now)
		FROM proven WHERE chain <> chain_now
	UNION ALL
	SELECT 'unverifiable', NULL, NULL, m.label, NULL,
			format('%s records cannot be compared with their rows: %s', count(*), why)
		FROM missed m WHERE m.case = 'unrendered' GROUP BY m.label, why
	UNION ALL
	SELECT 'unverifiable', NULL, NULL, z.label, NULL, format(
			'the rows of %s records are not there; the table was detached by tally:log/%s',
			count(*), z.end_seq)
		FROM missed m CROSS JOIN source z WHERE m.case = 'gone' GROUP BY z.label, z.end_seq
	UNION ALL
	SELECT CASE age WHEN 'legacy' THEN age ELSE 'unverifiable' END, NULL, NULL, z.label, NULL,
			format(CASE age WHEN 'legacy'
				THEN '%s rows were there before the table was attached, and are not sealed'
				ELSE 'no record seals %s rows of which it is not known when they were written' END,
				count(*))
		FROM lonely CROSS JOIN source z WHERE age = 'legacy' OR (age = 'unknown' AND was_covered)
		GROUP BY age, z.label
	UNION ALL
	SELECT 'unverifiable', 'tally:log', began, label, NULL, format(
			'only_when leaves out %s rows that would have been sealed before', count(*))
		FROM lonely WHERE age = 'sealed' AND NOT is_covered AND was_covered GROUP BY began, label
	UNION ALL
	SELECT 'unsealed', chain, NULL, label, key, CASE WHEN age = 'between' THEN format(
			'no record seals the row; it was written after tally:log/%s had detached the table, and before it was attached again', ended)
			ELSE format('no record seals the row, which was written after tally:log/%s had attached the table', began) END
		FROM lonely w WHERE (age = 'between' OR (age = 'sealed' AND is_covered))
			AND NOT EXISTS (SELECT FROM claims c WHERE c.place = w.place)
	$query$, '{rows}', queries)
	USING epochs, forms, accused, next;
EXCEPTION
	WHEN others THEN
		RETURN NEXT ('unverifiable', NULL, NULL, epochs[array_upper(epochs, 1)].label, NULL,
			format('its rows cannot be read: %s', SQLERRM))::tally.finding;
END
$$;
