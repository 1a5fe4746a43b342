#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally sink: each kind of sink against a real other end; what is found when
# the log, or the sink, is not what went out.
load helper

teardown() {
  [ ! -s servers ] || while read -r pid; do kill "$pid" 2>/dev/null || true
  done <servers
}

make_signed() { # COUNT
  make_log log --origin example.org/audit
  tally key generate key --name example.org/audit --no-passphrase >key.pub
  events 1 "${1:-5}" | tally append log --chain c >/dev/null
  publish
}
publish() {
  tally checkpoint log --key key --register register >/dev/null 2>&1
  size=$(sed -n 2p log/public/checkpoint)
}
grow() { # COUNT [CHAIN]
  events 1 "$1" | tally append log --chain "${2:-c}" >/dev/null
  publish
}
# The configuration: one sink, its members as JSON.
configure() { # JSON
  printf '{"sinks":[%s]}\n' "$1" >sinks.json
}
send() {
  tally sink send log --config sinks.json --key key "${queue[@]}" "$@"
}
check() {
  run --separate-stderr tally sink check log --config sinks.json \
    --key key.pub "${queue[@]}" "$@"
}
# Where the queue is, if it is not in the log.
queue=()
# Starts a peer; $address is what it printed.
peer() { # KIND ARGUMENT ...
  rm -f "peer.$1"
  python3 "$SOURCE/test/cli/outside_peers.py" "$@" >"peer.$1" 2>"peer.$1.err" &
  echo $! >>servers
  eventually test -s "peer.$1"
  address=$(cat "peer.$1")
}
# Puts yesterday's log back, and other records behind it.
roll_back() {
  rm -r log
  cp -r yesterday log
  rm -rf log/run log/index
}
# Whatever a sink is: sends thrice, checks, and finds a log that was cut, and
# one that was rewritten.
prove_sink() {
  send >sent
  grep -q 'sent.*size 7 of 7' sent
  check
  expect 0
  cp -r log yesterday
  grow 3 d
  grow 2 c
  send
  check
  expect 0
  [[ ${lines[0]} == *intact*"newest size $size" ]]
  roll_back
  check
  expect 1
  [[ $output == *'truncated  the log is shorter than the checkpoint'* ]]
  check --json
  [[ $output == *'"kind":"truncated"'* ]]
  events 50 90 | tally append log --chain c >/dev/null
  check
  expect 1
  [[ $output == *'rolled-back  the log has another root at size'* ]]
}

@test "what is refused" {
  make_signed
  refused 2 '"--config" is missing; see "tally sink send --help"' sink send log
  refused 2 '"--key" is missing; see "tally sink check --help"' sink check log \
    --config x
  echo '{' >sinks.json
  run --separate-stderr send
  expect 2 ""
  [[ $stderr == 'tally: line '*' of the configuration: '* ]]
  echo '{}' >sinks.json
  run --separate-stderr send
  expect 2 "" \
    'tally: the configuration has no array "sinks" of at most 64'
  configure '{"name":"a/b","type":"file"}'
  run --separate-stderr send
  expect 2 "" 'tally: a sink has a "type" and a "name" of letters, digits, "_"'`
    `' and "-"'
  configure '{"name":"a","type":"stone"}'
  run --separate-stderr send
  expect 2 "" 'tally: the sink "a" is of type "stone", which there is none of'
  configure '{"name":"a","type":"file"}'
  run --separate-stderr send
  expect 2 "" 'tally: the sink "a" needs a string "path"'
  configure '{"name":"a","type":"file","path":"f"},{"name":"a","type":"file"}'
  run --separate-stderr send
  expect 2 "" 'tally: there are two sinks "a"'
  configure '{"name":"a","type":"s3","url":"http://x/b","region":"r",'`
    `'"key_file":"key"}'
  run --separate-stderr send
  expect 2 "" 'tally: the first line of "key" is not KEY:SECRET'
}

@test "file: each line once, heads that changed, appended only" {
  make_signed
  configure '{"name":"usb","type":"file","path":"mount/heads"}'
  mkdir mount
  send
  [ "$(wc -l <mount/heads)" = 1 ]
  send
  [ "$(wc -l <mount/heads)" = 1 ]
  grow 2 d
  send
  [ "$(wc -l <mount/heads)" = 2 ]
  # c did not change.
  tail -n 1 mount/heads | jq -r '.dispatch.heads[].chain' | sort >chains
  grep -qx d chains
  ! grep -qx c chains
  [ "$(tail -n 1 mount/heads | jq .dispatch.since)" = 7 ]
  [ "$(tail -n 1 mount/heads | jq -r .dispatch.checkpoint)" = \
    "$(cat log/public/checkpoint)" ]
  # A line that a crash cut off harms no other.
  printf '{"dispatch":{"check' >>mount/heads
  grow 1 e
  send
  [ "$(wc -l <mount/heads)" = 4 ]
  check
  expect 0
  [ "$stderr" = 'tally: the sink "usb" holds 1 lines that the key did not sign' ]
}

@test "file: a log that was cut or rewritten" {
  make_signed
  configure '{"name":"usb","type":"file","path":"heads"}'
  prove_sink
}

@test "a chain that was rewritten is named, with its seq" {
  make_signed
  configure '{"name":"usb","type":"file","path":"heads"}'
  send
  cp -r log yesterday
  grow 3 'org/42'
  send
  roll_back
  for n in 1 2 3; do
    tally append log --chain org/42 "{\"forged\":$n}" >/dev/null
  done
  events 1 9 | tally append log --chain c >/dev/null
  run tally sink check log --config sinks.json --key key.pub --json
  [ "$status" -eq 1 ]
  jq -r 'select(.kind and .chain == "org/42") | "\(.kind) \(.seq)"' \
    <<<"$output" >found
  [ "$(cat found)" = 'rolled-back 3' ]
}

@test "many heads go out in parts, each signed" {
  make_signed
  for i in $(seq 1200); do echo "chain/with/a/longer/name/$i"; done |
    xargs -P 4 -I{} "$TALLY" append log --chain {} 1 >/dev/null
  publish
  configure '{"name":"usb","type":"file","path":"heads"}'
  send
  parts=$(head -n 1 heads | jq .dispatch.parts)
  [ "$parts" -gt 2 ]
  [ "$(wc -l <heads)" = "$parts" ]
  [ "$(jq -r '.dispatch.heads[].chain' heads | sort -u | wc -l)" = 1203 ]
  [ "$(awk '{ if (length($0) > 49151) print }' heads)" = "" ]
  check
  expect 0
}

@test "a line that was changed, or signed by another, does not count" {
  make_signed
  configure '{"name":"usb","type":"file","path":"heads"}'
  send
  cp heads good
  sed 's/"seq":5/"seq":4/' good >heads
  check
  expect 3
  [[ $stderr == *'1 lines whose signature does not hold'* ]]
  tally key generate other --name example.org/audit --no-passphrase >other.pub
  cp good heads
  run --separate-stderr tally sink check log --config sinks.json --key other.pub
  expect 3
  [[ $stderr == *'1 lines that the key did not sign'* ]]
  # Garbage beside it hides nothing.
  { echo garbage; cat good; printf '\0\377\n'; } >heads
  check
  expect 0
  # A sink that was emptied is told.
  : >heads
  check
  expect 3
  [[ $stderr == *'the sink "usb" has lost what it had'* ]]
  rm heads
  check
  expect 3
}

@test "a checkpoint that the key did not sign does not go out" {
  make_signed
  configure '{"name":"usb","type":"file","path":"heads"}'
  head -n 4 log/public/checkpoint >unsigned
  printf '\xe2\x80\x94 example.org/audit %s\n' \
    "$(head -c 68 /dev/zero | base64 -w 0)" >>unsigned
  cp unsigned log/public/checkpoint
  run --separate-stderr send
  expect 2 "" 'tally: the checkpoint is not signed by the key'`
    `' "example.org/audit"; nothing goes out'
  [ ! -e heads ]
}

@test "a sink that fails does not stop the others, and catches up" {
  make_signed
  mkdir gone
  configure '{"name":"bad","type":"file","path":"gone/heads"},'`
    `'{"name":"good","type":"file","path":"heads"}'
  rmdir gone
  run --separate-stderr send
  expect 5
  [[ $stderr == *'the sink "bad" failed: cannot open "gone/heads": '* ]]
  [ "$(wc -l <heads)" = 1 ]
  grow 2 d
  run send
  [ "$status" -eq 5 ]
  [ "$(wc -l <heads)" = 2 ]
  [ "$(find log/sinks/bad -name '0*' | wc -l)" = 2 ]
  jq -e '.failures == 2 and .failing_since_us > 0' log/sinks/bad/state
  mkdir gone
  send
  cmp heads gone/heads
  jq -e '.failures == 0' log/sinks/bad/state
}

@test "a full queue takes no more; the next one carries all that changed" {
  make_signed
  configure '{"name":"bad","type":"file","path":"gone/heads","queue_lines":2}'
  for chain in d e f g; do
    grow 1 "$chain"
    send || true
  done
  [ "$(find log/sinks/bad -name '0*' | wc -l)" = 2 ]
  mkdir gone
  # What the queue did not take is not left behind when it is empty again.
  send >sent
  grep -q 'sent.*size 15 of 15' sent
  [ "$(wc -l <gone/heads)" = 3 ]
  grow 1 h
  send
  [ "$(wc -l <gone/heads)" = 4 ]
  jq -r '.dispatch.heads[].chain' gone/heads | sort -u | tr '\n' ' ' >chains
  [ "$(cat chains)" = 'c d e f g h tally:heads tally:log ' ] ||
    [ "$(cat chains)" = 'c d e f g h tally:heads ' ]
  check
  expect 0
}

@test "killed at any moment, a sink has everything in the end" {
  make_signed
  configure '{"name":"usb","type":"file","path":"heads"}'
  for turn in $(seq 20); do
    grow 1 "c$turn"
    timeout -s KILL "0.00$((turn % 10 + 1))" "$TALLY" sink send log \
      --config sinks.json --key key >/dev/null 2>&1 || true
  done
  send
  check
  expect 0
  jq -r '.dispatch.heads[].chain' heads | sort -u >chains
  for turn in $(seq 20); do grep -qx "c$turn" chains; done
  # None is without the one before it.
  jq -r '"\(.dispatch.since) \(.dispatch.checkpoint | split("\n")[1])"' heads |
    awk '$1 > last { exit 1 } $2 > last { last = $2 }'
}

@test "two senders exclude each other; who checks waits for nobody" {
  make_signed
  configure '{"name":"usb","type":"file","path":"heads"}'
  send
  (flock 9; sleep 30) 9<log/sinks &
  echo $! >>servers
  eventually bash -c '! flock -n log/sinks true'
  run --separate-stderr send
  expect 6 "" 'tally: another process delivers from "log/sinks"'
  check
  expect 0
}

@test "git: commits, and pushes to a remote" {
  command -v git >/dev/null || skip "git is not installed"
  export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
  make_signed
  git init -q --bare remote.git
  git init -q -b main work
  git -C work remote add origin ../remote.git
  configure '{"name":"git","type":"git","repository":"work","push":"origin",'`
    `'"branch":"main"}'
  prove_sink
  [ "$(git -C remote.git rev-list --count main)" -ge 2 ]
  git -C remote.git log --format=%s main | grep -q 'example.org/audit, size 7'
  # Whoever rewrites the remote's history is told.
  git -C remote.git update-ref refs/heads/main \
    "$(git -C remote.git rev-list main | tail -n 1)"
  rm -r log
  cp -r yesterday log
  check --queue log/sinks
  [ "$status" -eq 0 ]
}

@test "git: without a remote, and a hook that would stop it" {
  command -v git >/dev/null || skip "git is not installed"
  export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
  make_signed
  git init -q -b main work
  printf '#!/bin/sh\nexit 1\n' >work/.git/hooks/pre-commit
  chmod +x work/.git/hooks/pre-commit
  configure '{"name":"git","type":"git","repository":"work"}'
  send
  check
  expect 0
  # Killed between commit and the queue's state: no second commit.
  grow 1
  send
  rm log/sinks/git/state
  send
  [ -z "$(git -C work status --porcelain)" ]
  check
  expect 0
  git -C work update-ref refs/heads/main \
    "$(git -C work rev-list main | tail -n 1)"
  check
  expect 3
  [[ $stderr == *'has lost what it had'* ]]
}

@test "syslog: unix socket, UDP, TCP" {
  make_signed
  peer unix socket messages
  configure '{"name":"s","type":"syslog","address":"unix:socket",'`
    `'"read":"messages"}'
  sending() { send && eventually has_lines messages "$1"; }
  sending 1
  check
  expect 0
  peer udp messages
  configure "{\"name\":\"s\",\"type\":\"syslog\",\"address\":\"$address\",
    \"read\":\"messages\"}"
  grow 1
  sending 2
  check
  expect 0
  peer tcp messages
  configure "{\"name\":\"s\",\"type\":\"syslog\",\"address\":\"$address\",
    \"read\":\"messages\"}"
  grow 1
  sending 3
  check
  expect 0
  [[ ${lines[0]} == *"3 lines, newest size $size" ]]
  # Without what the server wrote it cannot be read back, and says so.
  configure "{\"name\":\"s\",\"type\":\"syslog\",\"address\":\"$address\"}"
  check
  expect 0 "" 'tally: the sink "s" cannot be read back'
  configure '{"name":"s","type":"syslog","address":"tcp:127.0.0.1:1"}'
  grow 1
  run --separate-stderr send
  expect 5
  [[ $stderr == *'cannot send to "tcp:127.0.0.1:1": Connection refused'* ]]
}

make_certificate() { # NAME DAYS SUBJECT_ALT_NAME
  openssl req -newkey rsa:2048 -nodes -subj "/CN=$1" -keyout "$1.key" \
    -out "$1.csr" 2>/dev/null
  echo "subjectAltName=$3" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -days "$2" \
    -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  cat "$1.crt" "$1.key" >"$1.pem"
}
make_ca() { # NAME
  getent hosts localhost >/dev/null || skip "localhost has no address here"
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj "/CN=$1" \
    -keyout "$1.key" -out "$1.pem" 2>/dev/null
}
# The sink, with some members of its own.
over_tls() { # ADDRESS [MEMBERS]
  configure '{"name":"s","type":"syslog","address":"'"$1"'","read":"messages",'`
    `'"ca":"ca.pem"'"${2:+,$2}"'}'
}
fails_with() { # WORDS
  run --separate-stderr send
  expect 5
  # shellcheck disable=SC2053 # it is a pattern
  [[ $stderr == 'tally: the sink "s" failed: cannot send to "tls:'*': '$1 ]]
}

@test "syslog over TLS: rsyslogd, which wants to know its clients" {
  PATH=$PATH:/usr/sbin
  command -v rsyslogd >/dev/null || skip "rsyslog is not installed"
  make_signed
  make_ca ca
  make_certificate server 2 DNS:localhost
  make_certificate client 2 DNS:client.example
  make_certificate stranger 2 DNS:stranger.example
  cat >rsyslog.conf <<END
global(workDirectory="$PWD" maxMessageSize="64k"
  defaultNetstreamDriverCAFile="$PWD/ca.pem"
  defaultNetstreamDriverCertFile="$PWD/server.crt"
  defaultNetstreamDriverKeyFile="$PWD/server.key")
module(load="imtcp" streamDriver.name="${RSYSLOG_DRIVER-gtls}"
  streamDriver.mode="1" streamDriver.authMode="x509/name"
  permittedPeer=["client.example"])
input(type="imtcp" address="127.0.0.1" port="0" listenPortFileName="$PWD/port")
template(name="line" type="string"
  string="%timegenerated% %hostname% %syslogtag% %pri% %msg%\n")
if \$programname == "tally" then
  action(type="omfile" file="$PWD/messages" template="line")
END
  rsyslogd -n -f "$PWD/rsyslog.conf" -i "$PWD/pid" 2>rsyslog.err 3>&- &
  echo $! >>servers
  eventually test -s port
  address=tls:localhost:$(cat port)
  over_tls "$address" '"client_certificate":"client.crt","client_key":"client.key"'
  # Two parts, of which the first is as long as it can be.
  for i in $(seq 300); do echo "chain/$(times 100 x)/$i"; done |
    xargs -P 4 -I{} "$TALLY" append log --chain {} 1 >/dev/null
  publish
  send
  eventually has_lines messages 2
  grep -q ' tally\[[0-9]*\] 109  *{"dispatch"' messages
  check
  expect 0 "s  intact  2 lines, newest size $size"
  grow 1
  over_tls "$address" \
    '"client_certificate":"stranger.crt","client_key":"stranger.key"'
  fails_with '*'
  over_tls "$address"
  fails_with '*'
  [ "$(wc -l <messages)" = 2 ]
  over_tls "$address" '"client_certificate":"client.crt","client_key":"client.key"'
  send
  eventually has_lines messages 3
  check
  expect 0 "s  intact  3 lines, newest size $size"
}

@test "syslog over TLS: whom it trusts" {
  make_signed
  make_ca ca
  make_ca other
  make_certificate server 2 DNS:localhost
  openssl rsa -aes256 -passout pass:x -in server.key -out locked.key 2>/dev/null
  peer tls messages server.pem
  over_tls "$address"
  send
  check
  expect 0
  grow 1
  over_tls "${address/localhost/127.0.0.1}"
  fails_with 'IP address mismatch'
  over_tls "$address" '"server_name":"127.0.0.1"'
  fails_with 'IP address mismatch'
  over_tls "$address"
  sed -i 's/ca.pem/other.pem/' sinks.json
  fails_with 'unable to get local issuer certificate'
  # Nor is it one of the system's.
  sed -i 's/,"ca":"other.pem"//' sinks.json
  fails_with 'unable to get local issuer certificate'
  over_tls "$address" '"client_certificate":"server.crt","client_key":"ca.key"'
  fails_with '"client_key" cannot be read, or is that of another certificate'
  over_tls "$address" \
    '"client_certificate":"server.crt","client_key":"locked.key"'
  fails_with '"client_key" cannot be read, or is that of another certificate'
  over_tls "$address" '"client_certificate":"none","client_key":"server.key"'
  fails_with '"client_certificate" cannot be read'
  rm ca.pem
  over_tls "$address"
  fails_with '"ca" cannot be read'
  [ "$(wc -l <messages)" = 1 ]
}

@test "syslog over TLS: another name, and one that is over" {
  make_signed
  make_ca ca
  make_certificate elsewhere 2 DNS:loghost.example,DNS:*.wild.example
  make_certificate number 2 IP:127.0.0.1
  make_certificate expired 0 DNS:localhost
  peer tls messages expired.pem
  over_tls "$address"
  fails_with 'certificate has expired'
  peer tls messages elsewhere.pem
  over_tls "$address"
  fails_with 'hostname mismatch'
  over_tls "$address" '"server_name":"a.b.wild.example"'
  fails_with 'hostname mismatch'
  [ ! -s messages ]
  over_tls "$address" '"server_name":"loghost.example"'
  send
  grow 1
  over_tls "$address" '"server_name":"a.wild.example"'
  send
  peer tls messages number.pem
  grow 1
  over_tls "$address"
  fails_with 'hostname mismatch'
  over_tls "${address/localhost/127.0.0.1}"
  send
  check
  expect 0
  [[ ${lines[0]} == *"newest size $size" ]]
}

@test "syslog over TLS: a server that hangs, cuts, talks, or is too old" {
  make_signed
  make_ca ca
  make_certificate server 2 DNS:localhost
  meets() { # HOW WORDS
    peer tls messages server.pem "$1"
    over_tls "$address"
    fails_with "$2"
  }
  meets cut '*'
  meets old '*protocol*'
  # Each within its time, together with the others.
  addresses=() senders=()
  for how in mute deaf silent chatty asking; do
    peer tls messages server.pem "$how"
    addresses+=("$address")
  done
  for address in "${addresses[@]}"; do
    over_tls "$address"
    cp sinks.json "sinks${address##*:}.json"
    timeout 30 "$TALLY" sink send log --config "sinks${address##*:}.json" \
      --key key --queue "queue${address##*:}" >"said${address##*:}" 2>&1 3>&- &
    senders+=($!)
  done
  for sender in "${senders[@]}"; do wait "$sender" || [ $? -eq 5 ]; done
  for address in "${addresses[@]}"; do
    grep -q 'the server took too long' "said${address##*:}"
  done
  # It goes on; many close the connection only.
  peer tls messages server.pem rude
  over_tls "$address"
  send
  check
  expect 0
}

@test "syslog over TLS: what is refused" {
  make_signed
  configure '{"name":"s","type":"syslog","address":"tls:host"}'
  run --separate-stderr send
  expect 2 "" 'tally: "address" of the sink "s" is none of unix:PATH,'`
    `' udp:HOST:PORT, tcp:HOST:PORT, tls:HOST:PORT'
  configure '{"name":"s","type":"syslog","address":"tcp:h:1","ca":"x"}'
  run --separate-stderr send
  expect 2 "" 'tally: the sink "s" has "ca", and no address tls:HOST:PORT'
  configure '{"name":"s","type":"syslog","address":"tls:h:1","client_key":"x"}'
  run --separate-stderr send
  expect 2 "" 'tally: the sink "s" has one of "client_certificate" and'`
    `' "client_key" without the other'
}

# A journal of our own: journald under another /run, in its own mount namespace.
# Its socket and its files are under run here as well.
start_journal() {
  local daemon=/lib/systemd/systemd-journald namespace=(unshare -m)

  [ -x "$daemon" ] && command -v journalctl >/dev/null ||
    skip "systemd's journal is not installed"
  if [ "$(id -u)" -ne 0 ]; then
    namespace=(unshare -rm)
  elif ! unshare -m true 2>/dev/null; then
    # In a chroot that is no mount nothing can be made private.
    namespace=(unshare -m --propagation unchanged)
  fi
  mkdir -p probe
  "${namespace[@]}" mount --bind . probe 2>/dev/null ||
    skip "no mount namespace can be made here"
  if [ -e probe/probe ]; then
    umount probe
    skip "mounts are shared here, and would stay"
  fi
  mkdir -p run/systemd/journal run/systemd/journald.conf.d run/log/journal empty
  # The kernel is not asked for anything, nor told.
  printf '[Journal]\nAudit=\nReadKMsg=no\nForwardToWall=no\n%s\n' \
    'RateLimitBurst=0' >run/systemd/journald.conf.d/test.conf
  if [ ! -s /etc/machine-id ]; then
    mkdir etc
    echo 5ac7e1a5ac7e1a5ac7e1a5ac7e1a5ac7 >etc/machine-id
  fi
  cat >start <<END
mount --bind run /run
[ ! -d etc ] || mount --bind etc /etc
[ ! -d /var/log/journal ] || mount --bind empty /var/log/journal
# A chroot may have none, and journald asks where it is.
if [ ! -d /sys/fs/cgroup ]; then
  mount -t tmpfs none /sys
  mkdir -p /sys/fs/cgroup
  mount -t cgroup2 none /sys/fs/cgroup
fi
exec $daemon
END
  "${namespace[@]}" sh start 2>journald.err 3>&- &
  journal=$!
  echo "$journal" >>servers
  eventually test -S run/systemd/journal/socket
  beside_journal journalctl --sync >/dev/null 2>&1 ||
    skip "journald does not run here: $(tail -n 1 journald.err)"
}
# Where the journal is the machine's.
beside_journal() {
  local user=()

  [ "$(id -u)" -eq 0 ] || user=(-U --preserve-credentials)
  nsenter -t "$journal" -m -r "${user[@]}" --wd="$PWD" "$@"
}
# As if it was sent so long ago.
sent_ago() { # SINK SECONDS
  jq -c --argjson ago "$2" '.sent_us = (now - $ago) * 1000000 | .sent_us |=
    floor' "log/sinks/$1/state" >state
  mv state "log/sinks/$1/state"
}

@test "journald: a log that was cut or rewritten" {
  make_signed
  start_journal
  configure '{"name":"j","type":"journald","socket":"run/systemd/journal/socket",'`
    `'"directory":"run/log/journal"}'
  send() {
    tally sink send log --config sinks.json --key key "$@"
    beside_journal journalctl --sync
  }
  prove_sink
  journalctl --quiet --directory run/log/journal --output=json \
    TALLY_ORIGIN=example.org/audit TALLY_SIZE=7 >entry
  jq -e '.PRIORITY == "5" and .SYSLOG_FACILITY == "13" and .TALLY_PART == "1"
    and .SYSLOG_IDENTIFIER == "tally"' entry
}

@test "journald: the machine's own, long lines, and a journal that was lost" {
  make_signed
  start_journal
  configure '{"name":"j","type":"journald"}'
  for i in $(seq 300); do echo "chain/$(times 100 x)/$i"; done |
    xargs -P 4 -I{} "$TALLY" append log --chain {} 1 >/dev/null
  publish
  beside() { run --separate-stderr beside_journal "$TALLY" "$@"; }
  beside sink send log --config sinks.json --key key
  expect 0
  beside sink check log --config sinks.json --key key.pub
  expect 0
  [[ $output == *"newest size $size" ]]
  # What is not signed is none of this log's.
  printf 'TALLY_ORIGIN=example.org/audit\nMESSAGE={"dispatch":\n' >garbage
  beside_journal python3 -c 'import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.sendto(open("garbage", "rb").read(), "/run/systemd/journal/socket")'
  beside sink check log --config sinks.json --key key.pub
  expect 0
  [[ $stderr == *'holds 1 lines that the key did not sign' ]]
  # The journal is emptied, and goes on.
  kill "$journal"
  wait "$journal" || true
  rm -r run/log/journal/* run/systemd/journal/socket
  start_journal
  # What nobody acknowledged may be on its way for a while.
  sent_ago j 0
  beside sink check log --config sinks.json --key key.pub
  expect 3
  [[ $stderr != *'has lost'* ]]
  sent_ago j 60
  beside sink check log --config sinks.json --key key.pub
  expect 3
  [[ $stderr == *'the sink "j" has lost what it had'* ]]
  grow 1
  beside sink send log --config sinks.json --key key
  expect 0
  beside sink check log --config sinks.json --key key.pub
  expect 0
}

@test "journald: no journal runs" {
  make_signed
  configure '{"name":"j","type":"journald","socket":"none","directory":"."}'
  run --separate-stderr send
  expect 5
  [[ $stderr == *'cannot send to "none": No such file or directory'* ]]
}

@test "webhook: signed body, HMAC, token, and an outage" {
  make_signed
  echo token123 >token
  echo secret456 >secret
  peer webhook posted token123
  configure "{\"name\":\"hook\",\"type\":\"webhook\",\"url\":\"$address/in\",
    \"read\":\"$address/out\",\"token_file\":\"token\",
    \"secret_file\":\"secret\"}"
  send
  mac=$(head -n 1 posted | tr -d '\n' | openssl dgst -sha256 -hmac secret456 |
    sed 's/.* //')
  [ "$(cat posted.headers)" = "sha256=$mac 7-1" ]
  : >posted.down
  grow 1
  run --separate-stderr send
  expect 5
  [[ $stderr == *'answers 503: down for now' ]]
  check
  expect 5
  rm posted.down
  send
  [ "$(wc -l <posted)" = 2 ]
  check
  expect 0
  echo wrong >token
  grow 1
  run --separate-stderr send
  expect 5
  [[ $stderr == *'answers 401'* ]]
}

# The receiver is the one that the manual shows.
@test "webhook: what is forged, or was kept and is sent again" {
  make_signed
  printf 'secret 456\nmore\n' >secret
  peer webhook posted
  configure "{\"name\":\"hook\",\"type\":\"webhook\",\"url\":\"$address\",
    \"secret_file\":\"secret\"}"
  before=$(date +%s)
  send
  sed -n '/^```python$/,/^```$/{/^```/!p}' "$SOURCE/doc/outside.md" >receiver.py
  cat >judge.py <<'END'
import sys
from receiver import is_from_tally

secret = open("secret", "rb").readline().rstrip(b"\n")
signature, body = open("posted.signature").read(), open("posted", "rb").read()[:-1]
sent = int(signature.partition(",")[0].removeprefix("t="))
mac = signature.partition("v1=")[2]
assert int(sys.argv[1]) <= sent <= int(sys.argv[1]) + 60
assert is_from_tally(secret, signature, body)
for now in (sent - 300, sent, sent + 300):
    assert is_from_tally(secret, signature, body, now)
for now in (0, sent - 301, sent + 301, 2 * sent):
    assert not is_from_tally(secret, signature, body, now)
for again in ("", "t", "t=,v1=", f"t={sent}", f"v1={mac}", f"t=x,v1={mac}",
              f"t=-{sent},v1={mac}", f"t={sent + 1},v1={mac}", f"t={sent},v1=",
              f"t={sent},v1={mac[:-1]}", f"t={sent},v1={mac}0", f"t=0{sent},v1={mac}",
              f"t={'9' * 5000},v1={mac}", f"t={sent},v1=\u00e4", f"t={sent},v1={mac},v1={mac[::-1]}"):
    assert not is_from_tally(secret, again, body, sent), again
for i in range(len(body)):
    other = body[:i] + bytes([body[i] ^ 1]) + body[i + 1:]
    assert not is_from_tally(secret, signature, other, sent), i
assert not is_from_tally(secret + b" ", signature, body, sent)
END
  python3 judge.py "$before"
}

@test "webhook: a log that was cut or rewritten" {
  make_signed
  peer webhook posted
  configure "{\"name\":\"hook\",\"type\":\"webhook\",\"url\":\"$address\",
    \"read\":\"$address\"}"
  prove_sink
}

# A body's signature, by openssl alone.
@test "openssl verifies a dispatch" {
  make_signed
  configure '{"name":"usb","type":"file","path":"heads"}'
  send
  { printf 'tally-dispatch/v1\n'
    sed 's/^{"dispatch"://; s/,"signature":"[^"]*"}$//' heads | tr -d '\n'
  } >message
  jq -r .signature heads | base64 -d >signature
  openssl pkey -in key -pubout >public.pem
  openssl pkeyutl -verify -pubin -inkey public.pem -rawin -in message \
    -sigfile signature
}

make_tsa() {
  mkdir tsa
  cat >tsa/openssl.cnf <<'END'
[tsa]
default_tsa = t
[t]
dir = tsa
serial = tsa/serial
signer_cert = tsa/tsa.pem
certs = tsa/ca.pem
signer_key = tsa/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
ordering = yes
ess_cert_id_alg = sha256
[ext]
extendedKeyUsage = critical,timeStamping
END
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca \
    -keyout tsa/ca.key -out tsa/ca.pem 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj /CN=tsa -keyout tsa/tsa.key \
    -out tsa/tsa.csr 2>/dev/null
  openssl x509 -req -in tsa/tsa.csr -CA tsa/ca.pem -CAkey tsa/ca.key \
    -days 2 -extfile tsa/openssl.cnf -extensions ext -out tsa/tsa.pem \
    2>/dev/null
  echo 01 >tsa/serial
}

@test "rfc3161: openssl ts gives and verifies the timestamps" {
  make_signed
  make_tsa
  queue=(--queue queue)
  peer tsa tsa/openssl.cnf
  configure "{\"name\":\"tsa\",\"type\":\"rfc3161\",\"url\":\"$address\",
    \"ca\":\"tsa/ca.pem\"}"
  prove_sink
  token=queue/tsa/token-00000000000000000007
  cmp yesterday/public/checkpoint "$token.note"
  openssl ts -verify -in "$token.tsr" -data "$token.note" -CAfile tsa/ca.pem
  # An authority that nobody named.
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other \
    -keyout /dev/null -out other.pem 2>/dev/null
  configure "{\"name\":\"two\",\"type\":\"rfc3161\",\"url\":\"$address\",
    \"ca\":\"other.pem\"}"
  rm -r log
  cp -r yesterday log
  run --separate-stderr send
  expect 5
  [[ $stderr == *'gives no timestamp that holds'* ]]
  # A token of another note.
  sed 's/"two"/"tsa"/;s/other.pem/tsa\/ca.pem/' sinks.json >x
  mv x sinks.json
  sed -i '2s/7/6/' "$token.note"
  check
  expect 1
  [[ $stderr == *'holds 1 lines that the key did not sign' ]]
}

make_witnesses() { # COUNT
  for i in $(seq "$1"); do
    tally key generate "w$i.key" --name "witness.example/$i" --witness \
      --no-passphrase >"w$i.pub"
    tally witness add "state$i" --key key.pub
    start_witness "$i"
  done
}
start_witness() {
  rm -f "listening$1"
  "$TALLY" witness serve "state$1" --key "w$1.key" --listen "127.0.0.1:0" \
    >"listening$1" &
  echo $! >>servers
  witness_pid[$1]=$!
  eventually grep -q '^listening on ' "listening$1"
  witness_url[$1]=http://$(sed 's/^listening on //' "listening$1")
}
stop_witnesses() {
  for i in 1 2 3; do
    kill "${witness_pid[$i]}"
    wait "${witness_pid[$i]}" || true
  done
}
make_policy() {
  { printf 'log %s\n' "$(cat key.pub)"
    for i in 1 2 3; do
      printf 'witness w%s %s %s/\n' "$i" "$(cat "w$i.pub")" \
        "${witness_url[$i]}"
    done
    printf 'group all 2 w1 w2 w3\nquorum all\n'; } >policy
}

@test "witnesses: a quorum of a policy, cosignatures in the checkpoint" {
  declare -A witness_url witness_pid
  make_signed
  make_witnesses 3
  make_policy
  configure '{"name":"w","type":"witnesses","policy":"policy"}'
  send
  [ "$(grep -c '^— witness.example/' log/public/checkpoint)" = 3 ]
  tally prove log --chain c --seq 5 >proof
  tally check proof --policy policy
  # One is down: two of three are enough.
  kill "${witness_pid[3]}"
  wait "${witness_pid[3]}" || true
  grow 3
  send
  [ "$(grep -c '^— witness.example/' log/public/checkpoint)" = 2 ]
  # Two are down: not delivered, until one is back; it catches up.
  kill "${witness_pid[2]}"
  wait "${witness_pid[2]}" || true
  grow 3
  run --separate-stderr send
  expect 5
  [[ $stderr == *'too few witnesses cosigned: '* ]]
  start_witness 3
  make_policy
  # Some of them cosign once more, a second later: one line each.
  sleep 1
  send
  [ "$(grep -c '^— witness.example/' log/public/checkpoint)" = 2 ]
  tally prove log --chain c --seq 11 >proof
  tally check proof --policy policy
  start_witness 2
  make_policy
  check
  expect 0
  # What is cosigned still stands when the log is published anew.
  cp log/public/checkpoint before
  tally checkpoint log --key key --register register >/dev/null 2>&1
  cmp before log/public/checkpoint
}

@test "witnesses: they saw more, or other records" {
  declare -A witness_url witness_pid
  make_signed
  make_witnesses 3
  make_policy
  configure '{"name":"w","type":"witnesses","policy":"policy"}'
  send
  cp -r log yesterday
  grow 3 d
  send
  roll_back
  rm -r log/sinks
  check
  expect 1
  [[ $output == *'truncated  '* ]]
  # Yesterday's log, published with a register of its own.
  run --separate-stderr send
  expect 1
  [[ $stderr == *'the witness "witness.example/1" says that it saw size 11,'`
    `' and the checkpoint has 7, and shows a checkpoint of size 11 that the'`
    `' log'\''s key signed: the log is shorter than the checkpoint of size 11'* ]]
  rm -r log/sinks register
  events 50 90 | tally append log --chain c >/dev/null
  tally append log --chain d 7 >/dev/null
  mkdir -p r2
  head -n 3 log/public/checkpoint \
    >"r2/$(printf %s example.org/audit | sha256sum | cut -c 1-64)"
  tally checkpoint log --key key --register r2 >/dev/null 2>&1
  run --separate-stderr send
  expect 1
  [[ $stderr == *'says that it saw other records than the log has, and shows a'`
    `' checkpoint of size 11 that the log'\''s key signed: the log has another'`
    `' root at size 11 than went out'* ]]
}

@test "git does not get the passphrase" {
  make_signed
  git init -q work
  mkdir bin
  printf '#!/bin/sh\nenv >>%s/seen\nexec %s "$@"\n' "$PWD" \
    "$(command -v git)" >bin/git
  chmod +x bin/git
  configure '{"name":"g","type":"git","repository":"work"}'
  PATH=$PWD/bin:$PATH TALLY_PASSPHRASE=secret send
  grep -q '^PATH=' seen
  lacks TALLY_PASSPHRASE seen
}

# Whoever stands between a log and its witness can say what he wants.
@test "witnesses: a refusal without evidence is a failure, and accuses nobody" {
  make_signed
  tally key generate w.key --name witness.example/1 --witness \
    --no-passphrase >w.pub
  peer refusing says
  printf 'log %s\nwitness w %s %s\nquorum w\n' "$(cat key.pub)" \
    "$(cat w.pub)" "$address" >policy
  configure '{"name":"w","type":"witnesses","policy":"policy"}'
  for answer in '409\n9999' '422' '409' '409\nmany'; do
    printf "$answer\n" >says
    rm -f says.shown
    run --separate-stderr send
    expect 5
    [[ $stderr == *'the witness "witness.example/1" sa'*', and shows no'`
      `' evidence of that: '*' answers 404: not here'* ]]
    # Words, another log's checkpoint, and one with a signature that is none.
    echo words >says.shown
    run --separate-stderr send
    expect 5
    [[ $stderr == *'is no checkpoint that the log'\''s key signed'* ]]
    sed '2s/.*/9999/' log/public/checkpoint >says.shown
    run --separate-stderr send
    expect 5
    [[ $stderr == *'is no checkpoint that the log'\''s key signed'* ]]
    # An older one of this log.
    cp log/public/checkpoint says.shown
    run --separate-stderr send
    expect 5
    [[ $stderr == *'agrees with the log'* ]]
  done
  printf '409\n9999\n' >says
  run --separate-stderr send
  [[ $stderr == *'says that it saw size 9999, and the checkpoint has 7, and'* ]]
}

# The specification's 409 for another root at this size may have the size, too.
@test "witnesses: one that answers 409 with the size it was asked from" {
  make_signed
  for i in 1 2; do
    tally key generate "w$i.key" --name "witness.example/$i" --witness \
      --no-passphrase >"w$i.pub"
  done
  peer refusing says
  # The quorum does without: it is loud all the same.
  printf 'log %s\nwitness w %s %s\nquorum none\n' "$(cat key.pub)" \
    "$(cat w1.pub)" "$address" >policy
  configure '{"name":"w","type":"witnesses","policy":"policy"}'
  printf '409\n7\n' >says
  run --separate-stderr send
  expect 5
  [[ $stderr == *'the witness "witness.example/1" refuses to go on from size 7,'`
    `' which it says that it has, and shows no evidence of that: '* ]]
  cp -r log yesterday
  # What the log's key signed of the same size is evidence.
  tally append log --chain d 1 >/dev/null
  tally checkpoint log --key key --register register >/dev/null
  cp log/public/checkpoint says.shown
  printf '409\n%s\n' "$(sed -n 2p says.shown)" >says
  roll_back
  rm -r log/sinks register
  tally append log --chain d 2 >/dev/null
  mkdir -p r2
  head -n 3 log/public/checkpoint \
    >"r2/$(printf %s example.org/audit | sha256sum | cut -c 1-64)"
  tally checkpoint log --key key --register r2 >/dev/null
  [ "$(sed -n 2p log/public/checkpoint)" = "$(sed -n 2p says.shown)" ]
  run --separate-stderr send
  expect 1
  [[ $stderr == *'and shows a checkpoint of size '*' that the log'\''s key'`
    `' signed: the log has another root'* ]]
}

@test "witnesses: another history is told although no cosignature is kept" {
  declare -A witness_url witness_pid
  make_signed
  make_witnesses 3
  make_policy
  configure '{"name":"w","type":"witnesses","policy":"policy"}'
  cp -r state2 forgetful
  cp -r log yesterday
  grow 3 d
  send
  kill "${witness_pid[2]}"
  wait "${witness_pid[2]}" || true
  rm -r state2
  mv forgetful state2
  start_witness 2
  make_policy
  roll_back
  # There is no room for what the second one gives.
  mkdir log/public/checkpoint.new
  run --separate-stderr send
  expect 1
  [[ $stderr == *'the witness "witness.example/1" says that it saw size 11,'`
    `' and the checkpoint has 7, and shows a checkpoint of size 11 '* ]]
}

@test "witnesses: one that cosigned a later checkpoint has this one, too" {
  declare -A witness_url witness_pid
  make_signed
  make_witnesses 3
  make_policy
  configure '{"name":"w","type":"witnesses","policy":"policy"}'
  stop_witnesses
  run --separate-stderr send
  expect 5
  cp -r log/sinks old
  for i in 1 2 3; do start_witness "$i"; done
  make_policy
  send
  grow 3
  send
  # A queue that was put back.
  rm -r log/sinks
  mv old log/sinks
  send
  check
  expect 0
  # It must be the witness who says so.
  stop_witnesses
  grow 1
  run --separate-stderr send
  expect 5
  grow 1
  peer refusing says
  cp log/public/checkpoint says.shown
  printf '409\n%s\n' "$size" >says
  for i in 1 2 3; do witness_url[$i]=$address; done
  make_policy
  run --separate-stderr send
  expect 5
  [[ $stderr == *'agrees with the log'* ]]
}

@test "witnesses: one that is down hides nothing of what the others saw" {
  declare -A witness_url witness_pid
  make_signed
  make_witnesses 3
  make_policy
  configure '{"name":"w","type":"witnesses","policy":"policy"}'
  send
  cp -r log yesterday
  grow 3 d
  send
  roll_back
  kill "${witness_pid[1]}"
  wait "${witness_pid[1]}" || true
  check
  expect 1
  [[ $output == *'truncated  '* ]]
  [[ $stderr == *'tally: the sink "w":'* ]]
}

@test "a socket that nobody reads holds nobody up for ever" {
  make_signed
  peer deaf full1 full2
  configure '{"name":"s","type":"syslog","address":"unix:full1"},'`
    `'{"name":"j","type":"journald","socket":"full2"},'`
    `'{"name":"usb","type":"file","path":"heads"}'
  run --separate-stderr timeout 120 "$TALLY" sink send log \
    --config sinks.json --key key
  expect 5
  [[ $stderr == *'the sink "s" failed: cannot send to "unix:full1": '* ]]
  [[ $stderr == *'the sink "j" failed: cannot send to "full2": '* ]]
  [ -s heads ]
}

@test "s3: a server that never ends its list" {
  make_signed
  peer endless
  echo key:secret >s3.key
  configure "{\"name\":\"s3\",\"type\":\"s3\",\"url\":\"$address/b\",
    \"region\":\"r\",\"key_file\":\"s3.key\",\"retain_days\":1}"
  run --separate-stderr timeout 60 "$TALLY" sink check log \
    --config sinks.json --key key.pub
  expect 5
  [[ $stderr == *'says that there are more objects, and lists none'* ]]
}

@test "what cannot be queued is a failure" {
  make_signed
  configure '{"name":"usb","type":"file","path":"heads"}'
  # Where the line is to be written there is something in its way.
  blocked=$(printf 'log/sinks/usb/%020d-000001-000001.new' "$size")
  mkdir -p "$blocked"
  run --separate-stderr send
  expect 5
  [[ $stderr == *'the sink "usb" failed: cannot write into the queue: '* ]]
  [ ! -e heads ]
  rmdir "$blocked"
  send
  [ "$(wc -l <heads)" = 1 ]
}

@test "a queue is one log's" {
  make_signed
  configure '{"name":"usb","type":"file","path":"heads"}'
  queue=(--queue queue)
  send
  # Another log, of which the queue would say that all of it was sent.
  mv log first
  make_log log --origin example.org/next
  tally key generate next --name example.org/next --no-passphrase >next.pub
  tally append log --chain c 1 >/dev/null
  tally checkpoint log --key next --register register >/dev/null 2>&1
  refused 2 'the queue of the sink "usb" is another log'"'"'s; give each log a'`
    `' queue of its own' sink send log --config sinks.json --key next \
    --queue queue
}

@test "git: settings and attributes hide nothing; what failed leaves nothing" {
  command -v git >/dev/null || skip "git is not installed"
  export HOME=$PWD GIT_CONFIG_NOSYSTEM=1
  make_signed
  git init -q -b main work
  git config --global grep.lineNumber true
  git config --global grep.column true
  echo '*.json binary' >work/.gitattributes
  configure '{"name":"git","type":"git","repository":"work"}'
  send
  check
  expect 0
  grow 1
  blocked=$(printf '%020d-000001.json' "$size")
  mkdir "$(dirname work/*/0*.json)/$blocked"
  run --separate-stderr send
  expect 5
  [ "$(find work -name '*.new')" = "" ]
}
