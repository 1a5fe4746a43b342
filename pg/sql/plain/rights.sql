-- Rights ----------------------------------------------------------------
-- The extension's three roles, where the one who runs this may make roles, or
-- they are there; otherwise everything is the owner's to grant.

DO $roles$
DECLARE
	role name;
BEGIN
	FOREACH role IN ARRAY ARRAY['tally_reader', 'tally_writer', 'tally_admin'] LOOP
		IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = role) THEN
			CONTINUE;
		ELSIF EXISTS (SELECT FROM pg_catalog.pg_roles
				WHERE rolname = current_user AND (rolcreaterole OR rolsuper)) THEN
			EXECUTE format('CREATE ROLE %I NOLOGIN', role);
		ELSE
			RAISE NOTICE 'role "%" does not exist and cannot be created by "%"', role, current_user;
		END IF;
	END LOOP;
END
$roles$;

DO $rights$
DECLARE
	functions constant text := 'tally.attach(regclass, name, text, text, name[], name[],'
		' text, boolean, boolean, boolean), tally.detach(regclass), tally.refresh(regclass),'
		' tally.alter(regclass, name, text, text, name[], name[], text, boolean, boolean, boolean,'
		' name[]), tally.alter_epoch(oid, name, text, text, name[], name[], text, boolean,'
		' boolean, boolean, name[]), tally.refuse_detached(oid), tally.restored(text),'
		' tally.begin_restored(text), tally.moving(), tally.move_epoch(oid),'
		' tally.begin_epoch(oid, name, text, text, name[], name[], text, boolean, boolean,'
		' boolean), tally.end_epoch(oid), tally.is_attached(regclass), tally.check_owner(oid),'
		' tally.storage_fault(oid), tally.place_fault(oid), tally.table_name(oid),'
		' tally.triggers_of(oid), tally.members_of(oid), tally.drop_triggers(oid),'
		' tally.make_guards(oid), tally.guard(regclass), tally.refuse_truncate(),'
		' tally.refuse_absent(text), tally.untrack(regclass), tally.retire(regclass),'
		' tally.track(regclass, name, text, text, name[], name[], text, boolean, boolean)';
	reading constant text := 'tally.head(text), tally.head_list(),'
		' tally.verify(text, bigint, bigint), tally.verify_against(json),'
		' tally.verify_summary(text, bigint, bigint, json)';
	appending constant text := 'tally.append(text, json, text),'
		' tally.append_as(text, json, text, boolean), tally.receipt(text, text)';
	role name;
BEGIN
	REVOKE ALL ON SCHEMA tally FROM PUBLIC;
	REVOKE ALL ON ALL FUNCTIONS IN SCHEMA tally FROM PUBLIC;
	REVOKE ALL ON ALL PROCEDURES IN SCHEMA tally FROM PUBLIC;
	FOR role IN SELECT rolname FROM pg_catalog.pg_roles
		WHERE rolname IN ('tally_reader', 'tally_writer', 'tally_admin')
	LOOP
		EXECUTE format('GRANT USAGE ON SCHEMA tally TO %I', role);
		IF role <> 'tally_writer' THEN
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', reading, role);
			EXECUTE format('GRANT SELECT ON tally.heads TO %I', role);
		END IF;
		IF role <> 'tally_reader' THEN
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', appending, role);
			EXECUTE format('GRANT EXECUTE ON PROCEDURE tally.append_now(text, json, text,'
				' bigint, bytea, timestamptz) TO %I', role);
		END IF;
		IF role = 'tally_admin' THEN
			EXECUTE format('GRANT EXECUTE ON FUNCTION %s, tally.log_list(),'
				' tally.source(bigint), tally.status_list() TO %I', functions, role);
			EXECUTE format('GRANT EXECUTE ON PROCEDURE tally.backfill(regclass, name[], integer,'
				' double precision) TO %I', role);
			EXECUTE format('GRANT SELECT ON tally.log, tally.status TO %I', role);
		END IF;
	END LOOP;
END
$rights$;
