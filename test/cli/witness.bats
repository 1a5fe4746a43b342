#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally witness: every answer of add-checkpoint, and that it never goes back.
# The log's checkpoints come from tally checkpoint, proofs from a few lines of
# Python that build the tree from the hashes in the log.
load helper

setup_file() {
  command -v curl >/dev/null || skip "curl is not installed"
}
teardown() {
  [ ! -s servers ] || while read -r pid; do kill "$pid" 2>/dev/null || true
  done <servers
}

make_signed() { # COUNT
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  grow "${1:-5}"
}
# COUNT events more, and a checkpoint: cp.SIZE
grow() {
  [ "$1" -eq 0 ] || events 1 "$1" | tally append log --chain c >/dev/null
  tally checkpoint log --key key --register register >/dev/null 2>&1
  size=$(sed -n 2p log/public/checkpoint)
  cp log/public/checkpoint "cp.$size"
}
make_witness() { # [NAME]
  tally key generate w.key --name "${1:-witness.example/w}" --witness \
    --no-passphrase >w.pub
  tally witness add state --key key.pub
}
# Starts a server on the state; $url is where.
serve() { # [STATE]
  rm -f listening
  "$TALLY" witness serve "${1:-state}" --key w.key --listen 127.0.0.1:0 \
    >listening 2>>server.err &
  server=$!
  echo "$server" >>servers
  eventually grep -q '^listening on ' listening
  url=http://$(sed 's/^listening on //' listening)
}
# The body of add-checkpoint from OLD to the checkpoint in FILE.
body() { # OLD FILE
  python3 - "$1" "$2" <<'PY'
import base64, hashlib, json, sys
def h(b): return hashlib.sha256(b).digest()
def mth(l):
    if not l: return h(b"")
    if len(l) == 1: return l[0]
    k = 1
    while 2 * k < len(l): k *= 2
    return h(b"\x01" + mth(l[:k]) + mth(l[k:]))
def sub(m, l, b):
    if m == len(l): return [] if b else [mth(l)]
    k = 1
    while 2 * k < len(l): k *= 2
    if m <= k: return sub(m, l[:k], b) + [mth(l[k:])]
    return sub(m - k, l[k:], False) + [mth(l[:k])]
old, note = int(sys.argv[1]), open(sys.argv[2]).read()
size = int(note.split("\n")[1])
leaves = [bytes.fromhex(json.loads(line)["hash"])
          for line in open("log/log/00000000000000000000.jsonl")][:size]
proof = sub(old, leaves, True) if 0 < old < size else []
sys.stdout.write("old %d\n" % old)
for p in proof: sys.stdout.write(base64.b64encode(p).decode() + "\n")
sys.stdout.write("\n" + note)
PY
}
# Asks; $status, and what came back in answer and headers.
add() { # FILE
  http=$(curl -s -o answer -D headers -w '%{http_code}' --data-binary \
    "@$1" -H 'Content-Type:' "$url/add-checkpoint")
}
answered() { # STATUS
  [ "$http" = "$1" ] || {
    echo "status $http, not $1: $(cat answer)"
    return 1
  }
}
hash_of_origin() { printf %s example.org/audit | sha256sum | cut -c 1-64; }
state_size() { sed -n 2p "state/$(hash_of_origin).note"; }

@test "what the commands refuse" {
  make_signed
  tally key generate w.key --name witness.example/w --witness \
    --no-passphrase >w.pub
  refused 2 '"--key" is missing; see "tally witness add --help"' \
    witness add state
  refused 2 '"x+y" is not the public key of a log' witness add state --key x+y
  refused 2 "\"$(cat w.pub)\" is not the public key of a log" \
    witness add state --key w.pub
  tally witness add state --key key.pub
  refused 2 'the witness knows this key of "example.org/audit" already' \
    witness add state --key key.pub
  refused 2 '"--listen" is missing; see "tally witness serve --help"' \
    witness serve state --key w.key
  refused 2 'the key "example.org/audit" is not one that cosigns; make one for'`
    `' the witness' witness serve state --key key --listen 127.0.0.1:0
  refused 4 'there is no state of a witness in "none"; "tally witness add"'`
    `' makes one' witness serve none --key w.key --listen 127.0.0.1:0
  for where in 0.0.0.0:0 127.0.0.1 '[::]:0' 127.0.0.1:x 10.0.0.1:80 unix:; do
    refused 5 "\"$where\" is no address to listen on: give 127.0.0.1:PORT,"`
      `" [::1]:PORT or unix:PATH, and put a proxy in front of it" \
      witness serve state --key w.key --listen "$where"
  done
  refused 2 'the key'"'"'s name is "witness.example/w", and the log'"'"'s'`
    `' origin "example.org/audit"; they must be one' checkpoint log --key w.key
  tally key generate mixed --name example.org/audit --witness \
    --no-passphrase >/dev/null
  refused 2 'the key "example.org/audit" is a witness'"'"'s, which signs no log' \
    checkpoint log --key mixed
}

@test "it cosigns growth, and a policy counts its cosignature" {
  make_signed
  make_witness
  serve
  body 0 cp.7 >request
  add request
  answered 200
  [[ $(cat answer) == '— witness.example/w '* ]]
  grep -qi '^content-type: text/plain' headers
  cat cp.7 answer >cosigned
  printf 'log %s\nwitness w %s\nquorum w\n' "$(cat key.pub)" "$(cat w.pub)" \
    >policy
  tally prove log --chain c --seq 5 >proof
  run tally check proof --policy policy
  [ "$status" -eq 3 ]
  cp cosigned log/public/checkpoint
  tally prove log --chain c --seq 5 >proof
  tally check proof --policy policy
  cp cp.7 log/public/checkpoint
  grow 300
  body 7 "cp.$size" >request
  add request
  answered 200
  [ "$(state_size)" = "$size" ]
  curl -sf "$url/$(hash_of_origin)/checkpoint" >latest
  cat "cp.$size" answer | cmp - latest
}

@test "every status of add-checkpoint" {
  make_signed
  make_witness
  serve
  grow 4
  grow 6
  # 400: malformed
  for text in '' $'\n' $'old 0\n' $'old 0\n\n' $'old 00\n\n' $'old -1\n\n' \
    $'new 0\n\n'; do
    printf %s "$text" >request
    add request
    answered 400
  done
  { printf 'old 00\n\n'; cat cp.7; } >request
  add request
  answered 400
  { printf 'old 0\nAAAA\n\n'; cat cp.7; } >request
  add request
  answered 400
  { printf 'old 0\n'; for i in $(seq 64); do sed -n 3p cp.7; done; echo
    cat cp.7; } >request
  add request
  answered 400
  body 0 cp.7 | tr -d '\n' >request
  add request
  answered 400
  # 404: an origin that is not known
  tally init other --origin example.org/other >/dev/null
  tally key generate other.key --name example.org/other --no-passphrase \
    >other.pub
  tally append other --chain c 1 >/dev/null
  tally checkpoint other --key other.key --register register >/dev/null
  { printf 'old 0\n\n'; cat other/public/checkpoint; } >request
  add request
  answered 404
  # 403: not signed by the key that is known, or wrongly
  tally key generate false.key --name example.org/audit --no-passphrase \
    >/dev/null
  cp -r log forged
  rm -r forged/public
  tally checkpoint forged --key false.key --register register2 >/dev/null || :
  { printf 'old 0\n\n'; sed '2s/.*/8/' cp.7; } >request
  add request
  answered 403
  { printf 'old 0\n\n'; head -n 4 cp.7; tail -n 1 other/public/checkpoint; } \
    >request
  add request
  answered 403
  # 400: old is larger than new
  body 0 cp.7 | sed '1s/0/8/' >request
  add request
  answered 400
  # 409 with the size
  body 7 cp.12 >request
  add request
  answered 409
  [ "$(cat answer)" = 0 ]
  grep -qi '^content-type: text/x.tlog.size' headers
  [ ! -e state/none ]
  # 422: a proof with old 0
  { printf 'old 0\n'; sed -n 3p cp.7; printf '\n'; cat cp.7; } >request
  add request
  answered 422
  # 200, and again: 409 with the new size
  body 0 cp.7 >request
  add request
  answered 200
  add request
  answered 409
  [ "$(cat answer)" = 7 ]
  # the same size again: refreshed
  body 7 cp.7 >request
  add request
  answered 200
  # 422: no proof, half a proof, a changed one
  { printf 'old 7\n\n'; cat cp.12; } >request
  add request
  answered 422
  body 7 cp.12 >good
  sed 2d good >request
  add request
  answered 422
  sed '2s/^[A-Z]/a/;2s/^[b-z0-9+/]/A/' good >request
  ! cmp -s good request
  add request
  answered 422
  add good
  answered 200
  # back, or skipped: never
  body 7 cp.7 >request
  add request
  answered 409
  [ "$(cat answer)" = 12 ]
  [ "$(state_size)" = 12 ]
  # other paths and methods
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/add-checkpoint")" = 405 ]
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/")" = 404 ]
  [ "$(curl -s -o /dev/null -w '%{http_code}' "$url/$(times 64 a)/checkpoint")" \
    = 404 ]
  [ "$(curl -s -o /dev/null -w '%{http_code}' -X POST \
    "$url/$(hash_of_origin)/checkpoint")" = 405 ]
  # too long
  head -c 65537 /dev/zero >request
  add request
  answered 413
  curl -s -o answer -w '%{http_code}' -H 'Transfer-Encoding: chunked' \
    --data-binary @request "$url/add-checkpoint" | grep -q 413
}

@test "another history of the same size, signed by the log itself, is 422" {
  make_signed
  make_witness
  serve
  body 0 cp.7 >request
  add request
  answered 200
  cp -r log honest
  rm -r log
  make_log log --origin example.org/audit
  for n in 1 2 3 4 5; do
    tally append log --chain c "{\"n\":\"forged $n\"}" >/dev/null
  done
  tally checkpoint log --key key --register second >/dev/null
  [ "$(sed -n 2p log/public/checkpoint)" = 7 ]
  { printf 'old 7\n\n'; cat log/public/checkpoint; } >request
  add request
  answered 422
  { printf 'old 0\n\n'; cat log/public/checkpoint; } >request
  add request
  answered 409
  events 1 20 | tally append log --chain c >/dev/null
  tally checkpoint log --key key --register second >/dev/null
  body 7 log/public/checkpoint >request
  add request
  answered 422
  [ "$(state_size)" = 7 ]
}

@test "a state that lost a file, or was changed, cosigns nothing" {
  make_signed
  make_witness
  serve
  grow 5
  body 0 cp.7 >request
  add request
  answered 200
  cp -r state good
  note=state/$(hash_of_origin).note
  body 7 "cp.$size" >request
  rm "$note"
  add request
  answered 500
  sed '2s/7/6/' "good/$(hash_of_origin).note" >"$note"
  add request
  answered 500
  { body 0 "cp.$size"; } >zero
  add zero
  answered 500
  : >"$note"
  add request
  answered 500
  grep -q 'is not what it wrote; nothing is cosigned' server.err
  rm state/*
  add request
  answered 404
  cp good/* state
  add request
  answered 200
}

@test "requests with ambiguous framing are refused" {
  make_signed
  make_witness
  serve
  body 0 cp.7 >request
  python3 - "${url#http://}" request <<'PY'
import re, socket, sys
host, port = sys.argv[1].rsplit(":", 1)
body = open(sys.argv[2], "rb").read()
def ask(*headers, line=b"POST /add-checkpoint HTTP/1.1", body=body):
    s = socket.create_connection((host, int(port)))
    s.sendall(b"\r\n".join([line, *headers, b"", b""]) + body)
    s.shutdown(socket.SHUT_WR)
    got = b""
    while True:
        more = s.recv(4096)
        if not more: break
        got += more
    return got
def refused(*headers, **more):
    got = ask(*headers, **more)
    # libmicrohttpd writes the head of some refusals of its own twice.
    statuses = set(re.findall(rb"^HTTP/1\.[01] (\d+)", got, re.M))
    assert statuses <= {b"400"}, (headers, got)
n = b"Content-Length: %d" % len(body)
h = b"Host: w"
chunked = b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"
refused(h, n, n)
refused(h, n, b"Content-Length: 3")
refused(h, b"Content-Length: +%d" % len(body))
refused(h, b"Content-Length: 0x10")
refused(h, b"Content-Length: %d, %d" % (len(body), len(body)))
refused(h, n, b"Transfer-Encoding: chunked", body=chunked)
refused(h, b"Transfer-Encoding: gzip, chunked", body=chunked)
refused(h, b"Transfer-Encoding: identity", n)
refused(h, b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked",
        body=chunked)
refused(h, b"Transfer-Encoding: xchunked", body=chunked)
refused(h, b"Transfer-Encoding: chunked", body=chunked,
        line=b"POST /add-checkpoint HTTP/1.0")
refused(n)
refused(h, h, n)
got = ask(h, b"Transfer-Encoding: chunked", body=chunked)
assert got.startswith(b"HTTP/1.1 200"), got
PY
  [ "$(state_size)" = 7 ]
}

@test "of concurrent adds, to two servers on one state, one is granted" {
  make_signed
  make_witness
  for _ in 1 2 3 4 5 6 7; do grow 2; done
  serve
  first=${url#http://}
  serve
  requests=()
  for size in 7 10 13 16 19 22 25 28; do
    body 0 "cp.$size" >"r.$size"
    requests+=("r.$size")
  done
  run python3 "$SOURCE/test/cli/witness_race.py" \
    "state/$(hash_of_origin).note" 300 "$first" "${url#http://}" -- \
    "${requests[@]}"
  [ "$status" -eq 0 ]
  [ "$output" = 300 ]
}

@test "killed at any moment it never goes back" {
  make_signed
  make_witness
  last=0
  for turn in $(seq 12); do
    grow 1
    serve
    body "$last" "cp.$size" >request
    # What was answered is there after the kill.
    (sleep "0.00$((turn % 10))"; kill -9 "$server") &
    http=$(curl -s -o answer -w '%{http_code}' --data-binary @request \
      -H 'Content-Type:' "$url/add-checkpoint") || true
    wait "$server" 2>/dev/null || true
    now=$(state_size)
    if [ "$http" = 200 ]; then [ "$now" = "$size" ]; fi
    [ "$now" = "$last" ] || [ "$now" = "$size" ]
    # It goes on from there, whichever it is.
    serve
    body "$now" "cp.$size" >request
    add request
    answered 200
    kill "$server"
    wait "$server" 2>/dev/null || true
    last=$size
  done
}

@test "two servers on one state, killed again and again, and two histories" {
  make_signed 1
  # Another one of the same origin, which begins like it.
  cp -r log fork
  cp -r register fork.register
  mkdir one two
  cp cp.* two
  for turn in $(seq 30); do grow 1; done
  mv cp.* one
  cp -r log/log one/log
  rm -r log register
  mv fork log
  mv fork.register register
  for turn in $(seq 30); do
    tally append log --chain other "$turn" >/dev/null
    grow 0
  done
  mv cp.* two
  cp -r log/log two/log
  tally key generate w.key --name witness.example/w --witness \
    --no-passphrase >w.pub
  run --separate-stderr timeout 120 python3 "$SOURCE/test/cli/witness_storm.py" \
    "$TALLY" w.key key.pub 6 one two
  expect 0
  read -r states kills grants <<<"$output"
  echo "# $states states, $kills kills, $grants grants"
  [ "$kills" -ge 10 ]
  [ "$grants" -ge 10 ]
}

@test "a unix socket, left behind by a killed server" {
  make_signed
  make_witness
  "$TALLY" witness serve state --key w.key --listen unix:socket >listening &
  pid=$!
  echo $pid >>servers
  eventually grep -q '^listening on unix:socket$' listening
  refused 5 'cannot listen on "unix:socket": Address already in use' \
    witness serve state --key w.key --listen unix:socket
  kill -9 $pid
  wait $pid 2>/dev/null || true
  [ -S socket ]
  "$TALLY" witness serve state --key w.key --listen unix:socket >listening &
  pid=$!
  echo $pid >>servers
  body 0 cp.7 >request
  eventually curl -sf --unix-socket socket -o answer --data-binary @request \
    http://w/add-checkpoint
  kill $pid
  wait $pid
  [ ! -e socket ]
}

@test "openssl verifies the cosignature" {
  make_signed
  make_witness
  serve
  body 0 cp.7 >request
  add request
  answered 200
  cut -d ' ' -f 3 answer | base64 -d >blob
  [ "$(wc -c <blob)" = 76 ]
  time=$((16#$(tail -c 72 blob | head -c 8 | od -An -tx1 | tr -d ' ')))
  { printf 'cosignature/v1\ntime %d\n' "$time"; head -n 3 cp.7; } >message
  tail -c 64 blob >signature
  openssl pkey -in w.key -pubout >public.pem
  openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in message \
    -sigfile signature
}
