#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally verify judges public/checkpoint, if it is there: what is served of a
# log must be the log's.
load helper

setup() {
  begin_test
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  events 1 6 | tally append log --chain org/1 >/dev/null
  checkpoint
  events 7 9 | tally append log --chain org/1 >/dev/null
}
checkpoint() { # [KEY]
  tally checkpoint log --key "${1-key}" --register register >/dev/null 2>&1
}
# Another log in its place, of the same identity.
begin_anew() { # EVENT ...
  rm -rf log/log/* log/run log/index
  head -1 saved/log/00000000000000000000.jsonl >"$(segment log)"
  printf '%s\n' "$@" | tally append log --chain org/1 >/dev/null
}
# With and without the key: this finding, or none.
finds() { # STATUS [KIND DETAIL]
  local with

  for with in '' '--key key.pub'; do
    # shellcheck disable=SC2086
    run --separate-stderr tally verify log --json $with
    expect "$1"
    [ "$(jq -r '.findings[]|"\(.kind) \(.file) \(.detail)"' <<<"$output")" = \
      "${2:+$2 public/checkpoint $3}" ]
  done
}

@test "served: with the key all of it is covered, without one not who signed" {
  finds 0
  run --separate-stderr tally verify log --json
  [ "$(jq -c .not_covered <<<"$output")" = \
    '["order","last","chains","ids","checkpoint"]' ]
  run --separate-stderr tally verify log --json --key key.pub
  [ "$(jq -c .not_covered <<<"$output")" = '["order","last","chains","ids"]' ]
  run --separate-stderr tally verify log
  [[ $output == *'  who signed public/checkpoint (--key)'* ]]
  # Of one chain as well: all leaves are looked at.
  tally verify log --chain org/1 --key key.pub >/dev/null
}

@test "served: none is none" {
  rm log/public/checkpoint
  finds 0
  rm -r log/public
  finds 0
  run --separate-stderr tally verify log --json
  [ "$(jq -c .not_covered <<<"$output")" = '["order","last","chains","ids"]' ]
}

@test "served: of a log that is shorter" {
  cp -r log saved
  begin_anew '{"n":1}'
  finds 1 truncated 'it has 8 records, the log 2'
}

@test "served: of another history" {
  cp -r log saved
  begin_anew '{"n":1}' 2 3 4 5 6 7 8 9
  finds 1 rolled-back 'the log has another root at its size'
  run tally verify log --chain org/1
  [ "$status" -eq 1 ]
}

@test "served: of the log's whole size, and of a size in the middle" {
  local n

  for n in 1 2 3 400; do
    events 1 "$n" | tally append log --chain org/2 >/dev/null
    cp log/public/checkpoint old
    checkpoint
    finds 0
    cp log/public/checkpoint new
    cp old log/public/checkpoint
    finds 0
    cp new log/public/checkpoint
  done
}

@test "served: a root that is another" {
  sed -i '3s/^./x/' log/public/checkpoint
  run --separate-stderr tally verify log --json --key key.pub
  expect 1
  [ "$(jq -r '[.findings[].kind]|join(" ")' <<<"$output")" = \
    'rolled-back content-altered' ]
  run --separate-stderr tally verify log --json
  expect 1
  [ "$(jq -r '[.findings[].kind]|join(" ")' <<<"$output")" = rolled-back ]
}

@test "served: signed by a key that is not the log's, or wrongly" {
  tally key generate other --name example.org/audit --no-passphrase >other.pub
  run --separate-stderr tally verify log --json --key other.pub
  expect 1
  [ "$(jq -r '.findings[]|"\(.kind) \(.file) \(.detail)"' <<<"$output")" = \
    'inserted public/checkpoint no key that was given, and none that such a'`
    `' key introduced, signed it' ]
  # A signature of the key, of another text.
  cp log/public/checkpoint old
  checkpoint
  { head -n 3 log/public/checkpoint; tail -n +4 old; } >mixed
  cp mixed log/public/checkpoint
  run --separate-stderr tally verify log --json --key key.pub
  expect 1
  [ "$(jq -r '.findings[]|"\(.kind) \(.detail)"' <<<"$output")" = \
    "content-altered a signature of the log's key does not hold" ]
}

@test "served: what is no checkpoint of this log" {
  local bad='it is no checkpoint of this log'

  cp log/public/checkpoint good
  echo nothing >log/public/checkpoint
  finds 1 damaged "$bad"
  : >log/public/checkpoint
  finds 1 damaged "$bad"
  head -n 4 good >log/public/checkpoint
  finds 1 damaged "$bad"
  sed '1s/audit/other/' good >log/public/checkpoint
  finds 1 damaged "$bad"
  head -c 1048577 /dev/zero >log/public/checkpoint
  finds 1 damaged "$bad"
  rm log/public/checkpoint
  mkdir log/public/checkpoint
  finds 3 unverifiable 'it cannot be read'
}

@test "served: a key that went, and one that came" {
  tally key generate next --name example.org/audit --no-passphrase >next.pub
  cp log/public/checkpoint old
  cp -r log thief
  tally key rotate log --key key --new next.pub >/dev/null
  # Nothing new went out yet: the old key's is as good as it was.
  finds 0
  checkpoint next
  finds 0
  cp old log/public/checkpoint
  finds 0
  # The old key signs what has the order that retired it.
  python3 - <<'PY' >forged.text
import base64, subprocess, json
out = json.loads(subprocess.run(["sh", "-c", '"$TALLY" verify log --json'],
    stdout=subprocess.PIPE).stdout)
print("example.org/audit\n%d\n%s" % (out["size"],
    base64.b64encode(bytes.fromhex(out["root"])).decode()))
PY
  openssl pkeyutl -sign -inkey key -rawin -in forged.text -out forged.sig
  {
    cat forged.text
    echo
    printf '\xe2\x80\x94 example.org/audit %s\n' "$({
      cut -d+ -f2 key.pub | xxd -r -p
      cat forged.sig
    } | base64 -w 0)"
  } >log/public/checkpoint
  run --separate-stderr tally verify log --json --key key.pub
  expect 1
  [ "$(jq -r '.findings[]|"\(.kind) \(.file) \(.detail)"' <<<"$output")" = \
    'inserted public/checkpoint it was signed with a key that the log had'`
    `' retired before' ]
}
