# SPDX-License-Identifier: Apache-2.0
# Sourced by tests that need PostgreSQL: servers of their own that have the
# extension.  SERVER_FUNCTIONS names what scripts may call.
# shellcheck disable=SC2016 # scripts for another shell

setup_file() {
  local top
  top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  if [ -n "$("$top/tools/check-pg" --obstacle)" ]; then
    skip "PostgreSQL's server headers are not installed"
  fi
  mkdir -p "$top/build"
  # Several builds are tested at a time, and share the installation.
  flock "$top/build/pg-root.lock" "$top/tools/pg-root" "$top/build/pg/root" \
    >/dev/null
}

# Runs a script of bash with a server; psql and tally find it by themselves.
server() { # [OPTION ...] SCRIPT
  local script=${*: -1}

  # shellcheck disable=SC2086
  run --separate-stderr "$SOURCE/tools/pg-server" \
    --root "$SOURCE/build/pg/root" --preload "${@:1:$#-1}" \
    --run "set -u; tally() { \"$TALLY\" \"\$@\"; }; DB=dbname=postgres
sql() { psql -XAtq -v ON_ERROR_STOP=1 \"\$@\" >/dev/null; }
$(declare -f $SERVER_FUNCTIONS)
SOURCE=$(printf %q "$SOURCE")
$script"
}

# Tables of every kind, with rows; SQL for psql.
# shellcheck disable=SC2317
tables() {
  cat <<'SQL'
CREATE EXTENSION tally;
CREATE TABLE a (id bigint PRIMARY KEY, org int, who text);
SELECT tally.attach('a', chain_by => 'org');
INSERT INTO a SELECT g, g % 3, E'al"ice\t\\' || g FROM generate_series(1, 90) g;
CREATE TABLE u (id int, k text, v text, PRIMARY KEY (id, k));
SELECT tally.attach('u', append_only => false, salted => true);
INSERT INTO u SELECT g, 'k' || g, 'v' FROM generate_series(1, 50) g;
UPDATE u SET v = 'w' WHERE id % 3 = 0;
DELETE FROM u WHERE id % 5 = 0;
CREATE TABLE s (id int PRIMARY KEY, severity int, t text);
SELECT tally.attach('s', only_when => 'severity >= 3 AND lower(t) <> ''x''',
  keep_event => true);
INSERT INTO s SELECT g, g % 6, 't' FROM generate_series(1, 30) g;
CREATE TABLE p (id int, d date, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM ('2026-01-01') TO ('2026-02-01');
CREATE TABLE p2 (d date NOT NULL, id int NOT NULL);
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM ('2026-02-01') TO ('2026-03-01');
SELECT tally.attach('p');
INSERT INTO p SELECT g, '2026-01-01'::date + g FROM generate_series(1, 50) g;
SELECT tally.append('deploys', '{"v": 1}', 'd1');
SQL
}
