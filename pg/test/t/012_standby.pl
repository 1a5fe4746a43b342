# SPDX-License-Identifier: Apache-2.0
# The primary of a synchronous standby is killed under load, and the standby
# promoted; three times, each with the last one's standby as the primary.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use Time::HiRes qw(sleep);

sub make_standby
{
	my ($primary, $name) = @_;
	my $standby = PostgreSQL::Test::Cluster->new($name,
		install_path => $primary->install_path);

	$primary->backup($name);
	$standby->init_from_backup($primary, $name, has_streaming => 1);
	$standby->append_conf('postgresql.conf',
		"synchronous_standby_names = ''");
	$standby->start;
	return $standby;
}

sub make_synchronous
{
	my ($primary, $standby) = @_;
	my $name = $standby->name;

	$primary->append_conf('postgresql.conf',
		"synchronous_standby_names = '$name'");
	$primary->reload;
	$primary->poll_query_until('postgres', qq{
		SELECT sync_state = 'sync' FROM pg_stat_replication
		WHERE application_name = '$name'})
	  or die 'the standby does not become synchronous';
	return;
}

sub make_alone
{
	my ($node) = @_;

	$node->append_conf('postgresql.conf', "synchronous_standby_names = ''");
	return;
}

my $primary = audit_node('first', preload => 1, streaming => 1);
my @books;
for my $round (1 .. 3)
{
	my $standby = make_standby($primary, "standby_$round");
	make_synchronous($primary, $standby);
	my $storm =
	  start_storm($primary, "round_$round", '-k', 5, '-d', 0, '-r');
	goes_on($storm) for 1 .. 3;
	sleep 1 + rand;
	kill_all($primary);
	$standby->promote;
	finish_storm($storm, stop => 1);
	push @books, $storm->{books};
	is_sound($standby, "round $round, the standby", @books);

	# The one that died knows more, but not less.
	make_alone($primary);
	start_again($primary);
	is_sound($primary, "round $round, the primary", @books);
	$primary->stop;
	$primary = $standby;
}
push @books, run_storm($primary, 'afterwards', '-k', 5, '-d', 1);
is_sound($primary, 'the last standby, after more', @books);

# The check can fail: who did not wait for a standby finds commits lost.
my $standby = make_standby($primary, 'asleep');
$standby->stop;
push @books, run_storm($primary, 'asleep', '-k', 5, '-d', 1);
kill_all($primary);
$standby->start;
$standby->promote;
is(broken_chains($standby), '', 'a standby that was away: no fork, no gap');
like(broken_books($standby, @books), qr/^acknowledged, but lost: row asleep/m,
	'a standby that was away, and not waited for: that it lacks is seen');
$standby->stop;

done_testing();
