# SPDX-License-Identifier: Apache-2.0
# Plain SQL at commit: what isolation levels make of it, and group commit, of
# which all that was answered is there after the server was killed.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallyPlain;
use TallySession;

# Nothing else is to flush what a commit did not.
my $node = tally_node('commit', streaming => 1, conf => "wal_writer_delay = 10s\nautovacuum = off\n");

new_plain($node, 'plain');
$node->safe_psql('plain', q{
	CREATE TABLE acts (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, org int, who text);
	SELECT tally.attach('acts', chain_by => 'org')}, extra_params => [ '-U', 'operator' ]);

sub session { return TallySession->new($node, dbname => 'plain', user => 'operator'); }

# ---- a snapshot that is older than the head -------------------------------------

for my $level ('REPEATABLE READ', 'SERIALIZABLE')
{
	my ($old, $new) = (session(), session());
	my $count = 'SELECT count(*) FROM acts';
	my $insert = q{INSERT INTO acts (org, who) VALUES (1, 'x')};

	$new->run($insert);
	$old->run("BEGIN ISOLATION LEVEL $level; $count");
	$new->run($insert);
	my $before = $new->run($count);
	$old->run($insert);
	my $answer = $old->ask('COMMIT');
	is($answer->{state}, '40001', "$level: the older one fails, to be tried again");
	like($answer->{err}, qr/could not serialize access/, "$level: and says so");
	is($new->run($count), $before, "$level: leaving nothing");
	$old->run("BEGIN ISOLATION LEVEL $level; $insert; COMMIT");
	is($new->run($count), $before + 1, "$level: tried again it succeeds");

	# Two that take the chains in opposite order, at once.
	$old->run("BEGIN ISOLATION LEVEL $level; INSERT INTO acts (org) VALUES (1), (2)");
	$new->run("BEGIN ISOLATION LEVEL $level; INSERT INTO acts (org) VALUES (2), (1)");
	$old->send('COMMIT');
	$new->send('COMMIT');
	is_deeply([ sort map { $_->answer->{state} } $old, $new ], [ '00000', '40001' ],
		"$level: of two at once one succeeds");
	$_->close for $old, $new;
}

# READ COMMITTED waits: the lock is free when the first has committed.
{
	my ($first, $second) = (session(), session());

	$first->run(q{BEGIN; INSERT INTO acts (org) VALUES (7), (8); SET CONSTRAINTS ALL IMMEDIATE});
	$second->send(q{INSERT INTO acts (org) VALUES (8), (7)});
	ok($second->until_queued, 'READ COMMITTED: the second waits for the first, whose constraints are immediate');
	my $third = session();
	# One that has locked a chain already waits for those behind it in the order
	# of locks, and for no other.
	$third->run('BEGIN; INSERT INTO acts (org) VALUES (9); SET CONSTRAINTS ALL IMMEDIATE');
	$third->send('INSERT INTO acts (org) VALUES (7)');
	$first->run('COMMIT');
	like($third->answer->{state}, qr/^(00000|40001)$/,
		'with immediate constraints a chain out of order is to be tried again, at worst');
	$third->ask('COMMIT');
	is($second->answer->{state}, '00000', 'and the second goes on');
	$_->close for $first, $second, $third;
}
is(broken_chains($node, 'plain'), '', 'no fork, no gap');
is(verdict($node, 'plain'), 'intact|0', 'and each row has its record');

# ---- 64 sessions, over chains in opposite order ------------------------------------

my $load = "$PostgreSQL::Test::Utils::tmp_check/crossing.sql";
for my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	my $name = $level =~ s/ /_/r;
	append_to_file("$load.$name", qq{
\\set first random(1, 4)
\\set second 5 - :first
BEGIN ISOLATION LEVEL $level;
INSERT INTO acts (org, who) VALUES (:first, '$name');
INSERT INTO acts (org, who) VALUES (:second, '$name');
COMMIT;
});
	my ($said, $failed) = ('', '');
	# Of those that wait with an old snapshot one succeeds at a time.
	my $each = $level eq 'READ COMMITTED' ? 20 : 4;
	IPC::Run::run([ 'pgbench', '-n', '-c', 64, '-j', 2, '-t', $each, '--max-tries', 100000,
		'-f', "$load.$name", '-U', 'operator', '-h', $node->host, '-p', $node->port, 'plain' ],
		'>', \$said, '2>', \$failed);
	my ($retried) = $said =~ /transactions retried: (\d+)/;

	my $all = 64 * $each;

	like($said, qr{actually processed: $all/$all}, "$level: 64 sessions, all that fails succeeds when tried again");
	unlike($failed, qr/deadlock|ERROR/, "$level: with no other error");
	is($node->safe_psql('plain', "SELECT count(*) FROM acts WHERE who = '$name'"), 2 * $all,
		"$level: each is there once");
	is($node->safe_psql('plain', q{SELECT count(*) - (SELECT count(*) FROM acts)
		FROM tally.record WHERE epoch IS NOT NULL}), 0, "$level: with its record");
	cmp_ok($retried, $level eq 'READ COMMITTED' ? '==' : '>', 0, "$level: retried $retried");
}
is(broken_chains($node, 'plain'), '', 'no fork, no gap');
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'no deadlock');
is(verdict($node, 'plain'), 'intact|0', 'each row has its record');
is(recompute($node, 'plain'), 'agrees', 'as a stranger finds');

# ---- group commit -----------------------------------------------------------------

my $append = q{BEGIN; SET LOCAL synchronous_commit = off; INSERT INTO acts (org, who) VALUES (%d, '%s'); COMMIT};
my $flush = q{SELECT pg_logical_emit_message(true, 'tally', '')};

sub is_there { return $node->safe_psql('plain', "SELECT count(*) FROM acts WHERE who = '$_[0]'"); }

# What was answered is there; what was not may be lost, and is in one of these.
my $lost = 0;
for my $round (1 .. 20)
{
	my @sessions = map { session() } 1 .. 4;

	$sessions[$_]->run(sprintf($append, $_, "answered $round")) for 0 .. 3;
	$sessions[$_]->send($flush) for 0 .. 3;
	$_->answer->{state} eq '00000' or die for @sessions;
	$sessions[0]->run(sprintf($append, 1, "not yet $round"));
	kill_all($node);
	start_again($node);
	is(is_there("answered $round"), 4, "round $round: what was answered is there");
	$lost++ if is_there("not yet $round") == 0;
	last if $lost && $round >= 3;
}
ok($lost, 'and what was not answered was lost once: it is the message that makes it durable');
is(broken_chains($node, 'plain'), '', 'what is lost is an end of the chain');
is(verdict($node, 'plain'), 'intact|0', 'with its row');

# The chain is free before the flush; the message waits for the standby.
$node->append_conf('postgresql.conf', q{synchronous_standby_names = 'nobody'});
$node->restart;
{
	my ($first, $second) = (session(), session());

	is($first->ask(sprintf($append, 1, 'first'))->{state}, '00000', 'with no standby the chain goes on');
	is($second->ask(sprintf($append, 1, 'second'))->{state}, '00000', 'for the next, too');
	$first->send($flush);
	ok($first->until_waiting('SyncRep'), 'but nobody is answered');
	$node->append_conf('postgresql.conf', q{synchronous_standby_names = ''});
	$node->reload;
	is($first->answer->{state}, '00000', 'until the standby has it');
	$_->close for $first, $second;
}

# A receipt is durable, however the session commits.
my $session = session();
$session->run('SET synchronous_commit = off');
my $receipt = $session->run(q{CALL tally.append_now('receipts', '{"n": 1}')});
kill_all($node);
start_again($node);
like($receipt, qr/\|1\|\\x[0-9a-f]{64}\|/, 'a receipt');
is($node->safe_psql('plain', q{SELECT seq FROM tally.head('receipts')}), 1, 'is of what is there');

# And so is a head that is shown.
$session = session();
$session->run(sprintf($append, 77, 'shown'));
my $head = $session->run(q{SELECT seq, hash FROM tally.head('acts/77')});
kill_all($node);
start_again($node);
is($node->safe_psql('plain', q{SELECT seq, hash FROM tally.head('acts/77')}), $head,
	'a head that was shown is there');

$node->stop;
done_testing();
