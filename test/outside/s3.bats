#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The sink for S3, against the radosgw that tools/check-s3 started.
load ../cli/helper

signed() { # METHOD PATH [ARGUMENT ...]
  local method=$1 path=$2
  shift 2
  # The hash of no body, which is signed as well.
  curl -s --fail-with-body --aws-sigv4 aws:amz:default:s3 \
    -u KEY123:secret456 -X "$method" -H "x-amz-content-sha256: $(printf '' |
      sha256sum | cut -c 1-64)" "$@" "$S3_URL/$path"
}
make_signed() {
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  events 1 5 | tally append log --chain c >/dev/null
  publish
  echo KEY123:secret456 >s3.key
}
publish() {
  tally checkpoint log --key key --register register >/dev/null 2>&1
}
configure() { # BUCKET
  printf '{"sinks":[{"name":"s3","type":"s3","url":"%s/%s","prefix":"a/",
    "region":"default","key_file":"s3.key","retain_days":2}]}\n' \
    "$S3_URL" "$1" >sinks.json
}
send() {
  tally sink send log --config sinks.json --key key --queue queue
}
check() {
  run --separate-stderr tally sink check log --config sinks.json \
    --key key.pub --queue queue
}

@test "objects are locked, read back, and found against a log that was cut" {
  make_signed
  signed PUT locked -H 'x-amz-bucket-object-lock-enabled: true'
  configure locked
  send
  check
  expect 0
  cp -r log yesterday
  for n in 1 2 3; do
    tally append log --chain "d$n" 1 >/dev/null
    publish
    send
  done
  check
  expect 0
  [[ ${lines[0]} == *'4 lines, newest size 13' ]]
  # Nobody removes a version before its date.
  signed GET 'locked?versions=' >versions
  python3 - versions >pairs <<'PY'
import re, sys
for version in re.findall(r"<Version>.*?</Version>", open(sys.argv[1]).read(),
                          re.S):
    print(*(re.search(f"<{name}>(.*?)</{name}>", version)[1]
            for name in ("Key", "VersionId")))
PY
  [ "$(wc -l <pairs)" = 4 ]
  while read -r key version; do
    run signed DELETE "locked/$key?versionId=$version"
    [ "$status" -ne 0 ]
    [[ $output == *AccessDenied* ]]
  done <pairs
  check
  expect 0
  rm -r log
  cp -r yesterday log
  check
  expect 1
  [[ $output == *'truncated  the log is shorter than the checkpoint'* ]]
}

@test "a bucket without Object Lock takes nothing" {
  make_signed
  signed PUT open
  configure open
  run --separate-stderr send
  expect 5
  grep -q 'the sink "s3" failed' <<<"$stderr"
  [[ $output == *'waiting'* ]]
}

@test "who hides the newest object is told" {
  make_signed
  signed PUT hidden -H 'x-amz-bucket-object-lock-enabled: true'
  configure hidden
  send
  key=$(signed GET 'hidden?list-type=2' | grep -o '<Key>[^<]*' | cut -c 6-)
  signed DELETE "hidden/$key"
  check
  expect 3
  [[ $stderr == *'has lost what it had'* ]]
}

@test "any object that is hidden is told, and is read nevertheless" {
  make_signed
  signed PUT three -H 'x-amz-bucket-object-lock-enabled: true'
  configure three
  send
  cp -r log yesterday
  for n in 1 2; do
    tally append log --chain "d$n" 1 >/dev/null
    publish
    send
  done
  signed GET 'three?list-type=2' | grep -o '<Key>[^<]*' | cut -c 6- >keys
  [ "$(wc -l <keys)" = 3 ]
  for n in 1 2 3; do
    key=$(sed -n "${n}p" keys)
    signed DELETE "three/$key"
    check
    expect 3
    [[ ${lines[0]} == *"3 lines, newest size"* ]]
    [[ $stderr == *'has lost what it had'* ]]
    # Whoever takes the marker away makes it as it was.
    signed GET 'three?versions=' >versions
    marker=$(tr -d '\n' <versions | grep -o '<DeleteMarker>.*</DeleteMarker>' |
      grep -o '<VersionId>[^<]*' | head -n 1 | cut -c 12-)
    signed DELETE "three/$key?versionId=$marker"
    check
    expect 0
  done
  # A marker where nothing was hides nothing.
  signed DELETE "three/$(dirname "$key")/other"
  check
  expect 0
  # All of them are hidden, and the log is put back.
  while read -r key; do signed DELETE "three/$key"; done <keys
  rm -r log
  cp -r yesterday log
  check
  expect 1
  [[ $output == *'truncated  the log is shorter than the checkpoint'* ]]
}

@test "what another version covers is read" {
  make_signed
  signed PUT covered -H 'x-amz-bucket-object-lock-enabled: true'
  configure covered
  send
  cp -r log yesterday
  tally append log --chain d 1 >/dev/null
  publish
  send
  signed GET 'covered?list-type=2' | grep -o '<Key>[^<]*' | cut -c 6- >keys
  while read -r key; do
    curl -s --fail-with-body --aws-sigv4 aws:amz:default:s3 \
      -u KEY123:secret456 -X PUT --data-binary garbage \
      -H "x-amz-content-sha256: $(printf garbage | sha256sum | cut -c 1-64)" \
      -H "Content-MD5: $(printf garbage | openssl md5 -binary | base64)" \
      "$S3_URL/covered/$key"
  done <keys
  check
  expect 0
  [[ $stderr == *'holds 2 lines that the key did not sign' ]]
  rm -r log
  cp -r yesterday log
  check
  expect 1
}

# A page has 1000 of them.
@test "many versions, and more than a page of one object before" {
  make_signed
  signed PUT pages -H 'x-amz-bucket-object-lock-enabled: true'
  configure pages
  send
  key=$(signed GET 'pages?list-type=2' | grep -o '<Key>[^<]*' | cut -c 6-)
  curl -s --fail-with-body --aws-sigv4 aws:amz:default:s3 \
    -u KEY123:secret456 -X PUT --data-binary garbage \
    -H "x-amz-content-sha256: $(printf garbage | sha256sum | cut -c 1-64)" \
    -H "Content-MD5: $(printf garbage | openssl md5 -binary | base64)" \
    "$S3_URL/pages/$(dirname "$key")/00000000000000000001-000001.json#[1-1100]"
  check
  expect 0
  [[ ${lines[0]} == *'1 lines, newest size'* ]]
  [[ $stderr == *'holds 1100 lines that the key did not sign' ]]
}

@test "another key is refused" {
  make_signed
  signed PUT other -H 'x-amz-bucket-object-lock-enabled: true'
  configure other
  echo KEY123:wrong >s3.key
  run --separate-stderr send
  expect 5
  [[ $stderr == *'answers 403'* ]]
}
