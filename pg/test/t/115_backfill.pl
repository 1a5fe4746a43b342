# SPDX-License-Identifier: Apache-2.0
#
# Old rows, sealed beside those who change them: nobody is made to wait for
# long or to fail, nothing old is sealed behind what became of it, and what was
# cut off goes on where it was.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;
use Time::HiRes qw(usleep);

my $node = tally_node('backfill', preload => 1, streaming => 1);
$node->safe_psql('postgres', 'CREATE EXTENSION tally');

sub query { return $node->safe_psql('postgres', $_[0]); }

sub place
{
	my ($table) = @_;

	return query("SELECT coalesce((SELECT taken FROM tally.backfill"
		  . " WHERE relation = '$table'::regclass), 0)");
}

# Until it says so many rows; what can end that is a test that fails.
sub wait_for_rows
{
	my ($table, $rows) = @_;

	for (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		return 1 if place($table) >= $rows;
		usleep(100_000);
	}
	return 0;
}

sub recomputed
{
	my $said = '';

	IPC::Run::run(
		[ 'python3', "$FindBin::RealBin/../recompute.py",
			$node->connstr('postgres') ],
		'<', \undef, '>', \$said, '2>&1');
	return $? == 0 ? 'agrees' : $said;
}

sub is_right
{
	my ($what) = @_;

	is(broken_chains($node), '', "$what: no fork, no gap");
	is(findings($node), '', "$what: nothing is found");
	return;
}

# ---- the race ------------------------------------------------------------

# A session changes rows and waits for a standby in its commit, the chain's lock
# in hand.  The backfill sees the rows as they were, renders them, and queues;
# when it comes to seal them they are gone.
for ([ 'race', '' ], [ 'race_kept', ', keep_event => true, salted => true' ])
{
	my ($table, $options) = @$_;

	query(qq{
		CREATE TABLE $table (id int PRIMARY KEY, org text, v text);
		INSERT INTO $table SELECT n, 'a', 'old' FROM generate_series(1, 6) n;
		SELECT tally.attach('$table', chain_by => 'org', append_only => false
			$options);
	});
	my $writer = TallySession->new($node);
	my $filler = TallySession->new($node);

	$node->append_conf('postgresql.conf',
		"synchronous_standby_names = 'nobody'");
	$node->reload;
	$writer->run('SET tally.early_release = off');
	$writer->run('BEGIN');
	$writer->run("UPDATE $table SET v = 'new' WHERE id = 1");
	$writer->run("DELETE FROM $table WHERE id = 2");
	$writer->run("UPDATE $table SET org = 'b' WHERE id = 3");
	$writer->run("UPDATE $table SET id = 40 WHERE id = 4");
	$writer->run("UPDATE $table SET v = v WHERE id = 5");
	$writer->send('COMMIT');
	ok($writer->until_waiting('SyncRep'), "$table: the writer has the chain");
	$filler->run('SET synchronous_commit = local');
	$filler->send("CALL tally.backfill('$table')");
	ok($filler->until_queued, "$table: the backfill is queued behind it");
	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$node->reload;
	is($writer->answer->{state}, '00000', "$table: the writer has committed");
	my $answer = $filler->answer;
	is($answer->{state}, '00000', "$table: and the backfill");
	like($answer->{err}, qr/done: 1 rows sealed.*\n.*5 more were changed meanwhile/,
		"$table: of six rows it sealed one");
	is(query(qq{SELECT string_agg(DISTINCT r.key, ',') FROM tally.record r
			JOIN tally.event e ON e.id = r.epoch
			WHERE e.event LIKE '_"backfill"%"label":"$table"%'}),
		'6', "$table: the one that nobody changed");
	is(place($table), 6, "$table: its place says that it was given six");
	is_right($table);
	$_->close for $writer, $filler;
}
is(query(q{SELECT count(*) FROM tally.event e WHERE NOT EXISTS
		(SELECT FROM tally.record r WHERE r.event_id = e.id)}),
	0, 'no event is left of those that were left out');

# The other way round: who has not committed seals behind the backfill.
{
	my $writer = TallySession->new($node);

	query(q{CREATE TABLE behind (id int PRIMARY KEY, v text);
		INSERT INTO behind SELECT n, 'old' FROM generate_series(1, 3) n;
		SELECT tally.attach('behind', append_only => false)});
	$writer->run('BEGIN');
	$writer->run("UPDATE behind SET v = 'new' WHERE id = 1");
	$writer->run('DELETE FROM behind WHERE id = 2');
	query(q{SET statement_timeout = '100s'; CALL tally.backfill('behind')});
	is(place('behind'), 3, 'rows that somebody has locked are no obstacle');
	$writer->run('COMMIT');
	is(query(q{SELECT string_agg(key, ',' ORDER BY seq) FROM tally.log
			WHERE source = 'behind'}), '1,2,3,1,2', 'he seals behind it');
	is_right('a writer behind');
	$writer->close;
}

# A chain that only rows would have begun that are gone is not begun.
{
	my $writer = TallySession->new($node);
	my $filler = TallySession->new($node);

	query(q{CREATE TABLE lone (id int PRIMARY KEY, org text, v text);
		INSERT INTO lone VALUES (1, 'only', 'old'), (2, 'other', 'old');
		SELECT tally.attach('lone', chain_by => 'org', append_only => false)});
	$node->append_conf('postgresql.conf',
		"synchronous_standby_names = 'nobody'");
	$node->reload;
	# Past the triggers: it writes no record, but has a chain of the batch.
	$writer->run('SET tally.early_release = off');
	$writer->run('BEGIN');
	$writer->run("INSERT INTO lone VALUES (3, 'other', 'new')");
	$writer->run('SET LOCAL session_replication_role = replica');
	$writer->run('DELETE FROM lone WHERE id = 1');
	$writer->send('COMMIT');
	ok($writer->until_waiting('SyncRep'), 'a writer has one of two chains');
	$filler->run('SET synchronous_commit = local');
	$filler->send("CALL tally.backfill('lone')");
	ok($filler->until_queued, 'the backfill needs both');
	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	$node->reload;
	is($_->answer->{state}, '00000', 'both have committed')
	  for $writer, $filler;
	is(query(q{SELECT count(*) FROM tally.chain WHERE name = 'lone/only'}), 0,
		'no chain without a record');
	is_right('a chain that was not begun');
	$_->close for $writer, $filler;
}

# ---- beside attach, alter and detach -----------------------------------------

{
	my $filler = TallySession->new($node);

	query(q{CREATE TABLE altered (id int PRIMARY KEY, a int, b int);
		INSERT INTO altered SELECT n, n, n FROM generate_series(1, 30) n;
		SELECT tally.attach('altered', exclude => '{b}')});
	# It rests so long that the test ends it.
	$filler->send(q{CALL tally.backfill('altered', batch => 4, rest => 1000)});
	ok(wait_for_rows('altered', 4), 'a first batch is there');
	query(q{SELECT tally.alter('altered', include => '{b}')});
	query('SELECT pg_cancel_backend(' . $filler->pid . ')');
	is($filler->answer->{state}, '57014', 'cancelled while it rests');
	query(q{CALL tally.backfill('altered', batch => 4, rest => 0)});
	is(query(q{SELECT count(*), count(DISTINCT key), count(DISTINCT epoch)
			FROM tally.record WHERE tally.source(epoch) = 'altered'}),
		'30|30|2', 'it went on under another era, and sealed no row twice');
	is(query(q{SELECT taken FROM tally.backfill
			WHERE relation = 'altered'::regclass}), 30, 'all are counted');
	is_right('altered on the way');

	# Another condition: from the beginning.
	query(q{CREATE TABLE other (LIKE altered INCLUDING ALL);
		INSERT INTO other SELECT * FROM altered;
		SELECT tally.attach('other')});
	$filler->send(q{CALL tally.backfill('other', batch => 4, rest => 1000)});
	ok(wait_for_rows('other', 4), 'a first batch is there');
	query('SELECT pg_cancel_backend(' . $filler->pid . ')');
	$filler->answer;
	query(q{SELECT tally.alter('other', only_when => 'a > 2')});
	query(q{CALL tally.backfill('other', batch => 4, rest => 0)});
	is(query(q{SELECT string_agg(key, ',' ORDER BY seq) FROM tally.log
			WHERE source = 'other' AND seq < 9}), '1,2,3,4,3,4,5,6',
		'another condition begins anew');
	is_right('another condition on the way');

	# Detached while it rests: the next batch says so.
	query(q{CREATE TABLE gone (LIKE altered INCLUDING ALL);
		INSERT INTO gone SELECT * FROM altered;
		SELECT tally.attach('gone')});
	$filler->send(q{CALL tally.backfill('gone', batch => 10, rest => 1)});
	ok(wait_for_rows('gone', 10), 'a first batch is there');
	query(q{SELECT tally.detach('gone')});
	my $answer = $filler->answer;
	ok( $answer->{state} eq '00000'
		  || $answer->{err} =~ /"public\.gone" is not attached/,
		'detached while it ran') or diag $answer->{err};
	query(q{SELECT tally.attach('gone')});
	query(q{CALL tally.backfill('gone')});
	is(query(q{SELECT count(DISTINCT key) FROM tally.log WHERE source = 'gone'}),
		30, 'attached again, it goes on');
	is_right('detached on the way');

	# Two at once share the work.
	query(q{CREATE TABLE twice (LIKE altered INCLUDING ALL);
		INSERT INTO twice SELECT n, n, n FROM generate_series(1, 2000) n;
		SELECT tally.attach('twice')});
	my @fillers = ($filler, TallySession->new($node));
	$_->send(q{CALL tally.backfill('twice', batch => 10, rest => 0)})
	  for @fillers;
	is($_->answer->{state}, '00000', 'one of two') for @fillers;
	is(query(q{SELECT count(*), count(DISTINCT key) FROM tally.log
			WHERE source = 'twice'}), '2000|2000', 'each row once');
	is_right('two at once');

	# A session whose transactions are SERIALIZABLE is none here.
	query(q{CREATE TABLE strict (LIKE altered INCLUDING ALL);
		INSERT INTO strict SELECT n, n, n FROM generate_series(1, 10) n;
		SELECT tally.attach('strict', append_only => false)});
	$filler->run('SET default_transaction_isolation = serializable');
	my $writer = TallySession->new($node);
	$writer->run('BEGIN ISOLATION LEVEL SERIALIZABLE');
	$writer->run('SELECT sum(a) FROM strict');
	$writer->run('UPDATE strict SET a = 0 WHERE id = 5');
	$filler->run(q{CALL tally.backfill('strict', batch => 3, rest => 0)});
	is($filler->run('SELECT count(*) FROM strict'), 10, 'it can go on');
	is($writer->ask('COMMIT')->{state}, '00000', 'nobody fails for it');
	is_right('beside a SERIALIZABLE writer');
	$_->close for @fillers, $writer;
}

# ---- 16 writers, and kills --------------------------------------------------

my $rows = 20000;
query(qq{
	CREATE TABLE live (id bigint PRIMARY KEY, org int NOT NULL, v text);
	CREATE SEQUENCE live_id START 1000000;
	INSERT INTO live SELECT n, n % 3, 'old' FROM generate_series(1, $rows) n;
	SELECT tally.attach('live', chain_by => 'org', append_only => false);
	-- Whoever smuggles does so from the first to the last moment.
	CREATE TABLE smuggled (id bigint);
});
append_to_file("$PostgreSQL::Test::Utils::tmp_check/writer.sql", <<"SQL");
\\set id random(1, $rows)
\\set kind random(1, 8)
\\if :kind <= 2
INSERT INTO live VALUES (nextval('live_id'), :id % 4, 'new');
\\elif :kind = 3
DELETE FROM live WHERE id = :id;
\\elif :kind = 4
UPDATE live SET org = (org + 1) % 4 WHERE id = :id;
\\elif :kind = 5
UPDATE live SET v = v WHERE id = :id;
\\elif :kind = 6
BEGIN;
UPDATE live SET v = v || '1' WHERE id = :id;
UPDATE live SET v = v || '2' WHERE id = :id;
COMMIT;
\\else
UPDATE live SET v = 'changed :id' WHERE id = :id;
\\endif
SQL
append_to_file("$PostgreSQL::Test::Utils::tmp_check/smuggler.sql", <<"SQL");
BEGIN;
SET LOCAL session_replication_role = replica;
WITH w AS (INSERT INTO live VALUES (-nextval('live_id'), 1, 'old') RETURNING id)
INSERT INTO smuggled SELECT id FROM w;
COMMIT;
SELECT pg_sleep(0.05);
SQL

# So many transactions each; gives the run.
sub start_writers
{
	my ($script, $clients, $transactions) = @_;
	my %run = (out => '', err => '');

	$run{run} = IPC::Run::start(
		[
			$node->installed_command('pgbench'), '-n', '-f',
			"$PostgreSQL::Test::Utils::tmp_check/$script.sql",
			'-c', $clients, '-j', 2, '-t', $transactions,
			$node->connstr('postgres')
		],
		'<', \undef, '>', \$run{out}, '2>', \$run{err},
		IPC::Run::timeout(300));
	return \%run;
}

my $writers = start_writers('writer', 16, 300);
my $smuggler = start_writers('smuggler', 1, 100);
my $filler = TallySession->new($node);
$filler->send(q{CALL tally.backfill('live', batch => 100, rest => 0)});
my $filled = $filler->answer;
is($filled->{state}, '00000', 'a backfill beside 16 writers is done')
  or diag $filled->{err};
ok($writers->{run}->finish, 'none of them met an error') or diag $writers->{err};
like($writers->{out}, qr/^number of failed transactions: 0 /m, 'none failed')
  or diag $writers->{out};
ok($smuggler->{run}->finish, 'nor did who wrote past the triggers');
is(query('SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()'),
	0, 'no deadlock');
is(query(q{SELECT count(*) FROM tally.verify() v FULL JOIN smuggled s
		ON s.id::text = v.key AND v.kind = 'unsealed' AND v.source = 'live'
		WHERE s.id IS NULL OR v.kind IS NULL}),
	0, 'what was smuggled in is found, and nothing else');
cmp_ok(query('SELECT count(*) FROM smuggled'), '>', 10, 'it was something');
query(q{BEGIN; SET LOCAL session_replication_role = replica;
	DELETE FROM live WHERE id < 0; COMMIT});
is_right('16 writers');
is(query(q{SELECT count(*) FROM live l WHERE v = 'old' AND NOT EXISTS
		(SELECT FROM tally.log r WHERE r.source = 'live' AND r.key = l.id::text)}),
	0, 'each row has a record');
is(recomputed(), 'agrees', 'a Python program agrees');
$filler->close;

# Killed: the backend (and all with it), and the whole server.
query(qq{
	CREATE TABLE killed (id int PRIMARY KEY, v text);
	INSERT INTO killed SELECT n, 'old' FROM generate_series(1, $rows) n;
	SELECT tally.attach('killed', append_only => false);
});
my $done = 0;
for my $round (1 .. 8)
{
	my $offset = -s $node->logfile;
	my $session = TallySession->new($node);

	$session->send(q{CALL tally.backfill('killed', batch => 37, rest => 0.2)});
	ok(wait_for_rows('killed', $done + 1), "round $round: it goes on");
	if ($round % 2)
	{
		kill 'KILL', $session->pid;
		$node->wait_for_log(qr/reinitializing/, $offset);
		$node->poll_query_until('postgres', 'SELECT true');
	}
	else
	{
		kill_all($node);
		start_again($node);
	}
	query("UPDATE killed SET v = 'new' WHERE id % 1000 = $round");
	cmp_ok(place('killed'), '>', $done, "round $round: what it had is there");
	$done = place('killed');
	is(query(q{SELECT count(*) FROM (SELECT key FROM tally.record r
			JOIN tally.event e ON e.id = r.epoch
			WHERE e.event LIKE '_"backfill"%"label":"killed"%'
			GROUP BY key HAVING count(*) > 1) s}), 0,
		"round $round: no row is sealed twice");
	$session->vanish;
}
query(q{CALL tally.backfill('killed', batch => 1000, rest => 0)});
is(query(q{SELECT count(*) FROM killed k WHERE NOT EXISTS (SELECT FROM tally.log r
		WHERE r.source = 'killed' AND r.key = k.id::text)}), 0,
	'after eight kills each row has a record');
is_right('killed');

# ---- a copy ---------------------------------------------------------------------

# In a restored database nobody knows which rows were there before.
my $dump = "$PostgreSQL::Test::Utils::tmp_check/dump.sql";
$node->command_ok(
	[ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ],
	'the database can be dumped');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d',
		$node->connstr('restored'), '-f', $dump ],
	'and be restored');
my (undef, undef, $said) =
  $node->psql('restored', q{CALL tally.backfill('killed')});
like($said, qr/nothing is sealed in database "restored": it is a copy/,
	'a copy backfills nothing');
$node->safe_psql('restored', q{SELECT tally.restored('a test')});
is(findings($node, 'restored'), '', 'restored, nothing is found');
(undef, undef, $said) =
  $node->psql('restored', q{CALL tally.backfill('killed')});
like($said, qr/cannot be backfilled.*\n.*was restored since/,
	'nor does one that goes on');
$node->safe_psql('restored', q{CREATE TABLE fresh (id int PRIMARY KEY);
	INSERT INTO fresh VALUES (1); SELECT tally.attach('fresh')});
$node->safe_psql('restored', q{CALL tally.backfill('fresh')});
is(findings($node, 'restored'), '', 'a table of its own it does');
$node->stop;

done_testing();
