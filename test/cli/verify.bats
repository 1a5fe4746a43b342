#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally verify: verdicts, findings, what is not covered, outside heads.
load helper

# Chains a (20 records) and b (20 records), turn by turn.
make_two_chains() { # DIR
  make_log "$1"
  seq 1 20 | sed 's/.*/{"c":"a","n":&}\n{"c":"b","n":&}/' |
    tally append "$1" --chain-from c >/dev/null
}

# A log that somebody handed over: its segments and its identity only.
bare_copy() { # FROM TO
  mkdir -p "$2/log"
  cp "$1/tally.json" "$2/"
  cp "$1"/log/*.jsonl "$2/log/"
}

# The last verification found exactly these: "kind chain seq" of each.
found() { # FINDING ...
  local have want

  have=$(jq -r '.findings[] | "\(.kind) \(.chain) \(.seq)"' <<<"$output")
  want=$(printf '%s\n' "$@")
  [ "$have" = "$want" ] || {
    printf 'found:\n%s\nnot:\n%s\n' "$have" "$want"
    return 1
  }
}

verify_json() {
  run --separate-stderr tally verify "$@" --json
}

@test "intact: text, and what was not covered" {
  make_two_chains log
  run --separate-stderr tally verify log
  expect 0
  [ "$(sed 's/^seconds .*/seconds/; s/:[0-9a-f]\{64\}$/:ROOT/' \
    <<<"$output")" = 'verdict   intact
records   41
chains    3
findings  0
root      41:ROOT
seconds
not covered
  the order between chains (--root)
  the last record of each chain and what stood behind it (--root, --heads)
  whole chains, removed or added (--root)
  that ids are unique (--ids)' ]
}

@test "intact: JSON with exactly the members that were promised" {
  make_two_chains log
  verify_json log
  expect 0
  [ "$(wc -l <<<"$output")" -eq 1 ]
  [ "$(jq -c 'keys' <<<"$output")" = '["chains","findings","not_covered",'`
    `'"records","root","seconds","size","verdict"]' ]
  [ "$(jq -c 'del(.root,.seconds)' <<<"$output")" = '{"findings":[],'`
    `'"verdict":"intact","records":41,"chains":3,"size":41,'`
    `'"not_covered":["order","last","chains","ids"]}' ]
  [[ $(jq -r .root <<<"$output") =~ ^[0-9a-f]{64}$ ]]
}

@test "--quiet: silent if intact, findings and verdict if not" {
  make_two_chains log
  run --separate-stderr tally verify log --quiet
  expect 0 "" ""
  flip "$(segment log)" "$(offset_of "$(segment log)" '{"c":"a","n":7}')"
  run --separate-stderr tally verify log --quiet
  expect 1
  [[ $output == *'verdict   tampered'* ]]
}

@test "one byte of an event: content-altered, and the record by name" {
  make_two_chains log
  at=$(offset_of "$(segment log)" '{"c":"b","n":7}')
  line=$(grep -n '{"c":"b","n":7}' "$(segment log)" | cut -d : -f 1)
  start=$(head -n $((line - 1)) "$(segment log)" | wc -c)
  flip "$(segment log)" $((at + 12))
  run --separate-stderr tally verify log
  expect 1
  [[ ${lines[0]} == 'content-altered  chain "b"  seq 7  index 14  '`
    `'log/00000000000000000000.jsonl:'$start'  '* ]]
  [ "${lines[1]}" = 'verdict   tampered' ]
  verify_json log
  expect 1
  found 'content-altered b 7'
  [ "$(jq -c '.findings[0] | keys' <<<"$output")" = \
    '["chain","detail","file","index","kind","offset","seq"]' ]
  [ "$(jq -c '.findings[0] | [.index,.file,.offset]' <<<"$output")" = \
    "[14,\"log/00000000000000000000.jsonl\",$start]" ]
  [ "$(jq -r .verdict <<<"$output")" = tampered ]
}

@test "every finding is printed, not only the first" {
  make_two_chains log
  for n in 3 9 15; do
    at=$(offset_of "$(segment log)" "{\"c\":\"a\",\"n\":$n}")
    flip "$(segment log)" $((at + 12))
  done
  verify_json log
  expect 1
  found 'content-altered a 3' 'content-altered a 9' 'content-altered a 15'
}

@test "a line removed, repeated, or two swapped: named" {
  make_two_chains log
  bare_copy log cut
  sed -i 12d "$(segment cut)"
  verify_json cut
  expect 1
  found 'missing a 6'
  bare_copy log twice
  sed -i 12p "$(segment twice)"
  verify_json twice
  expect 1
  found 'duplicate a 6'
  bare_copy log swapped
  sed -i '12{h;d};14{G}' "$(segment swapped)"
  verify_json swapped
  expect 1
  [[ $(jq -r '.findings[].kind' <<<"$output" | sort -u) == reordered ]]
}

@test "bytes that are no record: damaged" {
  make_two_chains log
  sed -i '12s/.*/what is this/' "$(segment log)"
  verify_json log
  expect 1
  [[ $(jq -r '.findings[].kind' <<<"$output") == *damaged* ]]
}

@test "the end cut off: not found alone, found by heads and by a root" {
  make_two_chains log
  tally head log --json >heads
  root=$(tally verify log --json | jq -r '"\(.size):\(.root)"')
  bare_copy log cut
  sed -i '$d' "$(segment cut)"
  verify_json cut
  expect 0
  [ "$(jq -c .not_covered <<<"$output")" = '["order","last","chains","ids"]' ]
  verify_json cut --heads heads
  expect 1
  found 'truncated b 20'
  run --separate-stderr tally verify cut --heads - <heads
  expect 1
  verify_json cut --root "$root"
  expect 1
  [[ $(jq -r '.findings[].kind' <<<"$output") == truncated ]]
}

@test "a whole chain removed: found by heads and by a root" {
  make_two_chains log
  tally head log --json >heads
  root=$(tally verify log --json | jq -r '"\(.size):\(.root)"')
  bare_copy log cut
  sed -i '/^{"chain":"b"/d' "$(segment cut)"
  verify_json cut
  expect 0
  verify_json cut --heads heads
  expect 1
  found 'truncated b 1'
  verify_json cut --root "$root"
  expect 1
}

@test "the order between chains: found by a root" {
  make_two_chains log
  root=$(tally verify log --json | jq -r '"\(.size):\(.root)"')
  bare_copy log swapped
  sed -i '12{h;d};13{G}' "$(segment swapped)"
  verify_json swapped
  expect 0
  verify_json swapped --root "$root"
  expect 1
  [[ $(jq -r '.findings[].kind' <<<"$output") == rolled-back ]]
}

@test "history rewritten with new hashes: rolled-back against heads" {
  make_two_chains log
  tally head log --json >heads
  make_two_chains other
  cp log/tally.json other/
  verify_json other --heads heads
  expect 1
  [[ $(jq -r '.findings[] | select(.chain == "a") | .kind' <<<"$output") == \
    rolled-back ]]
}

@test "an outside root and outside heads cover what they promise" {
  make_two_chains log
  tally head log --json >heads
  root=$(tally verify log --json | jq -r '"\(.size):\(.root)"')
  verify_json log --root "$root" --ids
  expect 0
  [ "$(jq -c .not_covered <<<"$output")" = '[]' ]
  verify_json log --heads heads
  expect 0
  [ "$(jq '.not_covered | index("last")' <<<"$output")" = null ]
  # Later records do not matter to them.
  tally append log --chain a 1 >/dev/null
  run --separate-stderr tally verify log --quiet --root "$root" --heads heads
  expect 0 "" ""
  run --separate-stderr tally verify log --root "41:$(times 64 0)"
  expect 1
  [[ $output == rolled-back* ]]
}

@test "heads that were kept again and again, one below the other" {
  make_two_chains log
  tally head log --json >heads
  tally append log --chain a 1 >/dev/null
  tally head log --json >>heads
  bare_copy log early
  tally append log --chain b 1 >/dev/null
  run --separate-stderr tally verify log --quiet --heads heads
  expect 0 "" ""
  sed -i '$d' "$(segment early)"
  verify_json early --heads heads
  expect 1
  found 'truncated a 21'
}

@test "heads that are none, or cannot be read" {
  make_log log
  echo 'not a head' >heads
  refused 3 '"heads" line 1 is no head; "tally head --json" prints them' \
    verify log --heads heads
  { tally head log --json; echo '{"chain":"a","seq":"1","hash":"00"}'; } >heads
  refused 3 '"heads" line 2 is no head; "tally head --json" prints them' \
    verify log --heads heads
  : >heads
  refused 3 '"heads" holds no heads' verify log --heads heads
  refused 4 'cannot read "gone": no such file or directory' \
    verify log --heads gone
  # A name that looks like a member of its own.
  tally append log --chain '","seq":9,"x":"' 1 >/dev/null
  tally head log --json >heads
  run --separate-stderr tally verify log --quiet --heads heads
  expect 0 "" ""
}

@test "--ids: an id that stands twice" {
  make_log log
  printf '%s\n' '{"u":"1"}' '{"u":"2"}' '{"u":"1"}' |
    tally append log --chain c --id-from u >/dev/null
  verify_json log --ids
  expect 0
  [ "$(jq -c '.not_covered | index("ids")' <<<"$output")" = null ]
}

@test "--chain: judges one chain, and says that the others were not" {
  make_two_chains log
  at=$(offset_of "$(segment log)" '{"c":"b","n":7}')
  flip "$(segment log)" $((at + 12))
  verify_json log --chain a
  expect 0
  [ "$(jq -c '.not_covered | index("other-chains") != null' \
    <<<"$output")" = true ]
  verify_json log --chain b
  expect 1
  found 'content-altered b 7'
}

@test "--jobs: the same verdict and root with one and with many" {
  make_log log --segment-size 64K
  for _ in 1 2 3 4; do
    events 1 500 | tally append log --chain c >/dev/null
  done
  for jobs in 1 2 7; do
    verify_json log --jobs "$jobs"
    expect 0
    jq -c 'del(.seconds)' <<<"$output" >>verdicts
  done
  [ "$(sort -u verdicts | wc -l)" -eq 1 ]
}

@test "a log of nothing but its first record is intact; none at all is not" {
  make_log log
  verify_json log
  expect 0
  [ "$(jq -c '[.verdict,.records]' <<<"$output")" = '["intact",1]' ]
  rm -rf log/log/* log/run log/index
  verify_json log
  [ "$status" -eq 1 ] || [ "$status" -eq 3 ]
  [ "$(jq -r .verdict <<<"$output")" != intact ]
}

@test "many findings in JSON are still one object" {
  make_two_chains log
  sed -i 's/"n":\([0-9]*\)/"n":1\1/' "$(segment log)"
  verify_json log
  expect 1
  [ "$(jq '.findings | length' <<<"$output")" -eq 40 ]
  [ "$(jq -c '[.verdict,.size]' <<<"$output")" = '["tampered",41]' ]
}

@test "a hostile chain name is escaped in JSON and visible on a terminal" {
  need_terminal
  make_log log
  tally append log --chain $'q"\\\u202e' '{"n":1}' >/dev/null
  flip "$(segment log)" "$(($(offset_of "$(segment log)" '{"n":1}') + 5))"
  verify_json log
  expect 1
  [ "$(jq -r '.findings[0].chain' <<<"$output")" = $'q"\\\u202e' ]
  TERM=xterm script -qec '"$TALLY" verify log' /dev/null >out || true
  grep -qF '\u202e' out
  lacks $'\u202e' out
}

@test "a pipe in place of a file is not waited for" {
  make_two_chains log
  mkdir -p log/public
  mkfifo log/public/checkpoint
  run timeout -s KILL 20 "$TALLY" verify log
  expect 1
  [[ $output = *'damaged  public/checkpoint'*'no checkpoint of this log'* ]]
  rm -r log/public log/log/watermark
  mkfifo log/log/watermark
  run timeout -s KILL 20 "$TALLY" verify log
  [ "$status" -eq 3 ] || [ "$status" -eq 5 ]
}
