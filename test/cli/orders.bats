#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Orders in tally:log: keys that come and go, and orders that nobody signed.
load helper

make_keys() {
  make_log log --origin example.org/audit
  for name in one two three; do
    tally key generate "$name" --name example.org/audit --no-passphrase \
      >"$name.pub"
  done
  events 1 "${1:-5}" | tally append log --chain c >/dev/null
}
checkpoint() { # KEY
  tally checkpoint log --key "$1" --register register
}
verified() { # STATUS FINDINGS [OPTION ...]
  local want=$1 findings=$2

  shift 2
  run --separate-stderr tally verify log --json "$@"
  expect "$want"
  [ "$(jq -r '.findings[]|"\(.kind) \(.chain) \(.seq)"' <<<"$output")" = \
    "$findings" ] || {
    echo "$output"
    return 1
  }
}
# Appends a line to tally:log as one who can write to the log can: with all
# its hashes.
forge() { # EVENT
  python3 - "$1" <<'PY'
import hashlib, json, sys
path = "log/log/00000000000000000000.jsonl"
last = [r for r in map(json.loads, open(path)) if r["chain"] == "tally:log"][-1]
event = sys.argv[1].replace("PREV", last["hash"])
digest = hashlib.sha256(b"\x02" + bytes(16) + event.encode()).hexdigest()
header = json.dumps({"chain": "tally:log", "digest": digest,
    "prev": last["hash"], "seq": last["seq"] + 1, "time": last["time"], "v": 1},
    separators=(",", ":"))
h = hashlib.sha256(b"\x00" + header.encode()).hexdigest()
open(path, "a").write(header[:-1] + ',"hash":"' + h + '","event":' + event + "}\n")
PY
  rm -rf log/run log/index
}
order() { # SEQ: the event of that record of tally:log
  tally log log --chain tally:log --json | sed -n "${1}p" | jq -c .event
}

@test "key add, rotate, retire: each is an order that the key before signed" {
  make_keys
  run --separate-stderr tally key add log --key one --new two.pub
  expect 0 "add by tally:log 2: $(cat two.pub)" ""
  run --separate-stderr tally key rotate log --key two --new three --json
  expect 0
  [ "$(jq -r '[.action,.vkey,.seq]|@csv' <<<"$output")" = \
    "\"rotate\",\"$(cat three.pub)\",3" ]
  run --separate-stderr tally key retire log --key three --old one.pub
  expect 0 "retire by tally:log 4: $(cat one.pub)" ""
  verified 0 "" --key one.pub
  # By whom they were signed is not known to who was given no key.
  verified 0 ""
  [ "$(jq -c '.not_covered|contains(["orders"])' <<<"$output")" = true ]
  run tally verify log --key one.pub --json
  [ "$(jq -c '.not_covered|contains(["orders"])' <<<"$output")" = false ]
  # A key that came later does not vouch for who was there before.
  verified 1 $'inserted tally:log 2\ninserted tally:log 3' --key three.pub
  cat one.pub three.pub >both.pub
  verified 0 "" --key both.pub
  # The signature, by other means.
  order 2 | jq -j -c 'del(.sig)' >body
  printf 'tally-order/v1\nexample.org/audit\n' | cat - body >text
  order 2 | jq -r .sig | xxd -r -p >signature
  openssl pkey -in one -pubout >public.pem
  openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in text \
    -sigfile signature
}

@test "key retire: the last key goes only if that is said" {
  local id last

  make_keys
  id=$(cut -d + -f 2 one.pub)
  last='the key '$id' is the last one: without it nothing is signed under'`
    `' "example.org/audit" any more; "tally key rotate" lets another take over,'`
    `' "tally key retire --last" ends the origin'
  refused 2 "$last" key retire log --key one
  refused 2 "$last" key retire log --key one --old one.pub
  # Of several, the last one that is left; what was retired counts no more.
  tally key rotate log --key one --new two.pub >/dev/null
  tally key add log --key two --new three.pub >/dev/null
  tally key retire log --key two >/dev/null
  refused 2 "${last/$id/$(cut -d + -f 2 three.pub)}" key retire log --key three
  [ "$(tally log log --chain tally:log --json | wc -l)" -eq 4 ]
  refused 2 '"--last" goes with "retire"; see "tally key --help"' \
    key rotate log --key three --new one.pub --last
  run --separate-stderr tally key retire log --key three --last
  expect 0 "retire by tally:log 5: $(cat three.pub)" ""
  verified 0 "" --key one.pub
  for name in one two three; do
    run --separate-stderr checkpoint "$name"
    expect 2 ""
  done
}

@test "checkpoint: a key that was retired signs nothing, nor one that is new" {
  make_keys
  checkpoint one >/dev/null
  run --separate-stderr checkpoint two
  expect 0
  tally key rotate log --key one --new two.pub
  run --separate-stderr checkpoint one
  expect 2 ""
  [[ $stderr == 'tally: the key '????????' was retired by tally:log 2, and'`
    `' signs nothing any more' ]]
  run --separate-stderr checkpoint three
  expect 2 ""
  [[ $stderr == 'tally: the log has orders about its keys, and none'* ]]
  checkpoint two >/dev/null
  tally prove log --chain c --seq 5 | tally check - --key two.pub
  run --separate-stderr tally key add log --key one --new three.pub
  expect 2 ""
  run --separate-stderr tally key add log --key two --new one.pub
  expect 2 ""
  [[ $stderr == *' was retired by tally:log 2 already' ]]
  run --separate-stderr tally key retire log --key two --old one.pub
  expect 2 ""
}

@test "check: with the orders, who has the first key follows to the next" {
  make_keys
  checkpoint one >/dev/null
  tally prove log --chain c --seq 5 >old
  cp log/public/checkpoint before
  tally key rotate log --key one --new two.pub >/dev/null
  tally append log --chain c 6 >/dev/null
  checkpoint two >/dev/null
  tally prove log --chain c --seq 6 >new
  tally prove log --bundle --chain tally:log >orders
  run --separate-stderr tally check new --key one.pub
  expect 3
  run --separate-stderr tally check new --key one.pub --orders orders
  expect 0
  [ "${lines[0]}" = 'holds, and its root is signed' ]
  tally prove log --bundle --chain c >bundle
  tally check bundle --key one.pub --orders orders >/dev/null
  # The old key is retired: what it signed may be of yesterday, or of today.
  run --separate-stderr tally check old --key one.pub --orders orders
  expect 3
  [ "${lines[0]}" = 'consistent, but signed with a key that was retired, and'`
    `' no cosignature or timestamp is older' ]
  tally check old --key one.pub >/dev/null
  # With a key that knows nothing of them, orders are no orders.
  run --separate-stderr tally check new --key three.pub --orders orders
  expect 3 ""
  [[ $stderr == 'tally: the orders do not hold: tally:log 2, no key that'* ]]
  run --separate-stderr tally check new --orders orders
  expect 2 "" 'tally: orders need the key that the log began with'
  tally prove log --bundle --chain c >other
  refused 3 'the orders are not the bundle of all of tally:log' \
    check new --key one.pub --orders other
  head -n -1 orders >cut
  run --separate-stderr tally check new --key one.pub --orders cut
  expect 3 ""
  [[ $stderr == 'tally: the orders do not hold: the last record'* ]]
}

# A witness's cosignature, as it makes it (c2sp.org/tlog-cosignature).
cosign() { # NOTE KEY TIME
  python3 - "$@" <<'PY'
import base64, subprocess, sys
path, key, time = sys.argv[1], sys.argv[2], int(sys.argv[3])
text = open(path, "rb").read().split(b"\n\n")[0] + b"\n"
open("message", "wb").write(b"cosignature/v1\ntime %d\n" % time + text)
subprocess.run(["openssl", "pkeyutl", "-sign", "-inkey", key, "-rawin", "-in",
    "message", "-out", "signature"], check=True)
name, id = open(key).readline().split("+")[:2]
blob = bytes.fromhex(id) + time.to_bytes(8, "big") + open("signature", "rb").read()
open(path, "a").write("\u2014 %s %s\n" % (name, base64.b64encode(blob).decode()))
PY
}

@test "check: what a retired key signed counts where a cosignature is older" {
  make_keys
  tally key generate w --name witness.example/w --witness --no-passphrase \
    >w.pub
  checkpoint one >/dev/null
  cp log/public/checkpoint plain
  printf 'log %s\nwitness w %s\nquorum w\n' "$(cat one.pub)" "$(cat w.pub)" \
    >policy
  proofs() { # TIME
    cp plain log/public/checkpoint
    cosign log/public/checkpoint w "$1"
    tally prove log --chain c --seq 5 >proof
  }
  now=$(date +%s)
  proofs $((now - 3600))
  tally check proof --key one.pub --policy policy >/dev/null
  mv proof early
  proofs $((now + 3600))
  mv proof late
  cp plain log/public/checkpoint
  tally key rotate log --key one --new two.pub >/dev/null
  checkpoint two >/dev/null
  tally prove log --bundle --chain tally:log >orders
  run --separate-stderr tally check early --key one.pub --policy policy \
    --orders orders
  expect 0
  run --separate-stderr tally check late --key one.pub --policy policy \
    --orders orders
  expect 3
  [[ ${lines[0]} == 'consistent, but signed with a key that was retired'* ]]
  # Nobody's word for the time but that of a witness of the policy.
  run --separate-stderr tally check early --key one.pub --orders orders
  expect 3
}

@test "key orders: what is refused" {
  make_keys
  refused 2 '"--new" is missing; see "tally key --help"' key rotate log --key one
  refused 2 '"--new" goes with "add" and "rotate", "--old" with "retire"; see'`
    `' "tally key --help"' key retire log --key one --new two
  refused 2 '"burn" is none of "generate", "show", "add", "rotate", "retire";'`
    `' see "tally key --help"' key burn log
  tally key generate other --name example.org/b --no-passphrase >other.pub
  refused 2 'the key'"'"'s name is "example.org/b", and the log'"'"'s origin'`
    `' "example.org/audit"; they must be one' key add log --key one --new other
  refused 2 'the key'"'"'s name is "example.org/b", and the log'"'"'s origin'`
    `' "example.org/audit"; they must be one' key add log --key other --new one
  run --separate-stderr tally key add log --key one --new one
  expect 2 ""
  [[ $stderr == *' already' ]]
  tally key generate w --name example.org/audit --witness --no-passphrase \
    >/dev/null
  refused 2 'the key "example.org/audit" is a witness'"'"'s, which signs no'`
    `' log' key add log --key w --new two.pub
  [ "$(tally head log tally:log | cut -f 2)" = 1 ]
  refused 2 'no key that was given is that of the log'"'"'s origin,'`
    `' "example.org/audit"' verify log --key other.pub
  refused 2 '"a+b+c" is no key' verify log --key a+b+c
}

@test "orders: one who can write and has no key is found" {
  make_keys
  tally key add log --key one --new two.pub >/dev/null
  cp -r log good
  own=$(tally key generate mine --name example.org/audit --no-passphrase)
  id=$(cut -d + -f 2 <<<"$own")
  sig=$(times 128 a)
  for event in \
    '{"key":{"after":"PREV","by":"'"$id"'","change":"add","key":"'"$own"'"},"sig":"'"$sig"'"}' \
    '{"key":{"after":"PREV","by":"'"$id"'","change":"add","key":"'"$own"'"}}' \
    '{"key":{"add":"'"$own"'"}}' \
    '{"erased":{"after":"PREV","by":"'"$id"'","records":[]},"sig":"'"$sig"'"}' \
    '{"erased":{}}' '{"pruned":{"begin":1}}' \
    '{"restored":{"from":"example.org/audit"}}'; do
    rm -rf log
    cp -r good log
    forge "$event"
    verified 1 'inserted tally:log 3' --key one.pub
  done
  # What is not signed as orders are needs no key to be found.
  verified 1 'inserted tally:log 3'
}

@test "orders: one that was signed is not used again, elsewhere, or changed" {
  make_keys
  tally key add log --key one --new two.pub >/dev/null
  tally key retire log --key one --old two.pub >/dev/null
  verified 0 "" --key one.pub
  forge "$(order 2)"
  verified 1 'inserted tally:log 4' --key one.pub
  [[ $output == *'this order was signed for another place'* ]]
  rm -rf log register
  # The same orders in a log of another origin.
  make_log log --origin example.org/other
  tally key generate four --name example.org/other --no-passphrase >four.pub
  tally key add log --key four --new "$(tally key generate five \
    --name example.org/other --no-passphrase)" >/dev/null
  cp -r log good
  sed 's/"change":"add"/"change":"rotate"/' \
    good/log/00000000000000000000.jsonl | tail -n 1 | jq -c .event >event
  rm -rf log
  make_log log --origin example.org/other
  forge "$(sed "s/\"after\":\"[0-9a-f]*\"/\"after\":\"PREV\"/" event)"
  verified 1 'inserted tally:log 2' --key four.pub
  [[ $output == *'the signature of this order does not hold'* ]]
}

@test "orders: a retired key's order is found, though it is signed" {
  make_keys
  tally key add log --key one --new two.pub >/dev/null
  cp -r log before
  tally key retire log --key one --old two.pub >/dev/null
  # Whoever has the retired key: what he would sign behind its end.
  mv log after
  cp -r before log
  tally key add log --key two --new three.pub >/dev/null
  event=$(order 3)
  rm -rf log
  mv after log
  forge "$event"
  verified 1 'inserted tally:log 4' --key one.pub
}

# Erases the salted record as it is done: its line keeps its length.
erase() { # SEQ of the order
  python3 - "$1" <<'PY'
import sys
path = "log/log/00000000000000000000.jsonl"
lines = open(path).read().split("\n")
at = [i for i, l in enumerate(lines) if '"salt"' in l][0]
head, _, _ = lines[at].partition('","salt"')
body = head + '","erased":{"chain":"tally:log","seq":' + sys.argv[1] + "}"
lines[at] = body + " " * (len(lines[at]) - len(body) - 1) + "}"
open(path, "w").write("\n".join(lines))
PY
  rm -rf log/run log/index
}
# The order with its signature, for the place that is next.
signed() { # KEY BODY
  local prev

  prev=$(tally head log --json | jq -r 'select(.chain=="tally:log").hash')
  printf 'tally-order/v1\nexample.org/audit\n%s' "${2/PREV/$prev}" >text
  openssl pkeyutl -sign -inkey "$1" -rawin -in text -out signature
  printf '%s,"sig":"%s"}' "$(tail -n 1 text | sed 's/}$//')" \
    "$(xxd -p -c 64 signature)"
}

@test "orders: an erased line whose order is not there, forged, or another's" {
  make_keys 3
  tally append log --chain s --salt '{"name":"alice"}' >/dev/null
  tally key add log --key one --new two.pub >/dev/null
  place='{"chain":"s","hash":"'$(tally head log --json |
    jq -r 'select(.chain=="s").hash')'","index":4,"seq":1}'
  id=$(cut -d + -f 2 one.pub)
  order() {
    echo '{"erased":{"after":"PREV","by":"'"$id"'","reason":"asked for",'`
      `'"records":['"$1"']}}'
  }
  good=$(signed one "$(order "$place")")
  other=$(signed one "$(order "${place/\"index\":4/\"index\":5}")")
  stolen=$(signed three "$(order "$place")")
  cp -r log whole
  erase 3
  verified 1 'content-altered s 1' --key one.pub
  forge "$stolen"
  verified 1 $'inserted tally:log 3\ncontent-altered s 1' --key one.pub
  # Without a key it may be whose it says.
  verified 3 'unverifiable s 1'
  rm -rf log
  cp -r whole log
  forge "$other"
  erase 3
  verified 1 'content-altered s 1' --key one.pub
  verified 1 'content-altered s 1'
  rm -rf log
  cp -r whole log
  forge "$good"
  erase 3
  verified 0 'erased s 1' --key one.pub
  [ "$(jq -r .verdict <<<"$output")" = intact ]
  verified 3 'unverifiable s 1'
  # What its proof shows: the place, and not that the order allowed it.
  tally prove log --chain s --seq 1 >proof
  root=$(tally verify log --json | jq -r '"\(.size):\(.root)"')
  run --separate-stderr tally check proof --root "$root"
  expect 3
  [ "${lines[6]}" = 'erased  by tally:log 3' ]
  [ "$stderr" = 'tally: whether the erased records were erased by order,'`
    `' "tally verify" says, of the log' ]
  run --separate-stderr tally check proof --root "$root" --json
  expect 3
  [ "$(jq -c '[.verdict,.erased,.elsewhere]' <<<"$output")" = '["holds",1,0]' ]
  # An order that is there, and is none to erase.
  rm -rf log
  cp -r whole log
  erase 2
  verified 1 'content-altered s 1' --key one.pub
}

@test "checkpoint: what a key signed that went is known for the log's own" {
  make_keys
  checkpoint one >/dev/null
  cp -r register yesterday
  tally append log --chain c 6 >/dev/null
  checkpoint one >/dev/null
  tally key rotate log --key one --new two.pub >/dev/null
  rm -r register
  cp -r yesterday register
  # The register is behind what is public, and is not believed.
  run --separate-stderr checkpoint two
  expect 2 ""
  [[ $stderr == *'the register "register" is behind "public/checkpoint", size'* ]]
  # Somebody else's is none.
  sed -i 's/^\(. example.org.audit \).*/\1AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=/' \
    log/public/checkpoint
  checkpoint two >/dev/null
}
