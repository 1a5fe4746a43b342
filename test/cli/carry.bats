#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally publish and tally pg verify --against, against servers of their own.
# shellcheck disable=SC2016 # scripts for another shell

load helper
load server

# shellcheck disable=SC2034
SERVER_FUNCTIONS="tables carry copy forge"

# shellcheck disable=SC2317
carry() { # [OPTION ...]
  tally publish --pg "$DB" --into copy "$@"
}

# Is every record of the database in the log, once and the same?
# shellcheck disable=SC2317
copy() {
  psql -XAtF ' ' -c "SELECT c.name, r.seq, encode(r.hash, 'hex')
    FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id
    WHERE c.name <> 'tally:log'" | LC_ALL=C sort >theirs
  tally log copy --json | jq -r 'select(.chain | startswith("tally:") | not)
    | "\(.chain) \(.seq) \(.hash)"' | LC_ALL=C sort >ours
  psql -XAtF ' ' -c "SELECT r.seq, encode(r.hash, 'hex') FROM tally.record r
    JOIN tally.chain c ON c.id = r.chain_id WHERE c.name = 'tally:log'
    ORDER BY 1" >theirs-log
  tally log copy --json | jq -r 'select(.chain | startswith("tally:from/"))
    | "\(.seq) \(.event.hash)"' >ours-log
  cmp theirs ours && cmp theirs-log ours-log && wc -l <ours
}

# SQL of the adversary, with everything switched off.
# shellcheck disable=SC2317
forge() { # SQL
  echo "SET session_replication_role = replica;
ALTER TABLE tally.record DISABLE TRIGGER guard;
ALTER TABLE tally.chain DISABLE TRIGGER guard;
$1;
ALTER TABLE tally.record ENABLE TRIGGER guard;
ALTER TABLE tally.chain ENABLE TRIGGER guard;" | sql
}

@test "a database is carried whole, once, and goes on where it stopped" {
  server '
    tables | sql
    tally init copy >/dev/null
    carry
    carry
    copy
    sql -c "INSERT INTO a VALUES (1000, 1, \$\$new\$\$)" -c "UPDATE u SET v = \$\$x\$\$ WHERE id = 1"
    carry
    copy
    tally verify copy --json | jq -c "[.verdict, ([.findings[].kind] | unique)]"
    tally pg verify $DB --against copy --json | jq -c "[.verdict, .not_covered]"
    tally log copy --chain tally:log --json | jq -c ".event.carried | select(.) | [.database, .source[:11], .timeline]"'
  expect 0 '237 records carried, 211 with their events
0 records carried, 0 with their events
232
2 records carried, 2 with their events
234
["unverifiable",["unverifiable"]]
["intact",["chains","ids"]]
["postgres","postgresql/",1]'
}

@test "without events nothing of them leaves" {
  server '
    tables | sql
    tally init copy >/dev/null
    carry --without-events --json | jq -c "[.findings, .events, .root]"
    copy
    grep -c "al..ice" copy/log/*.jsonl
    grep -c attach copy/log/*.jsonl
    tally pg verify $DB --against copy --quiet; echo "status $?"'
  expect 0 '[[],0,null]
232
0
0
status 0'
}

@test "of a large table only the rows of new records are read" {
  cat >setup.sql <<'SQL'
CREATE EXTENSION tally;
CREATE TABLE n (id bigint PRIMARY KEY, v text);
CREATE TABLE w (k varchar(40) PRIMARY KEY, v text);
CREATE TABLE d (d date PRIMARY KEY, v text);
SELECT tally.attach(t) FROM unnest('{n,w,d}'::regclass[]) t;
INSERT INTO n SELECT g, g FROM generate_series(1, 5000) g;
INSERT INTO w SELECT g, g FROM generate_series(1, 5000) g;
INSERT INTO d SELECT DATE '2000-01-01' + g, g FROM generate_series(1, 50) g;
ANALYZE n, w, d;
SQL
  cat >more.sql <<'SQL'
INSERT INTO n VALUES (-7, 'x'), (9000, 'y');
INSERT INTO w VALUES (E'a"b\\c', 1), ('{1,2}', 2), ('it''s', 3);
INSERT INTO d VALUES ('1999-01-01', 4);
SQL
  echo "SELECT relname, idx_scan > 0 FROM pg_stat_user_tables
    WHERE relname IN ('n', 'w') ORDER BY 1" >scans.sql
  server '
    sql <setup.sql
    tally init copy >/dev/null
    carry
    psql -XAt <scans.sql
    sql <more.sql
    carry
    copy
    psql -XAt <scans.sql
    forge "UPDATE tally.record SET key = \$\$no number\$\$ WHERE key = \$\$-7\$\$"
    sql -c "INSERT INTO n VALUES (9001, \$\$z\$\$)"
    carry'
  expect 0 "10054 records carried, 10054 with their events
n|f
w|f
6 records carried, 6 with their events
10056
n|t
w|t
1 records carried, 1 with their events"
}

@test "a second source is refused; so is one that is another place" {
  server '
    tables | sql
    tally init copy >/dev/null
    carry --quiet
    sql -c "CREATE DATABASE other"
    tally publish --pg dbname=other --into copy 2>said; echo "status $?"
    sed "s/[0-9]\{6,\}/N/g" said
    tally init fresh >/dev/null
    tally pg verify $DB --against fresh; echo "status $?"
    tally publish --pg $DB --into nowhere; echo "status $?"
    tally publish --pg $DB; echo "status $?"'
  expect 0 'status 2
tally: the log carries "postgresql/N/postgres", and "postgresql/N/other" is another source; carry it into a log of its own
status 3
status 4
status 2' 'tally: "fresh" carries no database; "tally publish" makes it do so
tally: there is no log at "nowhere"; "tally init" makes one
tally: "--pg" and "--into" are needed; see "tally publish --help"'
}

@test "what an adversary does is found, and the first record that differs named" {
  server '
    tables | sql
    tally init copy >/dev/null
    carry --quiet
    chain() { echo "(SELECT id FROM tally.chain WHERE name = \$\$$1\$\$)"; }
    kinds() { jq -c ".findings[] | [.kind, .chain, .seq]" | grep -v "content-altered\|unsealed\|\"missing\",null"; }
    sql -c "INSERT INTO a SELECT g, g % 3, \$\$later\$\$ FROM generate_series(101, 112) g"
    carry --quiet
    # Cut.
    forge "DELETE FROM a WHERE id IN (SELECT key::bigint FROM tally.record WHERE chain_id = $(chain a/1) AND seq > 31); DELETE FROM tally.record WHERE chain_id = $(chain a/1) AND seq > 31"
    echo cut
    tally pg verify $DB --quiet >/dev/null; echo "status $?"
    tally pg verify $DB --against copy --json >said; echo "status $?"
    kinds <said
    carry --json | jq -c ".findings[] | [.kind, .chain, .seq]"
    # A whole tenant.
    forge "DELETE FROM a WHERE org = 2; DELETE FROM tally.record WHERE chain_id = $(chain a/2); DELETE FROM tally.chain WHERE name = \$\$a/2\$\$"
    echo tenant
    tally pg verify $DB --against copy --json | kinds
    carry --json | jq -c ".findings[] | [.kind, .chain, .seq]"'
  expect 0 'cut
status 0
status 1
["truncated","a/1",32]
["truncated","a/1",32]
tenant
["truncated","a/1",32]
["missing","a/2",34]
["missing","a/2",34]
["truncated","a/1",32]'
}

@test "what is no event, and no name, does not stop the rest" {
  server '
    tables | sql
    tally init copy >/dev/null
    seal() { # CHAIN EVENT ID [SPACES]
      python3 -c "
import hashlib, json, sys
digest = hashlib.sha256(b\"\\2\" + bytes(16) + sys.argv[2].encode() + b\" \" * int(sys.argv[3])).hexdigest()
head = json.dumps({\"chain\": sys.argv[1], \"digest\": digest, \"prev\": \"0\" * 64, \"seq\": 1,
  \"time\": \"2026-01-01T00:00:00.000000Z\", \"v\": 1}, separators=(\",\", \":\"))
print(\"\\\\x\" + digest, \"\\\\x\" + hashlib.sha256(b\"\\0\" + head.encode()).hexdigest())" "$1" "$2" "${4-0}" >sealed
      read -r digest hash <sealed
      forge "INSERT INTO tally.chain (id, name) VALUES ($3, \$\$$1\$\$);
        INSERT INTO tally.event VALUES ($3, \$\$$2\$\$ || repeat(\$\$ \$\$, ${4-0}));
        INSERT INTO tally.record (chain_id, seq, time, event_id, digest, prev, hash)
        VALUES ($3, 1, \$\$2026-01-01T00:00:00Z\$\$, $3, \$\$$digest\$\$, decode(repeat(\$\$00\$\$, 32), \$\$hex\$\$), \$\$$hash\$\$)"
    }
    seal odd "{ \"a\": 1}" 900001
    seal tally:from/x/log "{\"a\":1}" 900002
    carry --json | jq -c "[.records, .events, (.findings[] | [.kind, .chain, .seq])]"
    tally log copy --chain odd --json | jq -c "[.seq, .event]"
    # Not JSON, nested too deep, longer than the copy takes.
    seal none "{\"a\":" 900003
    deep=$(printf "[%.0s" {1..99})$(printf "]%.0s" {1..99})
    seal deep "$deep" 900004
    seal last "{\"a\":1}" 900005
    carry --json | jq -c "[.records, .events, (.findings[] | [.kind, .chain, .seq])]"
    tally init small >/dev/null
    sed -i "s/\"event_bytes\":[0-9]*/\"event_bytes\":600/" small/tally.json
    tally publish --pg "$DB" --into small --json |
      jq -c "[.records, .events < 214, (.findings[] | [.kind, .chain, .seq])]"
    # Longer than any log takes, and one before it.
    seal before "{\"a\":1}" 900007
    seal huge "\"$(printf "%070d" 0)\"" 900008 70000000
    carry --json | jq -c "[.records, .events, (.findings[] | [.kind, .chain, .seq])]"
    # Two chains of one name: neither is carried, and the others go on.
    forge "ALTER TABLE tally.chain DROP CONSTRAINT chain_name;
      INSERT INTO tally.chain (id, name) VALUES (900006, \$\$a/1\$\$)"
    seal later "{\"a\":1}" 900010
    carry --json | jq -c "[.records, .events, (.findings[] | [.kind, .chain, .seq])]"
    tally init fresh >/dev/null
    tally publish --pg "$DB" --into fresh --json | jq -c "[.findings[] | [.kind, .chain, .seq]]"'
  expect 0 '[238,211,["inserted","tally:from/x/log",1]]
[1,null]
[3,1,["inserted","tally:from/x/log",1]]
[241,true,["inserted","tally:from/x/log",1]]
[2,1,["inserted","tally:from/x/log",1]]
[1,1,["damaged","a/1",null],["inserted","tally:from/x/log",1]]
[["damaged","a/1",null],["inserted","tally:from/x/log",1]]'
}

@test "a backup that was put back is found" {
  server '
    sql -c "CREATE DATABASE app"
    tables | PGDATABASE=app sql
    DB=dbname=app
    tally init copy >/dev/null
    carry --quiet
    sql -c "CREATE DATABASE yesterday TEMPLATE app"
    PGDATABASE=app sql -c "INSERT INTO a VALUES (201, 0, \$\$x\$\$), (202, 1, \$\$y\$\$)" \
      -c "CREATE TABLE n (id int PRIMARY KEY)" -c "SELECT tally.attach(\$\$n\$\$)" \
      -c "INSERT INTO n VALUES (1)"
    carry --quiet
    sql -c "DROP DATABASE app" -c "ALTER DATABASE yesterday RENAME TO app"
    tally pg verify $DB --against copy --json |
      jq -c ".findings[] | select(.kind != \"unverifiable\") | [.kind, .chain, .seq]" | sort
    carry --json | jq -c "[.records, .findings[].kind]"'
  expect 0 '["missing","n",1]
["truncated","a/0",31]
["truncated","a/1",31]
["truncated","tally:log",6]
[0,"missing","truncated","truncated","truncated"]'
}

# Prints SQL that seals a chain anew from a seq on, with other times.
rewriter() {
  cat <<'PY'
import hashlib, json, subprocess, sys
def sql(text):
    return subprocess.run(["psql", "-XAtqc", text], check=True,
                          capture_output=True, text=True).stdout
chain, begin = sys.argv[1], int(sys.argv[2])
form = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
rows = sql("SELECT r.seq, encode(r.digest, 'hex'), encode(r.prev, 'hex'),"
           " to_char((r.time + interval '1 s') AT TIME ZONE 'UTC', '%s')"
           " FROM tally.record r JOIN tally.chain c ON c.id = r.chain_id"
           " WHERE c.name = '%s' AND r.seq >= %d ORDER BY 1"
           % (form, chain, begin)).split()
print("SET session_replication_role = replica;"
      " ALTER TABLE tally.record DISABLE TRIGGER guard;")
prev = None
for row in rows:
    seq, digest, old, time = row.split("|")
    prev = prev or old
    head = json.dumps({"chain": chain, "digest": digest, "prev": prev,
                       "seq": int(seq), "time": time, "v": 1},
                      separators=(",", ":"))
    new = hashlib.sha256(b"\0" + head.encode()).hexdigest()
    print("UPDATE tally.record SET time = '%s', prev = '\\x%s', hash = '\\x%s'"
          " WHERE seq = %s AND chain_id = (SELECT id FROM tally.chain"
          " WHERE name = '%s');" % (time, prev, new, seq, chain))
    prev = new
print("ALTER TABLE tally.record ENABLE TRIGGER guard;")
PY
}

@test "a suffix that was written anew is found, from its first record on" {
  rewriter >rewrite.py
  server '
    tables | sql
    tally init copy >/dev/null
    carry --quiet
    python3 rewrite.py a/1 7 | sql
    tally pg verify $DB --quiet; echo "alone $?"
    tally pg verify $DB --against copy --json >said; echo "against $?"
    jq -c ".findings[] | [.kind, .chain, .seq, .detail]" said
    carry --json | jq -c ".findings[] | [.kind, .chain, .seq]"
    sql -c "INSERT INTO a VALUES (2000, 1, \$\$after\$\$), (2001, 2, \$\$other\$\$)"
    carry --json | jq -c "[.records, (.findings[] | [.kind, .chain, .seq])]"
    tally pg verify $DB --against copy --json | jq -c ".findings[] | [.kind, .chain, .seq]"'
  expect 0 'alone 0
against 1
["rolled-back","a/1",7,"from here to record 30 the copy has other records"]
["rolled-back","a/1",30]
[1,["rolled-back","a/1",30]]
["rolled-back","a/1",7]'
}

@test "killed at any moment, beside writers, and two at a time: each record once" {
  server '
    tables | sql
    tally init copy >/dev/null
    for w in 1 2 3; do
      { for i in $(seq 600); do
          echo "INSERT INTO a VALUES ($w$(printf %06d $i), $w % 3, \$\$w\$\$);"
          echo "SELECT tally.append(\$\$deploys\$\$, \$\${\"n\": $i}\$\$, \$\$$w-$i\$\$);"
        done; } | sql &
    done
    killed=0
    for i in $(seq 25); do
      "$TALLY" publish --pg $DB --into copy --quiet 2>/dev/null & one=$!
      "$TALLY" publish --pg $DB --into copy --quiet 2>/dev/null & other=$!
      sleep 0.0$((i * 7 % 10))$((i % 10))
      kill -9 $one 2>/dev/null
      wait $one 2>/dev/null
      [ $? -ne 137 ] || killed=$((killed + 1))
      [ $((i % 3)) -ne 0 ] || kill -9 $other 2>/dev/null
      wait $other 2>/dev/null
    done
    wait
    [ $killed -gt 5 ] || echo "only $killed were killed"
    carry --quiet
    copy
    tally pg verify $DB --against copy --quiet; echo "status $?"
    tally verify copy --json | jq -c "([.findings[].kind] | unique) - [\"unverifiable\", \"torn-tail\"]"
    tally log copy --chain tally:log --json | jq -c "select(.event.carried)" | wc -l' 
  expect 0 '3832
status 0
[]
1'
}

@test "as a service it goes on, signs, and ends when it is told to" {
  server '
    tables | sql
    tally init copy --origin example.org/app >/dev/null
    tally key generate app.key --name example.org/app --no-passphrase >/dev/null
    "$TALLY" publish --pg $DB --into copy --interval 1 --key app.key \
      --register register --json >said & service=$!
    until [ -s said ]; do sleep 0.1; done
    sql -c "INSERT INTO a VALUES (1000, 1, \$\$new\$\$)"
    until jq -es "map(.records) | add >= 238" said >/dev/null; do sleep 0.1; done
    kill -TERM $service; wait $service; echo "status $?"
    copy
    tally checkpoint copy --key app.key --register register | sed -n 1p
    root=$(jq -rs "map(.root | select(.)) | last" said)
    tally pg verify $DB --against copy --root $root --quiet; echo "status $?"
    cp -r copy short
    head -n -3 copy/log/*.jsonl >cut
    cp cut short/log/00000000000000000000.jsonl
    rm -rf short/run short/index short/log/*mark*
    tally pg verify $DB --against short --root $root | sed -n 1p'
  expect 0
  [ "${lines[0]}" = "status 0" ]
  [ "${lines[1]}" = 233 ]
  [ "${lines[2]}" = "checkpoint  current" ]
  [ "${lines[3]}" = "status 0" ]
  [[ "${lines[4]}" == truncated* ]]
}
