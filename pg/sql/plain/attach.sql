-- Attach and detach -----------------------------------------------------
-- What needs the table's owner is done by the caller, with the caller's rights:
-- its lock and its triggers.  What needs ours is done by begin_epoch and
-- end_epoch, which find by the triggers that an owner was there.

-- Why this relation cannot be attached, or null.
CREATE FUNCTION tally.storage_fault(relation oid) RETURNS text LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN relkind = 'f' THEN 'It is a foreign table: its rows can change where nothing here would notice.'
		WHEN relkind IN ('v', 'm') THEN 'It is a view: attach the tables that it shows.'
		WHEN relkind NOT IN ('r', 'p') THEN 'It is no table.'
		WHEN relpersistence = 't' THEN 'It is temporary: no verifier in another session could see its rows.'
		WHEN relpersistence = 'u' THEN 'It is unlogged: a crash would empty it, and its records would remain.  Use ALTER TABLE ... SET LOGGED.'
		WHEN relkind = 'r' AND relam <> 2 THEN format('Its access method is "%s"; of heap tables only it is known how old a row is.',
			(SELECT amname FROM pg_am WHERE oid = relam))
		END
	FROM pg_class WHERE oid = relation
$$;

CREATE FUNCTION tally.place_fault(relation oid) RETURNS text LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN relnamespace = 'pg_catalog'::regnamespace THEN 'It is a system catalog.'
		WHEN relnamespace = 'tally'::regnamespace THEN 'It is in the schema of tally itself.'
		WHEN relkind <> 'r' THEN NULL
		WHEN NOT relispartition AND EXISTS (SELECT FROM pg_inherits WHERE inhrelid = relation)
			THEN 'It inherits from another table, through which its rows could be changed.  Use partitions instead of inheritance.'
		WHEN EXISTS (SELECT FROM pg_inherits WHERE inhparent = relation)
			THEN 'Other tables inherit from it, whose rows would be its rows but not be sealed.  Use partitions instead of inheritance.'
		END
	FROM pg_class WHERE oid = relation
$$;

-- The relation with all its partitions; of a plain table just that.
CREATE FUNCTION tally.members_of(relation oid) RETURNS SETOF oid LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT relation UNION SELECT relid::oid FROM pg_partition_tree(relation::regclass)
$$;

CREATE FUNCTION tally.check_table(relation oid) RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	member oid;
	fault text;
	attached oid;
BEGIN
	FOR member IN SELECT tally.members_of(relation) LOOP
		fault := tally.storage_fault(member);
		IF member = relation THEN
			fault := coalesce(fault, tally.place_fault(member));
		END IF;
		IF fault IS NOT NULL THEN
			RAISE EXCEPTION '"%" cannot be attached', tally.table_name(member)
				USING ERRCODE = 'wrong_object_type', DETAIL = fault;
		END IF;
	END LOOP;
	SELECT a.relation INTO attached FROM tally.attachment a
		WHERE a.relation IN (SELECT tally.members_of(check_table.relation))
			OR a.relation IN (SELECT pg_partition_ancestors(check_table.relation))
		ORDER BY a.relation <> check_table.relation LIMIT 1;
	IF attached = relation THEN
		RAISE EXCEPTION '"%" is attached already', tally.table_name(relation)
			USING ERRCODE = 'duplicate_object',
				HINT = 'To attach it in another way, use tally.detach() first.';
	ELSIF attached IS NOT NULL THEN
		RAISE EXCEPTION '"%" cannot be attached', tally.table_name(relation)
			USING ERRCODE = 'duplicate_object', DETAIL = format('Its %s "%s" is attached already.',
				CASE WHEN attached IN (SELECT tally.members_of(relation)) THEN 'partition'
					ELSE 'partitioned table' END, tally.table_name(attached));
	END IF;
END
$$;

-- The columns of the key: of the primary key, else of the replica identity.
CREATE FUNCTION tally.choose_key(relation oid) RETURNS smallint[] LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key smallint[];
BEGIN
	SELECT (string_to_array(i.indkey::text, ' ')::smallint[])[1:i.indnkeyatts] INTO key
	FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
	WHERE i.indrelid = relation AND i.indisvalid AND i.indimmediate
		AND (i.indisprimary OR (i.indisreplident AND c.relreplident = 'i'))
	ORDER BY i.indisprimary DESC LIMIT 1;
	IF NOT FOUND THEN
		RAISE EXCEPTION '%', CASE WHEN EXISTS (SELECT FROM pg_index
				WHERE indrelid = relation AND indisprimary AND NOT indimmediate)
				THEN format('the primary key of table "%s" is deferrable', tally.table_name(relation))
				ELSE format('table "%s" has no primary key', tally.table_name(relation)) END
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = 'A record says by the key which row it is of, so at every moment there must be one row of a key at most.',
				HINT = 'Add a primary key that is not deferrable, or choose a unique index over columns that are NOT NULL with ALTER TABLE ... REPLICA IDENTITY USING INDEX.';
	END IF;
	RETURN key;
END
$$;

CREATE FUNCTION tally.column_number(relation oid, "column" name) RETURNS smallint
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	number smallint;
BEGIN
	SELECT attnum INTO number FROM pg_attribute
		WHERE attrelid = relation AND attname = "column" AND NOT attisdropped;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'column "%" of table "%" does not exist', "column", tally.table_name(relation)
			USING ERRCODE = 'undefined_column';
	ELSIF number < 0 THEN
		RAISE EXCEPTION 'system column "%" cannot be sealed', "column"
			USING ERRCODE = 'invalid_column_reference',
				DETAIL = 'Its value is no part of the row, and changes without it.';
	END IF;
	RETURN number;
END
$$;

-- Which columns an event holds, by number.
CREATE FUNCTION tally.choose_columns(relation oid, key smallint[], chain_by name,
	columns name[], exclude name[]) RETURNS smallint[] LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	needed smallint[] := key || CASE WHEN chain_by IS NOT NULL
		THEN tally.column_number(relation, chain_by) END;
	wanted smallint[];
	excluded smallint[];
	fault record;
BEGIN
	SELECT coalesce(array_agg(tally.column_number(relation, c)), '{}') INTO excluded
		FROM unnest(exclude) AS c;
	SELECT coalesce(array_agg(tally.column_number(relation, c)), '{}') INTO wanted
		FROM unnest(columns) AS c;
	SELECT a.attname AS name, CASE WHEN a.attnum = ANY (key) THEN 'belongs to the key'
			ELSE 'is what the table is chained by' END AS reason INTO fault
		FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum = ANY (excluded)
			AND a.attnum = ANY (needed) ORDER BY a.attnum = ANY (key) DESC LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'column "%" cannot be excluded: it %', fault.name, fault.reason
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT array_agg(attnum ORDER BY attnum) INTO wanted FROM pg_attribute
		WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
			AND (attnum = ANY (needed) OR attnum = ANY (wanted)
				OR (columns IS NULL AND attnum <> ALL (excluded)));
	SELECT attname, f INTO fault FROM pg_attribute, LATERAL (SELECT CASE
			WHEN attgenerated NOT IN ('', 's') THEN 'it is computed whenever it is read'
			ELSE tally.type_fault(atttypid) END AS f) AS judged
		WHERE attrelid = relation AND attnum = ANY (wanted) AND f IS NOT NULL
		ORDER BY attnum LIMIT 1;
	IF FOUND THEN
		RAISE EXCEPTION 'column "%" of table "%" cannot be sealed: %', fault.attname,
				tally.table_name(relation), fault.f
			USING ERRCODE = 'feature_not_supported', HINT = CASE
				WHEN tally.column_number(relation, fault.attname) = ANY (needed)
					THEN 'It belongs to the key, or is chain_by, so it cannot be left out.'
				WHEN columns IS NOT NULL THEN 'Leave it out of columns.'
				ELSE format('Leave out what cannot be sealed: exclude => %L', (
					SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute
					WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped
						AND attnum <> ALL (needed) AND (attnum = ANY (excluded)
							OR tally.type_fault(atttypid) IS NOT NULL
							OR attgenerated NOT IN ('', 's')))) END;
	END IF;
	RETURN wanted;
END
$$;

CREATE FUNCTION tally.check_names(relation oid, label text, prefix text, own_label boolean)
	RETURNS void LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fault text := tally.name_fault(label, 190);
	other oid;
BEGIN
	IF octet_length(label) > 190 THEN
		RAISE EXCEPTION 'the label is longer than 190 bytes' USING ERRCODE = 'invalid_parameter_value';
	ELSIF fault IS NOT NULL THEN
		RAISE EXCEPTION 'the label %', fault USING ERRCODE = 'invalid_parameter_value',
			HINT = CASE WHEN own_label THEN 'Choose another: label => ''...'''
				ELSE 'Choose another than the table''s name: label => ''...''' END;
	END IF;
	SELECT a.relation INTO other FROM tally.attachment a
		WHERE a.label = check_names.label AND a.relation <> check_names.relation;
	IF FOUND AND NOT EXISTS (SELECT FROM pg_class WHERE oid = other) THEN
		RAISE EXCEPTION 'label "%" belongs to a table that was dropped while it was attached', label
			USING ERRCODE = 'duplicate_object',
				HINT = format('Detach that one first: SELECT tally.detach(%s::regclass)', other);
	ELSIF FOUND THEN
		RAISE EXCEPTION 'label "%" belongs to "%"', label, tally.table_name(other)
			USING ERRCODE = 'duplicate_object', HINT = 'Choose another: label => ''...''';
	END IF;
	fault := CASE
		WHEN octet_length(prefix) > 190 THEN 'is longer than 190 bytes'
		WHEN tally.name_fault(prefix, 255) IS NOT NULL THEN tally.name_fault(prefix, 255)
		WHEN prefix ~ '[/#]' THEN 'holds "/" or "#"'
		WHEN prefix LIKE 'tally:%' THEN 'begins with "tally:"' END;
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION 'prefix "%" %', prefix, fault USING ERRCODE = 'invalid_parameter_value',
			HINT = 'Choose another with the argument prefix.';
	END IF;
END
$$;

-- The condition over the columns of the event, as it is kept.
CREATE FUNCTION tally.condition_over(given text, relation oid, columns smallint[])
	RETURNS text LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT tally.condition(given, string_agg(
		format('%I %s', attname, format_type(atttypid, atttypmod))
		|| CASE WHEN attcollation <> t.typcollation THEN ' COLLATE '
			|| (SELECT format('%I.%I', n.nspname, c.collname) FROM pg_collation c
				JOIN pg_namespace n ON n.oid = c.collnamespace
				WHERE c.oid = attcollation) ELSE '' END, ', ' ORDER BY attnum))
	FROM pg_attribute JOIN pg_type t ON t.oid = atttypid
	WHERE attrelid = relation AND attnum = ANY (columns)
$$;

CREATE FUNCTION tally.check_readable(relation oid) RETURNS void LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT has_table_privilege(relation, 'SELECT') THEN
		RAISE EXCEPTION '"%" cannot be read by "%", the owner of schema "tally"',
				tally.table_name(relation), current_user
			USING ERRCODE = 'insufficient_privilege',
				DETAIL = 'The verifier runs with that role''s rights.',
				HINT = format('GRANT SELECT ON %s TO %I', relation::regclass, current_user);
	END IF;
END
$$;

-- Seals that an epoch begins, by an event of that kind, and makes its trigger
-- function, whose name it returns.
CREATE FUNCTION tally.make_epoch(kind text, relation oid, chain_by name, prefix text,
	label text, columns name[], exclude name[], only_when text, salted boolean,
	keep_event boolean, append_only boolean) RETURNS text LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	key smallint[];
	numbers smallint[];
	own_label boolean := label IS NOT NULL;
	id bigint;
BEGIN
	PERFORM tally.check_readable(relation);
	label := coalesce(label, (SELECT relname FROM pg_class WHERE oid = relation));
	prefix := coalesce(prefix, label);
	PERFORM tally.check_names(relation, label, prefix, own_label);
	key := tally.choose_key(relation);
	numbers := tally.choose_columns(relation, key, chain_by, columns, exclude);
	only_when := CASE WHEN only_when IS NOT NULL
		THEN tally.condition_over(only_when, relation, numbers) END;
	id := tally.log_event(tally.attach_event(kind, relation, chain_by, numbers, key,
		only_when, prefix, label, salted, keep_event, append_only));
	PERFORM tally.writing(true);
	INSERT INTO tally.attachment VALUES (relation, id, label);
	PERFORM tally.writing(false);
	PERFORM tally.make_capture(id);
	RETURN 'capture_' || id;
END
$$;

-- The caller has locked the table and made the other trigger on it.
CREATE FUNCTION tally.begin_epoch(relation oid, chain_by name, prefix text, label text,
	columns name[], exclude name[], only_when text, salted boolean, keep_event boolean,
	append_only boolean) RETURNS text LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = relation
			AND tgfoid = 'tally.refuse_truncate'::regproc)
	THEN
		RAISE EXCEPTION 'tally.begin_epoch() is called by tally.attach(), and by nobody else'
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	LOCK TABLE tally.attachment IN SHARE ROW EXCLUSIVE MODE;
	PERFORM tally.check_table(relation);
	RETURN tally.make_epoch('attach', relation, chain_by, prefix, label, columns, exclude,
		only_when, salted, keep_event, append_only);
END
$$;

-- The names of our triggers on a table, whatever they are called.
CREATE FUNCTION tally.triggers_of(relation oid) RETURNS SETOF name LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
	SELECT t.tgname FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
	WHERE t.tgrelid = relation AND NOT t.tgisinternal AND t.tgparentid = 0
		AND p.pronamespace = 'tally'::regnamespace
		AND (p.proname = 'refuse_truncate' OR p.proname ~ '^capture_[0-9]+$')
$$;

-- Drops them, of the table and of its partitions.  One that belongs to somebody
-- else keeps the one that refuses TRUNCATE: he may drop it, as it says.
CREATE FUNCTION tally.drop_triggers(relation oid) RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
BEGIN
	FOR t IN SELECT m::regclass AS member, name
		FROM tally.members_of(relation) AS m, tally.triggers_of(m) AS name
		WHERE m = relation OR pg_has_role((SELECT relowner FROM pg_class WHERE oid = m), 'USAGE')
		ORDER BY m
	LOOP
		EXECUTE format('DROP TRIGGER %I ON %s', t.name, t.member);
	END LOOP;
END
$$;

-- PostgreSQL makes no triggers of statements for partitions: each gets its own.
CREATE FUNCTION tally.make_guards(relation oid) RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	member regclass;
BEGIN
	FOR member IN SELECT m::regclass FROM tally.members_of(relation) AS m
			JOIN pg_class c ON c.oid = m
		WHERE c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT FROM pg_trigger
			WHERE tgrelid = m AND tgfoid = 'tally.refuse_truncate'::regproc)
		ORDER BY m
	LOOP
		EXECUTE format('CREATE TRIGGER "!tally_truncate" BEFORE TRUNCATE ON %s'
			' FOR EACH STATEMENT EXECUTE FUNCTION tally.refuse_truncate()', member);
	END LOOP;
END
$$;

CREATE FUNCTION tally.check_owner(relation oid) RETURNS void LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_class WHERE oid = relation) THEN
		RAISE EXCEPTION 'table with oid % does not exist', relation USING ERRCODE = 'undefined_table';
	ELSIF NOT pg_has_role((SELECT relowner FROM pg_class WHERE oid = relation), 'USAGE') THEN
		RAISE EXCEPTION 'must be owner of table %', relation::regclass
			USING ERRCODE = 'insufficient_privilege';
	END IF;
END
$$;

CREATE FUNCTION tally.attach(
	tbl regclass,
	chain_by name DEFAULT NULL,
	prefix text DEFAULT NULL,
	label text DEFAULT NULL,
	columns name[] DEFAULT NULL,
	exclude name[] DEFAULT NULL,
	only_when text DEFAULT NULL,
	salted boolean DEFAULT false,
	keep_event boolean DEFAULT false,
	append_only boolean DEFAULT true
) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	function text;
	fault text;
BEGIN
	IF num_nulls(tbl, salted, keep_event, append_only) > 0 THEN
		RAISE EXCEPTION 'argument "%" must not be null', CASE WHEN tbl IS NULL THEN 'tbl'
				WHEN salted IS NULL THEN 'salted' WHEN keep_event IS NULL THEN 'keep_event'
				ELSE 'append_only' END
			USING ERRCODE = 'null_value_not_allowed';
	ELSIF num_nonnulls(columns, exclude) = 2 THEN
		RAISE EXCEPTION 'columns and exclude cannot be used together'
			USING ERRCODE = 'invalid_parameter_value',
				HINT = 'Name either the columns that are sealed, or those that are not.';
	END IF;
	-- Before there is a lock: not everybody may lock every table.
	PERFORM tally.check_owner(tbl);
	fault := coalesce(tally.storage_fault(tbl), tally.place_fault(tbl));
	IF fault IS NOT NULL THEN
		RAISE EXCEPTION '"%" cannot be attached', tally.table_name(tbl)
			USING ERRCODE = 'wrong_object_type', DETAIL = fault;
	END IF;
	EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', tbl);
	IF NOT tally.is_attached(tbl) THEN
		-- Restored from a dump, a table has the triggers of where it was.
		PERFORM tally.drop_triggers(tbl);
		PERFORM tally.make_guards(tbl);
	END IF;
	function := tally.begin_epoch(tbl, chain_by, prefix, label, columns, exclude,
		only_when, salted, keep_event, append_only);
	EXECUTE format('CREATE TRIGGER "!tally_capture" AFTER INSERT OR UPDATE OR DELETE ON %s'
		' FOR EACH ROW EXECUTE FUNCTION tally.%I()', tbl, function);
END
$$;

CREATE FUNCTION tally.is_attached(relation regclass) RETURNS boolean LANGUAGE sql STABLE
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
	SELECT EXISTS (SELECT FROM tally.attachment a WHERE a.relation = is_attached.relation)
$$;

-- Seals that an epoch ends.  The caller has dropped the triggers.
CREATE FUNCTION tally.end_epoch(relation oid) RETURNS void LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	ended tally.attachment;
	"table" text;
BEGIN
	LOCK TABLE tally.attachment IN SHARE ROW EXCLUSIVE MODE;
	SELECT * INTO ended FROM tally.attachment a WHERE a.relation = end_epoch.relation;
	IF NOT FOUND THEN
		RAISE EXCEPTION '"%" is not attached', tally.table_name(relation)
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = coalesce((
				SELECT format('It is a partition of "%s", which is attached.',
					tally.table_name(a.relation)) FROM tally.attachment a
				WHERE a.relation IN (SELECT pg_partition_ancestors(end_epoch.relation))), '');
	ELSIF EXISTS (SELECT tally.triggers_of(relation)) THEN
		RAISE EXCEPTION 'tally.end_epoch() is called by tally.detach(), and by nobody else'
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	"table" := CASE WHEN EXISTS (SELECT FROM pg_class WHERE oid = relation)
		THEN tally.table_name(relation)
		ELSE coalesce(tally.config_of(ended.epoch) ->> 'table', relation::text) END;
	PERFORM tally.log_event(tally.detach_event(relation, "table", ended.label));
	PERFORM tally.writing(true);
	DELETE FROM tally.attachment a WHERE a.relation = end_epoch.relation;
	PERFORM tally.writing(false);
	EXECUTE format('DROP FUNCTION IF EXISTS tally.%I()', 'capture_' || ended.epoch);
END
$$;

CREATE FUNCTION tally.detach(tbl regclass) RETURNS void
	LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
BEGIN
	IF tbl IS NULL THEN
		RAISE EXCEPTION 'argument "tbl" must not be null' USING ERRCODE = 'null_value_not_allowed';
	ELSIF EXISTS (SELECT FROM pg_class WHERE oid = tbl) THEN
		PERFORM tally.check_owner(tbl);
		IF tally.is_attached(tbl) THEN
			EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', tbl);
			PERFORM tally.drop_triggers(tbl);
		END IF;
	ELSIF NOT tally.is_attached(tbl) THEN
		PERFORM tally.check_owner(tbl);
	END IF;
	PERFORM tally.end_epoch(tbl);
END
$$;

-- After partitions came: without event triggers nobody notices that they do.
CREATE FUNCTION tally.guard(tbl regclass) RETURNS void LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM tally.check_owner(tbl);
	IF NOT tally.is_attached(tbl) THEN
		RAISE EXCEPTION '"%" is not attached', tally.table_name(tbl)
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	PERFORM tally.make_guards(tbl);
END
$$;

-- After a column of the event was renamed: events go on with the name that it
-- had, but the trigger function has to know the new one.
CREATE FUNCTION tally.refresh(tbl regclass) RETURNS void LANGUAGE plpgsql
	SECURITY DEFINER SET search_path = pg_catalog, pg_temp
	SET standard_conforming_strings = on
AS $$
DECLARE
	epoch bigint := (SELECT a.epoch FROM tally.attachment a WHERE a.relation = tbl);
	fault text := tally.columns_fault(tally.config_of(epoch));
BEGIN
	IF epoch IS NULL THEN
		RAISE EXCEPTION '"%" is not attached', tally.table_name(tbl)
			USING ERRCODE = 'object_not_in_prerequisite_state';
	ELSIF fault IS NOT NULL THEN
		RAISE EXCEPTION '%', fault USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'tally.alter() begins an epoch with the table as it is now.';
	END IF;
	PERFORM tally.make_capture(epoch);
END
$$;

