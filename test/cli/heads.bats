#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the records in tally:heads say is made anew from the records before
# them: whoever lies about heads is found by one command.
load helper

setup() {
  begin_test
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
}
checkpoint() {
  tally checkpoint log --key key --register register >/dev/null 2>&1
}
# Rounds of records and a checkpoint; each round has a chain of its own, too.
rounds() { # FROM TO
  local i

  for ((i = $1; i <= $2; i++)); do
    events 1 3 | tally append log --chain org/1 >/dev/null
    events 1 2 | tally append log --chain "org/$i" >/dev/null
    checkpoint
  done
}
# Writes the log anew; the program changes the list of records before all
# their hashes are made again.  Heads records keep what they say.
rewrite() { # PYTHON
  python3 - "$1" <<'PY'
import hashlib, json, sys
path = "log/log/00000000000000000000.jsonl"
records = [json.loads(line) for line in open(path)]
heads = lambda n: [r for r in records if r["chain"] == "tally:heads"][n - 1]
exec(sys.argv[1])
out, last = [], {}
compact = lambda v: json.dumps(v, separators=(",", ":"))
sha = lambda b: hashlib.sha256(b).hexdigest()
for r in records:
    seq, prev = last.get(r["chain"], (0, "0" * 64))
    event = compact(r["event"])
    header = compact({"chain": r["chain"], "digest": sha(b"\x02" + bytes(16) +
        event.encode()), "prev": prev, "seq": seq + 1, "time": r["time"],
        "v": 1})
    hash = sha(b"\x00" + header.encode())
    last[r["chain"]] = (seq + 1, hash)
    out.append(header[:-1] + ',"hash":"' + hash + '","event":' + event + "}\n")
open(path, "w").write("".join(out))
PY
  rm -rf log/run log/index log/public
  find log/log -type f ! -name '*.jsonl' -delete
}
# Exactly these findings, by every number of threads.
findings() { # STATUS ['KIND CHAIN SEQ [SEQ_END]' ...]
  local want=$1 jobs

  shift
  for jobs in 1 2 7; do
    run --separate-stderr tally verify log --json --jobs "$jobs"
    expect "$want"
    diff <([ $# -eq 0 ] || printf '%s\n' "$@") <(jq -r '.findings[]|
      "\(.kind) \(.chain) \(.seq)\(if .seq_end then " \(.seq_end)" else ""
      end)"' <<<"$output")
  done
}

@test "heads: what is true is not found" {
  rounds 2 9
  tally verify log >/dev/null
  findings 0
  rewrite pass
  findings 0
}

@test "heads: a root that is another" {
  rounds 2 9
  rewrite 'heads(4)["event"]["root"] = "00" * 32'
  findings 1 'content-altered tally:heads 4'
  run --separate-stderr tally verify log
  expect 1
  [[ ${lines[0]} == 'content-altered  chain "tally:heads"  seq 4  index 24'* ]]
  [[ ${lines[0]} == *'its root is not that of the heads before it: it lies,'`
    `' or a chain was changed' ]]
}

@test "heads: the last one, and the first" {
  rounds 2 4
  rewrite 'heads(3)["event"]["root"] = "00" * 32'
  findings 1 'content-altered tally:heads 3'
  rewrite 'heads(1)["event"]["root"] = "00" * 32'
  findings 1 'content-altered tally:heads 1' 'content-altered tally:heads 3'
}

@test "heads: several, one after the other, are one finding" {
  rounds 2 9
  rewrite 'for i in (2, 3, 4, 6): heads(i)["event"]["root"] = "00" * 32'
  findings 1 'content-altered tally:heads 2 5' 'content-altered tally:heads 6'
}

@test "heads: a chain less is counted, and a record less" {
  rounds 2 4
  rewrite 'heads(2)["event"]["chains"] -= 1'
  findings 1 'content-altered tally:heads 2'
  run tally verify log
  [[ $output == *'it says that there are 3 chains before it, and there are 4'* ]]
  rewrite 'heads(2)["event"]["chains"] += 1; heads(3)["event"]["size"] -= 1'
  findings 1 'content-altered tally:heads 3'
  run tally verify log
  [[ $output == *'it says that 17 records stand before it, and 18 do'* ]]
}

@test "heads: a head of yesterday is vouched for, which is the lie that pays" {
  rounds 2 4
  rewrite '
old = heads(2)["event"]
heads(3)["event"]["root"] = old["root"]
heads(3)["event"]["chains"] = old["chains"]'
  findings 1 'content-altered tally:heads 3'
}

@test "heads: a chain is gone, with all that it held" {
  rounds 2 6
  rewrite 'records = [r for r in records if r["chain"] != "org/3"]'
  findings 1 'content-altered tally:heads 2 6'
}

@test "heads: two records of different chains change places around one" {
  rounds 2 6
  rewrite '
i = records.index(heads(3))
records[i], records[i + 1] = records[i + 1], records[i]'
  findings 1 'content-altered tally:heads 3'
}

@test "heads: an event that is none is not judged" {
  rounds 2 4
  rewrite 'heads(2)["event"] = {"heads": 1}'
  findings 3 'unverifiable tally:heads 2'
  rewrite 'heads(2)["event"] = {"chains": 1, "root": "00", "size": 2}'
  findings 3 'unverifiable tally:heads 2'
}

@test "heads: where a chain was changed nobody is accused of a lie" {
  rounds 2 6
  # A record of org/1 that goes on behind it, without its line.
  sed -i 9d "$(segment log)"
  rm -rf log/run log/index log/public
  find log/log -type f ! -name '*.jsonl' -delete
  findings 1 'missing org/1 5' 'unverifiable tally:heads 2 6'
}

@test "heads: of one chain alone they are not judged" {
  rounds 2 4
  rewrite 'heads(2)["event"]["root"] = "00" * 32'
  run --separate-stderr tally verify log --chain org/2 --json
  expect 0
  run --separate-stderr tally verify log --chain tally:heads --json
  expect 0
  [ "$(jq -c .not_covered <<<"$output")" = \
    '["order","last","chains","ids","other-chains"]' ]
}

@test "heads: one in front of each record" {
  for i in $(seq 1 30); do
    echo "{\"n\":$i}" | tally append log --chain "org/$((i % 7))" >/dev/null
    checkpoint
  done
  findings 0
  rewrite 'heads(17)["event"]["root"] = heads(16)["event"]["root"]'
  findings 1 'content-altered tally:heads 17'
}

@test "heads: many chains, in chunks, of which some go on" {
  for round in 1 2 3 4; do
    for i in $(seq "$round" 3 3000); do
      printf '{"c":"org/%d","n":%d}\n' "$i" "$round"
    done | tally append log --chain-from c >/dev/null
    checkpoint
    events 1 2000 | tally append log --chain "org/$round" >/dev/null
  done
  checkpoint
  findings 0
  rewrite 'heads(3)["event"]["root"] = "00" * 32'
  findings 1 'content-altered tally:heads 3'
}
