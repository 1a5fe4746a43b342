#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Whoever may write every byte of the log, and neither its sink nor what the
# daemon keeps, and has no key: each deed is found by the next cycle of a
# running tally watch, although a whole verification is a year away.
load helper

teardown() {
  [ ! -s servers ] || while read -r pid; do kill "$pid" 2>/dev/null || true
  done <servers
}

# Segments as small as can be, so that there is an old part; the whole was
# verified when it returns, and heads are in the sink.
begin() {
  make_log log --origin example.org/audit --segment-size 64K
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  tally key generate own --name example.org/audit --no-passphrase >own.pub
  events 1 6 | tally append log --chain org/1 >/dev/null
  tally append log --chain secret --salt '{"n":1}' >/dev/null
  events 1 400 | tally append log --chain many >/dev/null
  events 1 4 | tally append log --chain org/2 >/dev/null
  tally append log --chain secret --salt '{"n":2}' >/dev/null
  printf '#!/bin/sh\ncat >>told\necho >>told\n' >hook
  chmod +x hook
  mkdir outside
  printf '{"state":"state","interval_s":0.5,"whole_s":31536000,
    "alerts":[{"type":"exec","command":["./hook"]}],
    "logs":[{"name":"audit","log":"log","key":"key","register":"register",
    "sinks":[{"name":"usb","type":"file","path":"outside/heads"}]}]}\n' \
    >watch.json
  tally watch watch.json --once >once
  grep -q '^audit  intact' once
  [ "$(find log/log -name '*.jsonl' | wc -l)" -ge 2 ]
  "$TALLY" watch watch.json >out 2>err 3>&- &
  watcher=$!
  echo $watcher >>servers
  cycled
  [ ! -e told ]
}
cycles() { jq .cycle_us state/audit/state.json; }
# Two cycles began and ended since.
cycled() {
  local now

  for _ in 1 2; do
    now=$(stat -c %Y.%Z-%i state/audit/state.json)
    while [ "$(stat -c %Y.%Z-%i state/audit/state.json)" = "$now" ]; do
      sleep 0.05
    done
  done
}
published_more() { # SIZE
  [ "$(sed -n 2p log/public/checkpoint)" -gt "$1" ]
}
# The deed is done between two cycles, as far as anybody can tell.
deed() { # COMMAND ...
  kill -STOP "$watcher"
  for pid in $(pgrep -P "$watcher"); do kill -STOP "$pid"; done
  "$@"
  for pid in $(pgrep -P "$watcher"); do kill -CONT "$pid"; done
  kill -CONT "$watcher"
}
told() { # FILTER
  jq -r "$1" told 2>/dev/null
}
is_told() { # KIND CHAIN SEQ
  told 'select(.break) | "\(.kind) \(.chain) \(.seq)"' | grep -qx "$*"
}
# Found by the next cycles, with kind, chain and seq; and not told again.
found() { # KIND CHAIN SEQ
  eventually is_told "$@" || { cat told err; return 1; }
  cycled
  cycled
  [ "$(told 'select(.break) | "\(.kind) \(.chain) \(.seq) \(.sink)"' |
    sort | uniq -d)" = "" ]
  kill "$watcher"
  wait "$watcher"
}
# All segments are written anew, with all their hashes; the program changes
# the list "records", each with its segment, or drops some.
rewrite() { # PYTHON
  python3 - "$1" <<'PY'
import glob, hashlib, json, os, sys
records = []
for path in sorted(glob.glob("log/log/*.jsonl")):
    for line in open(path):
        records.append({"path": path, "line": line, **json.loads(line)})
before = len(records)
exec(sys.argv[1])
compact = lambda v: json.dumps(v, separators=(",", ":"))
sha = lambda b: hashlib.sha256(b).digest()
def mth(l):
    if len(l) == 1: return l[0]
    k = 1
    while 2 * k < len(l): k *= 2
    return sha(b"\x01" + mth(l[:k]) + mth(l[k:]))
heads, order, out, size = {}, [], {}, 0
for r in records:
    chain = r["chain"]
    seq, prev = heads.get(chain, (0, "0" * 64))
    event = r["event"]
    if chain == "tally:heads":
        leaves = [sha(b"\x00" + compact({"chain": c, "hash": heads[c][1],
            "seq": heads[c][0]}).encode()) for c in order]
        event = {"chains": len(order), "root": mth(leaves).hex(), "size": size}
    event = compact(event)
    salt = bytes.fromhex(r.get("salt", "00" * 16))
    header = compact({"chain": chain, "digest": sha(b"\x02" + salt +
        event.encode()).hex(), "prev": prev, "seq": seq + 1, "time": r["time"],
        "v": 1})
    hash = sha(b"\x00" + header.encode()).hex()
    if chain not in heads and chain != "tally:heads": order.append(chain)
    heads[chain] = (seq + 1, hash)
    out.setdefault(r["path"], []).append(
        header[:-1] + ',"hash":"' + hash + '"' + (',"salt":"' + r["salt"] + '"'
            if "salt" in r else "") + ',"event":' + event + "}\n")
    size += 1
# What keeps its length is written where it lies; no file is replaced.
at, names = 0, {}
for path in sorted(out):
    names["log/log/%020d.jsonl" % at] = "".join(out[path])
    at += len(out[path])
for path in set(glob.glob("log/log/*.jsonl")) - set(names): os.unlink(path)
for path, text in names.items():
    mode = "r+" if os.path.exists(path) and \
        os.path.getsize(path) == len(text.encode()) else "w"
    open(path, mode).write(text)
PY
}
forget_index() {
  rm -rf log/run log/index
  find log/log -type f ! -name '*.jsonl' -delete
}
rewrite_all() { # PYTHON
  rewrite "$1"
  forget_index
}

@test "adversary, watched: nothing is found where nothing was done" {
  begin
  events 1 900 | tally append log --chain org/1 >/dev/null
  eventually published_more 1300
  cycled
  cycled
  [ ! -e told ]
  kill "$watcher"
  wait "$watcher"
}

@test "adversary, watched: the log is cut" {
  begin
  deed rewrite_all 'records = [r for r in records
    if r["chain"] not in ("org/2", "tally:heads")]'
  found truncated org/2 4
}

@test "adversary, watched: a suffix is written anew" {
  begin
  deed rewrite_all 'records[4]["event"] = {"n": 99}'
  found rolled-back org/1 6
}

@test "adversary, watched: a suffix is written anew, and the index is left" {
  begin
  deed rewrite 'records[4]["event"] = {"n": 9}'
  found rolled-back org/1 6
}

@test "adversary, watched: in the last segment alone, and the index is left" {
  begin
  deed rewrite 'records[-3]["event"] = {"n": 9}'
  found rolled-back org/2 4
}

@test "adversary, watched: a tenant is gone, with all that it held" {
  begin
  deed rewrite_all 'records = [r for r in records if r["chain"] != "org/1"]'
  found truncated org/1 6
}

@test "adversary, watched: yesterday is put back" {
  begin
  restore() {
    rm -rf log
    mv yesterday log
    rm -rf log/run log/index
  }
  cp -r log yesterday
  events 5 7 | tally append log --chain org/2 >/dev/null
  size=$(sed -n 2p log/public/checkpoint)
  eventually published_more "$size"
  cycled
  deed restore
  found truncated org/2 7
}

# A record of tally:log, as who can write and has no key makes one: FIELDS of
# the order, with "AFTER", "BY", "INDEX" and "HASH" (of org/2, seq 1) filled in.
forge_order() { # FIELDS
  python3 - "$(cut -d + -f 2 key.pub)" "$1" <<'PY'
import glob, hashlib, json, sys
paths = sorted(glob.glob("log/log/*.jsonl"))
records = [json.loads(line) for path in paths for line in open(path)]
last = [r for r in records if r["chain"] == "tally:log"][-1]
at = [i for i, r in enumerate(records)
      if r["chain"] == "secret" and r["seq"] == 1][0]
compact = lambda v: json.dumps(v, separators=(",", ":"))
event = sys.argv[2].replace("AFTER", last["hash"]).replace("BY", sys.argv[1])
event = event.replace('"INDEX"', str(at)).replace("HASH", records[at]["hash"])
event = event[:-1] + ',"sig":"' + "a" * 128 + '"}'
header = compact({"chain": "tally:log", "digest": hashlib.sha256(b"\x02" +
    bytes(16) + event.encode()).hexdigest(), "prev": last["hash"],
    "seq": last["seq"] + 1, "time": records[-1]["time"], "v": 1})
h = hashlib.sha256(b"\x00" + header.encode()).hexdigest()
open(paths[-1], "a").write(header[:-1] + ',"hash":"' + h + '","event":' +
    event + "}\n")
PY
  forget_index
}

@test "adversary, watched: a key of his own" {
  begin
  deed forge_order '{"key":{"after":"AFTER","by":"BY","change":"add",'`
    `'"key":"'"$(head -n 1 own.pub)"'"}}'
  found inserted tally:log 2
}

# The event of a record is gone, as if by the order with this seq.  Nothing
# else is touched.
erase() { # CHAIN SEQ ORDER
  python3 - "$@" <<'PY'
import glob, json, sys
chain, seq, order = sys.argv[1], int(sys.argv[2]), sys.argv[3]
for path in sorted(glob.glob("log/log/*.jsonl")):
    lines = open(path).read().split("\n")
    for i, line in enumerate(lines):
        r = json.loads(line or "{}")
        if r.get("chain") != chain or r["seq"] != seq:
            continue
        body = line.partition('","salt"')[0] + \
            '","erased":{"chain":"tally:log","seq":' + order + "}"
        lines[i] = body + " " * (len(line) - len(body) - 1) + "}"
        open(path, "w").write("\n".join(lines))
PY
}
erase_with_order() {
  forge_order '{"erased":{"after":"AFTER","by":"BY","reason":"x","records":[{'`
    `'"chain":"secret","hash":"HASH","index":"INDEX","seq":1}]}}'
  erase secret 1 2
}

@test "adversary, watched: an old event is erased without an order" {
  begin
  deed erase secret 1 1
  found content-altered secret 1
}

@test "adversary, watched: a new event is erased without an order" {
  begin
  deed erase secret 2 1
  found content-altered secret 2
}

@test "adversary, watched: an event is erased with a forged order" {
  begin
  deed erase_with_order
  eventually is_told inserted tally:log 2
  found content-altered secret 1
}

alter() { # CHAIN SEQ
  sed -i '\|"chain":"'"$1"'".*"seq":'"$2"',|s/"event":{"n":./"event":{"n":0/' \
    log/log/*.jsonl
}

@test "adversary, watched: bytes of an old record are changed in their place" {
  begin
  deed alter org/1 3
  found content-altered org/1 3
}

# Yesterday's heads, as the last record before a checkpoint; the kept tree as
# if of it.
forge_heads() {
  python3 - <<'PY'
import glob, hashlib, json
paths = sorted(glob.glob("log/log/*.jsonl"))
records = [json.loads(line) for path in paths for line in open(path)]
last = [r for r in records if r["chain"] == "tally:heads"][-1]
compact = lambda v: json.dumps(v, separators=(",", ":"))
first = [r for r in records if r["chain"] == "tally:heads"][0]
event = compact({**first["event"], "size": len(records)})
header = compact({"chain": "tally:heads", "digest": hashlib.sha256(b"\x02" +
    bytes(16) + event.encode()).hexdigest(), "prev": last["hash"],
    "seq": last["seq"] + 1, "time": last["time"], "v": 1})
h = hashlib.sha256(b"\x00" + header.encode()).hexdigest()
open(paths[-1], "a").write(header[:-1] + ',"hash":"' + h + '","event":' + event +
    "}\n")
tree = bytearray(open("log/index/headtree", "rb").read())
tree[24:32] = len(records).to_bytes(8, "little")
open("tree", "wb").write(tree)
PY
  forget_index
  mkdir log/index
  cp tree log/index/headtree
}

@test "adversary, watched: heads of yesterday, before the next checkpoint" {
  begin
  size=$(sed -n 2p log/public/checkpoint)
  tally append log --chain org/1 '{"n":7}' >/dev/null
  eventually published_more "$size"
  cycled
  deed forge_heads
  found content-altered tally:heads 3
}
