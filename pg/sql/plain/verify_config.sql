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

-- What tally:log says was attached, from when to when.
CREATE FUNCTION tally.epochs(OUT id bigint, OUT seq bigint, OUT config json,
	OUT relation oid, OUT label text, OUT xid bigint, OUT end_seq bigint, OUT end_xid bigint)
	RETURNS SETOF record LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH log AS MATERIALIZED (
		SELECT r.seq, r.event_id, tally.parse(e.event) AS event
		FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
			JOIN tally.event e ON e.id = r.event_id
		WHERE c.name = 'tally:log' AND tally.commitment(r.salt, e.event) = r.digest
	), attached AS (
		SELECT seq, event_id, event -> 'attach' AS config FROM log
		WHERE event -> 'attach' IS NOT NULL
	)
	SELECT a.event_id, a.seq, a.config, (a.config ->> 'relation')::oid,
		a.config ->> 'label', (a.config ->> 'xid')::bigint, d.seq, d.xid
	FROM attached a LEFT JOIN LATERAL (
		SELECT l.seq, (l.event -> 'detach' ->> 'xid')::bigint AS xid FROM log l
		WHERE l.seq > a.seq AND l.event -> 'detach' ->> 'relation' = a.config ->> 'relation'
		ORDER BY l.seq LIMIT 1) AS d ON true
	ORDER BY a.seq
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
	WITH wanted (member, name, function, type) AS (
		SELECT m, '!tally_capture', 'capture_' || epoch, 29::smallint
			FROM tally.members_of(relation) AS m
		UNION ALL
		SELECT relation, '!tally_truncate', 'refuse_truncate', 34::smallint
	), found AS (
		SELECT w.*, (SELECT t FROM pg_trigger t WHERE t.tgrelid = w.member
			AND t.tgfoid = to_regproc('tally.' || w.function)
			ORDER BY tally.trigger_fault(t, w.type) NULLS FIRST LIMIT 1) AS t
		FROM wanted w
	)
	SELECT 'content-altered', 'tally:log', seq, label, NULL,
		format('trigger "%s" of table "%s" %s', name, tally.table_name(member),
			CASE WHEN t IS NULL THEN 'is gone' ELSE tally.trigger_fault(t, type) END)
	FROM found WHERE t IS NULL OR tally.trigger_fault(t, type) IS NOT NULL
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

-- Was this attached where we are?
CREATE FUNCTION tally.is_home(config json) RETURNS boolean LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT config ->> 'database' = current_database()
		AND config ->> 'cluster' = (SELECT system_identifier::text FROM pg_control_system())
$$;

CREATE FUNCTION tally.verify_attached() RETURNS SETOF tally.finding LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH live AS MATERIALIZED (
		SELECT e.*, a.relation AS stored, a.label AS stored_label,
			EXISTS (SELECT FROM pg_class WHERE oid = e.relation) AS is_there
		FROM tally.epochs() e LEFT JOIN tally.attachment a ON a.epoch = e.id
		WHERE e.end_seq IS NULL
	)
	SELECT 'content-altered', 'tally:log', seq, label, NULL,
			'tally.attachment has no row for it, though it was not detached'
		FROM live WHERE stored IS NULL
	UNION ALL
	SELECT 'content-altered', 'tally:log', seq, label, NULL,
			format('tally.attachment calls it "%s"', stored_label)
		FROM live WHERE stored_label <> label
	UNION ALL
	SELECT 'content-altered', 'tally:log', seq, label, NULL,
			format('tally.attachment says that it is of table %s, but it is of %s',
				tally.table_name(stored), tally.table_name(relation))
		FROM live WHERE stored <> relation
	UNION ALL
	SELECT 'content-altered', NULL, NULL, a.label, NULL, CASE WHEN e.id IS NULL
			THEN format('tally.attachment has a row for event %s, which is no attach event that tally:log seals', a.epoch)
			ELSE format('tally.attachment has a row for it, though it was detached by tally:log/%s', e.end_seq) END
		FROM tally.attachment a LEFT JOIN tally.epochs() e ON e.id = a.epoch
		WHERE e.id IS NULL OR e.end_seq IS NOT NULL
	UNION ALL
	SELECT 'unverifiable', 'tally:log', seq, label, NULL,
			format('it was attached in database "%s" of another cluster or another name, so nobody knows how old its rows are', config ->> 'database')
		FROM live WHERE NOT tally.is_home(config)
	UNION ALL
	SELECT 'content-altered', 'tally:log', seq, label, NULL, tally.columns_fault(config)
		FROM live WHERE is_there AND tally.columns_fault(config) IS NOT NULL
	UNION ALL
	SELECT 'content-altered', 'tally:log', l.seq, l.label, NULL,
			format('column "%s" of table "%s" was renamed to "%s"', c.name, l.config ->> 'table', c.name_now)
		FROM live l, tally.columns_of(l.config) c WHERE is_there AND c.name <> c.name_now
	UNION ALL
	SELECT 'content-altered', 'tally:log', seq, label, NULL,
			format('table "%s" is unlogged now', tally.table_name(m))
		FROM live, tally.members_of(relation) AS m JOIN pg_class c ON c.oid = m
		WHERE is_there AND c.relpersistence <> 'p'
	UNION ALL
	SELECT (f).* FROM live, tally.verify_triggers(id, seq, relation, label) AS f WHERE is_there
	UNION ALL
	SELECT (f).* FROM live, tally.verify_capture(id, seq, config) AS f
		WHERE is_there AND tally.columns_fault(config) IS NULL
	UNION ALL
	SELECT 'content-altered', NULL, NULL, NULL, NULL,
			format('%s records of rows name event %s as their table''s attach event, which tally:log does not seal',
				count(*), r.epoch)
		FROM tally.record r WHERE r.epoch IS NOT NULL
			AND NOT EXISTS (SELECT FROM tally.epochs() e WHERE e.id = r.epoch) GROUP BY r.epoch
$$;

-- Our own tables: guards, the trigger that seals, the indexes that refuse forks.
CREATE FUNCTION tally.verify_own() RETURNS SETOF tally.finding LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH wanted ("table", name, type) AS (
		SELECT t, 'guard', 62::smallint FROM unnest(ARRAY['chain', 'event', 'record',
			'attachment', 'pending']) AS t
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
			'attachment_relation', 'attachment_label']) AS w
		WHERE NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = to_regclass('tally.' || w)
			AND i.indisunique AND i.indisvalid AND i.indimmediate)
	UNION ALL
	SELECT 'content-altered', NULL, NULL, NULL, NULL,
			format('table "tally.%s" is gone, or not as the script made it', w)
		FROM unnest(ARRAY['chain', 'event', 'record', 'attachment']) AS w
		WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = to_regclass('tally.' || w)
			AND c.relkind = 'r' AND c.relpersistence = 'p' AND NOT c.relhasrules)
	UNION ALL
	SELECT 'unsealed', chain, NULL, tally.source(epoch), key,
			'it was captured, and its transaction committed without sealing it'
		FROM tally.pending WHERE xid <> coalesce(pg_current_xact_id_if_assigned(), '0')
$$;

