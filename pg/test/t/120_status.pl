# SPDX-License-Identifier: Apache-2.0
#
# tally.status while others are at work: it waits for nobody, names who holds
# a chain and who waits for it, and says what early_release means where there
# is a standby to wait for.
use strict;
use warnings FATAL => 'all';

use Test::More;
use TallyNode;
use TallySession;

my $node = tally_node('primary', preload => 1, streaming => 1);
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION tally;
CREATE TABLE t (id integer PRIMARY KEY);
SELECT tally.attach('t');
SQL
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
$node->reload;

sub status
{
	my ($item, @settings) = @_;
	return $node->safe_psql('postgres',
		join('', map { "SET $_;" } @settings)
		  . "SELECT concat_ws('|', subject, state, owner, waiters)"
		  . " FROM tally.status WHERE item = '$item' ORDER BY 1");
}

sub meaning
{
	my (@settings) = @_;
	return $node->safe_psql('postgres',
		join('', map { "SET $_;" } @settings)
		  . "SELECT detail FROM tally.status"
		  . " WHERE subject = 'tally.early_release'");
}

# The standby is away: the first commit waits for it with the chain in hand.
my $owner = TallySession->new($node);
my $waiter = TallySession->new($node);
is(status('lock'), '', 'nobody holds a chain');
$owner->send('INSERT INTO t VALUES (1)');
ok($owner->until_waiting('SyncRep'), 'the owner waits for the standby');
like(status('lock'), qr/^slot \d+\|held\|${\$owner->pid}\|\{\}$/,
	'a chain is held');
$waiter->send('INSERT INTO t VALUES (2)');
ok($waiter->until_queued, 'the waiter waits for the owner');
like(
	status('lock'),
	qr/^slot \d+\|waited for\|${\$owner->pid}\|\{${\$waiter->pid}\}$/,
	'a chain is waited for');

# What a commit would do that is made now.
my $fast = 'In this session a commit is visible to others before it is flushed; '
  . 'its client is answered afterwards.';
my $full = 'In this session a commit is visible to others before it is flushed '
  . 'and the standby has it; its client is answered afterwards.';
my $slow = 'In this session a chain is locked until its commit is flushed and '
  . 'the standby has it.';
is(meaning(), $slow, 'local, with a standby');
is(meaning('tally.early_release = full'), $full, 'full, with a standby');
is(meaning('tally.early_release = off'), $slow, 'off, with a standby');
is(meaning('synchronous_commit = local'), $fast, 'local, not waiting for it');
is( meaning('tally.early_release = full', 'synchronous_commit = remote_apply'),
	$slow,
	'full, but remote_apply');

# A table that somebody has locked.
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
is($_->answer->{state}, '00000', 'committed') for $owner, $waiter;
is(status('lock'), '', 'nobody holds a chain any more');
is(meaning(), $fast, 'local, without a standby');
$owner->run('BEGIN; LOCK TABLE t');
is(status('table', 'lock_timeout = 1000'), 'public.t|locked', 'a locked table');
$owner->run('ROLLBACK');
is(status('table'), 'public.t|attached', 'the table again');

is(status('library'), 'tally|preloaded', 'preloaded');
preload($node, '');
is(status('library'), 'tally|not preloaded', 'not preloaded');

$_->close for $owner, $waiter;
done_testing();
