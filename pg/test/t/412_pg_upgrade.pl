# SPDX-License-Identifier: Apache-2.0
#
# pg_upgrade into another cluster; of the same version, since Debian has one, if
# check-pg was not told where another is.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyCopy;
use TallyNode;

my $old = tally_node('old', preload => 1, root => $ENV{TALLY_OLD_PREFIX} ? 'root-old' : 'root');
# Checksums are the default since 18, and cannot be had by an upgrade.
my $new = tally_node('new', preload => 1,
	initdb => `initdb --help` =~ /(--no-data-checksums)/ && $ENV{TALLY_OLD_PREFIX} ? [$1] : []);

fill($old, 'source');
my $heads = heads($old, 'source');
my $records = $old->safe_psql('source', 'SELECT * FROM tally.record ORDER BY chain_id, seq');
$old->stop;
$new->stop;
# It writes where it stands.
chdir $PostgreSQL::Test::Utils::tmp_check or die;
command_ok(
	[
		'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir,
		'-b', $old->config_data('--bindir'), '-B', $new->config_data('--bindir'),
		'-p', $old->port, '-P', $new->port, '-s', $new->host
	],
	'pg_upgrade')
  or diag map { slurp_file($_) } glob $new->data_dir . '/pg_upgrade_output.d/*/log/pg_upgrade_dump_*.log';
$new->start;
is($new->safe_psql('source', 'SELECT * FROM tally.record ORDER BY chain_id, seq'), $records,
	'every record is there');
is(breaks_since($new, 'source', $heads), '', 'heads of before hold');
refuses_to_seal($new, 'source', 'an upgraded cluster',
	qr/it was sealed last in database "source" \(oid \d+\) of cluster \d+, and this is cluster \d+/);
$new->safe_psql('source', q{SELECT tally.restored('pg_upgrade')});
goes_on_sealing($new, 'source', 'an upgraded cluster', $heads);
$new->stop;

done_testing();
