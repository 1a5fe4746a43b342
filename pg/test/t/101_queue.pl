# SPDX-License-Identifier: Apache-2.0
#
# The queue for a chain whose owner waits for a synchronous standby that is
# away: whoever leaves the queue leaves with an error, and without a trace.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;

my $node = tally_node(
	'primary',
	streaming => 1,
	conf => 'client_connection_check_interval = 50ms');
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION tally;
CREATE TABLE audit (id text PRIMARY KEY);
SELECT tally.attach('audit', prefix => 'c');
CREATE PROCEDURE insert_and_commit(id text) LANGUAGE plpgsql AS $$
	BEGIN INSERT INTO audit VALUES (id); COMMIT; END $$;
SQL
$node->backup('one');
my $standby = PostgreSQL::Test::Cluster->new('standby',
	install_path => $node->install_path);
$standby->init_from_backup($node, 'one', has_streaming => 1);
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'standby'");

sub insert
{
	my ($id) = @_;
	return "INSERT INTO audit VALUES ('$id')";
}

# The committed rows of a turn in the order of their chain.
sub sealed
{
	my ($how) = @_;
	return $node->safe_psql('postgres', <<SQL);
SELECT string_agg(coalesce(a.id, 'no row') || CASE WHEN r.key IS NULL THEN ' unsealed' ELSE '' END, ','
	ORDER BY r.seq)
FROM audit a FULL JOIN tally.record r ON r.key = a.id
WHERE coalesce(a.id, r.key) LIKE '$how:%'
SQL
}

# Everybody who can leave a queue, each by another door.
sub leave_queue
{
	my ($how) = @_;
	my %in = map { $_ => TallySession->new($node) }
	  qw(cancelled terminated lock_timeout statement_timeout in_block vanished);
	my $answer;

	# Who waits with a timeout is seen to have waited by its error.  PostgreSQL
	# disarms statement_timeout before a statement commits, but not before a
	# procedure does.
	for my $timeout (qw(lock_timeout statement_timeout))
	{
		$in{$timeout}->run("SET $timeout = '300ms'");
	}
	$in{lock_timeout}->send(insert("$how: lock_timeout"));
	$in{statement_timeout}->send(
		"CALL insert_and_commit('$how: statement_timeout')");
	$in{in_block}->run('BEGIN');
	$in{in_block}->run(insert("$how: in_block $_")) for 1 .. 3;
	$in{in_block}->send('COMMIT');
	$in{$_}->send(insert("$how: $_")) for qw(cancelled terminated vanished);
	for (qw(in_block cancelled terminated vanished))
	{
		ok($in{$_}->until_queued, "$how: $_ is queued");
	}

	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $in{$_}->pid . ')')
	  for qw(cancelled in_block);
	for (qw(cancelled in_block))
	{
		$answer = $in{$_}->answer;
		is($answer->{state}, '57014', "$how: $_ ends in an error");
		like($answer->{err}, qr/canceling statement due to user request/,
			"$how: $_ says why");
	}
	$answer = $in{statement_timeout}->answer;
	is($answer->{state}, '57014', "$how: statement_timeout is honoured");
	like($answer->{err}, qr/canceling statement due to statement timeout/,
		"$how: statement_timeout says so");
	$answer = $in{lock_timeout}->answer;
	is($answer->{state}, '55P03', "$how: lock_timeout is honoured");
	like($answer->{err}, qr/canceling statement due to lock timeout/,
		"$how: lock_timeout says so");

	$in{vanished}->vanish;
	ok( $node->poll_query_until(
			'postgres', 'SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = '
			  . $in{vanished}->pid),
		"$how: whose client is gone goes too");

	$node->safe_psql('postgres',
		'SELECT pg_terminate_backend(' . $in{terminated}->pid . ", $TallySession::seconds * 1000)");
	$answer = $in{terminated}->answer;
	is($answer->{state}, 'lost', "$how: terminated is gone");
	like($answer->{err}, qr/terminating connection due to administrator command/,
		"$how: terminated was told");

	# Those who left in peace can go on.
	for (qw(cancelled lock_timeout statement_timeout in_block))
	{
		is($in{$_}->run("SELECT count(*) FROM audit WHERE id LIKE '$how: $_%'"),
			0, "$how: of $_ nothing is there");
		$in{$_}->close;
	}
	return;
}

for my $libraries ('tally', '')
{
	my $preloaded = $libraries ne '';
	my $mode = $preloaded ? 'preloaded' : 'not preloaded';

	preload($node, $libraries);
	for my $release ('off', 'local')
	{
		my $how = "$mode, $release";
		my $owner = TallySession->new($node);
		my $next = TallySession->new($node);
		my $answer;

		# One who waits for the standby keeps the chain.
		$owner->run("SET tally.early_release = $release");
		$owner->send(insert("$how: owner"));
		ok($owner->until_waiting('SyncRep'), "$how: the owner waits for the standby");
		$next->send(insert("$how: next"));
		ok($next->until_queued, "$how: the next one is queued");
		leave_queue($how);

		# A backend that comes after one that was terminated in the queue has
		# its place in the proc array, and nothing else of it.
		my @fresh = map { TallySession->new($node) } 1 .. 8;
		my @who = map { $_->pid } @fresh;
		is( $node->safe_psql('postgres', <<SQL), $next->pid,
SELECT string_agg(pid::text, ',') FROM (
	SELECT unnest(waiters) FROM tally.status WHERE item = 'lock'
	UNION ALL
	SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)
	AS waiting (pid)
SQL
			"$how: nobody is queued but the next one");
		$_->close for @fresh;

		# The standby comes back.
		$standby->start;
		is($owner->answer->{err}, '', "$how: the owner is done without a warning");
		$answer = $next->answer;
		is($answer->{state}, '00000', "$how: the next one is done");
		is($answer->{err}, '', "$how: without a warning");
		is(sealed($how), "$how: owner,$how: next",
			"$how: nothing else was committed");
		is(broken_chains($node), '', "$how: the chain is whole");
		is(locks_left($node), '', "$how: no lock is left");
		$standby->stop;

		# It does not: PostgreSQL's warning, and the chain goes to the next.
		$owner->send(insert("$how: owner again"));
		ok($owner->until_waiting('SyncRep'), "$how: the owner waits again");
		$next->send(insert("$how: next again"));
		ok($next->until_queued, "$how: the next one is queued again");
		$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $owner->pid . ')');
		$answer = $owner->answer;
		is($answer->{state}, '00000', "$how: whose wait is cancelled has committed");
		like($answer->{err},
			qr/WARNING:  canceling wait for synchronous replication due to user request/,
			"$how: it is warned");
		ok($next->until_waiting('SyncRep'), "$how: the next one has the chain");
		$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $next->pid . ')');
		is($next->answer->{state}, 'lost', "$how: the next one is terminated");
		is(sealed($how),
			join(',', map { "$how: $_" } 'owner', 'next', 'owner again', 'next again'),
			"$how: both have committed");
		is(broken_chains($node), '', "$how: the chain is still whole");
		is(locks_left($node), '', "$how: still no lock is left");

		$owner->close;
	}
}
is(findings($node), '', 'tally.verify finds nothing');

done_testing();
