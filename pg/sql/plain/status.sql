-- Status ----------------------------------------------------------------

-- What is the matter with an attached table, for whoever has to mend it.
CREATE FUNCTION tally.table_state(epochs tally.epoch[], epoch bigint, relation oid,
	OUT state text, OUT detail text)
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN c.oid IS NULL THEN 'table is gone'
		WHEN e.id IS NULL THEN 'not sealed'
		WHEN coalesce(e.fault, e.shape_fault) IS NOT NULL THEN 'columns changed'
		WHEN f.detail LIKE '% is gone' THEN 'trigger missing'
		WHEN f.detail IS NOT NULL THEN 'trigger disabled'
		WHEN c.relpersistence <> 'p' THEN 'unlogged'
		WHEN EXISTS (SELECT tally.verify_capture(e.id, e.seq, e.config)) THEN 'column renamed'
		ELSE 'attached' END,
		CASE WHEN c.oid IS NULL THEN format('SELECT tally.detach(%s::regclass) ends its epoch.', relation)
		WHEN e.id IS NULL THEN 'The event that attached it is not in tally:log: this transaction has not committed it, or somebody has removed it.'
		ELSE coalesce(e.fault, e.shape_fault, f.detail,
			(SELECT v.detail FROM tally.verify_capture(e.id, e.seq, e.config) v), format(
			'label "%s", chain "%s"%s, key (%s), %s columns%s, %s, sealed by seq %s of tally:log at %s',
			e.label, e.config ->> 'prefix', ' by ' || quote_ident(e.config ->> 'chain_by'),
			(SELECT string_agg(quote_ident(k), ', ' ORDER BY n) FROM json_array_elements_text(e.config -> 'key')
				WITH ORDINALITY AS k (k, n)), json_array_length(e.config -> 'columns'),
			', only when ' || (e.config ->> 'only_when'), CASE e.config ->> 'append_only'
			WHEN 'true' THEN 'append-only' ELSE 'changes are sealed' END, e.seq,
			(SELECT r."time" FROM tally.record r JOIN tally.chain h ON h.id = r.chain_id
				WHERE h.name = 'tally:log' AND r.seq = e.seq))) END
	FROM (SELECT 1) AS one LEFT JOIN unnest(epochs) e ON e.id = epoch
		LEFT JOIN pg_class c ON c.oid = relation
		LEFT JOIN LATERAL (SELECT v.detail FROM tally.verify_triggers(epoch, e.seq, relation,
			e.label) v WHERE c.oid IS NOT NULL LIMIT 1) AS f ON true
$$;

CREATE FUNCTION tally.status_list(
	OUT item text, OUT subject text, OUT state text, OUT owner integer,
	OUT waiters integer[], OUT detail text
) RETURNS SETOF record
	LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
	SELECT 'library', 'tally', 'plain SQL', NULL::integer, NULL::integer[],
		'Chains are locked until the commit is flushed and the standby has it.'
	UNION ALL
	SELECT 'setting', 'session_replication_role', 'replica', NULL, NULL,
		'In this session no trigger fires: its rows are not sealed, and will be found as unsealed.'
		WHERE current_setting('session_replication_role') = 'replica'
	UNION ALL
	SELECT 'table', tally.table_name(a.relation), s.state, NULL, NULL, s.detail
		FROM (SELECT ARRAY(SELECT e FROM tally.epochs() AS e) AS all) AS e, tally.attachment a,
			tally.table_state(e.all, a.epoch, a.relation) AS s
	UNION ALL
	SELECT 'lock', format('chain "%s"', c.name), CASE WHEN count(w.pid) > 0 THEN 'waited for' ELSE 'held' END,
		h.pid, array_agg(w.pid) FILTER (WHERE w.pid IS NOT NULL), CASE WHEN count(w.pid) > 0
		THEN 'The owner is committing; what keeps it, its row in pg_stat_activity says.' END
		FROM tally.chain c JOIN pg_locks h ON h.locktype = 'advisory' AND h.granted AND h.objsubid = 1
				AND h.database = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND h.classid::bigint = (tally.lock_key(c.name) >> 32) & 4294967295
				AND h.objid::bigint = tally.lock_key(c.name) & 4294967295
			LEFT JOIN pg_locks w ON w.locktype = 'advisory' AND NOT w.granted AND w.objsubid = 1
				AND w.database = h.database AND w.classid = h.classid AND w.objid = h.objid
		GROUP BY c.name, h.pid
$$;

CREATE VIEW tally.status AS
	SELECT item, subject, state, owner, waiters, detail FROM tally.status_list();

