# SPDX-License-Identifier: Apache-2.0
#
# Logical replication: of the whole log (FOR ALL TABLES) into a database with
# tally.mode = replica; of tables alone into one that has a log of its own,
# with triggers that fire always and without; with two_phase.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyCopy;
use TallyNode;
use Time::HiRes qw(sleep);

my $CONF = "wal_level = logical\nmax_prepared_transactions = 10\nwal_retrieve_retry_interval = 100ms\n";
my $publisher = tally_node('publisher', preload => 1, streaming => 'logical', conf => $CONF);
my $subscriber = tally_node('subscriber', conf => $CONF);
my $dir = PostgreSQL::Test::Utils::tempdir();

# Tables, extension and triggers, without data.
sub copy_schema
{
	my ($from, $to) = @_;

	$publisher->command_ok(
		[ 'pg_dump', '--schema-only', '--no-publications', '-f', "$dir/$from.sql", '-d', $publisher->connstr($from) ],
		'pg_dump --schema-only');
	$subscriber->safe_psql('postgres', "CREATE DATABASE $to");
	$subscriber->command_ok(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $subscriber->connstr($to), '-f', "$dir/$from.sql", '-o', '/dev/null' ],
		'the schema is restored');
	return;
}

sub subscribe
{
	my ($from, $to, $name, $options) = @_;
	my $connstr = $publisher->connstr($from) =~ s{'}{''}gr;

	$subscriber->safe_psql($to,
		"CREATE SUBSCRIPTION $name CONNECTION '$connstr' PUBLICATION $name"
		  . ($options ? " WITH ($options)" : ''));
	return;
}

sub arrived
{
	my ($from, $to, $name) = @_;

	$subscriber->poll_query_until($to,
		q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')})
	  or die 'the tables are not copied';
	my $lsn = $publisher->safe_psql($from, 'SELECT pg_current_wal_lsn()');
	$publisher->poll_query_until($from,
		"SELECT '$lsn' <= confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '$name'")
	  or die 'the changes do not arrive';
	return;
}

# Waits until the server has written it.
sub logs
{
	my ($node, $expected, $what) = @_;

	for (1 .. 600)
	{
		if (slurp_file($node->logfile) =~ $expected)
		{
			pass($what);
			return;
		}
		sleep 0.1;
	}
	fail($what);
	return;
}

my $RECORDS = 'SELECT * FROM tally.record ORDER BY chain_id, seq';

# The whole log, with the rows.
fill($publisher, 'source');
$publisher->safe_psql('source', q{
	CREATE TABLE other (id int PRIMARY KEY);
	CREATE TABLE twice (id int PRIMARY KEY, n int);
	SELECT tally.track('twice');
	CREATE PUBLICATION whole FOR ALL TABLES});
copy_schema('source', 'replica');
$subscriber->safe_psql('postgres', 'ALTER DATABASE replica SET tally.mode = replica');
# Also those that fire always seal nothing twice.
$subscriber->safe_psql('replica', q{ALTER TABLE audit ENABLE ALWAYS TRIGGER "!tally_capture";
	ALTER TABLE stock ENABLE ALWAYS TRIGGER "!tally_track_insert";
	ALTER TABLE twice ENABLE ALWAYS TRIGGER "!tally_track_truncate"});
subscribe('source', 'replica', 'whole', 'two_phase = true');
arrived('source', 'replica', 'whole');
$publisher->safe_psql('source', q{
	INSERT INTO audit (id, org) VALUES (50, 1), (51, 2);
	UPDATE changes SET what = 'over there' WHERE id = 9;
	DELETE FROM kept WHERE id = 9;
	SELECT tally.append('app', '{"n": 7}', 'id 7');
	SELECT tally.detach('picked');
	SELECT tally.attach('picked', only_when => $$kind = 'security'$$);
	INSERT INTO picked VALUES (50, 'security');
	INSERT INTO twice VALUES (1, 1);
	UPDATE twice SET n = 2;
	TRUNCATE twice;
	INSERT INTO twice VALUES (2, 2);
	SELECT tally.untrack('twice');
	SELECT tally.track('twice');
	BEGIN; INSERT INTO other VALUES (1); PREPARE TRANSACTION 'two phases'});
is($publisher->safe_psql('source', 'SELECT count(*) FROM other'), 0, 'a transaction is prepared');
$publisher->safe_psql('source', q{COMMIT PREPARED 'two phases'});
arrived('source', 'replica', 'whole');
is($subscriber->safe_psql('replica', $RECORDS), $publisher->safe_psql('source', $RECORDS),
	'the whole log: every record arrives, and none is added');
is($subscriber->safe_psql('replica', 'SELECT count(*) FROM other'), 1, 'the whole log: two_phase works');
is($subscriber->safe_psql('replica', q{SELECT string_agg(relation::text || ' ' || label, ', ' ORDER BY label) FROM tally.attachment}),
	'audit audit, changes changes, parted parted, picked picked, salted salted, stock stock, kept the "kept", twice twice',
	'the whole log: attachments arrive by the names of tables');
is(heads($subscriber, 'replica'), heads($publisher, 'source'), 'the whole log: the heads are the same');
is(says($subscriber, 'replica'), '', 'the whole log: tally.verify finds nothing');
is($subscriber->safe_psql('replica', 'SELECT verdict FROM tally.verify_summary()'), 'intact', 'the whole log: the verdict');
is(breaks_since($subscriber, 'replica', heads($publisher, 'source')), '', 'the whole log: heads hold');
like($subscriber->safe_psql('replica', 'SELECT unnest(not_covered) FROM tally.verify_summary()'),
	qr/^when rows were written that no record seals: the database has its records from another, since it was sealed last in database "source"/m,
	'the whole log: what is not known of rows without a record');
is($subscriber->safe_psql('replica', q{SELECT state FROM tally.status WHERE subject = 'tally.mode'}),
	'replica', 'the whole log: tally.status says so');
for my $sql ('INSERT INTO audit (id, org) VALUES (60, 1)', q{SELECT tally.append('app', '{}')},
	'UPDATE stock SET n = 1', 'TRUNCATE twice', q{SELECT tally.untrack('stock')},
	q{SELECT tally.detach('audit')}, q{SELECT tally.restored('x')})
{
	is(query_error($subscriber, 'replica', $sql),
		qq{ERROR:  nothing is sealed in database "replica": tally.mode is "replica"\nHINT:  Its records arrive by logical replication.  If it is to seal by itself, end the subscription and set tally.mode to "primary".},
		"the whole log: refused is $sql");
}
is($subscriber->safe_psql('replica', q{SELECT count(*) FROM stock}), 9, 'the whole log: rows of a tracked table are there');
$subscriber->safe_psql('replica', q{ALTER TABLE audit ENABLE TRIGGER "!tally_capture";
	ALTER TABLE stock ENABLE TRIGGER "!tally_track_insert"; ALTER TABLE twice ENABLE TRIGGER "!tally_track_truncate"});
$subscriber->safe_psql('replica', q{SET session_replication_role = replica; UPDATE audit SET body = 'forged' WHERE id = 4});
is(says($subscriber, 'replica'), 'content-altered audit/1 2 audit 4 the row is another than was sealed',
	'the whole log: a change of a row is found there too');
$subscriber->safe_psql('replica', q{SET session_replication_role = replica; UPDATE audit SET body = 'row 4' WHERE id = 4});

# The replica takes over.
my $heads = heads($publisher, 'source');
$subscriber->safe_psql('replica', 'DROP SUBSCRIPTION whole');
$subscriber->safe_psql('postgres', 'ALTER DATABASE replica RESET tally.mode');
refuses_to_seal($subscriber, 'replica', 'a replica that takes over',
	qr/it was sealed last in database "source" \(oid \d+\) of cluster \d+, and this is cluster \d+/);
$subscriber->safe_psql('replica', q{SELECT tally.restored('the publisher is gone')});
goes_on_sealing($subscriber, 'replica', 'a replica that takes over', $heads);

# The whole log of one, into a database that has one of its own.
$subscriber->safe_psql('postgres', 'CREATE DATABASE own');
$subscriber->safe_psql('own', q{
	CREATE EXTENSION tally;
	CREATE TABLE audit (id bigint PRIMARY KEY, org int, body text, more text);
	CREATE TABLE other (id int PRIMARY KEY);
	SELECT tally.attach('audit');
	INSERT INTO audit VALUES (1000, 1)});
my $own = $subscriber->safe_psql('own', $RECORDS);
$publisher->safe_psql('postgres', 'CREATE DATABASE app');
$publisher->safe_psql('app', q{
	CREATE EXTENSION tally;
	CREATE TABLE audit (id bigint PRIMARY KEY, org int, body text, more text);
	CREATE TABLE other (id int PRIMARY KEY);
	CREATE PUBLICATION everything FOR ALL TABLES;
	CREATE PUBLICATION part FOR TABLE audit, other;
	SELECT tally.append('app', '{}');
	INSERT INTO audit VALUES (1, 1)});
subscribe('app', 'own', 'everything');
logs($subscriber, qr/ERROR:  table "tally\.(\w+)" takes no rows of another database\n.*DETAIL:  They arrive by logical replication; the chains of one log are not those of another\./,
	'another log is not let into this one, and it says why');
$subscriber->safe_psql('own', 'ALTER SUBSCRIPTION everything DISABLE; DROP SUBSCRIPTION everything');
is($subscriber->safe_psql('own', $RECORDS), $own, 'it is as it was');
# The user's table may have been copied meanwhile; it is begun anew.
$subscriber->safe_psql('own', q{SET session_replication_role = replica; DELETE FROM audit WHERE id <> 1000});

# Tables alone: past the ordinary trigger what arrives is not sealed.
subscribe('app', 'own', 'part');
arrived('app', 'own', 'part');
is(says($subscriber, 'own'), 'unsealed audit audit 1 no record seals the row, which was written after tally:log/2 had attached the table',
	'tables alone, an ordinary trigger: what arrives is found unsealed');
$subscriber->safe_psql('own', q{
	DROP SUBSCRIPTION part;
	SET session_replication_role = replica; DELETE FROM audit WHERE id = 1;
	ALTER TABLE audit ENABLE ALWAYS TRIGGER "!tally_capture"});

# With one that fires always it is, also what is copied at first.
subscribe('app', 'own', 'part');
arrived('app', 'own', 'part');
$publisher->safe_psql('app', q{INSERT INTO audit VALUES (2, 1); INSERT INTO audit SELECT g FROM generate_series(3, 100) g});
arrived('app', 'own', 'part');
is($subscriber->safe_psql('own', q{SELECT count(*) FROM tally.record WHERE key IS NOT NULL}), 101,
	'tables alone, ENABLE ALWAYS: what arrives is sealed in the chains of here');
is(says($subscriber, 'own'), '', 'tables alone, ENABLE ALWAYS: tally.verify finds nothing');
is(broken_chains($subscriber, 'own'), '', 'tables alone, ENABLE ALWAYS: the chains are whole');
$publisher->safe_psql('app', 'DELETE FROM audit WHERE id = 5');
logs($subscriber, qr/ERROR:  cannot delete rows of "audit": it is attached to tally as append-only/,
	'tables alone, ENABLE ALWAYS: append-only refuses what the other side changes');
$subscriber->safe_psql('own', 'DROP SUBSCRIPTION part');

# A subscription with two_phase prepares what it seals; without, it does not.
$subscriber->safe_psql('own', q{
	SELECT tally.attach('other'); ALTER TABLE other ENABLE ALWAYS TRIGGER "!tally_capture"});
$publisher->safe_psql('app', 'CREATE PUBLICATION prepared FOR TABLE other');
subscribe('app', 'own', 'prepared', 'two_phase = true');
arrived('app', 'own', 'prepared');
$subscriber->poll_query_until('own', q{SELECT subtwophasestate = 'e' FROM pg_subscription WHERE subname = 'prepared'})
  or die 'two_phase is not enabled';
$publisher->safe_psql('app', q{BEGIN; INSERT INTO other VALUES (1); PREPARE TRANSACTION 'one'});
logs($subscriber, qr/ERROR:  cannot PREPARE a transaction that has rows to seal/,
	'two_phase: what would have to be prepared here is refused, and it says why');
$publisher->safe_psql('app', q{COMMIT PREPARED 'one'});
$subscriber->safe_psql('own', 'ALTER SUBSCRIPTION prepared DISABLE; DROP SUBSCRIPTION prepared');
subscribe('app', 'own', 'prepared');
arrived('app', 'own', 'prepared');
$publisher->safe_psql('app', q{BEGIN; INSERT INTO other VALUES (2); PREPARE TRANSACTION 'two'});
$publisher->safe_psql('app', q{COMMIT PREPARED 'two'});
arrived('app', 'own', 'prepared');
is($subscriber->safe_psql('own', q{SELECT string_agg(key, ',' ORDER BY seq) FROM tally.log WHERE chain = 'other'}),
	'1,2', 'without two_phase what was prepared over there is sealed here when it commits');
is(says($subscriber, 'own'), '', 'tally.verify finds nothing');
$subscriber->safe_psql('own', 'DROP SUBSCRIPTION prepared');

done_testing();
