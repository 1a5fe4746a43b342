#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The shared state in run/ is forged, from which a publisher takes the heads of
# the chains: nothing is signed that the records do not say.
load helper

setup() {
  begin_test
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  events 1 6 | tally append log --chain org/1 >/dev/null
  events 1 6 | tally append log --chain org/2 >/dev/null
  events 1 6 | tally append log --chain org/3 >/dev/null
  checkpoint >/dev/null 2>&1
}
checkpoint() {
  tally checkpoint log --key key --register register
}
# The state, changed: what the chain's head is, or the chains' order.
forge() { # (CHAIN FIELD ...|order)
  python3 - "$@" <<'PY'
import json, struct, sys
state = bytearray(open("log/run/state", "rb").read())
if sys.argv[1] == "order":
    at = struct.unpack_from("<Q", state, 120)[0]
    assert struct.unpack_from("<3I", state, at)[1:] != (0, 0)
    state[at + 4:at + 8], state[at + 8:at + 12] = \
        state[at + 8:at + 12], state[at + 4:at + 8]
else:
    records = [json.loads(line) for line in
        open("log/log/00000000000000000000.jsonl")]
    mine = [(i, r) for i, r in enumerate(records)
        if r["chain"] == sys.argv[1]]
    (index, old), (_, last) = mine[-2:]
    at = state.find(bytes.fromhex(last["hash"]))
    while at >= 0:
        if "seq" in sys.argv:
            struct.pack_into("<Q", state, at - 16, old["seq"])
        if "hash" in sys.argv:
            state[at:at + 32] = bytes.fromhex(old["hash"])
        at = state.find(bytes.fromhex(last["hash"]), at + 1)
    open("done", "w").write("x")
open("log/run/state", "wb").write(state)
PY
  if [ "$1" != order ]; then
    [ -e done ]
  fi
}
before() {
  cat register/* log/public/checkpoint >before
}
nothing_signed() {
  cat register/* log/public/checkpoint | cmp - before
}
FORGED="the heads that the log's shared state gave are not those of its"
FORGED+=" records; the state was dropped, and nothing is signed"

@test "forged: a head of a chain that stands still, the kept tree gone" {
  forge org/2 seq hash
  rm log/index/headtree
  events 7 8 | tally append log --chain org/1 >/dev/null
  run --separate-stderr checkpoint
  expect 0
  [ "${lines[0]}" = 'checkpoint  signed' ]
  run --separate-stderr tally verify log --key key.pub
  expect 0
}

@test "forged: the same, with the kept tree" {
  forge org/2 seq hash
  events 7 8 | tally append log --chain org/1 >/dev/null
  run --separate-stderr checkpoint
  expect 0
  run --separate-stderr tally verify log --key key.pub
  expect 0
}

@test "forged: a head of a chain that went on" {
  events 7 9 | tally append log --chain org/2 >/dev/null
  events 7 7 | tally append log --chain org/3 >/dev/null
  forge org/2 seq hash
  before
  refused 5 "$FORGED" checkpoint log --key key --register register
  nothing_signed
  # What was sealed says less than the log, and is found.
  run --separate-stderr tally verify log --json --key key.pub
  expect 1
  [ "$(jq -r '.findings[]|"\(.kind) \(.chain) \(.seq)"' <<<"$output")" = \
    'content-altered tally:heads 2' ]
  # Nor later; until there is another heads record.
  refused 5 'the last record, of "tally:heads", is not what the heads of the'`
    `' log make; nothing is signed' checkpoint log --key key --register register
  nothing_signed
  events 10 11 | tally append log --chain org/2 >/dev/null
  run --separate-stderr checkpoint
  expect 0
  tally prove log --bundle --chain org/2 | tally check - --key key.pub
}

@test "forged: the same, the kept tree gone" {
  events 7 9 | tally append log --chain org/2 >/dev/null
  events 7 7 | tally append log --chain org/3 >/dev/null
  forge org/2 seq hash
  rm log/index/headtree
  before
  refused 5 "$FORGED" checkpoint log --key key --register register
  nothing_signed
}

@test "forged: only the seq, or only the hash" {
  events 7 9 | tally append log --chain org/2 >/dev/null
  events 7 7 | tally append log --chain org/3 >/dev/null
  before
  cp -r log saved
  cp -r register saved.register
  for field in seq hash; do
    rm -rf log register
    cp -r saved log
    cp -r saved.register register
    # The copy has other inodes: a state of its own first.
    events 10 10 | tally append log --chain org/2 >/dev/null
    events 7 7 | tally append log --chain org/3 >/dev/null
    forge org/2 "$field"
    refused 5 "$FORGED" checkpoint log --key key --register register
    nothing_signed
  done
}

@test "forged: the first checkpoint of a log" {
  make_log new --origin example.org/audit
  mv log old
  mv new log
  rm -r register
  events 1 6 | tally append log --chain org/1 >/dev/null
  events 1 6 | tally append log --chain org/2 >/dev/null
  events 7 7 | tally append log --chain org/3 >/dev/null
  forge org/2 seq hash
  refused 5 "$FORGED" checkpoint log --key key --register register
  [ ! -e log/public/checkpoint ]
  events 7 8 | tally append log --chain org/1 >/dev/null
  run --separate-stderr checkpoint
  expect 0
}

@test "forged: two chains in each other's place" {
  events 7 7 | tally append log --chain org/1 >/dev/null
  events 7 7 | tally append log --chain org/2 >/dev/null
  forge order
  before
  refused 5 "$FORGED" checkpoint log --key key --register register
  nothing_signed
}

@test "forged: two chains in each other's place, which stand still" {
  forge order
  rm log/index/headtree
  events 7 7 | tally append log --chain org/3 >/dev/null
  run --separate-stderr checkpoint
  expect 0
  run --separate-stderr tally verify log --key key.pub
  expect 0
}
