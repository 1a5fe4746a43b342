# SPDX-License-Identifier: Apache-2.0
#
# What a review found, with servers of its own.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;
use Time::HiRes qw(sleep);

# A waiter that is woken and cancelled at the same moment passes the chain on.
# (It would be looked after once more after deadlock_timeout, which is no way
# to find out that a chain is free.)
my $node = tally_node('passed_on', preload => 1, streaming => 1,
	conf => 'deadlock_timeout = 10min');
# The first commit of a database also writes where it is, which others wait for.
$node->safe_psql('postgres',
	q{CREATE EXTENSION tally; SELECT tally.append('first', '{}')});
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'nobody'");
$node->reload;

my ($owner, $first, $second) = map { TallySession->new($node) } 1 .. 3;
my $append = q{SELECT tally.append('c', '{}') IS NULL};
$_->run('SET synchronous_commit = local') for $first, $second;
$owner->send($append);
ok($owner->until_waiting('SyncRep'), 'the owner of the chain waits');
$first->send($append);
ok($first->until_queued, 'a session is queued for the chain');
$second->send($append);
ok($second->until_queued, 'and another one');
kill 'STOP', $first->pid;
$node->safe_psql('postgres',
	"SET synchronous_commit = local; SELECT pg_cancel_backend($owner->{pid})");
is($owner->answer->{state}, '00000', 'the owner is done, and wakes the first');
kill 'INT', $first->pid;
kill 'CONT', $first->pid;
is($first->answer->{state}, '57014', 'which is cancelled');
{
	local $TallySession::seconds = 30;
	is($second->answer->{state}, '00000', 'the second has the chain');
}
$_->close for $owner, $first, $second;

# A schema that somebody else owns, or has filled, is not made the extension's.
$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
$node->reload;
$node->safe_psql('postgres', $_)
  for 'CREATE ROLE mallory', 'CREATE DATABASE hostile';
for my $hostile (
	'CREATE SCHEMA tally AUTHORIZATION mallory',
	'CREATE SCHEMA tally; GRANT CREATE ON SCHEMA tally TO mallory',
	'CREATE SCHEMA tally; CREATE FUNCTION tally.append(text, text)'
	  . ' RETURNS text LANGUAGE sql AS \'SELECT $1\'')
{
	my $err;

	$node->safe_psql('hostile', $hostile);
	$node->psql('hostile', 'CREATE EXTENSION tally', stderr => \$err);
	like($err, qr/ERROR:  schema "tally" exists, and is not an empty one/,
		"$hostile: refused");
	$node->safe_psql('hostile', 'DROP SCHEMA tally CASCADE');
}
$node->safe_psql('hostile', 'CREATE SCHEMA tally; CREATE EXTENSION tally');

# A session that waits until its commits are applied is shown a head as soon as
# that is durable: a standby that lags does not fail it.
$node->backup('one');
my $standby = PostgreSQL::Test::Cluster->new('standby',
	install_path => $node->install_path);
$standby->init_from_backup($node, 'one', has_streaming => 1);
$standby->append_conf('postgresql.conf', 'recovery_min_apply_delay = 10min');
$standby->start;
$node->append_conf('postgresql.conf', "synchronous_standby_names = 'standby'");
$node->reload;
$node->poll_query_until('postgres',
	q{SELECT sync_state = 'sync' FROM pg_stat_replication});
$node->safe_psql('postgres', $append);
my $patient = TallySession->new($node);
$patient->run('SET synchronous_commit = remote_apply');
is($patient->ask(q{SELECT seq FROM tally.head('c')})->{out},
	3, 'a head is shown when it is durable');
$patient->close;
$standby->stop('immediate');
$node->stop('immediate');

done_testing();
