# SPDX-License-Identifier: Apache-2.0
#
# Beside others: row level security; a pooler in transaction mode; pg_cron,
# pg_partman, pgaudit, postgres_fdw and wal2json, all loaded together.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyCopy;
use TallyNode;
use Time::HiRes qw(sleep);

my $plain = tally_node('plain');
my $share = $plain->config_data('--sharedir');
my $lib = $plain->config_data('--pkglibdir');
my %there = (
	map({ $_ => -e "$share/extension/$_.control" }
		qw(pg_cron pg_partman pgaudit postgres_fdw)),
	wal2json => -e "$lib/wal2json.so");
# Minor releases of late want output plugins to be named.
my $trusted = $plain->safe_psql('postgres',
	q{SELECT current_setting('output_plugin_libraries', true)});
my $may_name = $plain->safe_psql('postgres',
	q{SELECT count(*) FROM pg_settings WHERE name = 'output_plugin_libraries'});
$plain->stop;

my @preload = ('tally', grep { $there{$_} } qw(pg_cron pgaudit));
push @preload, 'pg_partman_bgw' if $there{pg_partman};
my $node = tally_node('node', streaming => 'logical', conf => "shared_preload_libraries = '"
	  . join(',', @preload) . "'\nwal_level = logical\n"
	  . ($there{pg_cron} ? "cron.use_background_workers = on\n" : '')
	  . ($may_name ? "output_plugin_libraries = '" . join(', ', grep { $_ } $trusted, 'wal2json') . "'\n" : '')
	  . ($there{pgaudit} ? "pgaudit.log = 'all'\n" : ''));

sub skip_missing
{
	my ($name) = @_;

	skip "$name is not installed", 1 if !$there{$name};
	return;
}

# Row level security: nothing is hidden from the seal or the verifier.
$node->safe_psql('postgres', q{
	CREATE EXTENSION tally;
	CREATE ROLE tenant; CREATE ROLE owner_of_it; CREATE ROLE auditor IN ROLE tally_reader;
	CREATE TABLE guarded (id int PRIMARY KEY, org text);
	SELECT tally.attach('guarded', append_only => false);
	GRANT INSERT, SELECT, UPDATE ON guarded TO tenant;
	ALTER TABLE guarded OWNER TO owner_of_it;
	ALTER TABLE guarded ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY mine ON guarded USING (org = current_user) WITH CHECK (true);
	SET ROLE tenant;
	INSERT INTO guarded VALUES (1, 'tenant'), (2, 'somebody else');
	UPDATE guarded SET id = id + 10});
is($node->safe_psql('postgres', 'SET ROLE tenant; SELECT count(*) FROM guarded'), 1, 'a policy hides a row from the tenant');
is($node->safe_psql('postgres', 'SET ROLE owner_of_it; SELECT count(*) FROM guarded'), 0, 'and all from the owner');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tally.record WHERE key IS NOT NULL}), 4, 'both are sealed');
is($node->safe_psql('postgres', 'SET ROLE auditor; SELECT * FROM tally.verify()'), '',
	'an auditor who sees no row finds none missing');
is($node->safe_psql('postgres', 'SET ROLE auditor; SET row_security = off; SELECT verdict FROM tally.verify_summary()'),
	'intact', 'also with row_security = off');
$node->safe_psql('postgres', q{SET session_replication_role = replica; DELETE FROM guarded WHERE id = 2});
like($node->safe_psql('postgres', q{SET ROLE auditor; SELECT kind, key FROM tally.verify()}), qr/^missing\|2$/,
	'one that is gone is missing');
$node->safe_psql('postgres', q{SET session_replication_role = replica; INSERT INTO guarded VALUES (2, 'somebody else')});

# Nor from the events of a tracked table: a statement's rows are those that it
# changed, whoever may see them.
$node->safe_psql('postgres', q{
	CREATE TABLE stock (id int, org text, n int);
	SELECT tally.track('stock', actor => true);
	GRANT INSERT, SELECT, UPDATE ON stock TO tenant;
	ALTER TABLE stock OWNER TO owner_of_it;
	ALTER TABLE stock ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY mine ON stock USING (org = current_user) WITH CHECK (true);
	SET ROLE tenant;
	INSERT INTO stock VALUES (1, 'tenant', 1), (2, 'somebody else', 1);
	UPDATE stock SET n = n + 1});
is($node->safe_psql('postgres', q{SELECT string_agg(concat_ws(' ', e.event::json ->> 'op',
			e.event::json -> 'actor' ->> 'role', json_array_length(e.event::json -> 'rows')), ', ' ORDER BY r.seq)
		FROM tally.record r JOIN tally.event e ON e.id = r.event_id WHERE tally.source(r.epoch) = 'stock'}),
	'insert tenant 2, update tenant 1', 'statements of a role under a policy are sealed with the rows that they changed');
is($node->safe_psql('postgres', 'SET ROLE auditor; SELECT count(*) FROM tally.verify()'), 0, 'and verify for whoever sees no row');

# What other extensions do is sealed like anything else.
$node->safe_psql('postgres', q{
	CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, org int, body text);
	SELECT tally.attach('audit', chain_by => 'org')});
SKIP:
{
	skip_missing('pgaudit');
	$node->safe_psql('postgres', q{CREATE EXTENSION pgaudit; INSERT INTO audit (org, body) VALUES (1, 'pgaudit')});
	like(slurp_file($node->logfile), qr/AUDIT: SESSION,\d+,\d+,WRITE,INSERT,.*pgaudit/, 'pgaudit logs what is sealed');
	is(says($node, 'postgres'), '', 'pgaudit: tally.verify finds nothing');
}
SKIP:
{
	skip_missing('pg_cron');
	$node->safe_psql('postgres', q{CREATE EXTENSION pg_cron;
		SELECT cron.schedule('seal', '* * * * *', $$INSERT INTO audit (org, body) VALUES (2, 'pg_cron')$$)});
	for (1 .. 700)
	{
		last if $node->safe_psql('postgres', q{SELECT count(*) FROM audit WHERE body = 'pg_cron'}) > 0;
		sleep 0.1;
	}
	is($node->safe_psql('postgres', q{SELECT min(seq) FROM tally.log WHERE chain = 'audit/2'}), 1,
		'pg_cron: what a job in a background worker writes is sealed');
	$node->safe_psql('postgres', q{SELECT cron.unschedule('seal')});
	is(says($node, 'postgres'), '', 'pg_cron: tally.verify finds nothing');
}
SKIP:
{
	skip_missing('pg_partman');
	$node->safe_psql('postgres', q{
		CREATE SCHEMA partman; CREATE EXTENSION pg_partman SCHEMA partman;
		CREATE TABLE parted (id bigint NOT NULL, at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (id, at))
			PARTITION BY RANGE (at);
		SELECT tally.attach('parted');
		SELECT partman.create_parent('public.parted', 'at', 'native', 'daily');
		INSERT INTO parted SELECT g, now() + g * interval '1 day' FROM generate_series(-2, 2) g;
		CALL partman.run_maintenance_proc();
		INSERT INTO parted VALUES (10)});
	is($node->safe_psql('postgres', q{SELECT count(*) FROM tally.log WHERE source = 'parted'}), 6,
		'pg_partman: rows in the partitions that it makes are sealed');
	is(says($node, 'postgres'), '', 'pg_partman: tally.verify finds nothing');
}
SKIP:
{
	skip_missing('postgres_fdw');
	my ($host, $port) = ($node->host, $node->port);

	$node->safe_psql('postgres', qq{
		CREATE EXTENSION postgres_fdw;
		CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
		CREATE USER MAPPING FOR CURRENT_USER SERVER loop;
		CREATE FOREIGN TABLE far (org int, body text) SERVER loop OPTIONS (table_name 'audit');
		INSERT INTO far VALUES (3, 'far');
		BEGIN; INSERT INTO far VALUES (3, 'rolled back'); ROLLBACK;
		BEGIN; INSERT INTO audit (org, body) VALUES (3, 'near'); INSERT INTO far VALUES (3, 'far too'); COMMIT});
	is($node->safe_psql('postgres', q{SELECT count(*) FROM tally.log WHERE chain = 'audit/3'}), 3,
		'postgres_fdw: what comes through it is sealed, also beside a row of the same chain');
	like(query_error($node, 'postgres', q{SELECT tally.attach('far')}),
		qr/It is a foreign table: its rows can change where nothing here would notice\./,
		'postgres_fdw: a foreign table is not attached');
	$node->safe_psql('postgres', q{
		CREATE FOREIGN TABLE far_stock (id int, org text, n int) SERVER loop OPTIONS (table_name 'stock');
		UPDATE far_stock SET n = 10 WHERE id = 1;
		DELETE FROM far_stock});
	is($node->safe_psql('postgres', q{SELECT string_agg(e.event::json ->> 'op', ', ' ORDER BY r.seq)
			FROM tally.record r JOIN tally.event e ON e.id = r.event_id WHERE tally.source(r.epoch) = 'stock'}),
		'insert, update, update, delete', 'postgres_fdw: what it does to a tracked table is tracked');
	is(says($node, 'postgres'), '', 'postgres_fdw: tally.verify finds nothing');
}
SKIP:
{
	skip_missing('wal2json');
	$node->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('json', 'wal2json')});
	$node->safe_psql('postgres', q{INSERT INTO audit (org, body) VALUES (4, 'wal2json')});
	$node->safe_psql('postgres', q{BEGIN; INSERT INTO audit (org, body) VALUES (4, 'never'); ROLLBACK});
	my $changes = $node->safe_psql('postgres', q{SELECT data FROM pg_logical_slot_get_changes('json', NULL, NULL)});
	like($changes, qr/"table":"audit".*"table":"record"|"table":"record".*"table":"audit"/s,
		'wal2json: row and record come in one transaction');
	unlike($changes, qr/never/, 'wal2json: nothing comes of what was rolled back');
	my $hash = $node->safe_psql('postgres', q{SELECT encode(hash, 'hex') FROM tally.head('audit/4')});
	like($changes, qr/$hash/, 'wal2json: the record that comes is the head that is shown');
	$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('json')});
}

# A pooler in transaction mode: sessions are shared, and discarded in between.
SKIP:
{
	my ($pooler) = grep { -x } '/usr/sbin/pgbouncer', '/usr/bin/pgbouncer';

	skip 'pgbouncer is not installed', 1 if !$pooler;
	my $dir = PostgreSQL::Test::Utils::tempdir_short();
	my $port = PostgreSQL::Test::Cluster::get_free_port();
	my $user = $node->safe_psql('postgres', 'SELECT current_user');
	my ($host, $server) = ($node->host, $node->port);

	append_to_file("$dir/users", qq{"$user" ""\n});
	append_to_file("$dir/ini", <<"INI");
[databases]
postgres = host=$host port=$server
[pgbouncer]
listen_addr =
listen_port = $port
unix_socket_dir = $dir
auth_type = trust
auth_file = $dir/users
pool_mode = transaction
default_pool_size = 3
server_reset_query = DISCARD ALL
server_reset_query_always = 1
logfile = $dir/log
pidfile = $dir/pid
INI
	my $run = IPC::Run::start([ $pooler, "$dir/ini" ], '<', \undef, '>', \my $out, '2>', \my $err);
	my $storm = "$dir/storm.sql";

	append_to_file($storm, <<'SQL');
BEGIN;
SET LOCAL tally.early_release = off;
INSERT INTO audit (org, body) VALUES (5, 'pooled');
SELECT tally.append('pooled', '{}');
COMMIT;
INSERT INTO audit (org, body) VALUES (6, 'pooled');
SQL
	for (1 .. 100)
	{
		last if -e "$dir/.s.PGSQL.$port";
		sleep 0.1;
	}
	for my $mode ('simple', 'extended')
	{
		my $sessions = IPC::Run::run(
			[ $node->installed_command('pgbench'), '-n', '-c', 12, '-t', 25, '-M', $mode, '-f', $storm,
				'-h', $dir, '-p', $port, '-U', $user, 'postgres' ], '>', \my $said, '2>', \my $errors);
		ok($sessions, "a pooler in transaction mode, protocol $mode: 12 clients on 3 sessions") or diag $errors;
	}
	is($node->safe_psql('postgres', q{SELECT string_agg(chain || ' ' || seq, ', ' ORDER BY chain COLLATE "C") FROM tally.heads
			WHERE chain IN ('audit/5', 'audit/6', 'pooled')}),
		'audit/5 600, audit/6 600, pooled 600', 'a pooler: all is sealed');
	is($node->safe_psql('postgres', 'SHOW tally.early_release'), 'local', 'a pooler: SET LOCAL is over with its transaction');
	is(broken_chains($node), '', 'a pooler: the chains are whole');
	is(says($node, 'postgres'), '', 'a pooler: tally.verify finds nothing');
	$run->signal('TERM');
	$run->finish;
}
$node->stop;

done_testing();
