# SPDX-License-Identifier: Apache-2.0
#
# Physical copies: templates, recovery to an earlier time, clones; and what is
# none, a standby that is promoted and a database that is renamed.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyCopy;
use TallyNode;

my $primary = tally_node('primary', preload => 1, streaming => 1,
	conf => "archive_mode = on\n");

sub restored_node
{
	my ($name, $backup, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name,
		install_path => $primary->install_path);

	$node->init_from_backup($primary, $backup, %options);
	$node->append_conf('postgresql.conf', "archive_mode = off\n");
	return $node;
}

sub recovered_node
{
	my ($name, $backup, $target) = @_;
	my $node = restored_node($name, $backup, has_restoring => 1, standby => 0);

	$node->append_conf('postgresql.conf',
		"$target\nrecovery_target_action = promote");
	$node->start;
	$node->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
	  or die 'recovery does not end';
	return $node;
}

# Archives what there is.
sub archive
{
	my $segment = $primary->safe_psql('postgres',
		'SELECT pg_walfile_name(pg_switch_wal())');

	$primary->poll_query_until('postgres',
		"SELECT '$segment' <= last_archived_wal FROM pg_stat_archiver")
	  or die 'the WAL is not archived';
	return;
}

sub say_restored
{
	my ($node, $dbname) = @_;

	$node->safe_psql($dbname, q{SELECT tally.restored('a test')});
	return;
}

$primary->enable_archiving;
$primary->restart;
fill($primary, 'source');
my $heads = heads($primary, 'source');

# A database that is renamed stays where it is.
$primary->safe_psql('postgres', 'ALTER DATABASE source RENAME TO renamed');
$primary->safe_psql('renamed', q{INSERT INTO audit (id, org) VALUES (50, 1)});
is(says($primary, 'renamed'), '', 'a renamed database goes on, and knows how old its rows are');
$primary->safe_psql('renamed', q{SET session_replication_role = replica;
	INSERT INTO audit (id, org) VALUES (51, 1)});
like(says($primary, 'renamed'), qr/^unsealed audit\/1 audit 51 no record seals the row, which was written after tally:log\/2 had attached the table$/,
	'a renamed database: what is smuggled in is found');
$primary->safe_psql('renamed', q{SET session_replication_role = replica; DELETE FROM audit WHERE id = 51});
$primary->safe_psql('postgres', 'ALTER DATABASE renamed RENAME TO source');

# A template copy: oids and xids are the same, the database is not.
$primary->safe_psql('postgres', 'CREATE DATABASE copied TEMPLATE source');
refuses_to_seal($primary, 'copied', 'a template copy',
	qr/it was sealed last in database "source" \(oid \d+\) of this cluster, and this is the one with oid \d+/);
is(breaks_since($primary, 'copied', $heads), '', 'a template copy: heads of before hold');
$primary->safe_psql('source', q{INSERT INTO audit (id, org) VALUES (52, 1)});
is(says($primary, 'source'), '', 'what it was copied from goes on by itself');
say_restored($primary, 'copied');
goes_on_sealing($primary, 'copied', 'a template copy', $heads);

# Recovery to a target.
$primary->backup('nightly');
$primary->safe_psql('source', q{INSERT INTO audit (id, org) VALUES (53, 1)});
$primary->safe_psql('source', q{SELECT pg_create_restore_point('noon')});
my $noon = heads($primary, 'source');
my $noon_xid = $primary->safe_psql('source', 'SELECT pg_current_xact_id()');
$primary->safe_psql('source', q{INSERT INTO audit (id, org) VALUES (54, 1)});
my $later = heads($primary, 'source');
archive();
my $point = recovered_node('point', 'nightly', "recovery_target_name = 'noon'");
my $cut = qr/timeline 1 was recovered up to [0-9A-F]+\/[0-9A-F]+ and ended there: at restore point "noon"/;
refuses_to_seal($point, 'source', 'recovered to a point', $cut);
is(breaks_since($point, 'source', $noon), '', 'recovered to a point: heads of before hold');
is($point->safe_psql('source', 'SELECT count(*) FROM tally.attachment JOIN tally.event ON id = epoch WHERE event::json IS NOT NULL'),
	7, 'there are seven tables');
my $epochs = $point->safe_psql('source', 'SELECT * FROM tally.attachment ORDER BY epoch');
say_restored($point, 'source');
is($point->safe_psql('source', 'SELECT * FROM tally.attachment ORDER BY epoch'), $epochs,
	'recovered to a point: in the same place no table is attached anew');
goes_on_sealing($point, 'source', 'recovered to a point', $noon);
like(breaks_since($point, 'source', $later), qr/^rolled-back audit\/1 \d+ the head that was given for this record has another hash$/m,
	'heads of after the point show that history was rolled back');
$point->stop;

my $immediate = recovered_node('immediate', 'nightly', "recovery_target = 'immediate'");
refuses_to_seal($immediate, 'source', 'recovered to consistency',
	qr/timeline 1 was recovered up to [0-9A-F]+\/[0-9A-F]+ and ended there: reached consistency/);
like(breaks_since($immediate, 'source', $noon), qr/^truncated audit\/1 \d+ the chain ends before this record/m,
	'heads of later show that the end is gone');
$immediate->stop;

my $before = recovered_node('before', 'nightly', "recovery_target_xid = '$noon_xid'");
refuses_to_seal($before, 'source', 'recovered to a transaction',
	qr/timeline 1 was recovered up to [0-9A-F]+\/[0-9A-F]+ and ended there: after transaction $noon_xid/);
say_restored($before, 'source');

# A history that cannot be read counts as cut.
my $timeline = $before->safe_psql('source', 'SELECT timeline_id FROM pg_control_checkpoint()');
$before->stop;
my ($history) = glob($before->data_dir . '/pg_wal/*.history');
$before->start;
$before->safe_psql('source', q{SET session_replication_role = replica; UPDATE tally.origin SET timeline = 1});
rename $history, "$history.away" or die;
like(query_error($before, 'source', q{SELECT tally.append('app', '{}')}),
	qr/^DETAIL:  Since timeline 2 is another than 1, and why cannot be read in "pg_wal\/00000002\.history": No such file or directory\.$/m,
	'a history that is gone counts as cut');
rename "$history.away", $history or die;
$before->safe_psql('source', q{SET session_replication_role = replica; UPDATE tally.origin SET timeline = 7});
like(query_error($before, 'source', q{SELECT tally.append('app', '{}')}),
	qr/^DETAIL:  Since timeline 2 does not come from timeline 7\.$/m,
	'a history of another server counts as cut');
$before->stop;

# To the end of what was archived: no target, nothing was left out on purpose.
my $end = recovered_node('end', 'nightly', '');
$end->safe_psql('source', q{INSERT INTO audit (id, org) VALUES (60, 1)});
is(says($end, 'source'), '', 'recovered to the end of the archive: it goes on');
is(breaks_since($end, 'source', $later), '', 'recovered to the end of the archive: all heads hold');
$end->stop;

# A base backup that is started as it is says nothing of its age: only heads
# do.  Who knows says it.
my $clone = restored_node('clone', 'nightly');
$clone->start;
like(breaks_since($clone, 'source', $later), qr/^truncated audit\/1 \d+ the chain ends before this record/m,
	'a clone: heads show that it is older');
say_restored($clone, 'source');
is(says($clone, 'source'), '', 'a clone of which it was said goes on');
like($clone->safe_psql('source', 'SELECT unnest(not_covered) FROM tally.verify_summary()'),
	qr/^what database "source" sealed and wrote after the state from which tally:log\/9 goes on in database "source"/m,
	'and everybody can see that it was said');
$clone->stop;

# Promotion is no restore; neither are two.
my $standby = restored_node('standby', 'nightly', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);
is(says($standby, 'source'), '', 'a standby verifies');
is(heads($standby, 'source'), heads($primary, 'source'), 'a standby shows the heads of the primary');
is(breaks_since($standby, 'source', $later), '', 'a standby holds heads against what it has');
is($standby->safe_psql('source', 'SELECT verdict FROM tally.verify_summary()'), 'intact', 'the verdict of a standby');
is($standby->safe_psql('source', q{SELECT count(*) FROM tally.status WHERE item = 'origin'}), 0,
	'tally.status of a standby');
like(query_error($standby, 'source', q{SELECT tally.restored('x')}),
	qr/^ERROR:  cannot execute tally\.restored\(\) in a read-only transaction$/m, 'nothing is restored on a standby');
like(query_error($standby, 'source', q{SELECT tally.append('app', '{}')}),
	qr/^ERROR:  cannot (seal anything|execute \w+.*) in a read-only transaction$/m, 'nothing is sealed on a standby');
$primary->stop;
$standby->promote;
$standby->safe_psql('source', q{INSERT INTO audit (id, org) VALUES (70, 1)});
is(says($standby, 'source'), '', 'a promoted standby goes on');
$standby->restart;
$standby->safe_psql('source', q{INSERT INTO audit (id, org) VALUES (71, 1)});
is(says($standby, 'source'), '', 'a promoted standby, restarted, goes on');
is(breaks_since($standby, 'source', $later), '', 'a promoted standby: heads of before hold');
is($standby->safe_psql('source', 'SELECT count(*) FROM tally.origin'), 1, 'nobody had to say anything');
$standby->stop;

done_testing();
