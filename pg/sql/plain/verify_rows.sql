
-- Verifying: tables ------------------------------------------------------

-- A row's transaction id with all its bits; 0 of what has none.
CREATE FUNCTION tally.full_xid(xmin xid, next bigint) RETURNS bigint LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN xmin::text::bigint < 3 THEN 0
		ELSE tally.widen(xmin::text::bigint, next) END
$$;

-- Do rows of these epochs belong into the chain?
CREATE FUNCTION tally.is_of_chain(epochs tally.epoch[], chain text) RETURNS boolean
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM unnest(epochs) e WHERE chain = e.config ->> 'prefix'
		OR left(chain, length(e.config ->> 'prefix') + 1)
			IN (e.config ->> 'prefix' || '/', e.config ->> 'prefix' || '#'))
$$;

-- A table that is gone.
CREATE FUNCTION tally.verify_gone(epochs tally.epoch[]) RETURNS SETOF tally.finding
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN last.end_seq IS NULL THEN 'missing' ELSE 'unverifiable' END,
		'tally:log', last.seq, last.label, NULL::text, CASE WHEN last.end_seq IS NULL
		THEN format('table "%s" is gone: its %s records have no rows',
			last.config ->> 'table', sealed.n)
		ELSE format('table "%s", which tally:log/%s detached, is gone: its %s records have no rows',
			last.config ->> 'table', last.end_seq, sealed.n) END
	FROM (SELECT * FROM unnest(epochs) e ORDER BY e.seq DESC LIMIT 1) AS last,
		(SELECT count(*) AS n FROM tally.record r
			WHERE r.epoch IN (SELECT e.id FROM unnest(epochs) e)) AS sealed
	WHERE sealed.n > 0 OR last.end_seq IS NULL
$$;

-- The same rendering serves all epochs that differ in nothing that is rendered.
CREATE FUNCTION tally.verify_table_of(epochs tally.epoch[], accused tally.finding[], next bigint)
	RETURNS SETOF tally.finding LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	queries text;
	forms bigint[];
BEGIN
	SELECT array_agg(form ORDER BY seq), string_agg(CASE WHEN form = id
			THEN tally.rows_query(form, e) END, E'\nUNION ALL\n')
		INTO forms, queries
		FROM (SELECT e, (e).id, (e).seq, min((e).id) FILTER (WHERE is_rendered) OVER (
				PARTITION BY is_rendered, tally.rendering((e).config), (e).is_here) AS form
			FROM (SELECT e, (e).fault IS NULL AND (e).shape_fault IS NULL AS is_rendered
				FROM unnest(epochs) AS e) AS r) AS f;
	RETURN QUERY SELECT * FROM tally.verify_table(epochs, forms, coalesce(queries,
		-- Nothing can be rendered.
		$none$SELECT NULL::bigint, true, '', '', '', '0'::xid, '' WHERE false$none$),
		accused, next);
END
$$;

CREATE FUNCTION tally.verify_rows(epochs tally.epoch[], accused tally.finding[],
	"only" text, from_seq bigint, to_seq bigint)
	RETURNS SETOF tally.finding LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
	-- Own rows are younger than the snapshot says.
	next bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint + 1048576;
BEGIN
	-- Epochs of a table that is gone are of one table if they had one oid.
	FOR t IN SELECT array_agg(e ORDER BY e.seq) AS epochs, c.oid IS NOT NULL AS is_there
		FROM unnest(epochs) AS e LEFT JOIN pg_class c ON c.oid = e.root
		GROUP BY c.oid, CASE WHEN c.oid IS NULL THEN e.relation END
		ORDER BY min(e.seq)
	LOOP
		IF "only" IS NOT NULL AND NOT tally.is_of_chain(t.epochs, "only") THEN
			CONTINUE;
		ELSIF NOT t.is_there THEN
			RETURN QUERY SELECT * FROM tally.verify_gone(t.epochs);
			CONTINUE;
		END IF;
		RETURN QUERY SELECT f.* FROM tally.verify_table_of(t.epochs, accused, next) AS f
			WHERE ("only" IS NULL OR f.chain IS NULL OR f.chain IN ("only", 'tally:log'))
				AND (f.seq IS NULL OR f.chain = 'tally:log' OR f.seq BETWEEN from_seq AND to_seq)
				AND (f.kind <> 'unsealed' OR (from_seq = 1 AND to_seq = 9223372036854775807));
	END LOOP;
END
$$;
