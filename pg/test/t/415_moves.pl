# SPDX-License-Identifier: Apache-2.0
#
# What is told of rows from before a move: values of enums, whose oids are other
# ones in each place; composites with an attribute that was dropped; columns and
# values that changed their names in one place and then moved to the next.
use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/lib";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyCopy;
use TallyNode;

my $node = tally_node('moves');
my $dir = PostgreSQL::Test::Utils::tempdir();

# Into another database, by a dump.
sub move
{
	my ($from, $to) = @_;

	$node->command_ok([ 'pg_dump', '-f', "$dir/$from.sql", '-d', $node->connstr($from) ], "pg_dump $from");
	$node->safe_psql('postgres', "CREATE DATABASE $to");
	$node->command_ok(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($to), '-f', "$dir/$from.sql", '-o', '/dev/null' ],
		"restored as $to");
	my ($result, $out, $err) = $node->psql($to, q{SELECT tally.restored('moved')});
	is($err, '', "$to: all is taken over");
	return;
}

# What is found after somebody went past the triggers; then it is undone.
sub finds
{
	my ($dbname, $sql, $undo, $expected, $what) = @_;

	$node->safe_psql($dbname, "SET session_replication_role = replica; $sql");
	is(says($node, $dbname), $expected, $what);
	$node->safe_psql($dbname, "SET session_replication_role = replica; $undo");
	return;
}

# Somebody who turns off what would refuse it.
sub rename_in
{
	my ($dbname, $sql) = @_;

	$node->safe_psql($dbname, "ALTER EVENT TRIGGER tally_ddl_start DISABLE; ALTER EVENT TRIGGER tally_ddl_end DISABLE");
	$node->safe_psql($dbname, $sql);
	$node->safe_psql($dbname, "ALTER EVENT TRIGGER tally_ddl_start ENABLE ALWAYS; ALTER EVENT TRIGGER tally_ddl_end ENABLE ALWAYS");
	return;
}

sub attach_event
{
	my ($dbname, $label) = @_;

	return $node->safe_psql($dbname, "SELECT 'tally:log/' || r.seq FROM tally.attachment a
		JOIN tally.record r ON r.event_id = a.epoch WHERE a.label = '$label'");
}

$node->safe_psql('postgres', 'CREATE DATABASE one');
$node->safe_psql('one', q{
	CREATE EXTENSION tally;
	CREATE TYPE mood AS ENUM ('sad', 'ok');
	ALTER TYPE mood ADD VALUE 'happy' BEFORE 'sad';
	CREATE TYPE pair AS (gone text, n int, m mood);
	ALTER TYPE pair DROP ATTRIBUTE gone;
	CREATE TABLE rows_of (id int PRIMARY KEY, gone int, m mood, p pair, note text);
	ALTER TABLE rows_of DROP COLUMN gone;
	CREATE TABLE keyed (m mood PRIMARY KEY, note text);
	CREATE TABLE chained (gone int, id int PRIMARY KEY, m mood, ms mood[]);
	ALTER TABLE chained DROP COLUMN gone;
	SELECT tally.attach('rows_of');
	SELECT tally.attach('keyed', append_only => false);
	SELECT tally.attach('chained', chain_by => 'm', salted => true);
	INSERT INTO rows_of VALUES (1, 'sad', '(1,sad)', 'x'), (2, 'happy', '(2,ok)', 'y'), (3, 'ok', NULL, 'z');
	INSERT INTO keyed VALUES ('sad', 'x'), ('happy', 'y');
	UPDATE keyed SET note = 'changed' WHERE m = 'sad';
	INSERT INTO chained VALUES (1, 'sad', '{sad,ok}'), (2, 'happy', '{}');
	ALTER TYPE mood ADD VALUE 'more';
});
$node->safe_psql('one', q{
	INSERT INTO rows_of VALUES (4, 'more', '(4,more)', NULL);
	INSERT INTO chained VALUES (3, 'more', '{more}')});
is(says($node, 'one'), '', 'where it began nothing is found');

# Past the triggers, after a move.
move('one', 'forged');
is(says($node, 'forged'), '', 'forged: nor after a move');
$node->safe_psql('forged', q{
	INSERT INTO rows_of VALUES (11, 'sad', '(1,more)', 'x');
	INSERT INTO keyed VALUES ('more', 'z');
	UPDATE keyed SET note = 'changed again' WHERE m = 'sad';
	INSERT INTO chained VALUES (11, 'ok', '{ok}')});
is(says($node, 'forged'), '', 'forged: nor after what was done then');
finds('forged', q{UPDATE rows_of SET m = 'ok' WHERE id = 1; UPDATE rows_of SET p = '(2,sad)' WHERE id = 2},
	q{UPDATE rows_of SET m = 'sad' WHERE id = 1; UPDATE rows_of SET p = '(2,ok)' WHERE id = 2},
	"content-altered rows_of 1 rows_of 1 the row is another than was sealed\ncontent-altered rows_of 2 rows_of 2 the row is another than was sealed",
	'forged: a row of before that was changed past the trigger');
finds('forged', q{UPDATE keyed SET note = 'forged' WHERE m = 'happy'}, q{UPDATE keyed SET note = 'y' WHERE m = 'happy'},
	'content-altered keyed 2 keyed happy the row is another than was sealed',
	'forged: one whose key is a value of an enum');
finds('forged', q{UPDATE keyed SET m = 'ok' WHERE m = 'happy'}, q{UPDATE keyed SET m = 'happy' WHERE m = 'ok'},
	"missing keyed 2 keyed happy its row is not there\nunsealed keyed keyed ok no record seals the row, which was written after "
	  . attach_event('forged', 'keyed') . ' had attached the table',
	'forged: and one whose key was changed');
finds('forged', q{UPDATE chained SET m = 'ok' WHERE id = 2}, q{UPDATE chained SET m = 'happy' WHERE id = 2},
	'content-altered chained/happy 1 chained 2 the row is another than was sealed',
	'forged: one that lies in a chain by it');
finds('forged', q{DELETE FROM rows_of WHERE id = 4}, q{INSERT INTO rows_of VALUES (4, 'more', '(4,more)', NULL)},
	'missing rows_of 4 rows_of 4 its row is not there', 'forged: one that is gone');

# Two values change their names, one for the other: by name alone all rows of
# before would look changed.
move('one', 'two');
$node->safe_psql('two', q{INSERT INTO rows_of VALUES (11, 'sad', '(1,more)', 'x')});
rename_in('two', q{
	ALTER TYPE mood RENAME VALUE 'sad' TO 'tmp';
	ALTER TYPE mood RENAME VALUE 'ok' TO 'sad';
	ALTER TYPE mood RENAME VALUE 'tmp' TO 'ok'});
my $swapped = says($node, 'two');
unlike($swapped, qr/content-altered|missing|unsealed/, 'two, values renamed: nobody is accused');
like($swapped, qr/^unverifiable rows_of \d+ records cannot be compared with their rows: the type of column "m" of table "public\.rows_of" calls "ok" now what was "sad"$/m,
	'two, values renamed: and it says why');
rename_in('two', q{
	ALTER TYPE mood RENAME VALUE 'sad' TO 'tmp';
	ALTER TYPE mood RENAME VALUE 'ok' TO 'sad';
	ALTER TYPE mood RENAME VALUE 'tmp' TO 'ok'});
is(says($node, 'two'), '', 'two, and renamed back: nothing');

# Columns change their names for one another, and then it moves again.
rename_in('two', q{
	ALTER TABLE rows_of ADD extra text;
	ALTER TABLE rows_of DROP COLUMN extra;
	ALTER TABLE rows_of RENAME note TO remark;
	SELECT tally.detach('rows_of');
	SELECT tally.attach('rows_of');
	INSERT INTO rows_of VALUES (12, 'ok', NULL, 'new');
	ALTER TYPE mood RENAME VALUE 'sad' TO 'blue'});
$node->safe_psql('two', q{
	SELECT tally.detach('rows_of'); SELECT tally.attach('rows_of');
	SELECT tally.detach('keyed'); SELECT tally.attach('keyed', append_only => false);
	SELECT tally.detach('chained'); SELECT tally.attach('chained', chain_by => 'm', salted => true);
	INSERT INTO rows_of VALUES (13, 'blue', NULL, 'newer')});
my $two = says($node, 'two');
like($two, qr/^unverifiable rows_of \d+ records cannot be compared with their rows: the type of column "m" of table "public\.rows_of" calls "blue" now what was "sad"$/m,
	'two, a value renamed for good: what it was cannot be told any more');
unlike($two, qr/content-altered|missing|unsealed/, 'two, a value renamed for good: nobody is accused');
move('two', 'three');
is(says($node, 'three'), $two, 'three: what could be told in two can be told in three, and nothing else');
$node->safe_psql('three', q{INSERT INTO rows_of VALUES (21, 'blue', NULL, 'newest')});
finds('three', q{UPDATE rows_of SET remark = 'forged' WHERE id = 13}, q{UPDATE rows_of SET remark = 'newer' WHERE id = 13},
	join("\n", sort(split(/\n/, $two), 'content-altered rows_of 7 rows_of 13 the row is another than was sealed')),
	'three: a row of two that was changed past the trigger');

# Old rows: what was sealed of them before a move is told behind it; of the others
# nobody knows any more that they are old, by a dump or by a template.
$node->safe_psql('postgres', 'CREATE DATABASE old');
$node->safe_psql('old', q{
	CREATE EXTENSION tally;
	CREATE TABLE sealed (gone int, id int PRIMARY KEY, v text);
	ALTER TABLE sealed DROP COLUMN gone;
	CREATE TABLE open (id int PRIMARY KEY);
	INSERT INTO sealed SELECT g, 'v' || g FROM generate_series(1, 30) g;
	INSERT INTO open VALUES (1), (2);
	SELECT tally.attach('sealed');
	SELECT tally.attach('open')});
$node->safe_psql('old', q{CALL tally.backfill('sealed', '{id}', 10, 0)});
$node->safe_psql('old', q{INSERT INTO sealed VALUES (31, 'v31')});
is(says($node, 'old'), 'legacy open 2 rows were there before the table was attached, and are not sealed', 'old rows, where they are');
move('old', 'old_dump');
$node->safe_psql('postgres', 'CREATE DATABASE old_copy TEMPLATE old');
$node->safe_psql('old_copy', q{SELECT tally.restored('copied')});
for my $dbname ('old_dump', 'old_copy')
{
	my $unknown = 'unverifiable open no record seals 2 rows of which it is not known when they were written';

	is(says($node, $dbname), $unknown, "$dbname: those that were not sealed are of unknown age");
	for my $table ('open', 'sealed')
	{
		is(query_error($node, $dbname, "CALL tally.backfill('$table')"),
			qq{ERROR:  "public.$table" cannot be backfilled\nDETAIL:  The database was restored since the table was attached first, so it is not known which of its rows were there before.\nHINT:  Rows without a record stay unverifiable.},
			"$dbname: $table is not backfilled");
	}
	finds($dbname, q{UPDATE sealed SET v = 'forged' WHERE id IN (7, 31)}, q{UPDATE sealed SET v = 'v' || id WHERE id IN (7, 31)},
		"content-altered sealed 31 sealed 31 the row is another than was sealed\ncontent-altered sealed 7 sealed 7 the row is another than was sealed\n$unknown",
		"$dbname: those that were are still held against their records");
	is(recomputed($node, $dbname) =~ s/^row  table "sealed"  '(7|31)' has no record\n//mgr, '', "$dbname: recomputed");
}
$node->stop;

done_testing();
