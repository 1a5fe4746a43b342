# SPDX-License-Identifier: Apache-2.0
#
# Another extension that does work in its PRE_COMMIT callback, before the seal
# or after it: writes to attached tables, rolls back subtransactions, waits for
# PostgreSQL's locks (P3, P5, P8).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);
use TallyNode;
use TallySession;

my $deadlock_timeout = 0.3;
my $node = tally_node('primary',
	conf => 'deadlock_timeout = ' . $deadlock_timeout * 1000 . "ms\n");
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION tally;
CREATE TABLE audit (id text PRIMARY KEY, chain text);
SELECT tally.attach('audit', chain_by => 'chain');
CREATE TABLE gate (number int);
CREATE TABLE gate2 (number int);
SQL

my $turn = 0;

sub neighbour
{
	my ($session, $statement, $subtransaction) = @_;

	$session->run('SET LOCAL tally_neighbour.statement = '
		  . "\$stm\$$statement\$stm\$");
	$session->run("SET LOCAL tally_neighbour.subtransaction = $subtransaction")
	  if defined $subtransaction;
	return;
}

sub insert
{
	my ($id, $chain) = @_;
	return "INSERT INTO audit VALUES ('$turn $id', '" . ($chain // 'c') . "')";
}

# The rows of this turn, and the records of this turn.
sub there
{
	return $node->safe_psql('postgres', <<SQL);
SELECT string_agg(id, ',' ORDER BY id) FROM audit WHERE id LIKE '$turn %'
UNION ALL
SELECT string_agg(coalesce(key, id), ',' ORDER BY coalesce(key, id))
FROM tally.record WHERE coalesce(key, id) LIKE '$turn %'
SQL
}

sub both
{
	my $list = join(',', map { "$turn $_" } @_);
	return "$list\n$list";
}

# The statement is run after the seal: an error, and nothing is committed.
sub refuses
{
	my ($mode, $what, $statement, $subtransaction) = @_;
	my $session = TallySession->new($node);
	my $answer;

	$turn++;
	$session->run('BEGIN');
	$session->run(insert('first'));
	neighbour($session, $statement, $subtransaction);
	$answer = $session->ask('COMMIT');
	like($answer->{err}, qr/ERROR:  this transaction is sealed already\n/,
		"$mode: $what after the seal is an error");
	like($answer->{err},
		qr/HINT:  List "tally" before that extension in shared_preload_libraries/,
		"$mode: it says what to do");
	is($answer->{state}, '25000', "$mode: with a state of its own");
	is(there(), "\n", "$mode: nothing is committed");
	$session->run(insert('second'));
	is(there(), both('second'), "$mode: the session goes on");
	$session->close;
	return;
}

sub judge_writes
{
	my ($mode, $comes_after_seal) = @_;
	my $append = "SELECT tally.append('c', '{}', '0 appended')";

	if ($comes_after_seal)
	{
		refuses($mode, 'a row', insert('late'));
		refuses($mode, 'an event', $append);
		refuses($mode, 'a row in a subtransaction', insert('late'), 'released');

		# Whoever swallows the error loses its own row only.
		my $session = TallySession->new($node);
		$turn++;
		$session->run('BEGIN');
		$session->run(insert('first'));
		neighbour($session, insert('late'), 'caught');
		$session->run('COMMIT');
		is(there(), both('first'), "$mode: a row that was given up is not there");
		$session->close;
	}
	else
	{
		my $session = TallySession->new($node);
		for my $subtransaction (qw(none released rolled_back))
		{
			$turn++;
			$session->run('BEGIN');
			$session->run(insert('first'));
			neighbour($session, insert('late'), $subtransaction);
			$session->run('COMMIT');
			is( there(),
				$subtransaction eq 'rolled_back'
				? both('first')
				: both('first', 'late'),
				"$mode: a row before the seal, in a subtransaction $subtransaction");
		}
		# Also where nothing else is sealed.
		$turn++;
		$session->run('BEGIN');
		neighbour($session, insert('late'));
		$session->run('COMMIT');
		is(there(), both('late'), "$mode: a row of the neighbour alone");

		# The receipt is that of the event, whatever came after it.
		$session->run("SET tally_neighbour.statement ="
			  . " 'SELECT tally.append(''other'', ''{}'')'");
		my $receipt = $session->run("CALL tally.append_now('mine', '{}', '$turn now')");
		$session->run('RESET tally_neighbour.statement');
		is( $receipt,
			$session->run(
				"SELECT id, seq, hash, time FROM tally.log"
				  . " WHERE chain = 'mine' AND id = '$turn now'"),
			"$mode: append_now beside a neighbour that appends");
		$session->close;
	}
	return;
}

# The first thing that a session does with tally is done by the neighbour,
# when tally's callback cannot be called any more.
sub judge_late_loading
{
	my ($mode, $works) = @_;
	my $session = TallySession->new($node);
	my $answer;

	$turn++;
	$session->run('BEGIN');
	neighbour($session, insert('late'));
	$answer = $session->ask('COMMIT');
	if ($works)
	{
		is(there(), both('late'), "$mode: a row, first of all");
	}
	else
	{
		isnt($answer->{state}, '00000', "$mode: a row, first of all, is an error");
		is(there(), "\n", "$mode: it is not there unsealed");
		$session->run(insert('second'));
		is(there(), both('second'), "$mode: the next one is sealed");
	}
	$session->close;
	return;
}

# A subtransaction that is rolled back after the seal releases nothing.
sub judge_subtransactions
{
	my ($mode) = @_;
	my $owner = TallySession->new($node);
	my $next = TallySession->new($node);
	$turn++;
	$owner->run('BEGIN');
	$owner->run(insert('owner'));
	neighbour($owner, <<'SQL');
DO $$ BEGIN
	BEGIN PERFORM 1 / 0; EXCEPTION WHEN division_by_zero THEN NULL; END;
	PERFORM pg_sleep(0.7);
END $$
SQL
	$owner->send('COMMIT');
	$owner->until_waiting('PgSleep');
	$next->run(insert('next'));
	ok($owner->answer->{state} eq '00000' && $owner->waits_for eq '',
		"$mode: the owner is done");
	is( $node->safe_psql(
			'postgres',
			"SELECT string_agg(key, ',' ORDER BY seq) FROM tally.record"
			  . " WHERE key LIKE '$turn %'"),
		"$turn owner,$turn next",
		"$mode: and was, before the next one");
	$owner->close;
	$next->close;

	$turn++;
	local $ENV{PGOPTIONS} = '-c tally_neighbour.statement=SELECT/**/1'
	  . ' -c tally_neighbour.subtransaction=rolled_back';
	$node->pgbench(
		'-n -c 8 -j 2 -t 100',
		0,
		[qr{processed: 800/800}],
		[qr{^$}],
		"$mode: under load, with subtransactions rolled back after the seal",
		{
			"103_$turn" =>
			  "INSERT INTO audit VALUES (gen_random_uuid(), 'loaded');\n"
		});
	is(broken_chains($node), '', "$mode: no fork");
	return;
}

# A holds the chain and wants the gate, B holds the gate and wants the chain.
# One of them must fail, soon.
sub judge_deadlock
{
	my ($mode) = @_;
	my ($a, $b, $c) = map { TallySession->new($node) } 1 .. 3;
	my ($began, @answers, @failed);

	$turn++;
	$_->run('BEGIN') for $a, $b;
	$b->run('LOCK TABLE gate');
	$b->run(insert('b'));
	$a->run(insert('a'));
	neighbour($a, 'LOCK TABLE gate');
	$a->send('COMMIT');
	$a->until_waiting('relation');
	$began = time;
	$b->send('COMMIT');
	@answers = map { $_->answer } $a, $b;
	@failed = grep { $_->{state} ne '00000' } @answers;
	cmp_ok(time - $began, '<', 8 * $deadlock_timeout + 1,
		"$mode: two in a deadlock are done soon");
	is(scalar @failed, 1, "$mode: one of two has failed");
	is($failed[0]->{state}, '40P01', "$mode: with deadlock_detected");
	like($failed[0]->{err}, qr/ERROR:  deadlock detected\n/,
		"$mode: which it says");
	is(there(), both($answers[0]->{state} eq '00000' ? 'a' : 'b'),
		"$mode: the other has committed");

	# The same with a third one between them, over two chains: A waits for B's
	# gate, B for C's chain, C for A's gate.
	$turn++;
	$_->run('BEGIN') for $a, $b, $c;
	$b->run('LOCK TABLE gate');
	$a->run('LOCK TABLE gate2');
	$a->run(insert('a', 'left'));
	$b->run(insert('b', 'right'));
	$c->run(insert('c', 'right'));
	neighbour($a, 'LOCK TABLE gate');
	neighbour($c, 'LOCK TABLE gate2');
	$a->send('COMMIT');
	$c->send('COMMIT');
	$_->until_waiting('relation') for $a, $c;
	$began = time;
	$b->send('COMMIT');
	@answers = map { $_->answer } $a, $b, $c;
	@failed = grep { $_->{state} ne '00000' } @answers;
	cmp_ok(time - $began, '<', 8 * $deadlock_timeout + 1,
		"$mode: three in a deadlock are done soon");
	is(join(',', map { $_->{state} } @failed),
		'40P01', "$mode: one of three has failed");

	# No deadlock, only patience: D keeps the gate for a while.
	my $d = TallySession->new($node);
	$turn++;
	$_->run('BEGIN') for $a, $b, $d;
	$d->run('LOCK TABLE gate');
	$a->run(insert('a'));
	$b->run(insert('b'));
	neighbour($a, 'LOCK TABLE gate');
	$a->send('COMMIT');
	$a->until_waiting('relation');
	$b->send('COMMIT');
	$b->until_queued;
	$d->run('SELECT pg_sleep(' . 5 * $deadlock_timeout . ')');
	$d->run('COMMIT');
	is(join(',', map { $_->answer->{state} } $a, $b),
		'00000,00000', "$mode: who only waits long has not failed");
	is(there(), both('a', 'b'), "$mode: and is there");
	$_->close for $a, $b, $c, $d;
	return;
}

# Ended while it holds the chain, before its commit record.
sub judge_termination
{
	my ($mode) = @_;
	my ($owner, $next) = map { TallySession->new($node) } 1 .. 2;

	$turn++;
	$owner->run('BEGIN');
	$owner->run(insert('owner'));
	neighbour($owner, 'SELECT pg_sleep(60)');
	$owner->send('COMMIT');
	$owner->until_waiting('PgSleep');
	$next->send(insert('next'));
	ok($next->until_queued, "$mode: the next one is queued");
	$node->safe_psql('postgres',
		'SELECT pg_terminate_backend(' . $owner->pid . ')');
	is($owner->answer->{state}, 'lost', "$mode: the owner is terminated");
	is($next->answer->{state}, '00000', "$mode: the next one is done");
	is(there(), both('next'), "$mode: nothing of the owner is there");
	is(locks_left($node), '', "$mode: no lock is left");
	$next->close;
	return;
}

for my $libraries (
	'tally,tally_neighbour',
	'tally_neighbour,tally',
	'tally_neighbour')
{
	my $tally_is_first = $libraries =~ /^tally,/;
	my $tally_is_preloaded = $libraries =~ /\btally\b/;

	preload($node, $libraries);
	# Loaded by first use, tally comes last.
	judge_late_loading($libraries, $tally_is_preloaded && $tally_is_first);
	judge_writes($libraries, !$tally_is_first);
	next if $tally_is_first;
	judge_subtransactions($libraries);
	judge_deadlock($libraries);
	judge_termination($libraries);
}
is(broken_chains($node), '', 'the chains are whole');
is(findings($node), '', 'tally.verify finds nothing');

done_testing();
