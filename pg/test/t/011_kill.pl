# SPDX-License-Identifier: Apache-2.0
# Backends and whole servers killed under load, twenty times.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use Time::HiRes qw(sleep);

my $node = audit_node('victim', preload => 1);
my $storm = start_storm($node, 'kill', '-s', 32, '-k', 5, '-d', 0, '-r');

for my $round (1 .. 20)
{
	goes_on($storm) or die 'the load came to a halt';
	sleep rand 0.3;
	if ($round % 2)
	{
		# One that is at work; all others go with it, and come back.
		my $offset = -s $node->logfile;
		my $pid = $node->safe_psql('postgres', q{
			SELECT pid FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
			ORDER BY state = 'active' DESC, random() LIMIT 1});
		kill 'KILL', $pid;
		$node->wait_for_log(qr/reinitializing/, $offset);
	}
	else
	{
		kill_all($node);
		start_again($node);
	}
	ok(goes_on($storm), "round $round: commits go on");
}

cmp_ok(finish_storm($storm, stop => 1), '>', 1000,
	'there was a load');
is_sound($node, 'killed twenty times', $storm->{books});
$node->stop;

done_testing();
