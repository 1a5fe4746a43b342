# SPDX-License-Identifier: Apache-2.0
#
# Random histories of tables that are attached, detached, attached again or
# altered in other ways, backfilled, written and changed by statements,
# savepoints and DDL: none is accused.  Then one change past the triggers: each
# is found.
#
#   TALLY_SEED=n TALLY_SECONDS=n   the same again, or for longer
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use Test::More;
use TallyNode;
use TallySession;
use Time::HiRes qw(time);

my $seed = $ENV{TALLY_SEED} // int(rand(2**31));
my $seconds = $ENV{TALLY_SECONDS} // 20;
srand($seed);
diag("TALLY_SEED=$seed");

my $node = tally_node('histories', preload => 1,
	conf => "autovacuum = off\nlog_min_messages = fatal\n");
$node->safe_psql('postgres', 'CREATE EXTENSION tally');
my $s = TallySession->new($node);
my ($t, @history, $state);

sub pick { return $_[ int(rand(@_)) ]; }
sub chance { return rand() < $_[0]; }

# A refusal is as good an answer as any; it ends what it happened in.
sub try_sql
{
	my ($sql) = @_;
	my $answer = $s->ask($sql);

	push @history, ($answer->{state} eq '00000' ? '' : "-- $answer->{state} ")
	  . $sql;
	return $answer->{state} eq '00000';
}

sub key { return 1 + int(rand(8)); }

# One statement that writes.
sub statement
{
	my $kind = pick(qw(keep noise));
	my $row = sprintf q{(%d, %d, '%s', 'w%d', 'n%d')}, key(), 100 + key(),
	  $kind, key(), key();
	my $set = pick(sprintf(q{what = 'u%d'}, rand 99),
		sprintf(q{note = 'm%d'}, rand 99), "kind = '$kind'",
		'id = ' . key(), 'code = ' . (100 + key()), 'id = id');

	return pick(
		"INSERT INTO $t VALUES $row",
		"INSERT INTO $t SELECT g, 100 + g, '$kind', 'many', NULL"
		  . " FROM generate_series(1, 8) g ON CONFLICT DO NOTHING",
		"INSERT INTO $t VALUES $row ON CONFLICT (id) DO UPDATE SET what = 'c'",
		"UPDATE $t SET $set WHERE id = " . key(),
		"UPDATE $t SET what = what || 'x'",
		"DELETE FROM $t WHERE id = " . key());
}

# DDL while the table is attached: some loses nothing, some is refused, and
# some is only done if it may be sealed.  The table stays as it is for those
# who write to it.
sub live_ddl
{
	my $n = ++$state->{columns};
	my @of = ("ALTER TABLE $t ADD COLUMN c$n text DEFAULT 'x'",
		"ALTER TABLE $t ADD COLUMN c$n text DEFAULT clock_timestamp()::text",
		"ALTER TABLE $t RENAME note TO n$n; ALTER TABLE $t RENAME n$n TO note",
		"ALTER TABLE $t RENAME TO r$n; ALTER TABLE r$n RENAME TO $t",
		"DO \$\$ BEGIN ALTER TABLE $t ADD CONSTRAINT k$n CHECK (id < 1000);"
		  . ' EXCEPTION WHEN others THEN NULL; END $$',
		"VACUUM FULL $t");

	push @of, "ALTER TABLE $t ALTER note TYPE " . pick('text', 'varchar'),
	  "SET LOCAL tally.ddl = 'seal'; ALTER TABLE $t ALTER note TYPE "
	  . pick('text', 'varchar(99)')
	  if !$state->{is_plain};
	return pick(@of);
}

# What is never let through.
sub refused_ddl
{
	return pick("ALTER TABLE $t DISABLE TRIGGER ALL", "DROP TABLE $t",
		"ALTER TABLE $t SET UNLOGGED", "DROP TRIGGER \"!tally_capture\" ON $t",
		"ALTER TABLE $t ENABLE REPLICA TRIGGER \"!tally_capture\"",
		"CREATE TABLE heir () INHERITS ($t)", 'DROP EXTENSION tally CASCADE');
}

sub write_some
{
	my $depth = 0;

	return try_sql(statement()) if chance(0.6);
	try_sql('BEGIN');
	for (1 .. 1 + rand 6)
	{
		if (chance(0.3)) { try_sql('SAVEPOINT s'); $depth++ }
		elsif ($depth && chance(0.3)) { try_sql('ROLLBACK TO s') }
		elsif ($depth && chance(0.2)) { try_sql('RELEASE s'); $depth-- }
		elsif (!try_sql(chance(0.1) ? live_ddl() : statement()))
		{
			try_sql($depth ? 'ROLLBACK TO s' : 'ROLLBACK');
			return if !$depth;
		}
	}
	try_sql(pick('COMMIT', 'COMMIT', 'COMMIT', 'ROLLBACK'));
}

sub arguments
{
	my @of = ('append_only => ' . pick('true', 'false'));

	push @of, "label => '${t}_" . key() . "'" if chance(0.3);
	push @of, "prefix => '${t}_p" . key() . "'" if chance(0.3);
	push @of, "chain_by => 'kind'" if chance(0.3);
	push @of, 'salted => true' if chance(0.2);
	push @of, 'keep_event => true' if chance(0.2);
	push @of, q{columns => '{id,kind,what}'} if chance(0.15);
	push @of, q{only_when => $$kind = 'keep'$$} if chance(0.2);
	return join ', ', @of;
}

# With is_plain always the same, so that nothing needs an excuse.
sub configure
{
	my ($how) = @_;
	my $arguments = arguments();

	$state->{arguments} //= $arguments;
	$arguments = $state->{arguments} if $state->{is_plain};
	# Rows that it leaves out are not covered.
	$state->{has_condition} = 1 if $arguments =~ /only_when/;
	return "SELECT tally.$how('$t', $arguments)";
}

# DDL, behind which the table is attached again, or altered.
sub alter
{
	my $key = pick('id', 'code');

	return pick("ALTER TABLE $t ADD COLUMN c" . ++$state->{columns} . ' text',
		"ALTER TABLE $t ADD COLUMN c" . ++$state->{columns} . ' int DEFAULT 7',
		"ALTER TABLE $t RENAME note TO n" . ++$state->{columns} . ";"
		  . "ALTER TABLE $t RENAME n$state->{columns} TO note",
		"VACUUM FULL $t",
		"CLUSTER $t USING ${t}_code_key",
		"ALTER TABLE $t DROP CONSTRAINT ${t}_pkey;"
		  . "ALTER TABLE $t ADD CONSTRAINT ${t}_pkey PRIMARY KEY ($key)");
}

sub attach_again
{
	my $in_place = chance(0.5);

	return if !$in_place && !try_sql("SELECT tally.detach('$t')");
	try_sql(alter()) if !$state->{is_plain} && chance(0.5);
	try_sql(configure($in_place ? 'alter' : 'attach'))
	  or die "not attached: $history[-1]";
}

sub begin
{
	my ($number) = @_;

	$t = "t$number";
	@history = ();
	$state = { is_plain => chance(0.5), columns => 0 };
	try_sql("CREATE TABLE $t (id int PRIMARY KEY, code int NOT NULL UNIQUE,"
		  . ' kind text, what text, note text)');
	try_sql(statement()) for 1 .. rand 4;
	try_sql(configure('attach')) or die "not attached: $history[-1]";
}

# A source is known by the names of its labels.
sub found_now
{
	return [ map { [ split /\|/, $_, -1 ] } split /\n/,
		$s->run("SELECT kind, chain, seq, source, key, detail"
			  . " FROM tally.verify() WHERE source ~ '^$t(_[0-9]+)?\$'"
			  . " OR chain ~ '^${t}(_|/|\$)' OR source IS NULL") ];
}

sub kinds { return join ' ', sort map { $_->[0] } @{ $_[0] }; }

sub show
{
	my ($found) = @_;

	diag(join "\n", "TALLY_SEED=$seed", @history,
		map { join ' | ', @$_ } @$found);
}

# ---- tampering -------------------------------------------------------------

# What is changed past the triggers, given the id of a sealed row.
my %tampers = (
	'a row changed' =>
	  sub { "UPDATE $t SET what = coalesce(what, '') || '!' WHERE id = $_[0]" },
	'a row deleted' => sub { "DELETE FROM $t WHERE id = $_[0]" },
	'a row smuggled in' =>
	  sub { "INSERT INTO $t (id, code, kind) VALUES (99, 999, 'keep')" },
	'two rows swapped' => sub {
		"UPDATE $t SET id = 150 - id WHERE id IN ($_[0], 150 - $_[0])"
	},
	'the table emptied' => sub { "DELETE FROM $t" },
	'a record deleted' => sub {
		'DELETE FROM tally.record r WHERE ctid = '
		  . "(SELECT min(r.ctid) FROM $state->{records} AND EXISTS"
		  . ' (SELECT FROM tally.record n WHERE n.chain_id = r.chain_id'
		  . ' AND n.seq > r.seq))'
	},
	map({ my ($name, $set) = @$_;
		"a record's $name changed" => sub {
			"UPDATE tally.record SET $set WHERE ctid = "
			  . '(SELECT ' . pick('min', 'max')
			  . "(r.ctid) FROM $state->{records})"
		} }
		['digest', 'digest = sha256(digest)'],
		['time', q{"time" = "time" + '1 us'}],
		['key', q{key = '98'}],
		['seq', 'seq = seq + 1000'],
		['prev', 'prev = hash'],
		['epoch', 'epoch = epoch + 1000']),
	'the trigger disabled' => sub { "ALTER TABLE $t DISABLE TRIGGER ALL" },
	'the trigger dropped' => sub {
		"DO \$\$ DECLARE n name; BEGIN SELECT tgname INTO n FROM pg_trigger"
		  . " WHERE tgrelid = '$t'::regclass AND NOT tgisinternal LIMIT 1;"
		  . " EXECUTE format('DROP TRIGGER %I ON $t', n); END \$\$"
	},
	'the attachment removed' => sub {
		"DELETE FROM tally.attachment WHERE relation = '$t'::regclass"
	},
	'the configuration changed' => sub {
		q{UPDATE tally.event SET event = replace(event, '"append_only":true',}
		  . q{ '"append_only":false') WHERE event LIKE}
		  . " '{\"attach\":{\"append_only\":true%'"
	});

# A row that the last record of its key, in its chain, is to stand for.
sub sealed_row
{
	return $s->run("SELECT t.id FROM $t t WHERE EXISTS (SELECT FROM"
		  . " $state->{records} AND r.key = t.id::text AND NOT EXISTS"
		  . ' (SELECT FROM tally.record n WHERE n.chain_id = r.chain_id'
		  . ' AND n.key = r.key AND n.seq > r.seq) AND NOT EXISTS'
		  . ' (SELECT FROM tally.event d WHERE d.id = r.event_id AND'
		  . " d.event LIKE '{\"op\":\"delete\"%')"
		  . ' AND r.epoch = (SELECT max(m.epoch) FROM tally.record m'
		  . ' WHERE m.key = r.key)) ORDER BY random() LIMIT 1');
}

sub tamper
{
	my ($name) = @_;
	my $id = sealed_row();
	my ($sql, $found);

	return if $id eq '';
	$sql = $tampers{$name}->($id);
	my $begin = 'BEGIN; SET LOCAL session_replication_role = replica;'
	  . ' ALTER EVENT TRIGGER tally_ddl_end DISABLE;'
	  . ' ALTER EVENT TRIGGER tally_ddl_drop DISABLE';
	$s->run($begin);
	$found = $s->ask("WITH w AS ($sql RETURNING 1) SELECT count(*) FROM w");
	if ($found->{state} ne '00000')
	{
		$s->run("ROLLBACK; $begin");
		$s->run($sql);
		$found->{out} = 1;
	}
	$s->run('ALTER EVENT TRIGGER tally_ddl_end ENABLE ALWAYS;'
		  . ' ALTER EVENT TRIGGER tally_ddl_drop ENABLE ALWAYS; COMMIT');
	push @history, "-- $name: $sql";
	return $found->{out} > 0;
}

# ---- all -------------------------------------------------------------------

my ($end, $number, $accused, $missed, $let_through, %tampered) =
  (time() + $seconds, 0, 0, 0, 0);

while (time() < $end && !$accused && !$missed)
{
	my ($found, $name);

	begin(++$number);
	for (1 .. 5 + rand 20)
	{
		my $what = rand;

		if ($what < 0.15) { attach_again() }
		elsif ($what < 0.22) { try_sql(live_ddl()) }
		elsif ($what < 0.25)
		{
			$let_through += try_sql(refused_ddl());
		}
		elsif ($what < 0.33)
		{
			try_sql("CALL tally.backfill('$t', batch => 2, rest => 0)");
		}
		else { write_some() }
	}
	$found = found_now();
	if (grep { !/^(legacy|unverifiable)$/ } map { $_->[0] } @$found
		or $state->{is_plain} && kinds($found) =~ /unverifiable/)
	{
		$accused++;
		show($found);
		last;
	}
	# Only where nothing is in doubt is it certain that it is found.
	$state->{records} = 'tally.record r JOIN tally.event e ON e.id = r.epoch'
	  . " WHERE (coalesce(e.event::json -> 'attach', e.event::json ->"
	  . " 'backfill') ->> 'relation')::oid = '$t'::regclass";
	if (kinds($found) !~ /unverifiable/ && !$state->{has_condition})
	{
		$name = pick(sort keys %tampers);
		if (tamper($name))
		{
			$tampered{$name}++;
			$found = found_now();
			if (kinds($found) =~ /^(legacy)?$/)
			{
				$missed++;
				show($found);
			}
		}
	}
	# What was tampered with stays so: all begins anew.
	$s->run("SET tally.ddl = 'seal'; DROP EXTENSION tally CASCADE; DROP TABLE $t;"
		  . ' RESET tally.ddl; CREATE EXTENSION tally');
}

note("$number histories; " . join ', ', map { "$_: $tampered{$_}" }
	  sort keys %tampered);
ok($number > 5, 'some histories');
is($let_through, 0, 'what would end the sealing is refused');
ok(!$accused, 'no honest history is accused');
ok(!$missed, 'what was tampered with is found');
ok(scalar(keys %tampered) > 3, 'in several ways');
$s->close;
done_testing();
