#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally prove and tally check.
load helper

# A log of 14 records, a proof of the fifth of chain c, and the root.
make_proof() {
  make_log log --origin example.org/audit
  events 1 13 | tally append log --chain c >/dev/null
  tally prove log --chain c --seq 5 >proof
  root=$(tally verify log --json | jq -r '"\(.size):\(.root)"')
}

@test "prove: a text that holds the line, on standard output or in a file" {
  make_proof
  [ "$(head -n 1 proof)" = c2sp.org/tlog-proof@v1 ]
  [ "$(sed -n 's/^extra //p' proof | base64 -d)" = \
    "$(sed -n 6p "$(segment log)")" ]
  [ "$(sed -n 's/^index //p' proof)" = 5 ]
  grep -qx example.org/audit proof
  run --separate-stderr tally prove log --chain c --seq 5 --out file
  expect 0 "" ""
  cmp proof file
  run --separate-stderr tally prove log --chain c --seq 5 --out /dev/full
  expect 5 "" 'tally: cannot write "/dev/full": no space left on device'
  run --separate-stderr tally prove log --chain c --seq 5 --out no/file
  expect 5 "" 'tally: cannot write "no/file": no such file or directory'
}

@test "prove: no such record, no such chain" {
  make_proof
  refused 4 'there is no record 14 in chain "c"; its last is 13' \
    prove log --chain c --seq 14
  refused 4 'there is no chain "d"' prove log --chain d --seq 1
}

@test "check: without a root it is consistent, unsigned, and status 3" {
  make_proof
  run --separate-stderr tally check proof
  expect 3
  [ "${lines[0]}" = 'consistent, unsigned' ]
  [ "$stderr" = 'tally: nobody vouches for the root; compare it with one'`
    `' from outside by "--root"' ]
  run --separate-stderr tally check proof --json
  expect 3
  [ "$(jq -r .verdict <<<"$output")" = unsigned ]
}

@test "check: against the root, from a file and from standard input" {
  make_proof
  line=$(sed -n 6p "$(segment log)")
  for given in "$root" "${root#*:}"; do
    run --separate-stderr tally check proof --root "$given"
    expect 0 "holds against the root that was given
chain   c
seq     5
index   5
time    $(jq -r .time <<<"$line")
hash    $(jq -r .hash <<<"$line")
event   {\"n\":5}
origin  example.org/audit (not signed)
root    $root
proven  this record is in the log, unchanged, at this place
against everybody who cannot change the root that was given" ""
  done
  run --separate-stderr tally check - --root "$root" --json <proof
  expect 0
  [ "$(jq -c 'del(.time,.hash,.root)' <<<"$output")" = '{"verdict":"holds",'`
    `'"origin":"example.org/audit","size":14,"chain":"c","seq":5,'`
    `'"index":5,"event":{"n":5},"elsewhere":0,"erased":0}' ]
}

@test "check: another root is a mismatch, one of another size cannot tell" {
  make_proof
  run --separate-stderr tally check proof --root "14:$(times 64 a)"
  expect 1
  [ "${lines[0]}" = 'mismatch: holds for another root than the one given' ]
  run --separate-stderr tally check proof --root "$(times 64 a)" --json
  expect 1
  [ "$(jq -r .verdict <<<"$output")" = other-root ]
  run --separate-stderr tally check proof --root "15:$(times 64 a)"
  expect 3
  [ "${lines[0]}" = 'cannot be compared: the root given is of another size' ]
  # The same hash, of another size: what is given is not what it leads to.
  run --separate-stderr tally check proof \
    --root "15:$(sed 's/.*://' <<<"$root")"
  expect 3
  [ "${lines[0]}" = 'cannot be compared: the root given is of another size' ]
}

# But for the origin, which nothing covers until the log is signed.
@test "check: whatever is changed in a proof, it never holds" {
  make_proof
  size=$(wc -c <proof)
  origin=$(offset_of proof example.org)
  tries=0
  for ((at = 0; at < size; at += 7)); do
    [ "$at" -lt "$origin" ] || [ "$at" -ge $((origin + 18)) ] || continue
    cp proof bad
    flip bad "$at"
    cmp -s proof bad && continue
    run --separate-stderr tally check bad --root "$root"
    [ "$status" -eq 1 ] || [ "$status" -eq 3 ] || {
      echo "byte $at: status $status"
      return 1
    }
    tries=$((tries + 1))
  done
  [ "$tries" -gt 50 ]
}

@test "check: a forged event, another place" {
  make_proof
  forged=$(sed -n 6p "$(segment log)" | sed 's/"n":5/"n":6/' | base64 -w 0)
  sed "s|^extra .*|extra $forged|" proof >bad
  run --separate-stderr tally check bad --root "$root"
  expect 1
  [[ ${lines[0]} == broken* ]]
  sed 's/^index 5$/index 4/' proof >bad
  run --separate-stderr tally check bad --root "$root"
  expect 1
}

@test "check: what is no proof" {
  echo hello >file
  run --separate-stderr tally check file
  expect 3 ""
  [[ $stderr == 'tally: line 1 of the proof'* ]]
  : >file
  run --separate-stderr tally check file
  expect 3 ""
  refused 4 'cannot read "gone": no such file or directory' check gone
  refused 5 'cannot read ".": is a directory' check .
}

@test "a proof of every record holds" {
  make_log log
  for n in 1 2 3 4 5 6 7 8 9; do
    tally append log --chain c "$n" >/dev/null
    root=$(tally verify log --json | jq -r '"\(.size):\(.root)"')
    for seq in $(seq "$n"); do
      tally prove log --chain c --seq "$seq" |
        tally check - --root "$root" >/dev/null
    done
  done
}
