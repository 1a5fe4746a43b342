-- Verifying: the configuration ------------------------------------------

-- A text that is no JSON any more is nothing that tally:log sealed.
CREATE FUNCTION tally.parse(event text) RETURNS json LANGUAGE plpgsql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN event::json;
EXCEPTION WHEN invalid_text_representation THEN
	RETURN NULL;
END
$$;

-- A number in a text, or null: nobody but tally writes these, but anybody can.
CREATE FUNCTION tally.number(value text) RETURNS bigint LANGUAGE sql IMMUTABLE
AS $$
	SELECT CASE WHEN value ~ '^[0-9]{1,18}$' THEN value::bigint END
$$;

-- The events of tally:log that hash to their digests: kind is the name of the
-- only member, body its value.
CREATE FUNCTION tally.log_events(OUT seq bigint, OUT event_id bigint, OUT kind text,
	OUT body json) RETURNS SETOF record LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT l.seq, l.event_id, m.key, m.value
	FROM (SELECT r.seq, r.event_id, tally.parse(e.event) AS event
		FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
			JOIN tally.event e ON e.id = r.event_id
		WHERE c.name = 'tally:log' AND tally.commitment(r.salt, e.event) = r.digest
		OFFSET 0) AS l
		LEFT JOIN LATERAL (SELECT key, value, count(*) OVER () AS n FROM json_each(
			CASE json_typeof(l.event) WHEN 'object' THEN l.event END)) AS m ON m.n = 1
$$;

-- What stands in tally:log and is known here.
CREATE FUNCTION tally.is_known(kind text) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$
	SELECT kind IN ('created', 'attach', 'alter', 'detach', 'origin', 'track', 'untrack')
$$;

-- An epoch: what was attached, from when to when, and where it is now.
CREATE TYPE tally.epoch AS (
	id bigint,				-- tally.event.id of the event that began it
	seq bigint,				-- of its record in tally:log
	config json,
	relation oid,			-- where it was attached
	root oid,				-- which is that here
	label text,
	is_here boolean,		-- attached where we are
	xid bigint, running bigint[], unclear bigint,
	end_seq bigint, end_kind text,	-- null: it is in force
	end_xid bigint, end_running bigint[], end_unclear bigint,
	fault text,				-- why rows cannot be rendered now as they were then
	shape_fault text
);

-- Where was sealed what stands at that place of tally:log?  The events "origin"
-- divide it; if there are none, only the table says so, and if it does not, the
-- event itself.
CREATE FUNCTION tally.is_home(seq bigint, config json, moves json[], here tally.origin)
	RETURNS boolean LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT config ->> 'cluster' = here.cluster AND CASE WHEN p IS NOT NULL
		THEN p ->> 'oid' = here.database::text AND p ->> 'record' = here.record::text
			AND p ->> 'cluster' = here.cluster
		WHEN o.number IS NOT NULL THEN tally.origin_fault(o, here) IS NULL
		ELSE config ->> 'database' = here.name END
	FROM (SELECT coalesce(
			(SELECT m -> 'from' FROM unnest(moves) AS m
				WHERE tally.number(m ->> 'seq') > is_home.seq
				ORDER BY tally.number(m ->> 'seq') LIMIT 1),
			(SELECT m -> 'to' FROM unnest(moves) AS m
				ORDER BY tally.number(m ->> 'seq') DESC LIMIT 1)) AS p) AS p
		LEFT JOIN tally.last_origin() AS o ON true
$$;

CREATE FUNCTION tally.epochs() RETURNS SETOF tally.epoch LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH log AS MATERIALIZED (
		SELECT * FROM tally.log_events()
	), moves AS MATERIALIZED (
		SELECT array_agg(json_build_object('seq', seq, 'from', body -> 'from', 'to', body -> 'to')
			ORDER BY seq) AS all FROM log WHERE kind = 'origin'
	), said AS (
		SELECT seq, event_id, kind, body, CASE WHEN tally.number(body ->> 'relation') < 4294967296
				THEN tally.number(body ->> 'relation') END AS relation,
			tally.number(body ->> 'xid') AS xid, tally.number(body ->> 'unclear') AS unclear,
			ARRAY(SELECT tally.number(x) FROM json_array_elements_text(
				CASE json_typeof(body -> 'running') WHEN 'array' THEN body -> 'running' END)
				AS x) AS running
		FROM log WHERE kind = 'detach' OR (kind IN ('attach', 'alter')
			AND json_typeof(body -> 'columns') = 'array' AND json_typeof(body -> 'key') = 'array')
	), turns AS (
		SELECT *, lead(seq) OVER w AS end_seq, lead(kind) OVER w AS end_kind,
			lead(xid) OVER w AS end_xid, lead(running) OVER w AS end_running,
			lead(unclear) OVER w AS end_unclear
		FROM said WINDOW w AS (PARTITION BY relation ORDER BY seq)
	), placed AS MATERIALIZED (
		SELECT t.*, h.is_here, CASE WHEN h.is_here THEN t.relation::oid
			ELSE coalesce(a.relation, to_regclass(body ->> 'table'))::oid END AS root
		FROM turns t LEFT JOIN tally.attachment a ON a.epoch = t.event_id
			CROSS JOIN moves CROSS JOIN tally.here() AS here
			CROSS JOIN LATERAL (SELECT tally.is_home(seq, body, moves.all, here)) AS h (is_here)
		WHERE kind <> 'detach' AND t.relation IS NOT NULL AND xid IS NOT NULL
	)
	SELECT event_id, seq, body, relation::oid, root, body ->> 'label', is_here, xid,
		running, unclear, end_seq, end_kind, end_xid, end_running, end_unclear, c.*
	FROM placed LEFT JOIN LATERAL (SELECT min(f.fault) FILTER (WHERE f.n = f.first),
			min(f.shape_fault) FILTER (WHERE f.n = f.first_shape) FROM (
				SELECT f.*, min(n) FILTER (WHERE fault IS NOT NULL) OVER () AS first,
					min(n) FILTER (WHERE shape_fault IS NOT NULL) OVER () AS first_shape
				FROM tally.columns_of(body, root, is_here) AS f) AS f
		) AS c ON EXISTS (SELECT FROM pg_class WHERE oid = root)
	ORDER BY seq
$$;

-- A trigger as attach made it, or what is wrong with it.
CREATE FUNCTION tally.trigger_fault(t pg_trigger, type smallint) RETURNS text
	LANGUAGE sql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN t.tgenabled = 'D' THEN 'is disabled'
		WHEN t.tgenabled = 'R' THEN 'fires on replicas only'
		WHEN t.tgtype <> type THEN 'fires at other events than it should'
		WHEN t.tgqual IS NOT NULL THEN 'has a condition'
		WHEN t.tgattr <> '' THEN 'looks at some columns only'
		WHEN t.tgdeferrable THEN 'is deferrable' END
$$;

CREATE FUNCTION tally.verify_triggers(epoch bigint, seq bigint, relation oid, label text)
	RETURNS SETOF tally.finding LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH wanted (member, name, function, type, may_lack) AS (
		SELECT m, '!tally_capture', 'capture_' || epoch, 29::smallint, false
			FROM tally.members_of(relation) AS m
		UNION ALL
		-- One that came later has none before somebody calls tally.guard.
		SELECT m, '!tally_truncate', 'refuse_truncate', 34::smallint, m <> relation
			FROM tally.members_of(relation) AS m
	), found AS (
		SELECT w.*, (SELECT t FROM pg_trigger t WHERE t.tgrelid = w.member
			AND t.tgfoid = to_regproc('tally.' || w.function)
			ORDER BY tally.trigger_fault(t, w.type) NULLS FIRST LIMIT 1) AS t
		FROM wanted w
	)
	SELECT 'content-altered', 'tally:log', seq, label, NULL,
		format('trigger "%s" of table "%s" %s', name, tally.table_name(member),
			CASE WHEN t IS NULL THEN 'is gone' ELSE tally.trigger_fault(t, type) END)
	FROM found WHERE (t IS NULL AND NOT may_lack) OR tally.trigger_fault(t, type) IS NOT NULL
$$;

-- The trigger function of an epoch is what would be written from its event.
CREATE FUNCTION tally.verify_capture(epoch bigint, seq bigint, config json)
	RETURNS SETOF tally.finding LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'content-altered', 'tally:log', seq, config ->> 'label', NULL, CASE
		WHEN p.oid IS NULL THEN format('function "tally.capture_%s" is gone', epoch)
		ELSE format('function "tally.capture_%s" is not the one that attach made, or a column was renamed: tally.refresh() writes it anew', epoch) END
	FROM (SELECT to_regproc('tally.capture_' || epoch) AS f) AS f
		LEFT JOIN pg_proc p ON p.oid = f.f
	WHERE p.oid IS NULL OR p.prosrc <> tally.capture_source(epoch, config) OR NOT p.prosecdef
		OR p.prolang <> (SELECT oid FROM pg_language WHERE lanname = 'plpgsql')
		OR array_length(p.proconfig, 1) <> 13
		OR p.proowner <> (SELECT nspowner FROM pg_namespace WHERE nspname = 'tally')
$$;

-- The epochs in force: is everything what they say?
CREATE FUNCTION tally.verify_live(epochs tally.epoch[]) RETURNS SETOF tally.finding
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH live AS MATERIALIZED (
		SELECT e.*, a.relation AS stored, a.label AS stored_label,
			EXISTS (SELECT FROM pg_class WHERE oid = e.root) AS is_there
		FROM unnest(epochs) e LEFT JOIN tally.attachment a ON a.epoch = e.id
		WHERE e.end_seq IS NULL
	)
	SELECT 'content-altered', 'tally:log', seq, label, NULL::text,
			'tally.attachment has no row for it, though it was not detached'
		FROM live WHERE stored IS NULL
	UNION ALL
	SELECT 'content-altered', 'tally:log', seq, label, NULL,
			format('tally.attachment calls it "%s"', stored_label)
		FROM live WHERE stored_label <> label
	UNION ALL
	SELECT 'content-altered', 'tally:log', seq, label, NULL,
			format('tally.attachment says that it is of table %s, but it is of %s',
				tally.table_name(stored), tally.table_name(root))
		FROM live WHERE stored <> root
	UNION ALL
	SELECT 'content-altered', 'tally:log', seq, label, NULL, fault
		FROM live WHERE fault IS NOT NULL
	UNION ALL
	SELECT 'unverifiable', 'tally:log', seq, label, NULL, shape_fault
		FROM live WHERE fault IS NULL AND shape_fault IS NOT NULL
	UNION ALL
	SELECT 'content-altered', 'tally:log', l.seq, l.label, NULL,
			format('column "%s" of table "%s" was renamed to "%s"', c.name, l.config ->> 'table', c.name_now)
		FROM live l, tally.columns_of(l.config, l.root, l.is_here) c
		WHERE is_there AND l.fault IS NULL AND c.name <> c.name_now
	UNION ALL
	SELECT 'content-altered', 'tally:log', seq, label, NULL,
			format('table "%s" is unlogged now', tally.table_name(m))
		FROM live, tally.members_of(root) AS m JOIN pg_class c ON c.oid = m
		WHERE is_there AND c.relpersistence <> 'p'
	UNION ALL
	SELECT (f).* FROM live, tally.verify_triggers(id, seq, root, label) AS f WHERE is_there
	UNION ALL
	SELECT (f).* FROM live, tally.verify_capture(id, seq, config) AS f
		WHERE is_there AND is_here AND fault IS NULL
$$;

-- The configuration beside them.
CREATE FUNCTION tally.verify_attached(epochs tally.epoch[]) RETURNS SETOF tally.finding
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (f).* FROM tally.verify_live(epochs) AS f
	UNION ALL
	SELECT 'content-altered', 'tally:log', NULL, a.label, NULL, CASE WHEN e.id IS NULL
			THEN format('tally.attachment has a row for event %s, which is no attach event that tally:log seals', a.epoch)
			ELSE format('tally.attachment has a row for it, though it was detached by tally:log/%s', e.end_seq) END
		FROM tally.attachment a LEFT JOIN unnest(epochs) e ON e.id = a.epoch
		-- That an event does not hold is told of the record that names it.
		WHERE e.end_seq IS NOT NULL OR (e.id IS NULL AND NOT EXISTS (
			SELECT FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
			WHERE c.name = 'tally:log' AND r.event_id = a.epoch))
	UNION ALL
	SELECT 'unverifiable', NULL, NULL, NULL, NULL,
			format('%s records of rows name event %s as their table''s attach event, which tally:log does not seal',
				count(*), r.epoch)
		FROM tally.record r WHERE r.epoch IS NOT NULL
			AND NOT EXISTS (SELECT FROM unnest(epochs) e WHERE e.id = r.epoch)
			AND NOT EXISTS (SELECT FROM tally.log_events() l
				WHERE l.event_id = r.epoch AND l.kind = 'track') GROUP BY r.epoch
	UNION ALL
	SELECT 'unverifiable', 'tally:log', seq, NULL, NULL,
			CASE WHEN kind IS NULL THEN 'its event is none of tally'
			ELSE format('this verifier does not know events of kind "%s"', kind) END
		FROM tally.log_events() WHERE tally.is_known(kind) IS NOT true
	UNION ALL
	SELECT 'unverifiable', 'tally:log', l.seq, NULL, NULL, 'its configuration cannot be read'
		FROM tally.log_events() l WHERE l.kind IN ('attach', 'alter')
			AND NOT EXISTS (SELECT FROM unnest(epochs) e WHERE e.seq = l.seq)
$$;

-- What tally:log says is sealed, what tally.origin says is not: where they differ
-- the log is right.
CREATE FUNCTION tally.verify_origins() RETURNS SETOF tally.finding LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH places AS MATERIALIZED (
		SELECT row_number() OVER (ORDER BY seq) AS n, body -> 'from' AS origin,
			body -> 'to' AS place FROM tally.log_events() WHERE kind = 'origin'
	), wanted AS (
		SELECT 1 AS number, (SELECT origin FROM places WHERE n = 1) AS place
		UNION ALL SELECT n + 1, place FROM places
	), judged AS (
		SELECT o.number AS stored, w.number, w.place, o IS NOT NULL AND (place IS NULL
			OR (o.cluster, o.name, o.database::text, o.record::text, o.timeline::text)
			= (place ->> 'cluster', place ->> 'database', place ->> 'oid', place ->> 'record',
				place ->> 'timeline')) AS holds
		FROM wanted w FULL JOIN tally.origin o ON o.number = w.number
	)
	SELECT 'content-altered', NULL::text, NULL::bigint, NULL::text, NULL::text,
			CASE WHEN number IS NULL
			THEN format('table "tally.origin" has a row %s that nothing in tally:log says', stored)
			ELSE format('row %s of table "tally.origin" is not what tally:log says', stored) END
		FROM judged WHERE stored IS NOT NULL AND (number IS NULL OR NOT holds)
	UNION ALL
	SELECT 'missing', NULL, NULL, NULL, NULL, format(
			'table "tally.origin" has %s rows, and should have %s', count(stored), count(number))
		FROM judged HAVING count(stored) < count(number)
			AND (count(stored) > 0 OR EXISTS (SELECT FROM tally.record))
	UNION ALL
	SELECT 'unverifiable', NULL, NULL, NULL, NULL,
			'the database is a copy, or was restored, and nobody has said so: ' || fault
		FROM (SELECT tally.origin_fault(coalesce((SELECT (0, place ->> 'cluster',
				(place ->> 'oid')::oid, place ->> 'database', (place ->> 'record')::oid, 0)::tally.origin
				FROM places ORDER BY n DESC LIMIT 1), tally.last_origin()), tally.here())) AS f (fault)
		WHERE fault IS NOT NULL
$$;

-- Our own tables: guards, the trigger that seals, the indexes that refuse forks.
CREATE FUNCTION tally.verify_own() RETURNS SETOF tally.finding LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH wanted ("table", name, type) AS (
		SELECT t, 'guard', 62::smallint FROM unnest(ARRAY['chain', 'event', 'record',
			'attachment', 'origin', 'pending']) AS t
		UNION ALL SELECT 'pending', 'seal', 5::smallint
	), found AS (
		SELECT w.*, t.oid, t.tgenabled, t.tgtype, p.oid AS function
		FROM wanted w LEFT JOIN pg_trigger t ON t.tgname = w.name
				AND t.tgrelid = to_regclass('tally.' || w."table")
			LEFT JOIN pg_proc p ON p.oid = t.tgfoid AND p.proname = w.name
				AND p.pronamespace = 'tally'::regnamespace
	)
	SELECT 'content-altered', NULL::text, NULL::bigint, NULL::text, NULL::text,
			format('trigger "%s" of table "tally.%s" %s', name, "table", CASE
				WHEN oid IS NULL THEN 'is gone' WHEN tgenabled NOT IN ('O', 'A') THEN 'is disabled'
				ELSE 'is not the one that the script made' END)
		FROM found WHERE oid IS NULL OR tgenabled NOT IN ('O', 'A') OR tgtype <> type
			OR function IS NULL
	UNION ALL
	SELECT 'content-altered', NULL, NULL, NULL, NULL,
			format('trigger "%s" of table %s is not the script''s', t.tgname, t.tgrelid::regclass)
		FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
		WHERE c.relnamespace = 'tally'::regnamespace AND NOT t.tgisinternal
			AND NOT EXISTS (SELECT FROM wanted w WHERE w.name = t.tgname AND w."table" = c.relname)
	UNION ALL
	SELECT 'content-altered', NULL, NULL, NULL, NULL,
			format('index "%s" of tally is gone, or not the one that the script made', w)
		FROM unnest(ARRAY['chain_id', 'chain_name', 'event_id', 'record_seq', 'record_id',
			'attachment_relation', 'attachment_label', 'origin_number']) AS w
		WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = to_regclass('tally.' || w)
			AND i.indisunique AND i.indisvalid AND i.indimmediate)
	UNION ALL
	SELECT 'content-altered', NULL, NULL, NULL, NULL,
			format('table "tally.%s" is gone, or not as the script made it', w)
		FROM unnest(ARRAY['chain', 'event', 'record', 'attachment', 'origin']) AS w
		WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('tally.' || w)
			AND c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relhasrules)
$$;

-- What was captured and not sealed.  A standby cannot read the table, which is
-- unlogged: there, nothing is captured.
CREATE FUNCTION tally.verify_pending() RETURNS SETOF tally.finding LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF pg_is_in_recovery() THEN
		RETURN;
	END IF;
	RETURN QUERY SELECT 'unsealed', chain, NULL::bigint, tally.source(epoch), key,
			'it was captured, and its transaction committed without sealing it'
		FROM tally.pending WHERE xid <> coalesce(pg_current_xact_id_if_assigned(), '0');
END
$$;
