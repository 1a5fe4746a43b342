#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally key, tally checkpoint, and proofs that are signed.
load helper

# A log, and a key without a passphrase for it; its register on the side.
make_signed() {
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  events 1 "${1:-5}" | tally append log --chain c >/dev/null
}
checkpoint() {
  tally checkpoint log --key key --register register "$@" 2>/dev/null
}
entry() { echo register/*; }

@test "key: generate and show, encrypted by file, environment, or not" {
  echo secret >word
  run --separate-stderr tally key generate a --name example.org/audit \
    --passphrase-file word
  expect 0
  [[ $output == example.org/audit+????????+* ]]
  [ "$(stat -c %a a)" = 600 ]
  [ "$(head -n 1 a)" = "$output" ]
  grep -q 'BEGIN ENCRYPTED PRIVATE KEY' a
  run --separate-stderr tally key show a --json
  expect 0 "{\"vkey\":\"$(head -n 1 a)\",\"encrypted\":true}" ""
  TALLY_PASSPHRASE=secret tally key generate b --name o >/dev/null
  grep -q 'BEGIN ENCRYPTED PRIVATE KEY' b
  tally key generate c --name o --no-passphrase >/dev/null
  grep -q 'BEGIN PRIVATE KEY' c
  [ "$(tally key show c)" = "$(head -n 1 c)" ]
}

@test "key: openssl reads what is encrypted" {
  TALLY_PASSPHRASE=secret tally key generate a --name o >/dev/null
  openssl pkey -in a -passin pass:secret -pubout -outform DER | tail -c 32 |
    base64 >raw
  tally key show a | sed 's/^o+........+//' | base64 -d | tail -c 32 |
    base64 >ours
  cmp raw ours
  run openssl pkey -in a -passin pass:wrong
  [ "$status" -ne 0 ]
}

@test "key: what is refused" {
  touch there
  refused 2 '"there" is there already, and keys are not overwritten' \
    key generate there --name o --no-passphrase
  refused 2 'a key'"'"'s name is 1 to 255 bytes of UTF-8 without white space,'`
    `' control characters and "+"' key generate a --name 'o o' --no-passphrase
  run --separate-stderr tally key generate a --name o </dev/null
  expect 2 ""
  [[ $stderr == 'tally: there is no passphrase: give "--passphrase-file"'* ]]
  refused 2 '"--name" is missing; see "tally key --help"' key generate a
  refused 4 'there is no key file "a"' key show a
  echo hello >hello
  refused 3 '"hello" is no key file: its first line is no key' key show hello
}

@test "checkpoint: a signed note, and again it is current" {
  make_signed
  run --separate-stderr checkpoint
  expect 0
  [ "${lines[0]}" = 'checkpoint  signed' ]
  [ "${lines[1]}" = "root        $(tally verify log --json |
    jq -r '"\(.size):\(.root)"')" ]
  [ "$(sed -n 1,2p log/public/checkpoint)" = $'example.org/audit\n7' ]
  cmp <(head -n 3 log/public/checkpoint) "$(entry)"
  cp log/public/checkpoint before
  run --separate-stderr checkpoint
  expect 0
  [ "${lines[0]}" = 'checkpoint  current' ]
  cmp before log/public/checkpoint
  [ "$(tally head log tally:heads | cut -f 2)" = 1 ]
}

@test "checkpoint: the heads record is over the heads of all other chains" {
  make_signed
  tally append log --chain 'a"b' 1 >/dev/null
  checkpoint >/dev/null
  tally append log --chain c 1 >/dev/null
  tally append log --chain new 1 >/dev/null
  checkpoint >/dev/null
  python3 - <<'PY'
import hashlib, json
def h(b): return hashlib.sha256(b).digest()
def mth(l):
    if len(l) == 1: return l[0]
    k = 1
    while 2 * k < len(l): k *= 2
    return h(b"\x01" + mth(l[:k]) + mth(l[k:]))
heads, seen = {}, 0
for i, line in enumerate(open("log/log/00000000000000000000.jsonl")):
    r = json.loads(line)
    if r["chain"] == "tally:heads":
        leaves = [h(b"\x00" + json.dumps({"chain": c, "hash": x, "seq": n},
            separators=(",", ":")).encode()) for c, (x, n) in heads.items()]
        want = {"chains": len(heads), "root": mth(leaves).hex(), "size": i}
        assert r["event"] == want, (r["event"], want)
        seen += 1
    else:
        heads[r["chain"]] = (r["hash"], r["seq"])
assert seen == 2
PY
}

# To what else lies in the log's directory nobody is let in with it.
@test "checkpoint: whoever may enter the log's directory reads what is public" {
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  umask 077
  checkpoint >/dev/null
  [ "$(find log/public -type d | xargs stat -c %a | sort -u)" = 755 ]
  [ "$(find log/public -type f | xargs stat -c %a | sort -u)" = 644 ]
  [ "$(stat -c %a log/log log/index log/run | cut -c 3 | sort -u)" = 0 ]
  [ "$(find log/log log/index log/run log/tally.json -type f -perm /o+rwx |
    wc -l)" = 0 ]
}

@test "checkpoint: public/ of a publisher that was killed is shown" {
  make_signed
  mkdir -m 0750 log/public
  checkpoint >/dev/null
  [ "$(stat -c %a log/public)" = 755 ]
  # From then on its mode is the operator's.
  chmod 0750 log/public
  tally append log --chain c 1 >/dev/null
  checkpoint >/dev/null
  [ "$(stat -c %a log/public)" = 750 ]
}

@test "checkpoint: what is refused" {
  make_log plain
  tally key generate key --name example.org/audit --no-passphrase >/dev/null
  run --separate-stderr tally checkpoint plain --key key
  expect 2 ""
  [[ $stderr == 'tally: nothing is signed under the origin "localhost/'* ]]
  make_log log --origin example.org/other
  refused 2 'the key'"'"'s name is "example.org/audit", and the log'"'"'s'`
    `' origin "example.org/other"; they must be one' \
    checkpoint log --key key
  chmod 640 key
  refused 5 'others may read the key file "key"; chmod 600 it' \
    checkpoint log --key key
  TALLY_PASSPHRASE=secret tally key generate sealed --name example.org/other \
    >/dev/null
  export TALLY_PASSPHRASE=wrong
  refused 2 'the passphrase is not that of "sealed"' \
    checkpoint log --key sealed
  unset TALLY_PASSPHRASE
  run --separate-stderr tally checkpoint log --key sealed </dev/null
  expect 2 "" 'tally: "sealed" is encrypted, and no passphrase was given'
  refused 4 'there is no key file "log/keys/key"' checkpoint log
  [ ! -e log/public/checkpoint ]
}

@test "checkpoint: a log that was cut is not signed" {
  make_signed
  checkpoint >/dev/null
  cp -r log yesterday
  events 6 9 | tally append log --chain c >/dev/null
  checkpoint >/dev/null
  rm -r log
  mv yesterday log
  rm -rf log/run log/index
  run --separate-stderr tally checkpoint log --key key --register register
  expect 1
  [ "${lines[0]}" = 'checkpoint  truncated' ]
  [ "$stderr" = 'tally: the log has 7 records, and 12 went out: it was cut or'`
    `' put back; nothing was signed' ]
  [ "$(sed -n 2p log/public/checkpoint)" = 7 ]
}

@test "checkpoint: a log with other history is not signed" {
  make_signed
  checkpoint >/dev/null
  cp -r log yesterday
  events 6 9 | tally append log --chain c >/dev/null
  checkpoint >/dev/null
  rm -r log
  mv yesterday log
  rm -rf log/run log/index
  events 60 90 | tally append log --chain c >/dev/null
  run --separate-stderr tally checkpoint log --key key --register register
  expect 1
  [ "${lines[0]}" = 'checkpoint  rolled-back' ]
  [ "$stderr" = 'tally: the first 12 records are others than those that went'`
    `' out; nothing was signed' ]
  [ "$(sed -n 2p "$(entry)")" = 12 ]
  [ "$(tally head log tally:heads | cut -f 2)" = 1 ]
}

@test "checkpoint: without its register nothing is signed" {
  make_signed
  checkpoint >/dev/null
  mv register away
  events 6 9 | tally append log --chain c >/dev/null
  run --separate-stderr tally checkpoint log --key key --register register
  expect 2 ""
  [[ $stderr == 'tally: the register "register" is behind'* ]]
  rm log/public/checkpoint
  run --separate-stderr tally checkpoint log --key key --register register
  expect 2 ""
  [[ $stderr == 'tally: the log was signed before, and the register'* ]]
  rmdir register
  mv away register
  checkpoint >/dev/null
  echo junk >"$(entry)"
  tally append log --chain c 1 >/dev/null
  run --separate-stderr tally checkpoint log --key key --register register
  expect 3 ""
  [[ $stderr == 'tally: the register'"'"'s entry'*'; nothing is signed' ]]
  tally append log --chain c 2 >/dev/null
}

# As if the publisher was killed between the register and the signature.
@test "checkpoint: what was registered and not signed is signed next time" {
  make_signed
  checkpoint >/dev/null
  cp log/public/checkpoint old
  tally append log --chain c 1 >/dev/null
  checkpoint >/dev/null
  cp log/public/checkpoint new
  cp old log/public/checkpoint
  checkpoint >/dev/null
  cmp new log/public/checkpoint
}

@test "checkpoint: an index that went bad is no other history" {
  make_signed 40000
  checkpoint >/dev/null
  tally head log >/dev/null
  tally append log --chain c 1 >/dev/null
  for file in log/index/*; do
    head -c 4096 /dev/zero | dd of="$file" conv=notrunc status=none
  done
  run --separate-stderr checkpoint
  expect 0
  [ "${lines[0]}" = 'checkpoint  signed' ]
  root=$(tally verify log --json | jq -r '"\(.size):\(.root)"')
  [ "${lines[1]}" = "root        $root" ]
}

@test "checkpoint: a tile that was changed is put right" {
  make_signed 300
  checkpoint >/dev/null
  cp -r log/public/tile good
  flip log/public/tile/0/001.p/46 100
  checkpoint >/dev/null
  diff -r good log/public/tile
}

# Whoever comes, each size is registered and signed once, with one root.
@test "checkpoint: publishers at once, beside writers, some of them killed" {
  make_signed
  for writer in 1 2; do
    events 1 300 | tally append log --chain "w$writer" >/dev/null &
  done
  for publisher in 1 2 3; do
    (for turn in 1 2 3 4 5 6; do
      timeout -s KILL "0.0$((turn * publisher % 10))1" \
        "$TALLY" checkpoint log --key key --register register
      "$TALLY" checkpoint log --key key --register register --json
    done >"out$publisher" 2>/dev/null) || true &
  done
  wait
  checkpoint --json >out4
  cat out? | grep '^{' | jq -r 'select(.root) | "\(.size) \(.root)"' |
    sort -u >pairs
  [ -s pairs ]
  [ "$(cut -d ' ' -f 1 pairs | sort | uniq -d)" = "" ]
  while read -r size root; do
    tally verify log --root "$size:$root" >/dev/null
  done <pairs
}

@test "a proof is signed once a checkpoint covers its record" {
  make_signed
  tally prove log --chain c --seq 5 >before
  checkpoint >/dev/null
  tally append log --chain c 6 >/dev/null
  tally prove log --chain c --seq 5 >proof
  tally prove log --chain c --seq 6 >late
  run --separate-stderr tally check proof --key key.pub
  expect 0
  [ "${lines[0]}" = 'holds, and its root is signed' ]
  [[ ${lines[*]} == *'example.org/audit (signed)'* ]]
  [ "${lines[-2]}" = 'proven  this record is in the log, unchanged, at this'`
    `' place' ]
  [ "${lines[-1]}" = 'against everybody who cannot sign with the key' ]
  run --separate-stderr tally check proof --key "$(cat key.pub)" --json
  expect 0
  [ "$(jq -r .verdict <<<"$output")" = signed ]
  for unsigned in before late; do
    run --separate-stderr tally check "$unsigned" --key key.pub
    expect 3
    [ "${lines[0]}" = 'consistent, but not signed by whom you trust' ]
  done
  run --separate-stderr tally check proof
  expect 3
  [ "$stderr" = 'tally: nobody you trust vouches for the root; say whom you'`
    `' trust by "--key" or "--policy"' ]
  tally key generate other --name example.org/audit --no-passphrase >other.pub
  run --separate-stderr tally check proof --key other.pub
  expect 3
  tally key generate named --name example.org/b --no-passphrase >named.pub
  run --separate-stderr tally check proof --key named.pub
  expect 3
}

@test "a proof is judged by a policy" {
  make_signed
  checkpoint >/dev/null
  tally prove log --chain c --seq 5 >proof
  printf 'log %s\nquorum none\n' "$(cat key.pub)" >policy
  tally check proof --policy policy
  tally key generate other --name example.org/audit --no-passphrase >other.pub
  printf 'log %s\nquorum none\n' "$(cat other.pub)" >policy
  run --separate-stderr tally check proof --policy policy
  expect 3
  echo hello >policy
  run --separate-stderr tally check proof --policy policy
  expect 2 ""
  [[ $stderr == 'tally: line 1 of the policy: it begins with none of'* ]]
}

@test "whatever is changed in a signed proof, it never holds" {
  make_signed
  checkpoint >/dev/null
  tally prove log --chain c --seq 5 >proof
  size=$(wc -c <proof)
  for ((at = 0; at < size; at += 5)); do
    cp proof bad
    flip bad "$at"
    cmp -s proof bad && continue
    run tally check bad --key key.pub
    [ "$status" -eq 1 ] || [ "$status" -eq 3 ] || {
      echo "byte $at: status $status"
      return 1
    }
  done
}

@test "a checkpoint that is not this log's makes no proof" {
  make_signed
  checkpoint >/dev/null
  cp log/public/checkpoint other
  rm -r log register
  make_log log --origin example.org/audit
  events 1 9 | tally append log --chain c >/dev/null
  mkdir log/public
  cp other log/public/checkpoint
  refused 5 'the log has another root at size 7 than "public/checkpoint"' \
    prove log --chain c --seq 1
}

@test "openssl verifies the signature" {
  make_signed
  checkpoint >/dev/null
  head -n 3 log/public/checkpoint >text
  tail -n 1 log/public/checkpoint | cut -d ' ' -f 3 | base64 -d |
    tail -c 64 >signature
  openssl pkey -in key -pubout >public.pem
  openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in text \
    -sigfile signature
}

@test "golang.org/x/mod opens checkpoints, checks proofs and reads tiles" {
  [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb/tlog ] ||
    skip "golang-golang-x-mod-dev is not installed"
  command -v go >/dev/null || skip "golang-go is not installed"
  # One cache for all builds that are tested: most of it is Go's own library.
  export GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$SOURCE/build/go-cache
  export GOFLAGS= HOME=$PWD
  go build -o interop "$SOURCE/test/interop/interop.go"
  make_signed 3
  checkpoint >/dev/null
  cp log/public/checkpoint old
  roots=()
  for more in 1 249 1 2 300 70000; do
    roots+=("$(checkpoint --json | jq -r '"\(.size):\(.root)"')")
    ./interop log/public "$(cat key.pub)" "${roots[@]}"
    events 1 "$more" | tally append log --chain d >/dev/null
  done
  roots+=("$(checkpoint --json | jq -r '"\(.size):\(.root)"')")
  run ./interop log/public "$(cat key.pub)" "${roots[@]}"
  [ "$status" -eq 0 ]
  [ "$output" = "accepted ${roots[-1]%%:*}" ]
  tally consistency log old >proof
  run ./interop consistency "$(cat key.pub)" proof
  [ "$output" = "accepted 5 ${roots[-1]%%:*}" ]
  sed '3s/^./x/' proof >bad
  run ./interop consistency "$(cat key.pub)" bad
  [ "$status" -ne 0 ]
  flip log/public/tile/0/005 77
  run ./interop log/public "$(cat key.pub)"
  [ "$status" -ne 0 ]
}

# Where the program lies that prints every proof of small trees.
proofs() { # SIZE
  "$(dirname "$TALLY")/../test/interop/proofs" "$1"
}

@test "golang.org/x/mod: all proofs to size 300, and what is changed" {
  [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb/tlog ] ||
    skip "golang-golang-x-mod-dev is not installed"
  command -v go >/dev/null || skip "golang-go is not installed"
  export GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=$PWD/cache
  export GOFLAGS= HOME=$PWD
  go build -o interop "$SOURCE/test/interop/interop.go"
  run ./interop proofs < <(proofs 300)
  [[ $output == 'accepted 90300 rejected '???????* ]]
  # One byte in any file that is read.
  make_signed 300
  checkpoint >/dev/null
  ./interop log/public "$(cat key.pub)"
  width=$(($(sed -n 2p log/public/checkpoint) - 256))
  for name in checkpoint "tile/0/000" "tile/0/001.p/$width" tile/1/000.p/1 \
    tile/entries/000 "tile/entries/001.p/$width"; do
    cp "log/public/$name" good
    for place in 0 1 $(($(stat -c %s good) / 2)) $(($(stat -c %s good) - 2)); do
      flip "log/public/$name" "$place"
      run ./interop log/public "$(cat key.pub)"
      [ "$status" -ne 0 ]
      cp good "log/public/$name"
    done
  done
  ./interop log/public "$(cat key.pub)"
}

@test "@sigstore/verify accepts inclusion proofs" {
  command -v npm >/dev/null || skip "npm is not installed"
  HOME=$PWD timeout 120 npm install --prefix "$PWD" --no-audit --no-fund \
    @sigstore/verify@3.1.1 >npm.out 2>&1 ||
    skip "npm cannot install @sigstore/verify"
  make_signed 300
  checkpoint >/dev/null
  for seq in 1 2 255 256 257 300; do
    tally prove log --chain c --seq "$seq" >proof
    run node "$SOURCE/test/interop/sigstore.js" node_modules proof
    [ "$output" = accepted ]
    sed '4{s/^x/y/;t;s/^./x/}' proof >bad
    run node "$SOURCE/test/interop/sigstore.js" node_modules bad
    [ "$status" -ne 0 ]
  done
  run node "$SOURCE/test/interop/sigstore.js" node_modules - < <(proofs 64)
  [[ $output == 'accepted 2080 rejected '?????* ]]
}
