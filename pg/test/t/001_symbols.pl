# SPDX-License-Identifier: Apache-2.0
# Two extensions in one process: what the module keeps to itself is not
# exported, and is not replaced by what another one exports.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;

my $node = audit_node('symbols');
my $lib = $node->config_data('--pkglibdir');

sub exports
{
	my ($library) = @_;
	my @names;

	for (split /\n/, `nm -D --defined-only '$lib/$library.so'`)
	{
		push @names, (split)[2];
	}
	return @names;
}

my @foreign = grep
{
	!/^(Pg_magic_func|_PG_init|(pg_finfo_)?tally_sql_\w+)$/
} exports('tally');
is("@foreign", '', 'the module exports PostgreSQL\'s names and tally_sql_');

# The stranger exports all that the module keeps: else it would show nothing.
my %strange = map { $_ => 1 } exports('stranger');
ok($strange{tally_hash_bytes} && $strange{tally_lock_acquire},
	'the stranger exports names of the core and of the module');

# All that the module does in a transaction, and what pgcrypto does.
my $work = q{
	BEGIN;
	INSERT INTO audit VALUES (gen_random_uuid(), 1, 'x');
	SELECT length(digest) FROM tally.append('events', '{"a":1}');
	COMMIT;
	SELECT count(*) FROM tally.verify();
	SELECT encode(public.digest('abc', 'sha256'), 'hex')
		= encode(sha256('abc'), 'hex');
};
my $answer = "32\n0\nt";
$node->safe_psql('postgres', 'CREATE EXTENSION pgcrypto');
for my $order (
	[qw(stranger tally pgcrypto)],
	[qw(tally stranger pgcrypto)],
	[qw(pgcrypto tally stranger)])
{
	my $load = join '', map { "LOAD '$_';" } @$order;

	is($node->safe_psql('postgres', $load . $work),
		$answer, "loaded in this order: @$order");
}

for my $order ('stranger, tally', 'tally, stranger')
{
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = '$order'");
	$node->restart;
	is($node->safe_psql('postgres', $work), $answer, "preloaded: $order");
}
is(broken_chains($node), '', 'no fork, no gap');
$node->stop;

done_testing();
