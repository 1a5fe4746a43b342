#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally adopt, and tally verify --adopted: a foreign chain that forked becomes
# the beginning of a chain of ours.
load helper

setup_file() {
  SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  export TALLY_PROFILES=$SOURCE/profiles
  export FOREIGN=$SOURCE/test/vectors/foreign
  export VOUCH=$SOURCE/test/cli/vouch.py
}

# chain: so many records by vouch's rule, of which number FORK names the wrong
# predecessor, as a second writer would.
make_chain() { # COUNT [FORK]
  python3 - "$1" "${2:-0}" >chain <<'END'
import hashlib, json, sys
count, fork = int(sys.argv[1]), int(sys.argv[2])
canon = lambda o: json.dumps(o, separators=(",", ":"), sort_keys=True)
hashes = ["0" * 64]
for n in range(1, count + 1):
    prev = hashes[-2] if n == fork else hashes[-1]
    record = {"id": "%032x" % n, "event": f"e{n}", "actor": "a", "prev_hash": prev}
    record["hash"] = hashlib.sha256((prev + canon(record)).encode()).hexdigest()
    print(canon(record))
    hashes.append(record["hash"])
END
}
adopt() { tally adopt chain --profile vouch --into log "$@"; }
# The file against what was adopted gives these findings, "kind seq index".
held() { # STATUS RECORDS [FINDING ...]
  local want=$1 records=$2 have

  shift 2
  run --separate-stderr tally verify chain --profile vouch --adopted log --json
  expect "$want"
  [ "$(jq .records <<<"$output")" -eq "$records" ]
  have=$(jq -r '.findings[] | "\(.kind) \(.seq) \(.index)"' <<<"$output")
  [ "$have" = "$(printf '%s\n' "$@")" ] || {
    printf 'found:\n%s\nnot:\n' "$have"
    printf '%s\n' "$@"
    return 1
  }
}
parts() { tally log log --chain vouch --json | jq -c .event.adopted; }

setup() {
  cd "$BATS_TEST_TMPDIR" || return
  tally init log >/dev/null
}

@test "first a plan, which writes nothing" {
  make_chain 600 300
  cp chain before
  run --separate-stderr tally adopt chain --profile vouch
  expect 0
  [ "$(sed 's/^digest .*/digest/' <<<"$output")" = 'source    chain
records   600
findings  1 forked
digest
chains    1, vouch
plan      600 records would be adopted; --apply does it, and changes nothing of the source' ]
  run --separate-stderr adopt
  expect 0
  [ -z "$(tally log log --chain vouch 2>/dev/null)" ]
  cmp chain before
  [ ! -e chain.lock ]
  run --separate-stderr tally adopt chain --profile vouch --into nolog
  expect 0
  [ "$stderr" = 'tally: there is no log "nolog" yet; "tally init" makes it' ]
}

@test "adopted: every record's digest, its hash, what was found, and that it was" {
  make_chain 600 300
  cp chain before
  run --separate-stderr adopt --apply --json
  expect 0
  [ "$(jq -c '[.applied, .records, .chains, .before, .appended, .findings]' \
    <<<"$output")" = '[true,600,1,0,4,{"forked":1}]' ]
  cmp chain before
  # By hand: what the parts hold is what sha256sum and jq see in the file.
  parts | jq -r '.records[][0]' >sealed
  while IFS= read -r line; do
    printf %s "$line" | sha256sum | cut -d' ' -f1
  done <chain >digests
  cmp sealed digests
  cmp <(parts | jq -r '.records[][1]') <(jq -r .hash chain)
  [ "$(parts | jq -c '.findings // [] | map([.at, .kind])' | tr -d '\n')" = \
    '[][[300,"forked"]][]' ]
  [ "$(parts | jq -c .first | tr '\n' ' ')" = '1 257 513 ' ]
  run --separate-stderr tally log log --chain tally:log --json
  [ "$(tail -n 1 <<<"$output" | jq -c '.event.adopted |
    [.from, .into, .records, .verdict, .findings, .profile.name]')" = \
    '["chain","vouch",600,"tampered",{"forked":1},"vouch"]' ]
  # The chain goes on.
  run --separate-stderr tally append log --chain vouch '{"new":1}'
  expect 0
  [ "${output%% *}" = 4 ]
  run tally verify log
  expect 0
}

@test "verification crosses the old damage, and says what rests on what" {
  make_chain 600 300
  adopt --apply >/dev/null
  run --separate-stderr tally verify chain --profile vouch
  expect 1
  run --separate-stderr tally verify chain --profile vouch --adopted log
  expect 0
  [[ $output == *'
adopted   600 records are as they were adopted into vouch on 20'*'
before    by their own hashes, but for 1 findings that the log holds' ]]
  held 0 600
}

@test "each record that was changed since is named, whatever its hashes say" {
  make_chain 2000
  adopt --apply >/dev/null
  cp chain sound
  sed -i '7s/"actor":"a"/"actor":"b"/' chain
  held 1 1999 'content-altered 7 6'
  sed -i 20d chain
  held 1 1998 'content-altered 7 6' 'missing 20 null'
  sed '5q;d' sound | sed s/e5/e0/ >line
  sed -i '1000r line' chain
  held 1 1998 'content-altered 7 6' 'missing 20 null' 'inserted 1002 1000'
  sed -i '1996,$d' chain
  held 1 1993 'content-altered 7 6' 'missing 20 null' 'inserted 1002 1000' \
    'truncated 1996 null'
  # A thief who computes every hash anew is told by all records from there on.
  cp sound chain
  make_chain 2000 9
  run --separate-stderr tally verify chain --profile vouch --adopted log --json
  expect 1
  [ "$(jq -r '.findings[] | "\(.kind) \(.seq) \(.index)"' <<<"$output")" = \
    "$(seq 9 2000 | awk '{ print "content-altered", $1, $1 - 1 }')" ]
  : >chain
  held 1 0 'truncated 1 null'
}

@test "two records that changed places, one that stands twice" {
  make_chain 500
  adopt --apply >/dev/null
  cp chain sound
  sed -i '10{h;d};11G' chain
  held 1 499 'missing 10 null' 'inserted 12 10'
  cp sound chain
  sed -i '100p' chain
  held 1 500 'inserted 101 100'
}

@test "it goes on where it was killed, and adopts everything once" {
  make_chain 20000
  for tries in $(seq 60); do
    "$TALLY" adopt chain --profile vouch --into log --apply >/dev/null 2>&1 &
    sleep "0.0$((tries % 10))"
    kill -9 $! 2>/dev/null || true
    wait $! || true
  done 2>/dev/null
  adopt --apply >/dev/null
  [ "$(parts | jq -r '.records[][1]' | cmp - <(jq -r .hash chain))" = '' ]
  held 0 20000
  run tally verify log --ids
  expect 0
}

@test "what came since is adopted, too; what is there is held against it" {
  make_chain 300
  adopt --apply >/dev/null
  tally append chain --profile vouch '{"event":"new","actor":"a"}' >/dev/null
  held 0 300
  run --separate-stderr tally verify chain --profile vouch --adopted log
  [[ $output == *'since     1 records came after; "tally adopt" adopts them' ]]
  run --separate-stderr adopt --apply --json
  expect 0
  [ "$(jq -c '[.records, .before, .appended]' <<<"$output")" = '[301,300,2]' ]
  held 0 301
  run --separate-stderr adopt --apply --json
  [ "$(jq -c '[.records, .before, .appended]' <<<"$output")" = '[301,301,0]' ]
  sed -i 5d chain
  refused 2 'record 5 of chain "vouch" is not what was adopted; "tally verify'"`
    `"' --adopted" says more' adopt chain --profile vouch --into log --apply
}

@test "more came since than is kept aside: none of it is called inserted" {
  make_chain 5000
  cp chain all
  head -n 100 all >chain
  adopt --apply >/dev/null
  cp all chain
  held 0 100
  run --separate-stderr tally verify chain --profile vouch --adopted log
  [[ $output == *'since     4900 records came after; "tally adopt" adopts them' ]]
  sed -i '99s/"actor":"a"/"actor":"b"/; 100s/"actor":"a"/"actor":"b"/' chain
  held 1 98 'content-altered 99 98' 'content-altered 100 99'
  # Before the last one that was adopted it was inserted.
  { head -n 99 all; tail -n +101 all | head -n 3000; sed -n 100p all; } >chain
  run --separate-stderr tally verify chain --profile vouch --adopted log --json
  expect 1
  [ "$(jq -r '.findings[].kind' <<<"$output" | sort | uniq -c | xargs)" = \
    '2049 inserted' ]
}

@test "an adoption into a chain below another's is not of it" {
  make_chain 20
  cp chain b
  head -n 10 b >chain
  tally adopt chain --profile vouch --into log --chain audit --apply >/dev/null
  tally adopt b --profile vouch --into log --chain audit/eu --apply >/dev/null
  tally verify chain --profile vouch --adopted log --chain audit
  tally verify b --profile vouch --adopted log --chain audit/eu
}

@test "parts that no finished adoption covers are told" {
  make_chain 3
  adopt --apply >/dev/null
  tally append chain --profile vouch '{"event":"new","actor":"a"}' >/dev/null
  tally append log --chain vouch --id adopt/4 "{\"adopted\":{\"first\":4,
    \"records\":[[\"$(tail -n 1 chain | tr -d '\n' | sha256sum |
      cut -d' ' -f1)\",\"\"]]}}" >/dev/null
  held 0 4
  run --separate-stderr tally verify chain --profile vouch --adopted log
  [[ $output == *'
unfinished 1 of what was adopted: by an adoption that was interrupted,
          or by somebody else; "tally adopt" goes on' ]]
  adopt --apply >/dev/null
  run --separate-stderr tally verify chain --profile vouch --adopted log
  [[ $output != *unfinished* ]]
}

@test "names of chains with escapes, and with a NUL, are all different" {
  jq -c '[.. | arrays | select(.[0]? | type == "object" and has("mesh_id"))][0][]' \
    "$FOREIGN/claudemesh.json" >rows
  for name in 'x' 'x\"1' 'x\"2' 'x\u0000a' 'x\u0000b'; do
    NAME=$name perl -pe 's/"mesh_id":"[^"]*"/"mesh_id":"$ENV{NAME}"/' rows
  done >chain
  cat rows >>chain
  run --separate-stderr tally adopt chain --profile claudemesh --into log \
    --chain mesh --from broker --apply --json
  expect 0
  [ "$(jq .chains <<<"$output")" -eq 6 ]
  [ "$(tally head log | cut -f1 | grep -c ^mesh)" -eq 6 ]
  run --separate-stderr tally verify chain --profile claudemesh --adopted log \
    --chain mesh --json
  expect 0
}

@test "rows of CSV of which no record can be made are committed to as they are" {
  cat >p.json <<'END'
{"profile": 1, "name": "p", "digest": "sha256", "hash": "h", "prev": "p",
 "start": {"prev": null, "basis": ""},
 "eras": [{"name": "v1", "input": [{"field": "a"}]}]}
END
  printf 'a,p,h\nx,,%s\ntoo,few\nx,,\n' \
    "$(printf x | sha256sum | cut -c 1-64)" >chain.csv
  tally adopt chain.csv --profile ./p.json --into log --apply >/dev/null
  tally verify chain.csv --profile ./p.json --adopted log
  sed -i s/too,few/too,late/ chain.csv
  run tally verify chain.csv --profile ./p.json --adopted log
  expect 1
}

@test "a log that was changed proves nothing" {
  make_chain 300
  adopt --apply >/dev/null
  segment=$(ls log/log/*.jsonl)
  flip "$segment" "$(offset_of "$segment" '"records":[["')"
  run --separate-stderr tally verify chain --profile vouch --adopted log --json
  expect 1
  [ "$(jq -r '.findings[0].kind' <<<"$output")" = content-altered ]
}

@test "several chains: each into its own, records that name none into the first" {
  jq -c '[.. | arrays | select(.[0]? | type == "object" and has("mesh_id"))][0][]' \
    "$FOREIGN/claudemesh.json" >rows
  sed 's/"mesh_id":"[^"]*"/"mesh_id":"one"/' rows >chain
  # A name that is too long for one of ours.
  long=$(head -c 300 /dev/zero | tr '\0' x)
  sed "s/\"mesh_id\":\"[^\"]*\"/\"mesh_id\":\"$long\"/" rows >>chain
  cat rows >>chain
  echo 'no json' >>chain
  run --separate-stderr tally adopt chain --profile claudemesh --into log \
    --chain mesh --from broker --apply --json
  expect 0
  tally head log | cut -f1 | grep -v tally: | sort >heads
  name=$(jq -r .mesh_id rows | head -n 1)
  printf '%s\n' mesh mesh/one "mesh/$name" \
    "mesh#$(printf %s "$long" | sha256sum | cut -d' ' -f1)" | sort | diff heads -
  run --separate-stderr tally verify chain --profile claudemesh --adopted log \
    --chain mesh --json
  expect 0
  grep -v '"one"' chain >less && mv less chain
  run --separate-stderr tally verify chain --profile claudemesh --adopted log \
    --chain mesh --json
  expect 1
  [ "$(jq -c '.findings | map([.kind, .chain, .seq])' <<<"$output")" = \
    '[["truncated","mesh/one",1]]' ]
}

# Three chains of claudemesh, one, two and three.
make_meshes() {
  jq -c '[.. | arrays | select(.[0]? | type == "object" and has("mesh_id"))][0][]' \
    "$FOREIGN/claudemesh.json" >rows
  for name in one two three; do
    sed "s/\"mesh_id\":\"[^\"]*\"/\"mesh_id\":\"$name\"/" rows
  done >chain
  cat rows >>chain
}

@test "a chain that has records already is no place to adopt into" {
  make_chain 3
  tally append log --chain vouch '{"mine":1}' >/dev/null
  for apply in '' --apply; do
    refused 2 'chain "vouch" has records already, and none of an adoption;'"`
      `"' choose another with "--chain"' \
      adopt chain --profile vouch --into log ${apply:+"$apply"}
  done
  adopt --chain kb --apply >/dev/null
  run --separate-stderr tally verify chain --profile vouch --adopted log --chain kb
  expect 0
}

@test "of several chains one that has records: nothing is adopted of any" {
  make_meshes
  mesh() { tally "$@" --profile claudemesh --chain mesh; }
  tally append log --chain mesh/three '{"mine":1}' >/dev/null
  size=$(tally stat log --json | jq .size)
  refused 2 'chain "mesh/three" has records already, and none of an adoption;'"`
    `"' choose another with "--chain"' \
    adopt chain --into log --apply --profile claudemesh --chain mesh
  [ "$(tally stat log --json | jq .size)" = "$size" ]
  # A chain that the source got since may have gone on here meanwhile; what is
  # no record of the source's goes into the first.
  tally init log2 >/dev/null
  echo 'no json' >>chain
  grep -v '"three"' chain >all && mv all chain
  mesh adopt chain --into log2 --apply >/dev/null
  mesh adopt chain --into log2 --apply >/dev/null
  tally append log2 --chain mesh/three '{"mine":1}' >/dev/null
  sed 's/"mesh_id":"[^"]*"/"mesh_id":"three"/' rows >>chain
  mesh adopt chain --into log2 --apply >/dev/null
  mesh verify chain --adopted log2
}

@test "a chain that vanished from the source is told when it is adopted again" {
  make_meshes
  tally adopt chain --into log --profile claudemesh --chain mesh --apply >/dev/null
  grep -v '"two"' chain >less && mv less chain
  size=$(tally stat log --json | jq .size)
  sed 's/"mesh_id":"[^"]*"/"mesh_id":"four"/' rows >>chain
  for apply in '' --apply; do
    refused 2 'chain "mesh/two" was adopted, and the source has no record of it'"`
      `"' any more; "tally verify --adopted" says more' \
      adopt chain --into log --profile claudemesh --chain mesh ${apply:+"$apply"}
  done
  [ "$(tally stat log --json | jq .size)" = "$size" ]
  run --separate-stderr tally verify chain --profile claudemesh --adopted log \
    --chain mesh --json
  [ "$(jq -c '.findings | map([.kind, .chain, .seq])' <<<"$output")" = \
    '[["truncated","mesh/two",1]]' ]
}

@test "a source with a writer is refused, or waited for" {
  make_chain 3
  jq -c '{id: .id}' chain >other
  exec 7>>chain
  # vouch's writers are held off by their lock, whoever has the file open.
  adopt --apply >/dev/null 7>&-
  exec 7>&-
  jq 'del(.writer)' "$TALLY_PROFILES/vouch.json" >nowriter.json
  exec 7>>chain
  run --separate-stderr tally adopt chain --profile ./nowriter.json --into log \
    --chain other --apply
  exec 7>&-
  [ "$status" -eq 6 ]
  [ "$stderr" = 'tally: "chain" is open for writing; stop its writer first' ]
  run --separate-stderr tally adopt chain --profile ./nowriter.json --into log \
    --chain other --apply
  expect 0
}

@test "what is refused" {
  make_chain 3
  refused 2 '"--profile" is missing; see "tally adopt --help"' adopt chain
  refused 2 '"--apply" needs either "--into" or "--table"; see "tally adopt --help"' \
    adopt chain --profile vouch --apply
  refused 2 'no record holds by this profile: it is not the one to adopt them by' \
    adopt chain --profile claudemesh --into log
  refused 4 'cannot open "nosuch": no such file or directory' \
    adopt nosuch --profile vouch
  refused 4 'nothing was adopted into chain "vouch"' \
    verify chain --profile vouch --adopted log
  refused 2 "\"--adopted\" needs \"--profile\"; see \"tally verify --help\"" \
    verify chain --adopted log
}
