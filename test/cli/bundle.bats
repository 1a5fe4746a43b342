#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally prove --bundle, tally consistency, and what tally check says of both.
load helper

# A log of three tenants, and its key; no checkpoint yet.
make_tenants() {
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  events 1 "${1:-5}" | tally append log --chain org/1 >/dev/null
  events 1 3 | tally append log --chain 'org/"2"' >/dev/null
  events 1 4 | tally append log --chain org/3 >/dev/null
}
checkpoint() {
  tally checkpoint log --key key --register register "$@" >/dev/null 2>&1
}
# Runs the check of a file that is to be found so.
checked() { # STATUS WORDS FILE [OPTION ...]
  local want=$1 words=$2

  shift 2
  run --separate-stderr tally check "$@"
  expect "$want"
  if [ "${lines[0]}" != "$words" ]; then
    echo "first line: ${lines[0]}"
    return 1
  fi
}

@test "bundle: all records of a chain, under the last checkpoint" {
  make_tenants
  checkpoint
  tally prove log --bundle --chain org/1 --out bundle
  [ "$(head -n 2 bundle)" = $'tally-bundle/v1\nchain org/1' ]
  checked 0 'holds, and its root is signed' bundle --key key.pub
  [ "$output" = "holds, and its root is signed
chain   org/1
seqs    1 to 5 of 5
head    $(tally head log --json | jq -r 'select(.chain=="org/1").hash')
origin  example.org/audit (signed)
root    14:$(tally verify log --json | jq -r .root)
proven  all records that the chain had, unchanged, in their order
against everybody who cannot sign with the key
        and, once somebody who holds all records computed the heads' root
        anew, whoever signed" ]
  checked 0 'holds against the root that was given' bundle \
    --root "$(tally verify log --json | jq -r .root)"
  checked 3 'cannot be compared: the root given is of another size' bundle \
    --root "15:$(tally verify log --json | jq -r .root)"
  [ "$(grep -c proven <<<"$output")" = 0 ]
  checked 3 'consistent, unsigned' bundle
  run --separate-stderr tally check - --key key.pub --json <bundle
  expect 0
  [ "$(jq -r '[.verdict,.chain,.chains,.from,.to,.head,.size]|@csv' \
    <<<"$output")" = '"signed","org/1",4,1,5,5,14' ]
  tally prove log --bundle --chain tally:log >own
  checked 0 'holds, and its root is signed' own --key key.pub
  tally prove log --bundle --chain 'org/"2"' >quoted
  checked 0 'holds, and its root is signed' quoted --key key.pub
  [ "${lines[1]}" = 'chain   org/"2"' ]
}

@test "bundle: the log went on since, and new chains came" {
  make_tenants
  checkpoint
  tally prove log --bundle --chain org/3 >then
  events 6 700 | tally append log --chain org/1 >/dev/null
  events 1 9 | tally append log --chain org/9 >/dev/null
  tally append log --chain org/3 5 >/dev/null
  tally prove log --bundle --chain org/3 >now
  cmp then now
  tally prove log --bundle --chain org/1 >other
  checked 0 'holds, and its root is signed' other --key key.pub
  [ "${lines[2]}" = 'seqs    1 to 5 of 5' ]
  refused 4 'the last checkpoint does not cover a chain "org/9"' \
    prove log --bundle --chain org/9
  refused 4 'the last checkpoint covers the chain up to record 4' \
    prove log --bundle --chain org/3 --to 5
  checkpoint
  tally prove log --bundle --chain org/1 >all
  checked 0 'holds, and its root is signed' all --key key.pub
  [ "${lines[2]}" = 'seqs    1 to 700 of 700' ]
}

@test "bundle: a range" {
  make_tenants 40
  checkpoint
  tally prove log --bundle --chain org/1 --from 7 --to 20 >range
  [ "$(grep -c '^{' range)" = 14 ]
  checked 0 'holds, and its root is signed' range --key key.pub
  [ "${lines[2]}" = 'seqs    7 to 20 of 40' ]
  [ "${lines[6]}" = 'proven  these records, unchanged, in their order, with'`
    `' none left out between' ]
  tally prove log --bundle --chain org/1 --from 40 >last
  checked 0 'holds, and its root is signed' last --key key.pub
  # A range is not handed out as the whole: its head says how much there is.
  head -n -1 range >short
  checked 1 'broken: the last record is not in the log' short --key key.pub
}

@test "bundle: what is refused" {
  make_tenants
  refused 4 'the log has no checkpoint yet; "tally checkpoint" makes one' \
    prove log --bundle --chain org/1
  checkpoint
  refused 2 '"--from" and "--to" go with "--bundle"; see "tally prove --help"' \
    prove log --chain org/1 --seq 1 --from 2
  refused 2 '"--bundle" goes with "--from" and "--to", not with "--seq"; see'`
    `' "tally prove --help"' prove log --chain org/1 --seq 1 --bundle
  refused 2 'a bundle holds at least one record' \
    prove log --chain org/1 --bundle --from 4 --to 3
  refused 4 'the last checkpoint does not cover a chain "tally:heads"' \
    prove log --chain tally:heads --bundle
  refused 4 'the last checkpoint covers the chain up to record 5' \
    prove log --chain org/1 --bundle --from 9 --out bundle
  [ ! -e bundle ]
  # What is no file is not removed.
  mkfifo pipe
  cat pipe >/dev/null &
  refused 4 'the last checkpoint covers the chain up to record 5' \
    prove log --chain org/1 --bundle --from 9 --out pipe
  [ -p pipe ]
  run --separate-stderr tally prove log --chain org/1 --bundle --out no/where
  expect 5 "" 'tally: cannot write "no/where": no such file or directory'
  printf 'tally-bundle/v1\nhello\n' >bad
  refused 3 'line 2 of the bundle: it is no chain' check bad
  printf 'tally-bundle/v2\n' >bad
  run --separate-stderr tally check bad
  expect 3
}

# The adversary hands out what he likes; the key is not his.
@test "bundle: last year's heads record under today's checkpoint" {
  make_tenants
  checkpoint
  tally prove log --bundle --chain org/3 >old
  events 5 8 | tally append log --chain org/3 >/dev/null
  checkpoint
  tally prove log --bundle --chain org/3 >new
  # All of the old bundle, but under the new checkpoint.
  swap() { # FRONT CHECKPOINT RECORDS
    sed '/^$/,$d' "$1"
    echo
    cat "$2"
    echo
    grep '^{' "$3"
  }
  swap new log/public/checkpoint new | cmp - new
  swap old log/public/checkpoint old >mixed
  checked 1 'broken: the heads record is that of size 14, and the checkpoint'`
    `' has size 19' mixed --key key.pub
  # With the new heads record, the old head is not in it.
  sed "s|^heads .*|$(grep '^heads ' new)|" mixed >worse
  run --separate-stderr tally check worse --key key.pub
  expect 1
  [[ ${lines[0]} == 'broken: the heads record'* ]]
  # The tail cut off: four records, under the head that has eight.
  swap new log/public/checkpoint old >cut
  checked 1 'broken: the last record is not in the log' cut --key key.pub
}

@test "bundle: whatever is changed in it, it never holds" {
  make_tenants 3
  checkpoint
  tally prove log --bundle --chain org/1 >bundle
  checked 0 'holds, and its root is signed' bundle --key key.pub
  size=$(wc -c <bundle)
  for ((at = 0; at < size; at += 7)); do
    cp bundle bad
    flip bad "$at"
    cmp -s bundle bad && continue
    run tally check bad --key key.pub
    [ "$status" -eq 1 ] || [ "$status" -eq 3 ] || {
      echo "byte $at: status $status"
      return 1
    }
  done
  lines=$(wc -l <bundle)
  for ((line = 1; line <= lines; line++)); do
    sed "${line}d" bundle >bad
    run tally check bad --key key.pub
    [ "$status" -eq 1 ] || [ "$status" -eq 3 ] || {
      echo "line $line: status $status"
      return 1
    }
  done
  cat bundle <(tail -n 1 bundle) >bad
  checked 1 'broken: record 4 of the bundle does not follow the one before it' \
    bad --key key.pub
  truncate -s -1 bundle
  checked 1 'broken: record 3 of the bundle is no record' bundle --key key.pub
}

@test "bundle: other bytes of the same record are found, and another log's" {
  make_tenants 3
  checkpoint
  tally prove log --bundle --chain org/1 >bundle
  sed 's/"event":{"n":2}/"event":{"n":3}/' bundle >bad
  checked 1 'broken: record 2 of the bundle does not hash to what its line'`
    `' says' bad --key key.pub
  tally key generate other --name example.org/other --no-passphrase >other.pub
  checked 3 'consistent, but not signed by whom you trust' bundle \
    --key other.pub
}

@test "bundle: the log is not that of its checkpoint" {
  make_tenants
  checkpoint
  cp log/public/checkpoint checkpoint
  rm -r log register
  make_log log --origin example.org/audit
  events 1 30 | tally append log --chain org/1 >/dev/null
  mkdir log/public
  cp checkpoint log/public/checkpoint
  refused 5 'the last record under "public/checkpoint" is no heads record' \
    prove log --bundle --chain org/1
}

@test "consistency: one checkpoint goes on from another" {
  make_tenants
  checkpoint
  cp log/public/checkpoint old
  events 6 300 | tally append log --chain org/1 >/dev/null
  checkpoint
  cp log/public/checkpoint new
  tally consistency log old >proof
  tally consistency log old new | cmp - proof
  checked 0 'holds, and its root is signed' proof --key key.pub
  [ "${lines[-1]}" = "proven  the new checkpoint's log begins with all"`
    `" records of the old one's" ]
  run --separate-stderr tally check proof --json --key key.pub
  expect 0
  [ "$(jq -r '[.verdict,.old_size,.size]|@csv' <<<"$output")" = \
    '"signed",14,310' ]
  checked 3 'consistent, unsigned' proof
  checked 0 'holds against the root that was given' proof \
    --root "$(tally verify log --json | jq -r .root)"
  tally consistency log old old | tally check - --key key.pub
  size=$(wc -c <proof)
  for ((at = 0; at < size; at += 5)); do
    cp proof bad
    flip bad "$at"
    cmp -s proof bad && continue
    run tally check bad --key key.pub
    [ "$status" -eq 1 ] || [ "$status" -eq 3 ]
  done
}

@test "consistency: a log that is not that of both, and what is refused" {
  make_tenants
  checkpoint
  cp log/public/checkpoint old
  cp -r log yesterday
  events 6 300 | tally append log --chain org/1 >/dev/null
  checkpoint
  cp log/public/checkpoint new
  refused 2 'the old checkpoint has 310 records, and the new one 14' \
    consistency log new old
  rm -rf log
  cp -r yesterday log
  refused 1 'the log is shorter than the new checkpoint says: it was cut or'`
    `' put back' consistency log old new
  events 7 400 | tally append log --chain org/1 >/dev/null
  refused 1 'the log is not that of the new checkpoint: it has another root'`
    `' at that size' consistency log old new
  refused 1 'the log does not go on from the old checkpoint: it has another'`
    `' root at that size' consistency log new new
  echo hello >bad
  refused 3 'the old checkpoint is none' consistency log bad
  sed 's/audit/other/' old >bad
  refused 2 'the old checkpoint is that of "example.org/other", and the log'`
    `' is "example.org/audit"' consistency log bad
  rm -r log
  make_log log --origin example.org/audit
  refused 4 'the log has no checkpoint yet; "tally checkpoint" makes one' \
    consistency log old
}
