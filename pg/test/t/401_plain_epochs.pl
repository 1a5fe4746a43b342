# SPDX-License-Identifier: Apache-2.0
# Plain SQL and the extension, told the same story: they seal the same
# configurations and the same events, and their verifiers say the same.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallyPlain;
use TallySession;

# What PostgreSQL does by itself has a transaction id, too.
my $node = tally_node('epochs', preload => 1, conf => "autovacuum = off\n");
my @databases = qw(plain twin);

$node->safe_psql('postgres',
	'CREATE ROLE tally_reader; CREATE ROLE tally_writer; CREATE ROLE tally_admin');
new_plain($node, 'plain');
new_twin($node, 'twin');
# The verifier of plain SQL runs with the rights of the schema's owner.
$node->safe_psql('plain', 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO operator');

# ---- one set of tables and functions ------------------------------------------

# The scripts have no source in common: the extension's is frozen when it is
# released.  So what they make is compared.
my $tables = q{
SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage,
	(SELECT collname FROM pg_collation WHERE oid = a.attcollation)
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'tally'::regnamespace AND c.relname IN ('chain', 'event', 'record',
	'attachment', 'origin', 'heads', 'log', 'status') ORDER BY c.relname, a.attnum};
my $indexes = q{SELECT indexdef FROM pg_indexes WHERE schemaname = 'tally'
	AND tablename IN ('chain', 'event', 'record', 'attachment', 'origin') ORDER BY 1};
my $functions = q{
SELECT proname, prokind, pg_get_function_arguments(oid), pg_get_function_result(oid), r
FROM pg_proc, unnest(ARRAY['tally_reader', 'tally_writer', 'tally_admin']) AS r
WHERE pronamespace = 'tally'::regnamespace AND has_function_privilege(r, oid, 'EXECUTE')
	AND proname IN ('attach', 'detach', 'alter', 'restored', 'append', 'append_now', 'receipt',
		'head', 'verify', 'verify_against', 'verify_summary') ORDER BY proname, r};
is($node->safe_psql('plain', $_), $node->safe_psql('twin', $_), "alike: $_")
  for $tables, $indexes, $functions;

# ---- one story -------------------------------------------------------------

sub told
{
	my ($database) = @_;
	my ($out, $err) = ('', '');
	my @command = ('psql', '-XAtq', '-d', $node->connstr($database), '-f',
		"$FindBin::RealBin/../plain/epochs.sql");

	IPC::Run::run(\@command, '<', \undef, '>', \$out, '2>&1');
	$out =~ s/^psql:[^:]*:(\d+): /$1: /mg;
	$out =~ s/^content-altered "event trigger .*\n//mg;
	# Of its own functions plain SQL cannot vouch.
	$out =~ s/^the functions of schema "tally" themselves.*\n//mg;
	# Where a type has changed the extension alone still reads the rows, for
	# their other columns, and tells what it sees there.
	$out =~ s/^unverifiable .*"only_when leaves out 1 rows .*\n(?=unverifiable .*"the type of column)//mg;
	return $out;
}

my %said = map { $_ => told($_) } @databases;
like($said{twin}, qr/^content-altered .*^missing .*^unsealed /ms, 'the story has something in it');
is($said{plain}, $said{twin}, 'verifying says the same at every step');

my $events = q[SELECT event FROM tally.event WHERE event LIKE '{"row":%'
	OR event LIKE '{"op":%' ORDER BY id];
is($node->safe_psql('plain', $events), $node->safe_psql('twin', $events),
	'the events that are kept are the same');
my $records = q[SELECT c.name, r.seq, r.key, r.salt IS NULL OR length(r.salt) = 16,
	CASE WHEN r.salt IS NULL THEN r.digest END
	FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
	WHERE c.name <> 'tally:log' ORDER BY 1, 2];
is($node->safe_psql('plain', $records), $node->safe_psql('twin', $records),
	'and so are all records');
is(configurations($node, 'plain'), configurations($node, 'twin'),
	'attach, alter and detach say the same, byte for byte');

# ---- transactions that run meanwhile ----------------------------------------

$node->safe_psql($_, q{
	CREATE TABLE t (id int PRIMARY KEY, v text);
	CREATE TABLE elsewhere (id int);
	INSERT INTO t VALUES (1, 'legacy'), (2, 'legacy');
}) for @databases;

# Of a transaction with a savepoint that was released, with one that is open,
# and with none; each in both databases, since an id is of the whole cluster.
my %running = map { my $database = $_;
	$database => { map { $_ => TallySession->new($node, dbname => $database) }
		qw(released open none) } } @databases;
for my $database (@databases)
{
	$running{$database}{released}->run(
		'BEGIN; INSERT INTO elsewhere VALUES (1); SAVEPOINT s;'
		. ' INSERT INTO elsewhere VALUES (2); RELEASE s');
	$running{$database}{open}->run(
		'BEGIN; INSERT INTO elsewhere VALUES (1); SAVEPOINT s;'
		. ' INSERT INTO elsewhere VALUES (2); SAVEPOINT t;'
		. ' INSERT INTO elsewhere VALUES (3)');
	$running{$database}{none}->run(
		'BEGIN; INSERT INTO elsewhere VALUES (1)');
}
$node->safe_psql($_, q{SELECT tally.attach('t', append_only => false)})
  for @databases;
my ($attach) = configurations($node, 'plain') =~ /^(\{"attach".*"label":"t".*)$/m;
my @listed = $attach =~ /"running":\[([^]]*)\]/ ? split(/,/, $1) : ();
is(scalar @listed, 12, 'all that runs is listed, with its savepoints');
is(configurations($node, 'plain'), configurations($node, 'twin'),
	'and is what the extension lists');

# Smuggled by one that was there before the attach; and by one that has a
# savepoint from then.
for my $database (@databases)
{
	$running{$database}{open}->run(
		"INSERT INTO t VALUES (3, 'sealed'); SET LOCAL session_replication_role = replica;"
		. " INSERT INTO t VALUES (4, 'smuggled')");
	$running{$database}{none}->run(
		"INSERT INTO t VALUES (5, 'sealed'); SET LOCAL session_replication_role = replica;"
		. " INSERT INTO t VALUES (6, 'smuggled'); SET LOCAL session_replication_role = origin;"
		. " UPDATE t SET v = 'older' WHERE id = 1");
	$running{$database}{$_}->run('COMMIT') for qw(released open none);
	$node->safe_psql($database, q{UPDATE t SET v = 'changed' WHERE id IN (2, 3)});
}
is(findings_of($node, 'plain'), findings_of($node, 'twin'),
	'what they wrote is judged alike');
like(findings_of($node, 'plain'),
	qr/unsealed t t 4 .*\n.*unsealed t t 6 /, 'as rows that have no record');
is($node->safe_psql('plain', $records), $node->safe_psql('twin', $records),
	'updates of rows of before and of after are sealed alike');

for my $database (@databases)
{
	$running{$database}{open}->run(
		'BEGIN; INSERT INTO elsewhere VALUES (1); SAVEPOINT s; INSERT INTO elsewhere VALUES (2)');
}
$node->safe_psql($_, q{
	BEGIN; SAVEPOINT s; INSERT INTO t VALUES (7, 'own'); RELEASE s;
	SELECT tally.detach('t'); INSERT INTO t VALUES (8, 'after'); COMMIT}) for @databases;
$running{$_}{open}->run("INSERT INTO t VALUES (9, 'after'); COMMIT") for @databases;
$node->safe_psql($_, q{BEGIN; SAVEPOINT s; INSERT INTO t VALUES (10, 'before'); RELEASE s;
	SELECT tally.attach('t', append_only => false, only_when => 'id > 0'); COMMIT})
  for @databases;
is(findings_of($node, 'plain'), findings_of($node, 'twin'),
	'detached and attached again, with transactions that go on');

# ---- columns that change names under a condition ------------------------------

$node->safe_psql('plain', q{
	CREATE TABLE swapped (id int PRIMARY KEY, a int, b int);
	SELECT tally.attach('swapped', only_when => 'a = 1');
	ALTER TABLE swapped RENAME a TO c;
	ALTER TABLE swapped RENAME b TO a;
	ALTER TABLE swapped RENAME c TO b;
});
my ($status, $answer, $refusal) = $node->psql('plain', q{SELECT tally.alter('swapped', keep_event => true)});
like($refusal, qr/other names than when only_when was given/,
	'a condition is not taken over under names that have become those of others');
$node->safe_psql('plain', q{
	SELECT tally.alter('swapped', only_when => 'b = 1');
	INSERT INTO swapped (id, a, b) VALUES (1, 0, 1), (2, 1, 0)});
is($node->safe_psql('plain', q{SELECT r.key FROM tally.record r JOIN tally.chain c
	ON c.id = r.chain_id WHERE c.name = 'swapped'}), '1', 'given anew, it is');

# ---- what is done behind its back --------------------------------------------

# Each to a table of its own, T, in databases of their own; those that spoil all
# of the log are the last.
my @deeds = (
	q{UPDATE T SET v = 'forged' WHERE id = 3},
	q{DELETE FROM T WHERE id = 2},
	q{INSERT INTO T VALUES (50, 'smuggled')},
	q{UPDATE T SET id = 33 WHERE id = 3},
	q{UPDATE T SET id = 20 WHERE id = 2; UPDATE T SET id = 2 WHERE id = 3},
	q{UPDATE tally.record SET key = '2000' WHERE key = '2' AND epoch = E},
	q{UPDATE tally.record SET digest = sha256('') WHERE key = '3' AND epoch = E},
	q{UPDATE tally.record SET hash = sha256('') WHERE key = '3' AND epoch = E},
	q{UPDATE tally.record SET time = time + '1s' WHERE key = '3' AND epoch = E},
	q{UPDATE tally.record SET salt = '\x01' WHERE key = '3' AND epoch = E},
	q{DELETE FROM tally.record WHERE key = '3' AND epoch = E},
	q{DELETE FROM tally.chain WHERE name = 'T'},
	q{UPDATE tally.chain SET name = 'tt' WHERE name = 'T'},
	q{INSERT INTO tally.event VALUES (99999, '1')},
	q{DELETE FROM tally.attachment WHERE label = 'T'},
	q{UPDATE tally.attachment SET label = 'w' WHERE label = 'T'},
	q{INSERT INTO tally.attachment VALUES ('elsewhere', 99999, 'e')},
	q{ALTER TABLE T DISABLE TRIGGER "!tally_capture"},
	q{ALTER TABLE T ENABLE REPLICA TRIGGER "!tally_truncate"},
	q{DROP TRIGGER "!tally_truncate" ON T},
	q{ALTER TABLE T RENAME v TO w},
	q{ALTER TABLE T ALTER v TYPE varchar},
	q{ALTER TABLE T DROP v},
	q{ALTER TABLE T SET UNLOGGED},
	q{TRUNCATE T},
	q{DROP TABLE T},
	q{UPDATE tally.event SET event = replace(event, 'append_only":false', 'append_only":true')
		WHERE id = E},
	q{DELETE FROM tally.event WHERE id = E},
	q{DELETE FROM tally.record r USING tally.chain c WHERE c.id = chain_id AND name = 'tally:log'});

new_plain($node, 'plain_deeds');
new_twin($node, 'twin_deeds');
$node->safe_psql('plain_deeds', 'ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO operator');
$node->safe_psql($_, 'CREATE TABLE elsewhere (id int)') for qw(plain_deeds twin_deeds);

# The kinds that are found since, but for what was found before.
sub found
{
	my ($database, $deed, $table) = @_;
	my %before;
	my %kinds;

	$node->safe_psql($database, qq{
		CREATE TABLE $table (id int PRIMARY KEY, v text);
		SELECT tally.attach('$table', append_only => false);
		INSERT INTO $table SELECT g, 'v' || g FROM generate_series(1, 5) g});
	$before{$_} = 1 for split /\n/, findings_of($node, $database);
	my $epoch = $node->safe_psql($database,
		"SELECT epoch FROM tally.attachment WHERE label = '$table'");
	$deed =~ s/\bT\b/$table/g;
	$deed =~ s/\bE\b/$epoch/g;
	$node->safe_psql($database, "SET session_replication_role = replica; $deed");
	/^(\S+)/ && ($kinds{$1} = 1)
	  for grep { !$before{$_} } split /\n/, findings_of($node, $database);
	return join ' ', sort keys %kinds;
}

my $number = 0;
for my $deed (@deeds)
{
	my $table = 'd' . $number++;
	my $kinds = found('twin_deeds', $deed, $table);

	isnt($kinds, '', "found: $deed");
	is(found('plain_deeds', $deed, $table), $kinds, "and alike in plain SQL: $kinds");
}

$node->stop;
done_testing();
