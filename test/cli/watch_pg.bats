#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally watch with a database: it is carried, verified, held against what was
# carried; and alerts that are rows of a table.
# shellcheck disable=SC2016 # scripts for another shell

load helper

setup_file() {
  SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  export SOURCE
  if [ -n "$("$SOURCE/tools/check-pg" --obstacle)" ]; then
    skip "PostgreSQL's server headers are not installed"
  fi
  mkdir -p "$SOURCE/build"
  flock "$SOURCE/build/pg-root.lock" "$SOURCE/tools/pg-root" \
    "$SOURCE/build/pg/root" >/dev/null
}

# Runs a script of bash beside a server with a sealed table and a log that is
# to carry it.
server() { # SCRIPT
  run --separate-stderr "$SOURCE/tools/pg-server" \
    --root "$SOURCE/build/pg/root" --preload --run "set -eu
DB=dbname=postgres
sql() { psql -XAtq -v ON_ERROR_STOP=1 \"\$@\"; }
tally() { \"$TALLY\" \"\$@\"; }
once() { tally watch watch.json --once; }
alerts() { sql -c \"SELECT kind || ' ' || coalesce(chain, '') || ' ' || seq FROM alerts ORDER BY kind, seq\"; }
sql -c 'CREATE EXTENSION tally' -c 'CREATE TABLE audit (id int PRIMARY KEY, who text)' \
  -c \"SELECT tally.attach('audit')\" \
  -c \"INSERT INTO audit SELECT g, 'w' || g FROM generate_series(1, 20) g\" \
  -c 'CREATE TABLE alerts (n serial, target text, kind text, chain text, seq bigint, evidence text, at timestamptz DEFAULT now())'
tally init log --origin example.org/db >/dev/null
tally key generate key --name example.org/db --no-passphrase >/dev/null
printf '{\"state\":\"state\",\"whole_s\":0.000001,
  \"alerts\":[{\"type\":\"table\",\"pg\":\"%s\",\"table\":\"alerts\"}],
  \"logs\":[{\"name\":\"db\",\"log\":\"log\",\"key\":\"key\",\"register\":\"register\",\"pg\":\"%s\"}]}' \
  \$DB \$DB >watch.json
$1"
  if [ "$status" -ne 0 ]; then
    printf '%s\n' "$output" "$stderr"
    return 1
  fi
}

@test "a cycle carries, publishes and verifies; a change of a row is a row in the table" {
  server '
    once | grep -q "^db  intact  verified 20"
    [ "$(tally head log audit | cut -f2)" -eq 20 ]
    size=$(sed -n 2p log/public/checkpoint)
    sql -c "INSERT INTO audit VALUES (21, '"'x'"')"
    once | grep -q "^db  intact"
    [ "$(tally head log audit | cut -f2)" -eq 21 ]
    [ "$(sed -n 2p log/public/checkpoint)" -gt "$size" ]
    [ -z "$(alerts)" ]
    sql -c "SET session_replication_role = replica" -c "UPDATE audit SET who = '"'y'"' WHERE id = 7"
    once | grep -q "^db  broken" || [ "${PIPESTATUS[0]}" -eq 1 ]
    [ "$(alerts)" = "content-altered audit 7" ]
    sql -c "SELECT evidence FROM alerts" | grep -q "(table \"audit\", key 7)"
    # Told once, not every cycle.
    once >/dev/null || [ $? -eq 1 ]
    [ "$(alerts | wc -l)" -eq 1 ]
  '
}

@test "a chain that was cut, and a tenant that is gone, are found by what was carried" {
  server '
    once >/dev/null
    sql -c "SET session_replication_role = replica" -c "DELETE FROM tally.record WHERE seq > 15
      AND chain_id = (SELECT id FROM tally.chain WHERE name = '"'audit'"')" -c "DELETE FROM audit WHERE id > 15"
    once >/dev/null || [ $? -eq 1 ]
    alerts
    alerts | grep -q "^truncated audit 16$"
  '
}

@test "a database that is away is told, and is no verdict; nor is a table that cannot be written" {
  server '
    once >/dev/null
    sed -i "s/\"pg\":\"dbname=postgres\"}\]}/\"pg\":\"dbname=nosuch\"}]}/" watch.json
    once | grep -q "^db  intact"
    [ "$(alerts | cut -d" " -f1 | sort -u)" = failed ]
    sql -c "SELECT evidence FROM alerts" | grep -q "database \"nosuch\" does not exist"
    sql -c "DROP TABLE alerts"
    sed -i "s/nosuch/other/" watch.json
    rm -r state
    once 2>said || true
    grep -q "an alert could not be written to table \"alerts\"" said
  '
}

@test "a table that somebody locked holds up nobody for ever" {
  server '
    once >/dev/null
    sql -c "BEGIN" -c "LOCK TABLE alerts" -c "SELECT pg_sleep(300)" >/dev/null &
    for try in $(seq 200); do
      [ "$(sql -c "SELECT count(*) FROM pg_locks WHERE relation = '"'alerts'"'::regclass
        AND mode = '"'AccessExclusiveLock'"' AND granted")" = 0 ] || break
      sleep 0.05
    done
    sql -c "SET session_replication_role = replica" -c "UPDATE audit SET who = '"'y'"' WHERE id = 7"
    timeout 120 "'"$TALLY"'" watch watch.json --once >out 2>said || [ $? -eq 1 ]
    kill $!
    grep -q "^db  broken" out
    grep -q "an alert could not be written to table \"alerts\".*statement timeout" said
  '
}

@test "a database that gets no further is cancelled and told, and watched again" {
  server '
    once >/dev/null
    sed -i "s/\"whole_s\":0.000001/\"whole_s\":3600,\"hang_s\":4/" watch.json
    sql -c "BEGIN" -c "LOCK TABLE tally.record" -c "SELECT pg_sleep(300)" >/dev/null &
    for try in $(seq 200); do
      [ "$(sql -c "SELECT count(*) FROM pg_locks WHERE relation = '"'tally.record'"'::regclass
        AND mode = '"'AccessExclusiveLock'"' AND granted")" = 0 ] || break
      sleep 0.05
    done
    timeout 120 "'"$TALLY"'" watch watch.json --once >out
    grep -q "^db  intact" out
    sql -c "SELECT evidence FROM alerts" |
      grep -q "^cannot carry the database: the database did not go on for 2 seconds"
    # Nothing of it waits in the server any more.
    [ "$(sql -c "SELECT count(*) FROM pg_stat_activity WHERE application_name = '"'tally'"'")" = 0 ]
    kill $!
    sql -c "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '"'%pg_sleep%'"' AND pid <> pg_backend_pid()" >/dev/null
    once | grep -q "^db  intact"
    jq -e ".alerts == []" state/alerts.json >/dev/null
  '
}

@test "a whole verification of a database reads no more a second than it may" {
  server '
    once >/dev/null
    sql -c "INSERT INTO audit SELECT g, repeat('"'x'"', 300) FROM generate_series(21, 4000) g"
    once >/dev/null
    sed -i "s/\"register\":\"register\"/&,\"pg_mib_s\":0.3/" watch.json
    begin=$(date +%s%N)
    once | grep -q "^db  intact"
    # The rows alone are 1.1 MiB.
    [ $((($(date +%s%N) - begin) / 1000000)) -ge 2500 ]
  '
}
