#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whoever may write every byte of the log, and has neither the key nor what lies
# outside: each deed is found, by the next checkpoint and by one command.
load helper

# Yesterday's checkpoint and heads lie outside; the log went on.
begin() {
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  events 1 6 | tally append log --chain org/1 >/dev/null
  events 1 4 | tally append log --chain org/2 >/dev/null
  checkpoint >/dev/null 2>&1
  mkdir outside
  cp log/public/checkpoint outside
  tally head log --json >outside/heads
  events 7 8 | tally append log --chain org/1 >/dev/null
}
checkpoint() {
  tally checkpoint log --key key --register register
}
root() {
  printf '%s:%s\n' "$(sed -n 2p outside/checkpoint)" \
    "$(sed -n 3p outside/checkpoint | base64 -d | xxd -p -c 32)"
}
# Writes the log anew with all its hashes; the program changes the list of
# records, or drops some (None).
rewrite() { # PYTHON: a statement about the list "records"
  python3 - "$1" <<'PY'
import hashlib, json, sys
path = "log/log/00000000000000000000.jsonl"
records = [json.loads(line) for line in open(path)]
exec(sys.argv[1])
out, heads, order = [], {}, []
def sha(b): return hashlib.sha256(b).digest()
def mth(l):
    if len(l) == 1: return l[0]
    k = 1
    while 2 * k < len(l): k *= 2
    return sha(b"\x01" + mth(l[:k]) + mth(l[k:]))
compact = lambda v: json.dumps(v, separators=(",", ":"))
for r in [r for r in records if r]:
    chain = r["chain"]
    seq, prev = heads.get(chain, (0, "0" * 64))
    event = r["event"]
    if chain == "tally:heads":
        leaves = [sha(b"\x00" + compact({"chain": c, "hash": heads[c][1],
            "seq": heads[c][0]}).encode()) for c in order]
        event = {"chains": len(order), "root": mth(leaves).hex(),
            "size": len(out)}
    event = compact(event)
    header = compact({"chain": chain, "digest": sha(b"\x02" + bytes(16) +
        event.encode()).hex(), "prev": prev, "seq": seq + 1, "time": r["time"],
        "v": 1})
    hash = sha(b"\x00" + header.encode()).hex()
    if chain not in heads and chain != "tally:heads": order.append(chain)
    heads[chain] = (seq + 1, hash)
    out.append(header[:-1] + ',"hash":"' + hash + '","event":' + event + "}\n")
open(path, "w").write("".join(out))
PY
  rm -rf log/run log/index
  find log/log -type f ! -name '*.jsonl' -delete
  # By itself the log shows nothing; that is what the outside is for.
  mv log/public aside
  tally verify log >/dev/null
  mv aside log/public
}
# The next checkpoint says so and signs nothing, and verify names it.
found() { # WORD KIND CHAIN SEQ
  local before

  before=$(cat register/*)
  run --separate-stderr checkpoint
  expect 1
  [ "${lines[0]}" = "checkpoint  $1" ]
  [ "$(cat register/*)" = "$before" ]
  run --separate-stderr tally verify log --heads outside/heads --json
  expect 1
  [ "$(jq -r --arg c "$3" '[.findings[]|select(.chain==$c)][0]
    |"\(.kind) \(.seq)"' <<<"$output")" = "$2 $4" ]
  run --separate-stderr tally verify log --root "$(root)" --json
  expect 1
  # Against the bare checkpoint, too, with sizes.
  size=$(wc -l <log/log/00000000000000000000.jsonl)
  detail="the outside root has $(sed -n 2p outside/checkpoint) records, "
  if [ "$1" = truncated ]; then
    detail+="the log $size"
  else
    detail+="and the log's first $(sed -n 2p outside/checkpoint), of $size, are"
    detail+=" others"
  fi
  [ "$(jq -r '.findings[]|select(.detail|startswith("the outside root"))
    |"\(.kind) \(.detail)"' <<<"$output")" = \
    "$1 $detail" ]
}

@test "adversary: nothing is found where nothing was done" {
  begin
  rewrite pass
  tally verify log --heads outside/heads >/dev/null
  tally verify log --root "$(root)" >/dev/null
  tally consistency log outside/checkpoint >/dev/null
  checkpoint >/dev/null 2>&1
  tally consistency log outside/checkpoint | tally check - --key key.pub
}

@test "adversary: the log is cut" {
  begin
  rewrite 'records = records[:-5]'
  found truncated truncated org/2 3
  refused 1 'the log is shorter than the new checkpoint says: it was cut or'`
    `' put back' consistency log outside/checkpoint
}

@test "adversary: an event is changed, and all hashes behind it" {
  begin
  rewrite 'records[3]["event"] = {"n": 99}'
  found rolled-back rolled-back org/1 6
  run --separate-stderr tally consistency log outside/checkpoint \
    outside/checkpoint
  expect 1 ""
}

@test "adversary: a tenant is gone, with all that it held" {
  begin
  rewrite 'records = [r for r in records if r["chain"] != "org/2"]'
  found truncated truncated org/2 1
  # Grown again, it is other history.
  events 1 9 | tally append log --chain org/3 >/dev/null
  run --separate-stderr checkpoint
  expect 1
  [ "${lines[0]}" = 'checkpoint  rolled-back' ]
  run tally prove log --bundle --chain org/2
  [ "$status" -ne 0 ]
  run tally prove log --bundle --chain org/1
  [ "$status" -ne 0 ]
}

@test "adversary: yesterday is put back" {
  begin
  cp -r log yesterday
  events 1 3 | tally append log --chain org/2 >/dev/null
  checkpoint >/dev/null 2>&1
  cp log/public/checkpoint outside
  tally head log --json >outside/heads
  rm -rf log
  mv yesterday log
  rm -rf log/run log/index
  found truncated truncated org/2 5
}

@test "adversary: what was sealed since the last head is not covered, and said" {
  begin
  rewrite 'records[-1]["event"] = {"n": 99}'
  run --separate-stderr tally verify log --root "$(root)" --json
  expect 0
  [ "$(jq -c '.not_covered' <<<"$output")" = \
    '["order","last","chains","ids","checkpoint"]' ]
  run --separate-stderr tally verify log --root "$(root)"
  expect 0
  [[ $output == *'not covered'* ]]
}

# Yesterday's heads, as a record of today; and the kept tree, as if of it.
forge_heads() {
  python3 - <<'PY'
import hashlib, json
path = "log/log/00000000000000000000.jsonl"
records = [json.loads(line) for line in open(path)]
last = [r for r in records if r["chain"] == "tally:heads"][-1]
compact = lambda v: json.dumps(v, separators=(",", ":"))
event = compact({**last["event"], "size": len(records)})
header = compact({"chain": "tally:heads", "digest": hashlib.sha256(b"\x02" +
    bytes(16) + event.encode()).hexdigest(), "prev": last["hash"],
    "seq": last["seq"] + 1, "time": last["time"], "v": 1})
h = hashlib.sha256(b"\x00" + header.encode()).hexdigest()
open(path, "a").write(header[:-1] + ',"hash":"' + h + '","event":' + event + "}\n")
tree = bytearray(open("log/index/headtree", "rb").read())
tree[24:32] = len(records).to_bytes(8, "little")
open("tree", "wb").write(tree)
PY
  rm -rf log/run log/index
  mkdir log/index
  cp tree log/index/headtree
}

@test "adversary: heads of yesterday, as the last record before a checkpoint" {
  begin
  before=$(cat register/*)
  forge_heads
  refused 5 'the last record, of "tally:heads", is not what the heads of the'`
    `' log make; nothing is signed' checkpoint log --key key --register register
  [ "$(cat register/*)" = "$before" ]
  # Another record, and the next checkpoint has heads that are right.
  tally append log --chain org/1 '{"n":9}' >/dev/null
  checkpoint >/dev/null 2>&1
  tally prove log --bundle --chain org/1 | tally check - --key key.pub
}

@test "adversary: heads of yesterday, and a kept tree of them" {
  begin
  events 5 6 | tally append log --chain org/2 >/dev/null
  forge_heads
  tally append log --chain org/1 '{"n":9}' >/dev/null
  checkpoint >/dev/null 2>&1
  for chain in org/1 org/2; do
    tally prove log --bundle --chain "$chain" | tally check - --key key.pub
  done
}
