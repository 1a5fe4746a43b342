-- Heads and records -----------------------------------------------------
-- Only what is durable leaves.  A transaction becomes visible after its flush,
-- except one that asked for synchronous_commit = off; so whoever shows a head
-- waits until everything that is in the WAL now is flushed.
--
-- PostgreSQL 17 can flush for us.  Before, the WAL writer does it, within three
-- times wal_writer_delay: it flushes whole pages, so we fill one if the position
-- that we wait for lies in the last.
CREATE FUNCTION tally.durable() RETURNS boolean
	LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	wanted pg_lsn;
	tries integer := 0;
BEGIN
	-- On a standby nothing is replayed that was not flushed.
	IF pg_is_in_recovery() THEN
		RETURN true;
	END IF;
	wanted := pg_current_wal_insert_lsn();
	IF pg_current_wal_flush_lsn() >= wanted THEN
		RETURN true;
	ELSIF current_setting('server_version_num')::integer >= 170000 THEN
		EXECUTE 'SELECT pg_logical_emit_message(false, ''tally'', '''', true)';
		RETURN true;
	END IF;
	WHILE pg_current_wal_flush_lsn() < wanted LOOP
		IF tries % 100 = 10 THEN
			PERFORM pg_logical_emit_message(false, 'tally', repeat(' ', 16384));
		ELSIF tries > 3000 THEN
			RAISE EXCEPTION 'the log is not flushed'
				USING ERRCODE = 'io_error',
					DETAIL = 'What was not flushed is no head: a crash could take it back.';
		END IF;
		PERFORM pg_sleep(0.01);
		tries := tries + 1;
	END LOOP;
	RETURN true;
END
$$;

-- They read first, then wait: so nothing that they show is younger.
CREATE FUNCTION tally.head(
	chain text,
	OUT seq bigint, OUT hash bytea, OUT "time" timestamptz
) RETURNS record
	LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
BEGIN
	SELECT r.seq, r.hash, r."time" INTO seq, hash, "time"
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
	WHERE c.name = chain ORDER BY r.seq DESC LIMIT 1;
	PERFORM tally.durable();
END
$$;

CREATE FUNCTION tally.receipt(
	chain text, id text,
	OUT seq bigint, OUT hash bytea, OUT "time" timestamptz
) RETURNS record
	LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
BEGIN
	SELECT r.seq, r.hash, r."time" INTO seq, hash, "time"
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
	WHERE c.name = chain AND r.id = receipt.id;
	PERFORM tally.durable();
END
$$;

CREATE FUNCTION tally.head_list(
	OUT chain text, OUT seq bigint, OUT hash bytea, OUT "time" timestamptz
) RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
BEGIN
	RETURN QUERY SELECT c.name, r.seq, r.hash, r."time"
	FROM tally.chain c CROSS JOIN LATERAL (SELECT * FROM tally.record t
		WHERE t.chain_id = c.id ORDER BY t.seq DESC LIMIT 1) AS r;
	PERFORM tally.durable();
END
$$;

CREATE VIEW tally.heads AS
	SELECT chain, seq, hash, "time" FROM tally.head_list();

-- The label of an epoch's table.
CREATE FUNCTION tally.source(epoch bigint) RETURNS text
	LANGUAGE sql STABLE STRICT SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
	SELECT tally.config_of(epoch) ->> 'label'
$$;

CREATE FUNCTION tally.log_list(
	OUT chain text, OUT seq bigint, OUT "time" timestamptz, OUT source text,
	OUT key text, OUT id text, OUT digest bytea, OUT salt bytea, OUT prev bytea,
	OUT hash bytea
) RETURNS SETOF record
	LANGUAGE plpgsql VOLATILE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
BEGIN
	RETURN QUERY SELECT c.name, r.seq, r."time", s.label, r.key, r.id,
		r.digest, r.salt, r.prev, r.hash
	FROM tally.record r LEFT JOIN tally.chain c ON c.id = r.chain_id
		LEFT JOIN (SELECT e.epoch, tally.source(e.epoch) AS label
			FROM (SELECT DISTINCT t.epoch FROM tally.record t) AS e) AS s
			ON s.epoch = r.epoch;
	PERFORM tally.durable();
END
$$;

CREATE VIEW tally.log AS
	SELECT chain COLLATE "C" AS chain, seq, "time", source, key COLLATE "C" AS key,
		id COLLATE "C" AS id, digest, salt, prev, hash
	FROM tally.log_list();

