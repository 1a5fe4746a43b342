-- Capture ---------------------------------------------------------------
-- The row is rendered and remembered; no chain is locked and none is read.

-- The chain's advisory lock.  Its number is of 64 bits, so two chains share one
-- by design of an adversary at most, which costs speed only.
CREATE FUNCTION tally.lock_key(chain text) RETURNS bigint
	LANGUAGE sql IMMUTABLE
AS $$
	SELECT ('x' || left(tally.hex_of('tally ' || chain), 16))::bit(64)::bigint
$$;

-- A trigger of ours on a table that is not the attached one, nor a partition of
-- it: a restored dump, in which oids are others, or somebody's own trigger.
CREATE FUNCTION tally.require_member(relation oid, attached oid) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_partition_ancestors(relation) AS a WHERE a = attached) THEN
		RAISE EXCEPTION 'table "%" has tally''s trigger, but is not attached',
				(SELECT relname FROM pg_class WHERE oid = relation)
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = format('Use SELECT tally.attach(%L), or drop the trigger.',
					tally.table_name(relation));
	END IF;
END
$$;

-- Puts down what is to be sealed when the transaction commits.
--
-- first: the first pending one of a transaction carries the trigger that seals
-- all.  If a savepoint takes it back, the next one is the first again.
--
-- is_gone: when our trigger gets to see this version, another one of the same
-- row may have been captured already.  One command inserts A and B; a user's
-- trigger for A updates B; the update is captured before the insertion.  Sealed
-- so, the last record of B would be of a version that is gone.  Hence the
-- version that went takes the place of the one that came in its stead.
CREATE FUNCTION tally.remember(epoch bigint, keep_event boolean, salted boolean,
	event text, key text, chain text, went text, came text, is_gone boolean)
	RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me xid8 := pg_current_xact_id();
	salt bytea := CASE WHEN salted THEN tally.random(16) END;
	event_id bigint;
	place bigint;
BEGIN
	IF octet_length(event) > 16777216 THEN
		RAISE EXCEPTION 'a row is longer than 16 MiB as an event'
			USING ERRCODE = 'program_limit_exceeded',
				HINT = 'Attach the table again without its large columns.';
	END IF;
	IF keep_event THEN
		event_id := tally.keep(event);
	END IF;
	IF is_gone THEN
		SELECT coalesce(p.place, p.n) INTO place FROM tally.pending p
			WHERE p.xid = me AND p.went = remember.came
				AND p.epoch = remember.epoch ORDER BY p.n LIMIT 1;
	END IF;
	PERFORM tally.writing(true);
	INSERT INTO tally.pending (xid, place, first, lock_key, chain, digest, epoch,
		event_id, key, salt, went, came)
	VALUES (me, place, NOT EXISTS (SELECT FROM tally.pending p WHERE p.xid = me),
		tally.lock_key(chain), chain, tally.commitment(salt, event), epoch,
		event_id, key, salt, went, came);
	PERFORM tally.writing(false);
END
$$;

-- A step from one version of a row to the next that changes no event.  Only
-- what is written in this transaction can still be out of order.
CREATE FUNCTION tally.remember_step(epoch bigint, chain text, went text, came text)
	RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me xid8 := pg_current_xact_id();
BEGIN
	PERFORM tally.writing(true);
	INSERT INTO tally.pending (xid, first, lock_key, chain, epoch, went, came)
	VALUES (me, NOT EXISTS (SELECT FROM tally.pending p WHERE p.xid = me),
		tally.lock_key(chain), chain, epoch, went, came);
	PERFORM tally.writing(false);
END
$$;

CREATE FUNCTION tally.refuse_change(epoch bigint, what text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION 'cannot % rows of "%": it is attached to tally as append-only', what,
			(SELECT c.relname FROM pg_class c JOIN tally.attachment a ON a.relation = c.oid
				WHERE a.epoch = refuse_change.epoch)
		USING ERRCODE = 'object_not_in_prerequisite_state',
			DETAIL = 'Its rows are sealed in a chain, and the change would be found as tampering.',
			HINT = 'To have changes sealed as events of their own, detach the table and attach it with append_only => false.';
END
$$;

-- What becomes of a change (pg/src/capture.c has the table of it).
CREATE FUNCTION tally.captured(epoch bigint, append_only boolean, keep_event boolean,
	salted boolean, tail text, op text, was tally.rendered, now tally.rendered,
	went text, came text, is_older boolean, is_gone boolean)
	RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	left_it boolean := coalesce((was).covered, false);
	enters boolean := coalesce((now).covered, false);
	moves boolean := true;
BEGIN
	IF left_it AND enters THEN
		moves := (was).key <> (now).key OR (was).chain <> (now).chain;
		IF NOT moves AND (was).members = (now).members THEN
			IF NOT is_older AND is_gone THEN
				PERFORM tally.remember_step(epoch, (now).chain, went, came);
			END IF;
			left_it := false;
			enters := is_older;
		END IF;
	END IF;
	IF left_it AND append_only THEN
		PERFORM tally.refuse_change(epoch, CASE op WHEN 'DELETE' THEN 'delete' ELSE 'change' END);
	END IF;
	-- Also of an older version: a transaction that began before the attach may
	-- have sealed it, and a deletion too many says nothing false.
	IF left_it AND (NOT enters OR moves) THEN
		PERFORM tally.remember(epoch, true, salted,
			'{"op":"delete","row":' || (was).members || tail,
			(was).key, (was).chain, went, NULL, false);
	END IF;
	IF enters THEN
		PERFORM tally.remember(epoch, keep_event, salted,
			CASE WHEN left_it AND NOT is_older THEN '{"op":"update","row":'
				ELSE '{"row":' END || (now).members || tail,
			(now).key, (now).chain, CASE WHEN NOT moves THEN went END, came, is_gone);
	END IF;
END
$$;

-- It asks tally.attachment for its words alone: a snapshot may be older than that.
CREATE FUNCTION tally.refuse_truncate() RETURNS trigger LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	root oid := (SELECT a.relation FROM tally.attachment a WHERE a.relation = TG_RELID
		OR a.relation IN (SELECT pg_partition_ancestors(TG_RELID)) LIMIT 1);
BEGIN
	IF root IS NULL THEN
		RAISE EXCEPTION 'cannot truncate "%": it was attached to tally, or a partition of what is',
				tally.table_name(TG_RELID)
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = format('If it is not any more, drop the trigger: DROP TRIGGER %I ON %s',
					TG_NAME, tally.table_name(TG_RELID));
	ELSIF root <> TG_RELID THEN
		RAISE EXCEPTION 'cannot truncate "%": it is a partition of "%", which is attached to tally',
				tally.table_name(TG_RELID), tally.table_name(root)
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'Its rows are sealed in a chain, and would be found missing.',
				HINT = 'If it was attached with append_only => false its rows can be deleted, each sealed as an event.';
	END IF;
	RAISE EXCEPTION 'cannot truncate "%": it is attached to tally', TG_TABLE_NAME
		USING ERRCODE = 'object_not_in_prerequisite_state',
			DETAIL = 'Its rows are sealed in a chain, and would be found missing.',
			HINT = 'If it was attached with append_only => false its rows can be deleted, each sealed as an event.';
END
$$;

-- Events of no row ------------------------------------------------------

-- Remembers an event that is kept; returns its number.
CREATE FUNCTION tally.remember_event(chain text, event text, id text,
	only_first boolean, wants_receipt boolean) RETURNS bigint
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me xid8 := pg_current_xact_id();
	number bigint := tally.keep(event);
BEGIN
	PERFORM tally.writing(true);
	INSERT INTO tally.pending (xid, first, lock_key, chain, digest, event_id, id,
		only_first, wants_receipt)
	VALUES (me, NOT EXISTS (SELECT FROM tally.pending p WHERE p.xid = me),
		tally.lock_key(chain), chain, tally.commitment(NULL, event), number, id,
		only_first, wants_receipt);
	PERFORM tally.writing(false);
	RETURN number;
END
$$;

-- An event of tally:log; the first of all is "created" (format, section 8).
CREATE FUNCTION tally.log_event(event text) RETURNS bigint LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	id text := encode(tally.random(16), 'hex');
BEGIN
	IF NOT EXISTS (SELECT FROM tally.chain WHERE name = 'tally:log') THEN
		PERFORM tally.remember_event('tally:log', format(
			'{"created":{"format":1,"id":"%1$s","origin":"localhost/%1$s"}}', id),
			NULL, true, false);
	END IF;
	RETURN tally.remember_event('tally:log', event, NULL, false, false);
END
$$;

CREATE FUNCTION tally.check_append(chain text, event json, id text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fault text;
BEGIN
	IF chain IS NULL OR event IS NULL THEN
		RAISE EXCEPTION 'the chain and the event must not be null'
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	fault := tally.name_fault(chain, 255);
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION 'the chain''s name %', fault USING ERRCODE = 'invalid_name';
	ELSIF chain LIKE 'tally:%' THEN
		RAISE EXCEPTION 'chain "%" is the log''s own', chain
			USING ERRCODE = 'reserved_name',
				HINT = 'Choose a name that does not begin with "tally:".';
	END IF;
	fault := tally.name_fault(id, 128);
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION 'the id %', fault USING ERRCODE = 'invalid_parameter_value';
	END IF;
	fault := tally.event_fault(tally.compact(event::text));
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION '%', fault USING ERRCODE = 'invalid_text_representation';
	END IF;
END
$$;

-- Of a known id: the same event, or an error.
CREATE FUNCTION tally.refuse_other(chain text, id text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RAISE EXCEPTION 'id "%" of chain "%" has another event already', id, chain
		USING ERRCODE = 'unique_violation';
END
$$;

CREATE FUNCTION tally.append_as(chain text, event json, id text, wants_receipt boolean)
	RETURNS bytea LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	compact text := tally.compact(event::text);
	committed bytea;
BEGIN
	PERFORM tally.check_append(chain, event, id);
	committed := tally.commitment(NULL, compact);
	IF EXISTS (SELECT FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
			WHERE c.name = append_as.chain AND r.id = append_as.id
				AND r.digest <> committed)
	THEN
		PERFORM tally.refuse_other(chain, id);
	END IF;
	-- One that is there already is captured all the same, and dropped by the
	-- seal: so whoever repeats an id waits for the flush as well.
	PERFORM tally.remember_event(chain, compact, id, false, wants_receipt);
	RETURN committed;
END
$$;

CREATE FUNCTION tally.append(
	chain text, event json, id text DEFAULT NULL,
	OUT chain text, OUT digest bytea, OUT id text
) RETURNS record
	LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
	SELECT $1, tally.append_as($1, $2, $3, false), $3
$$;

-- Commits, so it can have neither rights nor settings of its own.
CREATE PROCEDURE tally.append_now(
	chain text, event json, INOUT id text DEFAULT NULL,
	INOUT seq bigint DEFAULT NULL, INOUT hash bytea DEFAULT NULL,
	INOUT "time" timestamptz DEFAULT NULL
)
	LANGUAGE plpgsql
AS $$
DECLARE
	receipt pg_catalog.json;
BEGIN
	-- A receipt is durable, however this session commits.
	IF pg_catalog.current_setting('synchronous_commit') OPERATOR(pg_catalog.=) 'off' THEN
		PERFORM pg_catalog.set_config('synchronous_commit', 'on', true);
	END IF;
	PERFORM pg_catalog.set_config('tally_plain.receipt', '', false);
	PERFORM tally.append_as(chain, event, id, true);
	COMMIT;
	receipt := pg_catalog.current_setting('tally_plain.receipt')::pg_catalog.json;
	seq := (receipt OPERATOR(pg_catalog.->>) 'seq')::bigint;
	hash := pg_catalog.decode(receipt OPERATOR(pg_catalog.->>) 'hash', 'hex');
	"time" := (receipt OPERATOR(pg_catalog.->>) 'time')::timestamptz;
END
$$;

