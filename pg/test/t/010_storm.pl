# SPDX-License-Identifier: Apache-2.0
# 64 sessions at once, with rollbacks, savepoints, several chains in opposite
# orders and all isolation levels, on few chains and on many.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;

# What the lock is, by who provides it: shared memory, shared memory with so
# few slots that every transaction collides, PostgreSQL's advisory locks.
my @nodes = (
	[ 'preloaded', preload => 1 ],
	[ 'two slots', preload => 1, root => 'root-slots-2' ],
	[ 'not preloaded' ]);

for (@nodes)
{
	my ($name, @options) = @$_;
	my $node = audit_node($name =~ tr/ /_/r, @options);
	my @books = map {
		run_storm($node, $name =~ tr/ /_/r . "_$_", '-k', $_, '-d', 4)
	} (1, 100);

	is_sound($node, $name, @books);
	$node->stop;
}

# The same storm sees forks if there is no lock: the check can fail.
my $node = audit_node('no_lock', preload => 1, root => 'root-no-lock');
# A chain's first record would fail for another reason, two chains of a name.
$node->safe_psql('postgres',
	q{INSERT INTO audit SELECT 'first ' || n, n, '' FROM generate_series(0, 4) n;
	  SELECT tally.append('direct/' || n, '{}') FROM generate_series(0, 4) n});
run_storm($node, 'no_lock', '-k', 5, '-d', 2);
like(broken_chains($node), qr/^fork in audit/m,
	'without the lock chains fork, and that is seen');
isnt($node->safe_psql('postgres', q{SELECT * FROM tally.verify()
		WHERE chain LIKE 'audit/%' LIMIT 1}),
	'', 'also by tally.verify');
$node->stop;

done_testing();
