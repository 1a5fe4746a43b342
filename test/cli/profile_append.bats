#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally append --profile: writing into the chain of another system.  What is
# written is judged by that system's rules, in Python (vouch.py).
load helper

setup_file() {
  SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
  export TALLY_PROFILES=$SOURCE/profiles
  export FOREIGN=$SOURCE/test/vectors/foreign
  export VOUCH=$SOURCE/test/cli/vouch.py
}

append() { tally append chain --profile vouch "$@"; }
events() { # FIRST LAST
  seq "$1" "$2" | sed 's/.*/{"event":"e&","actor":"a"}/'
}
# The chain holds this many records, by vouch's rules and by ours.
sound() { # COUNT
  run python3 "$VOUCH" verify chain
  [ "$status" -eq 0 ]
  [ "$output" = "$1" ]
  run --separate-stderr tally verify chain --profile vouch --json
  expect 0
  [ "$(jq .records <<<"$output")" -eq "$1" ]
}

@test "one event, a stream, a receipt for each: the hash" {
  run --separate-stderr append '{"event":"kb.init","actor":"ål","kb_id":"k"}'
  expect 0
  [ "$output" = "$(jq -r .hash chain)" ]
  [ "$(jq -r '[.actor, .kb_id, .data, .object_ids, .dry_run, .reversible] |
    tojson' chain)" = '["ål","k",{},[],false,true]' ]
  [[ $(jq -r .id chain) =~ ^[0-9a-f]{12}4[0-9a-f]{3}[89ab][0-9a-f]{15}$ ]]
  [[ $(jq -r .created_at chain) =~ ^20..-..-..T..:..:..\.[0-9]{6}Z$ ]]
  run --separate-stderr append --json < <(events 1 2500)
  expect 0
  [ "$(tail -n 1 <<<"$output")" = "$(tail -n 1 chain | jq -c '{hash}')" ]
  sound 2501
}

@test "members in any order and spelling, numbers as Python writes them" {
  append ' { "data" : {"b":1.50, "a":[1e21,NaN,-0.0,10000000000000000000000]},
    "actor":"\u00e5\ud83d\ude00", "event" : "x\u0007", "extra": {} } '
  sed 's/"created_at":"[^"]*",//; s/,"dry_run.*//' chain >spelled
  cat >wanted <<'END'
{"actor":"\u00e5\ud83d\ude00","data":{"a":[1e+21,NaN,-0.0,10000000000000000000000],"b":1.5}
END
  diff wanted spelled
  sound 1
}

@test "it goes on behind what vouch wrote, also behind blank lines" {
  jq -r '.valid_lines[]' "$FOREIGN/vouch.json" >chain
  printf '\n \n' >>chain
  append '{"event":"next","actor":"a"}'
  sound 4
}

@test "a whole last line without a hash stays where it is" {
  printf '{"event":"legacy"}' >chain
  append '{"event":"next","actor":"a"}'
  [ "$(head -n 1 chain)" = '{"event":"legacy"}' ]
  [ "$(wc -l <chain)" -eq 2 ]
  [ ! -e chain.torn ]
}

@test "an event whose record nobody could read is refused" {
  append '{"event":"e1","actor":"a"}'
  # Python writes six bytes for each of these.
  python3 -c 'print("{\"event\":\"e1\",\"actor\":\"%s\"}" % ("é" * 30000))' \
    >wide
  append <wide
  python3 -c 'print("{\"event\":\"e2\",\"actor\":\"%s\"}" % ("é" * 3000000))' \
    >long
  run --separate-stderr append <long
  expect 2
  [[ $stderr == *'the event makes a record of more than 16777216 bytes' ]]
  append '{"event":"e2","actor":"a"}'
  sound 3
}

@test "four of us and two of theirs at once, ours killed now and then" {
  : >chain
  python3 "$VOUCH" write chain 60 & theirs=$!
  python3 "$VOUCH" write chain 60 & others=$!
  for writer in 1 2 3 4; do
    (
      for round in $(seq 1 15); do
        "$TALLY" append chain --profile vouch < <(events 1 400) >/dev/null 2>&1 &
        [ "$((round % 3))" -ne 0 ] || { sleep 0.01; kill -9 $! || true; }
        wait $! || true
      done
    ) &
    ours[writer]=$!
  done
  wait "$theirs" "$others" "${ours[@]}"
  run python3 "$VOUCH" verify chain
  [ "$status" -eq 0 ]
  # What was not killed, and all of theirs, is there.
  [ "$output" -ge $((4 * 10 * 400 + 120)) ]
  sound "$output"
}

@test "a torn last line is moved aside, and nothing is glued to it" {
  append '{"event":"one","actor":"a"}'
  printf '{"actor":"b","crea' >>chain
  run --separate-stderr append '{"event":"two","actor":"a"}'
  expect 0
  [ "$stderr" = 'tally: a torn last line of 18 bytes was moved to "chain.torn"' ]
  [ "$(cat chain.torn)" = '{"actor":"b","crea' ]
  sound 2
  printf 'again' >>chain
  append '{"event":"three","actor":"a"}' 2>/dev/null
  [ "$(wc -l <chain.torn)" -eq 2 ]
  sound 3
}

@test "a whole last line without its end gets one" {
  append '{"event":"one","actor":"a"}'
  truncate -s -1 chain
  run --separate-stderr append '{"event":"two","actor":"a"}'
  expect 0
  [ -z "$stderr" ]
  [ ! -e chain.torn ]
  sound 2
}

@test "records from before the chain stay, and the chain begins behind them" {
  for n in $(seq 1 3000); do echo "{\"event\":\"old $n\",\"actor\":\"a\"}"; done >chain
  cp chain before
  append '{"event":"one","actor":"a"}'
  append '{"event":"two","actor":"a"}'
  cmp -n "$(stat -c %s before)" before chain
  run --separate-stderr tally verify chain --profile vouch --json
  expect 0
  [ "$(jq -c '[.findings[] | .kind]' <<<"$output")" = '["legacy"]' ]
  tail -n 2 chain >new && mv new chain
  sound 2
}

@test "what is refused, and that nothing was changed" {
  refused 2 'the event has no member "actor"' \
    append chain --profile vouch '{"event":"x"}'
  refused 2 '"hash" and "prev_hash" are made by whoever appends' \
    append chain --profile vouch '{"event":"x","actor":"a","hash":"1"}'
  refused 2 'the event is no JSON object' append chain --profile vouch '[1]'
  refused 2 'json: expected a value at byte 0' \
    append chain --profile vouch 'nope'
  refused 2 'the profile "breeze-v2" does not say how records are written' \
    append chain --profile breeze-v2 '{}'
  refused 2 "with \"--profile\" there is only \"--json\"; see"`
    `" \"tally append --help\"" append chain --profile vouch --salt '{}'
  refused 4 "no profile \"$TALLY_PROFILES/nosuch.json\": no such file or directory" \
    append chain --profile nosuch '{}'
  [ ! -s chain ]
  refused 5 '"no/where" cannot be locked' append no/where --profile vouch '{}'
}

@test "of a batch with a bad line, what is before it is there" {
  run --separate-stderr append < <(events 1 3; echo '{}'; events 5 9)
  expect 2
  [ "$stderr" = 'tally: line 4: the event has no member "event"' ]
  [ "$(wc -l <<<"$output")" -eq 3 ]
  sound 3
}

@test "it waits for whoever has the lock, and a signal ends the waiting" {
  : >chain.lock
  flock chain.lock sleep 60 3>&- &
  holder=$!
  until ! flock -n chain.lock true; do sleep 0.05; done
  "$TALLY" append chain --profile vouch '{"event":"x","actor":"a"}' 2>said &
  waiting=$!
  eventually grep -q -- "-> FLOCK .* $waiting " /proc/locks
  kill -TERM "$waiting"
  run wait "$waiting"
  pkill -P "$holder" || true
  kill "$holder" 2>/dev/null || true
  [ ! -s chain ]
  grep -q 'interrupted while "chain" was locked by another' said
}

@test "a profile's writer that is wrong: the message says where" {
  base=$(cat "$TALLY_PROFILES/vouch.json")
  wrong() { # FILTER MESSAGE
    jq "$1" <<<"$base" >p.json
    refused 2 "profile: $2" append chain --profile ./p.json '{}'
  }
  wrong '.writer = 1' 'writer: expected an object'
  wrong 'del(.writer.lock)' 'writer: "lock" is missing'
  wrong '.writer.lock = "/x"' \
    'writer: "lock" is what the name of the lock ends with'
  wrong '.writer.line = "yaml"' 'writer: unknown form "yaml"'
  wrong '.writer.needs = 1' 'writer.needs: expected an array of names'
  wrong '.writer.needs = [""]' 'writer.needs: expected names'
  wrong '.writer.fill = 1' 'writer: "fill" is no array'
  wrong '.writer.fill[1] = {field: "x"}' \
    'writer.fill[1]: expected either "as" or "json"'
  wrong '.writer.fill[1] = {field: "x", as: "now"}' \
    'writer.fill[1]: as: there are uuid, now-ms and now-us'
  wrong '.writer.fill[1] = {field: "x", json: "{"}' \
    'writer.fill[1]: "json" is no JSON'
  wrong '.chain = "actor"' 'writer: cannot write several chains'
  wrong '.order = "n"' 'writer: cannot count records ("order")'
}
