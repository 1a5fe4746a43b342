-- Verifying: records ----------------------------------------------------
-- Everything is read under the snapshot of the query that asks: these functions
-- are stable.  Kinds and words are the extension's (doc/postgresql.md).

CREATE TYPE tally.finding AS (
	kind text, chain text, seq bigint, source text, key text, detail text
);

-- Links.  What makes a record bad is blamed on one record, and its neighbours,
-- which hold the hash that it had, are believed (pg/src/verify_links.c).
CREATE FUNCTION tally.verify_links("only" text, from_seq bigint, to_seq bigint)
	RETURNS SETOF tally.finding LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH steps AS MATERIALIZED (
		SELECT c.name AS chain, r.chain_id, r.seq, r.prev, r.hash, r.epoch, r.key,
			tally.record_hash(coalesce(c.name, ''), r.digest, r.id, r.prev, r.seq,
				r."time") = r.hash AS holds,
			lag(r.seq) OVER w AS seq_before, lag(r.hash) OVER w AS hash_before,
			lag(r.prev) OVER w AS prev_before,
			lead(r.prev) OVER w AS prev_after, lead(r.seq) OVER w AS seq_after,
			CASE WHEN octet_length(r.digest) <> 32 THEN 'its digest is not 32 bytes long'
				WHEN octet_length(r.prev) <> 32 THEN 'its prev is not 32 bytes long'
				WHEN octet_length(r.hash) <> 32 THEN 'its hash is not 32 bytes long'
				WHEN octet_length(r.salt) <> 16 THEN 'its salt is not 16 bytes long'
				WHEN r.salt = decode(repeat('00', 16), 'hex') THEN 'its salt is the one that is not written'
				WHEN r."time" NOT BETWEEN '1970-01-01 00:00:00+00'
					AND '9999-12-31 23:59:59.999999+00' THEN 'its time is not in the years 1970 to 9999'
				WHEN r.seq < 1 THEN 'its seq is null, or none' END AS damage
		FROM tally.record r LEFT JOIN tally.chain c ON c.id = r.chain_id
		WHERE ("only" IS NULL OR c.name = "only")
			-- One before the first that was asked for, to link to.
			AND r.seq BETWEEN from_seq - 1 AND to_seq
		WINDOW w AS (PARTITION BY r.chain_id ORDER BY r.seq, r.ctid)
	), judged AS (
		SELECT *,
			lag(holds AND damage IS NULL) OVER (PARTITION BY chain_id ORDER BY seq) AS sound_before,
			CASE WHEN seq = 1 THEN prev = decode(repeat('00', 32), 'hex')
				WHEN seq = seq_before + 1 THEN prev = hash_before END AS links_back,
			CASE WHEN seq_after = seq + 1 THEN prev_after = hash END AS links_on
		FROM steps
	)
	SELECT 'damaged', chain, seq, NULL::text, key, damage FROM judged
		WHERE damage IS NOT NULL AND seq >= from_seq
	UNION ALL
	SELECT 'link-altered', chain, seq, NULL, key, CASE
			WHEN links_back IS false AND links_on IS false
			THEN 'its header does not hash to its hash, and it links to no record of its chain'
			ELSE 'its header does not hash to its hash' END
		FROM judged WHERE damage IS NULL AND NOT holds AND chain IS NOT NULL AND seq >= from_seq
	UNION ALL
	SELECT 'link-altered', chain, seq, NULL, key, CASE
			WHEN seq = 1 THEN 'it is the first of its chain, but links to another'
			ELSE 'neither of its neighbours is linked to it: it was rewritten' END
		FROM judged WHERE holds AND damage IS NULL AND links_back IS false
			AND (seq = 1 OR links_on IS false) AND seq >= from_seq
	UNION ALL
	SELECT 'link-altered', chain, seq - 1, NULL, NULL,
			'its successor links to another record than this one'
		FROM judged WHERE holds AND damage IS NULL AND links_back IS false AND seq > 1
			AND links_on IS NOT false AND sound_before AND seq > from_seq
	UNION ALL
	SELECT CASE WHEN hash = hash_before THEN 'duplicate' WHEN prev = prev_before THEN 'forked'
			ELSE 'inserted' END, chain, seq, NULL, key, CASE
			WHEN hash = hash_before THEN 'the same record stands there twice'
			WHEN prev = prev_before THEN 'another record follows the same one'
			ELSE 'it links to no record of its chain' END
		FROM judged WHERE seq = seq_before
	UNION ALL
	SELECT 'missing', chain, coalesce(seq_before, 0) + 1, NULL, NULL,
			CASE WHEN seq - coalesce(seq_before, 0) = 2 THEN 'the record is not there'
			ELSE format('records %s to %s are not there', coalesce(seq_before, 0) + 1, seq - 1) END
		FROM judged WHERE seq > coalesce(seq_before, CASE WHEN from_seq > 1 THEN seq ELSE 0 END) + 1
	UNION ALL
	SELECT 'damaged', NULL, NULL, NULL, NULL,
			format('%s records have chain_id %s, which is in no row of tally.chain', count(*), chain_id)
		FROM judged WHERE chain IS NULL GROUP BY chain_id
	UNION ALL
	SELECT 'missing', c.name, NULL, NULL, NULL, 'none of its records is there'
		FROM tally.chain c WHERE ("only" IS NULL OR c.name = "only")
			AND NOT EXISTS (SELECT FROM tally.record r WHERE r.chain_id = c.id)
	UNION ALL
	SELECT 'missing', "only", NULL, NULL, NULL, 'there is no such chain'
		WHERE "only" IS NOT NULL AND NOT EXISTS (SELECT FROM tally.chain WHERE name = "only")
	UNION ALL
	SELECT 'damaged', c.name, NULL, NULL, NULL, 'no chain has such a name'
		FROM tally.chain c WHERE tally.name_fault(c.name, 255) IS NOT NULL
			AND ("only" IS NULL OR c.name = "only")
$$;

-- Events that are kept, and what a record names.  Those of a tracked table, which
-- the extension has sealed, have an epoch and no key.
CREATE FUNCTION tally.verify_kept("only" text, from_seq bigint, to_seq bigint)
	RETURNS SETOF tally.finding LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH shown AS MATERIALIZED (
		SELECT c.name AS chain, r.seq, tally.source(r.epoch) AS source, r.key, r.epoch,
			r.event_id, r.digest, r.salt, e.event, a.event LIKE '{"track":%' AS is_tracked
		FROM tally.record r LEFT JOIN tally.chain c ON c.id = r.chain_id
			LEFT JOIN tally.event e ON e.id = r.event_id
			LEFT JOIN tally.event a ON a.id = r.epoch
		WHERE (r.event_id IS NOT NULL OR r.epoch IS NULL OR r.key IS NULL)
			AND ("only" IS NULL OR c.name = "only") AND r.seq BETWEEN from_seq AND to_seq
	)
	SELECT 'missing', chain, seq, source, key,
			format('event %s, which it names, is not there', event_id)
		FROM shown WHERE event_id IS NOT NULL AND event IS NULL
	UNION ALL
	SELECT 'content-altered', chain, seq, source, key,
			format('event %s, which it names, does not hash to its digest', event_id)
		FROM shown WHERE tally.commitment(salt, event) <> digest
	UNION ALL
	SELECT 'content-altered', chain, seq, source, key, CASE
			WHEN epoch IS NOT NULL THEN 'it names the attach event of a row, but no key'
			WHEN key IS NOT NULL THEN 'it has a key, but names no attach event'
			ELSE 'it names neither the attach event of a row nor an event' END
		FROM shown WHERE ((epoch IS NULL) <> (key IS NULL) AND NOT (is_tracked AND key IS NULL))
			OR (epoch IS NULL AND event_id IS NULL)
	UNION ALL
	SELECT 'inserted', NULL, NULL, NULL, NULL,
			format('event %s in tally.event is named by no record', e.id)
		FROM tally.event e WHERE "only" IS NULL
			AND NOT EXISTS (SELECT FROM tally.record r WHERE r.event_id = e.id)
$$;

-- Heads that were kept elsewhere: [{"chain":…,"seq":…,"hash":…}, …].
CREATE FUNCTION tally.verify_heads(heads json)
	RETURNS SETOF tally.finding LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	WITH watched AS MATERIALIZED (
		SELECT h ->> 'chain' AS chain, (h ->> 'seq')::bigint AS seq,
			decode(regexp_replace(h ->> 'hash', '^\\x', ''), 'hex') AS hash
		FROM json_array_elements(heads) AS h
	)
	SELECT CASE WHEN c.id IS NULL THEN 'missing' WHEN r.hash IS NOT NULL THEN 'rolled-back'
			ELSE 'truncated' END, w.chain, w.seq, NULL, NULL, CASE
			WHEN c.id IS NULL THEN format('the chain is not there, and a head of its record %s was given', w.seq)
			WHEN r.hash IS NOT NULL THEN 'the head that was given for this record has another hash'
			ELSE format('the chain ends before this record, and a head of its record %s was given', w.seq) END
	FROM watched w LEFT JOIN tally.chain c ON c.name = w.chain
		LEFT JOIN tally.record r ON r.chain_id = c.id AND r.seq = w.seq
	WHERE r.hash IS NULL AND NOT EXISTS (SELECT FROM tally.record l
			WHERE l.chain_id = c.id AND l.seq > w.seq)
		OR r.hash <> w.hash
$$;

