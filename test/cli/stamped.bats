#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a retired key signed holds where a timestamp of RFC 3161 is older than
# the order.  The authority is "openssl ts".
load helper

setup() {
  begin_test
  make_log log --origin example.org/audit
  tally key generate one --name example.org/audit --no-passphrase >one.pub
  tally key generate two --name example.org/audit --no-passphrase >two.pub
  events 1 5 | tally append log --chain c >/dev/null
  checkpoint one
  tally prove log --chain c --seq 5 >old
  cp log/public/checkpoint note
}
checkpoint() { # KEY
  tally checkpoint log --key "$1" --register register >/dev/null 2>&1
}
rotate() {
  # A token of this second is not older than an order of it.
  sleep 2.1
  tally key rotate log --key one --new two.pub >/dev/null
  tally append log --chain c 6 >/dev/null
  checkpoint two
  tally prove log --bundle --chain tally:log >orders
}
# An authority: its certificates, and how it answers.
make_tsa() { # NAME [EXTENSIONS [FROM TO]]
  local usage=${2-critical,timeStamping}

  mkdir -p "$1"
  cat >"$1/openssl.cnf" <<END
[tsa]
default_tsa = t
[t]
serial = $1/serial
signer_cert = $1/tsa.pem
certs = $1/ca.pem
signer_key = $1/tsa.key
signer_digest = ${DIGEST-sha256}
default_policy = 1.2.3.4
digests = sha1, sha256, sha512
accuracy = ${ACCURACY-secs:0}
ess_cert_id_chain = no
[ext]
extendedKeyUsage = $usage
[ca]
default_ca = d
[d]
database = $1/index
new_certs_dir = $1
serial = $1/ca.serial
default_md = sha256
policy = p
[p]
commonName = supplied
END
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj "/CN=ca $1" \
    -keyout "$1/ca.key" -out "$1/ca.pem" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=tsa $1" \
    -keyout "$1/tsa.key" -out "$1/tsa.csr" 2>/dev/null
  : >"$1/index"
  echo 01 >"$1/ca.serial"
  openssl ca -batch -config "$1/openssl.cnf" -in "$1/tsa.csr" \
    -cert "$1/ca.pem" -keyfile "$1/ca.key" -extensions ext \
    -startdate "${3-20200101000000Z}" -enddate "${4-21200101000000Z}" \
    -out "$1/tsa.pem" -notext 2>/dev/null
  echo 01 >"$1/serial"
}
stamp() { # TSA FILE OUT [DIGEST]
  openssl ts -query -data "$2" "-${4-sha256}" -cert -out query 2>/dev/null
  openssl ts -reply -config "$1/openssl.cnf" -queryfile query -out "$3" \
    2>/dev/null
}
judged() { # STATUS WORDS TOKEN [CA [PROOF]]
  run --separate-stderr tally check "${5-old}" --key one.pub --orders orders \
    --timestamp "$3" --tsa-ca "${4-good/ca.pem}"
  [ "$status" -eq "$1" ]
  [ "${lines[0]}" = "$2" ]
}
HOLDS='holds, and its root is signed'
RETIRED='consistent, but signed with a key that was retired, and no'
RETIRED+=' cosignature or timestamp is older'

@test "stamped: a proof, a bundle and a consistency proof" {
  make_tsa good
  stamp good note token.tsr
  tally prove log --bundle --chain c >bundle
  openssl ts -verify -in token.tsr -data note -CAfile good/ca.pem 2>/dev/null
  rotate
  run --separate-stderr tally check old --key one.pub --orders orders
  expect 3
  [ "${lines[0]}" = "$RETIRED" ]
  judged 0 "$HOLDS" token.tsr
  judged 0 "$HOLDS" token.tsr good/ca.pem bundle
  tally consistency log note >going
  run --separate-stderr tally check going --key one.pub --orders orders
  expect 3
  run --separate-stderr tally check going --key one.pub --orders orders \
    --timestamp token.tsr --tsa-ca good/ca.pem
  expect 0
  # The token without the authority's answer around it; SHA-512.
  openssl ts -reply -in token.tsr -token_out -out token 2>/dev/null
  judged 0 "$HOLDS" token
  run --separate-stderr tally check old --key one.pub --orders orders --json \
    --timestamp token.tsr --tsa-ca good/ca.pem
  [ "$(jq -r .verdict <<<"$output")" = signed ]
}

@test "stamped: what a sink keeps, of a note with other signatures" {
  make_tsa good
  tally key generate w --name witness.example/w --witness --no-passphrase \
    >w.pub
  # Another key signed as well then; the proof has one signature only.
  tally key generate three --name example.org/audit --no-passphrase >three.pub
  cp note kept.note
  openssl pkeyutl -sign -inkey three -rawin -in <(head -n 3 note) -out sig \
    2>/dev/null || {
    head -n 3 note >text
    openssl pkeyutl -sign -inkey three -rawin -in text -out sig
  }
  printf '\xe2\x80\x94 example.org/audit %s\n' "$({
    cut -d+ -f2 three.pub | xxd -r -p
    cat sig
  } | base64 -w 0)" >>kept.note
  stamp good kept.note kept.tsr
  cp kept.tsr alone.tsr
  rotate
  judged 0 "$HOLDS" kept.tsr
  # Without the note beside it, it is over something else.
  judged 3 "$RETIRED" alone.tsr
  # A note that the key did not sign, or of another checkpoint, is none.
  { head -n 4 note; tail -n 1 kept.note; } >other.note
  stamp good other.note other.tsr
  judged 3 "$RETIRED" other.tsr
  sed '2s/.*/3/' kept.note >size.note
  stamp good size.note size.tsr
  judged 3 "$RETIRED" size.tsr
  echo garbage >size.note
  judged 3 "$RETIRED" size.tsr
}

@test "stamped: too late, or not for certain early enough" {
  make_tsa good
  ACCURACY=secs:10 make_tsa vague
  stamp vague note vague.tsr
  rotate
  judged 3 "$RETIRED" vague.tsr vague/ca.pem
  stamp good note late.tsr
  judged 3 "$RETIRED" late.tsr
  [ "$stderr" = "tally: the timestamp does not count: it must be over this"`
    `" checkpoint, or over a note of it beside FILE, hold by \"--tsa-ca\", and"`
    `" be older than the order" ]
}

@test "stamped: another checkpoint, another authority, another digest" {
  make_tsa good
  make_tsa other
  DIGEST=sha1 make_tsa weak
  tally append log --chain c 7 >/dev/null
  stamp good log/public/tile/0/000.p/"$(ls log/public/tile/0/000.p | head -1)" \
    elsewhere.tsr
  checkpoint one
  stamp good log/public/checkpoint next.tsr
  stamp good note right.tsr
  stamp other note other.tsr
  stamp good note sha1.tsr sha1
  stamp weak note weak.tsr
  stamp good note sha512.tsr sha512
  rotate
  judged 0 "$HOLDS" right.tsr
  judged 0 "$HOLDS" sha512.tsr
  judged 3 "$RETIRED" elsewhere.tsr
  judged 3 "$RETIRED" next.tsr
  judged 3 "$RETIRED" other.tsr
  judged 3 "$RETIRED" right.tsr other/ca.pem
  judged 3 "$RETIRED" sha1.tsr
  judged 3 "$RETIRED" weak.tsr weak/ca.pem
  cat other/ca.pem good/ca.pem >both.pem
  judged 0 "$HOLDS" right.tsr both.pem
}

@test "stamped: certificates that are not for timestamps, or not of that time" {
  local how

  make_tsa server serverAuth
  make_tsa more critical,timeStamping,serverAuth
  make_tsa mild timeStamping
  make_tsa over critical,timeStamping 20200101000000Z 20210101000000Z
  make_tsa early critical,timeStamping 21000101000000Z
  for how in server more mild over early; do
    stamp "$how" note "$how.tsr" || : >"$how.tsr"
  done
  # openssl makes no token with a certificate that is not for timestamps.
  make_tsa good
  stamp good note right.tsr
  for how in server more mild; do
    cp good/tsa.key "$how/tsa.key"
  done
  rotate
  for how in server more mild over early; do
    judged 3 "$RETIRED" "$how.tsr" "$how/ca.pem"
  done
  [ -s over.tsr ]
  judged 0 "$HOLDS" right.tsr
}

@test "stamped: a certificate that has run out since does not take it away" {
  make_tsa short critical,timeStamping 20200101000000Z \
    "$(date -u -d '+12 seconds' +%Y%m%d%H%M%SZ)"
  stamp short note short.tsr
  rotate
  judged 0 "$HOLDS" short.tsr short/ca.pem
  # openssl says so by the clock of now.
  for _ in $(seq 60); do
    openssl ts -verify -in short.tsr -data note -CAfile short/ca.pem \
      >/dev/null 2>&1 || break
    sleep 0.5
  done
  run openssl ts -verify -in short.tsr -data note -CAfile short/ca.pem
  [ "$status" -ne 0 ]
  judged 0 "$HOLDS" short.tsr short/ca.pem
}

@test "stamped: however it is cut, and with something behind it, it never holds" {
  local cut size

  make_tsa good
  stamp good note right.tsr
  rotate
  judged 0 "$HOLDS" right.tsr
  size=$(stat -c %s right.tsr)
  for ((cut = 0; cut < size; cut += 149)); do
    head -c "$cut" right.tsr >cut.tsr
    judged 3 "$RETIRED" cut.tsr
  done
  { cat right.tsr; echo; } >long.tsr
  judged 3 "$RETIRED" long.tsr
  head -c 1048577 /dev/zero >huge
  run --separate-stderr tally check old --key one.pub --orders orders \
    --timestamp huge --tsa-ca good/ca.pem
  expect 3 ""
}

@test "stamped: what is refused" {
  local all='check old --key one.pub --orders orders'

  make_tsa good
  stamp good note right.tsr
  rotate
  # shellcheck disable=SC2086
  {
    run --separate-stderr tally $all --timestamp right.tsr
    expect 2 ""
    run --separate-stderr tally $all --tsa-ca good/ca.pem
    expect 2 ""
    run --separate-stderr tally check old --key one.pub \
      --timestamp right.tsr --tsa-ca good/ca.pem
    expect 2 ""
    refused 2 'there are no certificates to judge a timestamp by' \
      $all --timestamp right.tsr --tsa-ca one.pub
    run --separate-stderr tally $all --timestamp none --tsa-ca good/ca.pem
    expect 4 ""
  }
}
