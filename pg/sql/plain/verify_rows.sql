-- Verifying: rows against records ---------------------------------------
-- The last record of a key in a chain says whether the row is there and what it
-- is; it is judged by the epoch that it names.  A row without such a record is
-- judged by its xmin: by what was in force when it was written.

-- The rows of a table as one epoch has them: epoch, tally.rendered, xmin, place.
CREATE FUNCTION tally.rows_query(id bigint, config json) RETURNS text LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	SET quote_all_identifiers = off
AS $$
	SELECT format(E'SELECT %s::bigint AS epoch, %s, xmin AS version,'
		' tableoid || ctid::text AS place\nFROM (SELECT %s, xmin, tableoid, ctid FROM %s%s) AS "row"',
		id, tally.rendering(config),
		(SELECT string_agg(format('%I AS %I', name_now, name), ', ' ORDER BY n)
			FROM tally.columns_of(config)),
		(SELECT CASE relkind WHEN 'r' THEN 'ONLY ' ELSE '' END FROM pg_class
			WHERE oid = (config ->> 'relation')::oid),
		tally.table_name((config ->> 'relation')::oid))
$$;

-- A row's transaction id with all its bits; 0 of what was frozen long ago.
CREATE FUNCTION tally.full_xid(xmin xid, next bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN xmin::text::bigint < 3 THEN 0
		ELSE next - ((next - xmin::text::bigint) & 4294967295) END
$$;

-- Findings of one table, whose rows are in all of the given queries.
CREATE FUNCTION tally.verify_table(relation oid, label text, queries text, judged bigint[],
	"only" text, from_seq bigint, to_seq bigint, next bigint)
	RETURNS SETOF tally.finding LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET "TimeZone" = 'GMT' SET "DateStyle" = 'ISO, MDY'
	SET "IntervalStyle" = 'iso_8601' SET extra_float_digits = 1
	SET bytea_output = 'hex' SET xmlbinary = 'base64' SET lc_monetary = 'C'
	SET array_nulls = on SET xmloption = 'content' SET standard_conforming_strings = on
	SET transform_null_equals = off SET row_security = off
AS $$
BEGIN
	RETURN QUERY EXECUTE format($query$
	WITH epochs AS MATERIALIZED (
		SELECT e.*, ',"table":' || tally.quote(e.label) || '}' AS tail,
			lead(e.seq) OVER (ORDER BY e.seq) AS next_seq
		FROM tally.epochs() e WHERE e.relation = $1
	), standing AS MATERIALIZED (
		SELECT DISTINCT ON (r.chain_id, r.key) c.name AS chain, r.seq, r.epoch, r.key,
			r.digest, r.salt, e.event LIKE '{"op":"delete",%%' AS is_deletion
		FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
			LEFT JOIN tally.event e ON e.id = r.event_id
		WHERE r.epoch IN (SELECT id FROM epochs) AND ($3 IS NULL OR c.name = $3)
		ORDER BY r.chain_id, r.key, r.seq DESC
	), rows (epoch, covered, members, key, chain, version, place) AS MATERIALIZED (
		%s
	), paired AS MATERIALIZED (
		SELECT s.*, w.place, w.covered, w.chain AS chain_now,
			s.digest IN (tally.commitment(s.salt, '{"row":' || w.members || e.tail),
				tally.commitment(s.salt, '{"op":"update","row":' || w.members || e.tail)) AS holds,
			e.end_seq, e.next_seq
		FROM standing s JOIN epochs e ON e.id = s.epoch
			LEFT JOIN rows w ON w.epoch = s.epoch AND w.key = s.key
		WHERE s.is_deletion IS NOT true AND s.epoch = ANY ($2)
	), single AS (
		SELECT w.*, b.seq AS began, b.end_seq, b.next_seq
		FROM (SELECT *, tally.full_xid(version, $6) AS xid FROM rows) w
			LEFT JOIN LATERAL (SELECT * FROM epochs e WHERE e.xid <= w.xid
				ORDER BY e.seq DESC LIMIT 1) AS b ON true
		WHERE w.epoch = coalesce(CASE WHEN b.id = ANY ($2) THEN b.id END, $2[1])
			AND ($3 IS NULL OR w.chain = $3)
			AND NOT EXISTS (SELECT FROM paired p WHERE p.place = w.place)
			AND (b.id IS NULL OR w.xid < b.end_xid IS NOT true AND b.end_xid IS NOT NULL
				OR w.covered OR b.id <> ALL ($2))
			AND $4 <= 1
	)
	SELECT 'content-altered', chain, seq, $7, key, CASE WHEN NOT covered
			THEN 'the row is another than was sealed: only_when leaves it out'
			ELSE 'the row is another than was sealed' END
		FROM paired WHERE place IS NOT NULL AND seq BETWEEN $4 AND $5
			AND (NOT covered OR NOT holds OR chain <> chain_now)
	UNION ALL
	SELECT 'missing', chain, seq, $7, key, 'its row is not there'
		FROM paired WHERE place IS NULL AND seq BETWEEN $4 AND $5
			AND (end_seq IS NULL OR next_seq IS NOT NULL)
	UNION ALL
	SELECT 'unverifiable', NULL, NULL, $7, NULL, format(
			'the rows of %%s records are not there; the table was detached by tally:log/%%s',
			count(*), end_seq)
		FROM paired WHERE place IS NULL AND end_seq IS NOT NULL AND next_seq IS NULL
			AND seq BETWEEN $4 AND $5 GROUP BY end_seq
	UNION ALL
	SELECT 'legacy', NULL, NULL, $7, NULL, format(
			'%%s rows were there before the table was attached, and are not sealed', count(*))
		FROM single WHERE began IS NULL HAVING count(*) > 0
	UNION ALL
	SELECT 'unsealed', chain, NULL, $7, key, CASE WHEN end_xid_passed THEN format(
			'no record seals the row; it was written after tally:log/%%s had detached the table, and before it was attached again', end_seq)
			ELSE format('no record seals the row, which was written after tally:log/%%s had attached the table', began) END
		FROM (SELECT s.*, s.end_seq IS NOT NULL AND s.xid >= e.end_xid AS end_xid_passed
			FROM single s JOIN epochs e ON e.seq = s.began) AS s
		WHERE NOT end_xid_passed OR next_seq IS NOT NULL
	$query$, queries)
	USING relation, judged, "only", from_seq, to_seq, next, label;
EXCEPTION
	WHEN others THEN
		RETURN NEXT ('unverifiable', NULL, NULL, label, NULL,
			format('its rows cannot be read: %s', SQLERRM))::tally.finding;
END
$$;

CREATE FUNCTION tally.verify_rows("only" text, from_seq bigint, to_seq bigint)
	RETURNS SETOF tally.finding LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
	next bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint
		+ 1048576;		-- own rows are younger than the snapshot says
	queries text;
	judged bigint[];
BEGIN
	FOR t IN SELECT e.relation, (array_agg(e.label ORDER BY e.seq DESC))[1] AS label,
			max(e.seq) AS seq, (array_agg(e.end_seq ORDER BY e.seq DESC))[1] AS end_seq,
			(array_agg(e.config ->> 'table' ORDER BY e.seq DESC))[1] AS "table"
		FROM tally.epochs() e GROUP BY e.relation
	LOOP
		IF NOT EXISTS (SELECT FROM pg_class WHERE oid = t.relation) THEN
			RETURN QUERY SELECT CASE WHEN t.end_seq IS NULL THEN 'missing' ELSE 'unverifiable' END,
				'tally:log', t.seq, t.label, NULL::text, CASE WHEN t.end_seq IS NULL
				THEN format('table "%s" is gone: its %s records have no rows', t."table", count(*))
				ELSE format('table "%s", which tally:log/%s detached, is gone: its %s records have no rows',
					t."table", t.end_seq, count(*)) END
			FROM tally.record r WHERE r.epoch IN (SELECT e.id FROM tally.epochs() e
				WHERE e.relation = t.relation)
			HAVING count(*) > 0 OR t.end_seq IS NULL;
			CONTINUE;
		END IF;
		RETURN QUERY SELECT 'unverifiable', NULL::text, NULL::bigint, e.label, NULL::text,
			format('%s records cannot be compared with their rows: %s',
				count(r.epoch), tally.columns_fault(e.config))
			FROM tally.epochs() e LEFT JOIN tally.record r ON r.epoch = e.id
			WHERE e.relation = t.relation AND tally.columns_fault(e.config) IS NOT NULL
			GROUP BY e.id, e.label, e.config::text, tally.columns_fault(e.config)
			HAVING count(r.epoch) > 0;
		SELECT string_agg(tally.rows_query(e.id, e.config), E'\nUNION ALL\n'), array_agg(e.id)
			INTO queries, judged FROM tally.epochs() e
			WHERE e.relation = t.relation AND tally.columns_fault(e.config) IS NULL;
		IF queries IS NOT NULL THEN
			RETURN QUERY SELECT * FROM tally.verify_table(t.relation, t.label, queries, judged,
				"only", from_seq, to_seq, next);
		END IF;
	END LOOP;
END
$$;

