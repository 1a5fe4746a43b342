# SPDX-License-Identifier: Apache-2.0
#
# Tracked tables under load: many writers to one chain, statements of many
# parts between them, a server that is killed.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;

my $writers = 8;
my $node = tally_node('tracked', preload => 1);

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION tally;
CREATE TABLE stock (id int PRIMARY KEY, n int NOT NULL, note text);
INSERT INTO stock SELECT n, 0, repeat('x', 100) FROM generate_series(0, 9999) n;
SELECT tally.track('stock', actor => true);
CREATE PROCEDURE change(who int, times int) LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. times LOOP
		UPDATE stock SET n = n + 1 WHERE id = who * 100 + i % 100;
		COMMIT;
	END LOOP;
END $$;
SQL

# What the events say that was added, and what the table holds.
my $ADDED = q{
SELECT coalesce(sum((r -> 'new' ->> 'n')::bigint - (r -> 'old' ->> 'n')::bigint), 0)
FROM tally.event e, json_array_elements(e.event::json -> 'rows') r
WHERE e.event::json ->> 'op' = 'update'};
my $HELD = 'SELECT sum(n) FROM stock';

sub is_whole
{
	my ($what) = @_;

	is(broken_chains($node), '', "$what: no fork, no gap");
	is(findings($node), '', "$what: tally.verify finds nothing");
	is($node->safe_psql('postgres', $ADDED), $node->safe_psql('postgres', $HELD),
		"$what: the events add up to what the table holds");
	return;
}

# Parts of one statement stand one after the other, others' between none.
my $TORN = q{
SELECT count(*) FROM (
	SELECT (e.event::json ->> 'part')::int AS part,
		(e.event::json ->> 'parts')::int AS parts,
		lag((e.event::json ->> 'part')::int, 1, 0) OVER (ORDER BY r.seq) AS before
	FROM tally.record r JOIN tally.event e ON e.id = r.event_id
	WHERE tally.source(r.epoch) = 'stock') s
WHERE part > 1 AND before IS DISTINCT FROM part - 1};

my @sessions = map { TallySession->new($node) } 1 .. $writers;
my $bulk = TallySession->new($node);

$sessions[$_ - 1]->send("CALL change($_, 200)") for 1 .. $writers;
for (1 .. 3)
{
	$bulk->run('UPDATE stock SET n = n + 1 WHERE id >= 2000');
}
is($_->answer->{err}, '', 'a writer is done') for @sessions;
is_whole('many writers');
is($node->safe_psql('postgres', $TORN), 0, 'parts stand together');
cmp_ok(
	$node->safe_psql(
		'postgres', q[SELECT max((event::json ->> 'parts')::int) FROM tally.event
			WHERE event LIKE '{"actor"%']),
	'>', 1, 'there are statements of several parts');

# Killed with writers at work: what is there is tracked, what is not, is not.
$_->send('CALL change(50, 100000)') for @sessions;
ok($node->poll_query_until(
		'postgres', "SELECT ($ADDED) > $writers * 200 + 24100"),
	'writers are at work');
kill_all($node);
start_again($node);
is_whole('killed');

done_testing();
