#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally verify --profile: CSV, and tables of a PostgreSQL server of its own.
# shellcheck disable=SC2016 # scripts for another shell
load helper

setup_file() {
  SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  export TALLY_PROFILES=$SOURCE/profiles
  export FOREIGN=$SOURCE/test/vectors/foreign
}

kinds() { jq -r '.findings[] | "\(.kind) \(.seq)"' <<<"$1"; }

# Verifying says this, in a line of kinds and seqs.
judged() { # STATUS RECORDS FINDINGS ARGUMENT ...
  local want=$1 records=$2 findings=$3

  shift 3
  run --separate-stderr tally verify "$@" --json
  expect "$want"
  [ "$(jq .records <<<"$output")" -eq "$records" ]
  [ "$(kinds "$output" | paste -sd, -)" = "$findings" ]
}

# Rows of a table, from JSON to CSV as PostgreSQL writes it: null is nothing,
# and what holds a comma, a quote or a line end is quoted.
csv() {
  jq -rs '(.[0] | keys_unsorted) as $k | ($k | @csv), (.[] | . as $r |
    [$k[] | $r[.] | if . == null then "" elif type == "object" or
      type == "array" then tojson else tostring end | if . == "" then "" elif
      test("[\",\n\r]") then "\"" + gsub("\""; "\"\"") + "\"" else . end] |
    join(","))'
}

# ---- CSV --------------------------------------------------------------------

mesh() { # FILTER
  jq -c ".$1[] | del(._hash_input)" "$FOREIGN/claudemesh.json"
}

@test "CSV: columns of text and of JSON, nulls, quotes, line ends" {
  mesh valid_chain | csv >chain.csv
  judged 0 3 '' chain.csv --profile claudemesh
  sed 's/$/\r/' chain.csv >dos
  judged 0 3 '' dos --csv --profile claudemesh
  { printf '\357\273\277'; cat chain.csv; echo; } >bom.csv
  judged 0 3 '' bom.csv --profile claudemesh
  head -c -1 chain.csv >short.csv
  judged 0 3 '' short.csv --profile claudemesh
  judged 0 3 '' - --csv --profile claudemesh <chain.csv
  mesh forked_chain | csv >chain.csv
  judged 1 4 'forked 3' chain.csv --profile claudemesh
  offset=$(jq '.findings[0].offset' <<<"$output")
  [ "$(tail -c "+$((offset + 1))" chain.csv | head -n 1)" = \
    "$(sed -n 4p chain.csv)" ]
}

@test "a byte order mark: at the beginning it is passed over, and told" {
  said='tally: "bom" begins with a byte order mark, which is passed over'
  mesh valid_chain >chain
  { printf '\357\273\277'; cat chain; } >bom
  judged 0 3 '' bom --profile claudemesh
  [ "$stderr" = "$said" ]
  run --separate-stderr tally diagnose bom --profile claudemesh --json
  expect 0
  [ "$stderr" = "$said" ]
  judged 0 3 '' - --profile claudemesh <bom
  [ "$stderr" = "${said/bom/-}" ]
  mesh valid_chain | csv >chain.csv
  { printf '\357\273\277'; cat chain.csv; } >bom
  judged 0 3 '' bom --csv --profile claudemesh
  [ "$stderr" = "$said" ]
  printf '\357\273\277' >bom
  judged 3 0 '' bom --profile claudemesh
  # Two of them, and one anywhere else, are none.
  { printf '\357\273\277\357\273\277'; cat chain; } >twice
  judged 1 3 'damaged null,missing 1' twice --profile claudemesh
  sed '2s/^/\xef\xbb\xbf/' chain >within
  judged 1 3 'damaged null,missing 2' within --profile claudemesh
  [ -z "$stderr" ]
}

@test "a byte order mark: the file is adopted, and appended to, as without" {
  mesh valid_chain >chain
  { printf '\357\273\277'; cat chain; } >bom
  tally init log >/dev/null
  run --separate-stderr tally adopt bom --profile claudemesh --into log --apply
  expect 0
  [ "$stderr" = 'tally: "bom" begins with a byte order mark, which is passed over' ]
  tally verify bom --profile claudemesh --adopted log
  # The mark is of the bytes that are committed to.
  run --separate-stderr tally verify chain --profile claudemesh --adopted log --json
  expect 1
  [ "$(kinds "$output")" = 'content-altered 1' ]
  for before in '' '{"a":'; do
    rm -f kb*
    tally append kb --profile vouch '{"event":"e","actor":"a"}' >/dev/null
    { printf '\357\273\277'; head -c -1 kb; } >bom
    tally append bom --profile vouch '{"event":"f","actor":"a"}' >/dev/null
    tally verify bom --profile vouch
    [ "$(wc -l <bom)" -eq 2 ]
    printf '\357\273\277%s' "$before" >bom
    tally append bom --profile vouch '{"event":"f","actor":"a"}' >/dev/null
    tally verify bom --profile vouch
    [ "$(wc -l <bom)" -eq 1 ]
  done
}

@test "CSV: damaged, torn, no header" {
  mesh valid_chain | csv >sound.csv
  sed '3s/$/,more/' sound.csv >chain.csv
  judged 1 3 'damaged null,missing 2' chain.csv --profile claudemesh
  sed '3s/msh/m"h/' sound.csv >chain.csv
  judged 1 3 'damaged null,missing 2' chain.csv --profile claudemesh
  head -c -30 sound.csv >chain.csv
  judged 0 2 'torn-tail null' chain.csv --profile claudemesh
  printf 'id,"hash\n1,2\n' >chain.csv
  refused 3 '"chain.csv": the first line is no header of CSV' \
    verify chain.csv --profile claudemesh
  : >chain.csv
  judged 3 0 '' chain.csv --profile claudemesh
}

@test "CSV: a cell of JSON brings no other members with it" {
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "hash": "h", "prev": "p",
 "start": {"prev": null, "basis": ""}, "types": {"d": "json"},
 "eras": [{"name": "v1", "input": [{"field": "who"}, "|",
   {"field": "d", "as": "python"}]}]}
END
  h=$(printf 'alice|{"a":1}' | sha256sum | cut -c 1-64)
  printf 'who,d,p,h\n%s,"{""a"": 1}",,%s\n' alice "$h" >chain.csv
  judged 0 1 '' chain.csv --profile ./p.json
  printf 'who,d,p,h\nmallory,"{""a"":1},""who"":""alice""",,%s\n' "$h" \
    >chain.csv
  judged 1 1 'damaged null' chain.csv --profile ./p.json
}

@test "hashes and links in base64 with escaped slashes, as PHP writes them" {
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "encoding": "base64",
 "hash": "h", "prev": "p", "start": {"prev": ""},
 "eras": [{"name": "v1", "input": [{"prev": "text"}, {"field": "n"}]}]}
END
  python3 - >chain <<'END'
import base64, hashlib, json
prev = ""
for n in range(200):
    h = base64.b64encode(hashlib.sha256((prev + str(n)).encode()).digest()).decode()
    print(json.dumps({"n": n, "p": prev, "h": h}).replace("/", "\\/"))
    prev = h
END
  grep -q '\\/' chain
  judged 0 200 '' chain --profile ./p.json
  sed -i '1s/"p": ""/"p": "\\\/"/' chain
  judged 1 200 'damaged 1,missing 2' chain --profile ./p.json
}

@test "a second start is told, whatever trap it is hashed by" {
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "hash": "h", "prev": "p",
 "start": {"prev": null, "basis": ""},
 "eras": [{"name": "v1", "input": [{"prev": "text"}, {"field": "t",
   "as": "time-s"}]}],
 "traps": [{"name": "zone", "says": "zone", "kind": "unverifiable",
   "zone": "any", "input": [{"prev": "text"}, {"field": "t",
   "as": "time-s"}]}]}
END
  start() { # TIME HASHED
    printf '{"t":"%s","p":null,"h":"%s"}\n' "$1" \
      "$(printf %s "$2" | sha256sum | cut -c 1-64)"
  }
  start 2026-01-01T10:00:00Z 2026-01-01T10:00:00Z >chain
  start 2026-01-01T11:00:00Z 2026-01-01T13:00:00Z >>chain
  judged 1 2 'unverifiable 2,forked 2' chain --profile ./p.json
}

@test "CSV: an empty cell is null, one in quotes is empty text" {
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "hash": "h", "prev": "p",
 "start": {"prev": null, "basis": ""},
 "eras": [{"name": "v1", "input": [{"field": "a", "null": "NULL"}, "|",
   {"field": "b", "null": "NULL"}]}]}
END
  printf 'a,b,p,h\n,"",,%s\n' "$(printf 'NULL|' | sha256sum | cut -c 1-64)" \
    >chain.csv
  judged 0 1 '' chain.csv --profile ./p.json
  printf 'a,b,p,h\n"x\n""y""",z,,%s\n' \
    "$(printf 'x\n"y"|z' | sha256sum | cut -c 1-64)" >chain.csv
  judged 0 1 '' chain.csv --profile ./p.json
}

# ---- digests, encodings, fields in fields, nested digests ---------------------

@test "other digests and encodings, fields inside of fields, nested digests" {
  python3 - <<'END'
import base64, hashlib, json
n = 0
for digest, how in [("sha1", "hex"), ("sha384", "hex"), ("sha512", "base64"),
                    ("sha3-256", "base64url"), ("md5", "hex"),
                    ("sha256", "prefix")]:
    new = lambda b: hashlib.new(digest.replace("-", "_"), b)
    def spell(b):
        if how == "base64": return base64.b64encode(b).decode()
        if how == "base64url":
            return base64.urlsafe_b64encode(b).decode().rstrip("=")
        return ("sha256:" if how == "prefix" else "") + b.hex()
    prev, lines = b"", []
    for i in range(4):
        body = {"a": {"b/c": {"d": f"x{i}"}}, "n": -i, "at": f"2026-01-0{i+1}T00:00:00.5Z"}
        inner = new(b"[" + str(i).encode() + b"]" + new(b"deep").hexdigest().encode()).digest()
        obj = json.dumps({"é": f"x{i}", "b": 1, "at": f"2026-01-0{i+1}T00:00:00.500Z"},
                         sort_keys=True, separators=(",", ":"))
        text = prev + f"x{i}".encode() + (-i).to_bytes(4, "big", signed=True) + \
            inner + obj.encode() + str(1767225600 + 86400 * i).encode() + \
            bytes.fromhex("00ff") + b"bin"
        h = new(text).digest()
        lines.append(json.dumps({**body, "i": i, "one": 1, "hx": "00ff",
            "b64": "Ymlu", "prev": None if i == 0 else spell(prev), "hash": spell(h)}))
        prev = h
    open(f"c{n}", "w").write("\n".join(lines) + "\n")
    encoding = {"prefix": "sha256:"} if how == "prefix" else how
    json.dump({"profile": 1, "name": "p", "digest": digest, "encoding": encoding,
        "hash": "hash", "prev": "prev", "start": {"prev": None, "basis": ""},
        "eras": [{"name": "first", "input": ["never"]}, {"name": "v1", "input": [
            {"prev": "hex"}, {"field": "/a/b~1c/d"}, {"field": "n", "as": "int32"},
            {"digest": ["[", {"field": "i"}, "]", {"digest": ["deep"]}],
             "as": "bytes"},
            {"object": {"é": "/a/b~1c/d", "b": "one",
                        "at": {"field": "at", "as": "time-ms"}}, "as": "python"},
            {"field": "at", "as": "epoch-s"}, {"field": "hx", "as": "hex"},
            {"field": "b64", "as": "base64"}]}]},
        open(f"p{n}.json", "w"))
    n += 1
END
  for n in 0 1 2 3 4 5; do
    # A start's basis is nothing, whose bytes no encoding has.
    jq '.eras[1].when = {field: "prev", null: false} | .eras[0] =
      (.eras[1] | .name = "start" | .when.null = true | .input |= .[1:])' \
      "p$n.json" >p.json
    judged 0 4 '' "c$n" --profile ./p.json
    sed '3s/x2/x9/' "c$n" >chain
    judged 1 4 'content-altered 3' chain --profile ./p.json
  done
}

@test "names of chains that are spelled with escapes are names all the same" {
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "hash": "h", "prev": "p",
 "chain": "c", "start": {"prev": null, "basis": ""},
 "eras": [{"name": "v1", "input": [{"field": "c"}, {"field": "i"}]}]}
END
  for name in 'a"b' 'a\\c' ''; do
    sum=$(printf '%s1' "$name" | sha256sum | cut -c 1-64)
    jq -nc --arg c "$name" --arg h "$sum" '{c: $c, i: 1, p: null, h: $h}'
  done >chain
  judged 0 3 '' chain --profile ./p.json
  [ "$(jq .chains <<<"$output")" -eq 3 ]
  # The same name, spelled in another way: the same chain.
  sed -n 1p chain | sed 's/a/\\u0061/' >>chain
  judged 1 4 'duplicate 2' chain --profile ./p.json
  [ "$(jq -r '.findings[0].chain' <<<"$output")" = 'a"b' ]
}

# ---- PostgreSQL ---------------------------------------------------------------

# Runs a script of bash with a server; psql and tally find it by themselves.
server() { # SCRIPT
  local top
  top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  if [ -n "$("$top/tools/check-pg" --obstacle)" ]; then
    skip "PostgreSQL's server headers are not installed"
  fi
  mkdir -p "$top/build"
  flock "$top/build/pg-root.lock" "$top/tools/pg-root" "$top/build/pg/root" \
    >/dev/null
  run --separate-stderr "$top/tools/pg-server" --root "$top/build/pg/root" \
    --run "set -u; tally() { \"$TALLY\" \"\$@\"; }; DB=dbname=postgres
sql() { psql -XAtq -v ON_ERROR_STOP=1 \"\$@\"; }
$(declare -f kinds one column_types refusals)
SOURCE=$(printf %q "$SOURCE")
judge() { tally verify --pg \$DB \"\$@\" --json >out; echo \"status \$?\"
  jq -c '[.records, .chains]' out; kinds \"\$(cat out)\"; }
$1"
}

@test "PostgreSQL: breeze's tables as they are, sound, forked, altered" {
  server '
sql <"$SOURCE/test/cli/foreign.sql"
judge --profile breeze-v1
judge --profile breeze-v2
sql -c "SELECT fork()"
judge --profile breeze-v1
sql -c "UPDATE audit_logs SET details = \$\${\"n\": 0}\$\$ WHERE id::text LIKE \$\$%0005\$\$"
judge --profile breeze-v1
judge --profile breeze-v2'
  expect 0 'status 0
[12,2]
status 0
[12,2]

status 1
[13,2]
forked 7
status 1
[13,2]
content-altered 3
forked 7
status 1
[13,2]
content-altered 3
unsealed 7' ''
}

# A column of one row, and the text that it must be hashed as.
# shellcheck disable=SC2317
one() { # EXPRESSION TEXT
  tally verify --pg "$DB" --profile ./p.json --json --query "SELECT v AS t,
    NULL AS p, encode(sha256(convert_to(x, 'UTF8')), 'hex') AS h
    FROM (SELECT $1 AS v, E'$2' AS x) AS s" |
    jq -r '"\(.verdict) \(.records) \([.findings[].kind])"'
}

# shellcheck disable=SC2317
column_types() {
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "hash": "h", "prev": "p",
 "start": {"prev": null, "basis": ""},
 "eras": [{"name": "v1", "input": [{"field": "t"}]}]}
END
  one 1::int2 1
  one 9007199254740993::int8 9007199254740993
  one true true
  one 1.50::numeric 1.50
  one 0.1::float4 0.1
  one "'NaN'::float8" NaN
  one "'\\x00ff'::bytea" 00ff
  one "'a'::char(3)" a
  one "'2026-01-02 03:04:05.6'::timestamp" 2026-01-02T03:04:05.600000Z
  one "'2026-01-02 03:04:05+05'::timestamptz" 2026-01-01T22:04:05.000000Z
  one "'2026-01-02 03:04:05 BC'::timestamp" '2026-01-02 03:04:05 BC'
  one "'2026-01-02 03:04:05 BC'::timestamptz" '2026-01-02 03:04:05+00 BC'
  one "'infinity'::timestamptz" infinity
  one "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'::uuid" \
    a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11
  one "E'tab\\t \"q\" \\\\ é'" 'tab\t "q" \\ é'
  one "'x'::text" y
  sed -i 's/"t"}/"t", "as": "js-utf16"}/' p.json
  one "ARRAY['b', NULL, '1']" '["b",null,"1"]'
  one "'{\"b\": 1.0, \"a\": [true]}'::jsonb" '{"a":[true],"b":1}'
  one "E'{\"b\":\\n 2}'::json" '{"b":2}'
}

# shellcheck disable=SC2317
refusals() {
  local q
  for q in "DELETE FROM audit_logs RETURNING *" "SELECT 1; SELECT 2" \
    "SELECT 1) AS q; DROP TABLE audit_logs; SELECT * FROM (SELECT 2" \
    "SELECT nextval('s')" "SELECT * FROM nowhere"; do
    tally verify --pg "$DB" --profile breeze-v1 --query "$q"
    echo "status $?"
  done
  tally verify --pg "$DB" --profile vouch
  echo "status $?"
}

@test "PostgreSQL: types of columns" {
  server column_types
  expect 0 "$(for ((n = 0; n < 15; n++)); do echo 'intact 1 []'; done
    echo 'unverifiable 1 ["unverifiable"]'
    for ((n = 0; n < 3; n++)); do echo 'intact 1 []'; done)" ''
}

@test "PostgreSQL: a query that is none, or writes, is refused" {
  server 'sql <"$SOURCE/test/cli/foreign.sql"
refusals
sql -c "SELECT count(*), nextval(\$\$s\$\$) FROM audit_logs"'
  expect 0 'status 5
status 5
status 5
status 5
status 5
status 2
12|1' 'tally: the database: syntax error at or near "FROM"
tally: the database: syntax error at or near ";"
tally: the database: cannot insert multiple commands into a prepared statement
tally: the database: cannot execute nextval() in a read-only transaction
tally: the database: relation "nowhere" does not exist
tally: the profile "vouch": has no query; "--query" gives one'
}
