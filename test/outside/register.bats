#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The register in S3, against the radosgw that tools/check-s3 started.
load ../cli/helper

signed() { # METHOD PATH [FILE [ARGUMENT ...]]
  local method=$1 path=$2 file=${3:-/dev/null}
  shift $(($# > 2 ? 3 : 2))
  [ "$file" = /dev/null ] || set -- "$@" --data-binary "@$file"
  curl -s --fail-with-body --aws-sigv4 aws:amz:default:s3 \
    -u KEY123:secret456 -X "$method" -H "x-amz-content-sha256: $(
      sha256sum <"$file" | cut -c 1-64)" "$@" "$S3_URL/$path"
}
setup() {
  begin_test
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  echo KEY123:secret456 >s3.key
}
configure() { # BUCKET [MEMBERS]
  printf '{"type":"s3","url":"%s/%s","prefix":"r/","region":"default",
    "key_file":"s3.key"%s}\n' "$S3_URL" "$1" "$2" >s3.json
}
bucket() { # NAME
  signed PUT "$1"
  configure "$1"
}
checkpoint() { # DIR
  run --separate-stderr tally checkpoint "$1" --key key --register s3.json
}

@test "register: what is signed is registered; a copy is not signed" {
  bucket register-one
  cp -r log copy
  echo '"here"' | tally append log --chain c >/dev/null
  echo '"there"' | tally append copy --chain c >/dev/null
  checkpoint log
  expect 0
  checkpoint copy
  expect 1
  # shellcheck disable=SC2154
  [[ $stderr == *'nothing was signed' ]]
  echo 2 | tally append log --chain c >/dev/null
  checkpoint log
  expect 0
  entry=$(printf %s example.org/audit | sha256sum | cut -c 1-64)
  cmp <(signed GET "register-one/r/$entry") <(head -n 3 log/public/checkpoint)
  # Another origin's in its place, and none.
  printf 'example.org/other\n1\n%044d\n' 0 >other
  signed PUT "register-one/r/$entry" other
  checkpoint log
  expect 3 ""
  signed DELETE "register-one/r/$entry"
  checkpoint log
  expect 2 ""
}

@test "register: in a bucket with versions it keeps no conditions" {
  bucket register-versions
  printf '<VersioningConfiguration><Status>Enabled</Status>%s' \
    '</VersioningConfiguration>' >xml
  signed PUT 'register-versions?versioning=' xml
  checkpoint log
  expect 2 ""
  [[ $stderr == *'keeps versions, where some servers do not keep conditions'* ]]
  configure register-versions ',"versioned":true'
  checkpoint log
  expect 5 ""
  [[ $stderr == *'nothing is signed' ]]
  [ ! -e log/public/checkpoint ]
}

@test "register: no bucket, and another key" {
  configure nobody-made-it
  checkpoint log
  expect 5 ""
  [[ $stderr == *'answers 404: NoSuchBucket; nothing is signed' ]]
  bucket register-key
  echo KEY123:wrong >s3.key
  checkpoint log
  expect 5 ""
  [[ $stderr == *'answers 403: SignatureDoesNotMatch; nothing is signed' ]]
}

@test "register: publishers of copies, killed at any moment" {
  bucket register-storm
  python3 "$SOURCE/test/outside/register_storm.py" "$TALLY" s3.json 12
}

# The steps of doc/outside.md; this server takes an ETag without its quotes.
@test "register: from a directory to S3 and back" {
  bucket register-moved
  at_dir() {
    run --separate-stderr tally checkpoint log --key key --register register
  }
  moving_steps "$S3_URL/register-moved/r" "s/tr -d '.r'/tr -d '\\\\r\"'/"
  at_dir
  expect 0
  for n in 1 2; do
    sh forth
    at_dir
    expect 3 ""
    echo "\"to $n\"" | tally append log --chain c >/dev/null
    checkpoint log
    expect 0
    sh back
    checkpoint log
    expect 3 ""
    echo "\"back $n\"" | tally append log --chain c >/dev/null
    at_dir
    expect 0
  done
}

# As on two hosts: neither sees the other's log, nor its locks and processes.
@test "register: publishers that share the server alone" {
  bucket register-hosts
  cp -r log copy
  for n in log copy; do
    (
      for _ in $(seq 40); do
        echo "\"$n\"" | tally append "$n" --chain c >/dev/null
        tally checkpoint "$n" --key key --register s3.json >/dev/null \
          2>>"$n.said" || true
        sed -n 1,3p "$n/public/checkpoint" 2>/dev/null >>"$n.signed" || true
      done
    ) &
  done
  wait
  # One of them was signed, and the other never.
  [ -s log.signed ] || [ -s copy.signed ]
  [ ! -s log.signed ] || [ ! -s copy.signed ]
}
