-- tally.status, and who may see it.
-- As it is where a superuser has switched the event triggers off.
DO $$
DECLARE
	name name;
BEGIN
	FOR name IN SELECT evtname FROM pg_event_trigger WHERE evtname LIKE 'tally%' LOOP
		EXECUTE format('ALTER EVENT TRIGGER %I DISABLE', name);
	END LOOP;
END $$;
CREATE TABLE t (id integer PRIMARY KEY, kind text);
CREATE TABLE parted (id integer, at date, PRIMARY KEY (id, at))
	PARTITION BY RANGE (at);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
SELECT tally.attach('t', chain_by => 'kind', only_when => $$kind <> ''$$);
SELECT tally.attach('parted', append_only => false, prefix => 'p', label => '"p"');
SELECT subject, state, owner, waiters, regexp_replace(detail, ' at 20.*', '') AS detail
	FROM tally.status WHERE item = 'table';

-- One partition is enough.
ALTER TABLE parted_1 DISABLE TRIGGER "!tally_capture";
SELECT subject, state, detail FROM tally.status
	WHERE item = 'table' AND state <> 'attached';
ALTER TABLE parted ENABLE TRIGGER "!tally_capture";
ALTER TABLE parted_1 SET UNLOGGED;
SELECT subject, state, detail FROM tally.status
	WHERE item = 'table' AND state <> 'attached';
ALTER TABLE parted_1 SET LOGGED;
DROP TABLE parted_1;
SELECT count(*) FROM tally.status WHERE item = 'table' AND state = 'attached';

-- What early_release means in this session.
SELECT state, detail FROM tally.status WHERE item = 'setting';
SET tally.early_release = full;
SELECT state, detail FROM tally.status WHERE item = 'setting';
SET tally.early_release = off;
SELECT state, detail FROM tally.status WHERE item = 'setting';
RESET tally.early_release;
SET synchronous_commit = off;
SELECT state, detail FROM tally.status WHERE item = 'setting';
RESET synchronous_commit;
SET session_replication_role = replica;
SELECT subject, state, detail FROM tally.status
	WHERE subject = 'session_replication_role';
RESET session_replication_role;

-- In a transaction that cannot write.
BEGIN READ ONLY;
SELECT count(*) FROM tally.status WHERE item = 'table';
ROLLBACK;

CREATE ROLE regress_tally_reader IN ROLE tally_reader, tally_writer;
SET ROLE regress_tally_reader;
SELECT * FROM tally.status;
RESET ROLE;
GRANT tally_admin TO regress_tally_reader;
SET ROLE regress_tally_reader;
SELECT count(*) FROM tally.status WHERE item = 'table';
RESET ROLE;
DROP ROLE regress_tally_reader;
