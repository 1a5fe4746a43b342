#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tally watch where something hangs: nothing else waits for it, and it stops at
# once all the same.
load helper

setup_file() {
  export PYTHONUNBUFFERED=1
}
teardown() {
  [ ! -s servers ] || while read -r pid; do
    kill -CONT "$pid" 2>/dev/null || true
    kill "$pid" 2>/dev/null || true
  done <servers
}

make_signed() { # DIR
  make_log "$1" --origin "example.org/$1"
  tally key generate "$1.key" --name "example.org/$1" --no-passphrase \
    >"$1.pub"
  events 1 9 | tally append "$1" --chain org/42 >/dev/null
}
log() { # DIR [MEMBERS]
  printf '{"name":"%s","log":"%s","key":"%s.key","register":"%s.register",
    "sinks":[{"name":"usb","type":"file","path":"%s.heads"}]%s}' \
    "$1" "$1" "$1" "$1" "$1" "${2:+,$2}"
}
configure() { # LOGS [MEMBERS]
  printf '#!/bin/sh\ncat >>told\necho >>told\n' >hook
  printf '#!/bin/sh\necho $$ >>hanging\nexec sleep 300\n' >hanging-hook
  chmod +x hook hanging-hook
  printf '{"state":"state","interval_s":0.2,"alerts":[
    {"type":"exec","command":["./hanging-hook"]},
    {"type":"exec","command":["./hook"]}],"logs":[%s]%s}\n' \
    "$1" "${2:+,$2}" >watch.json
}
start() { # SHELL
  "$TALLY" watch watch.json >out 2>err 3>&- &
  watcher=$!
  echo $watcher >>servers
}
stop() {
  local begin=$EPOCHREALTIME

  kill "$watcher"
  wait "$watcher"
  awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { exit b - a > 4 }'
  # What a sanitizer has to say is said by a process.
  lacks Sanitizer err
}
published() { # DIR SIZE
  [ "$(sed -n 2p "$1/public/checkpoint")" = "$2" ]
}
told() { # FILTER
  jq -r "$1" told 2>/dev/null
}
is_told() { # TEXT
  told '"\(.target) \(.kind) \(.chain) \(.seq)"' | grep -q "^$1"
}
# A server that takes connections, and never says anything.
silent_server() {
  python3 - >port 3>&- <<'PY' &
import socket, time
sock = socket.socket()
sock.bind(("127.0.0.1", 0))
sock.listen(64)
print(sock.getsockname()[1])
kept = []
while True:
    kept.append(sock.accept())
PY
  echo $! >>servers
  eventually test -s port
}
# The process of a log; there is one log, and nobody is told anything now.
process_of() {
  pgrep -P "$watcher" | head -n 1
}

@test "a hook that hangs: others are told, cycles go on, a stop is prompt" {
  make_signed a
  configure "$(log a)"
  start
  eventually published a 11
  cp -r a yesterday
  events 1 3 | tally append a --chain org/42 >/dev/null
  eventually published a 15
  stop
  rm -r a
  mv yesterday a
  rm -rf a/run a/index
  start
  eventually test -s hanging
  eventually is_told 'a truncated org/42 12'
  stop
  # Nor is it left behind.
  for pid in $(cat hanging); do
    ! kill -0 "$pid" 2>/dev/null
  done
}

@test "a database that never answers holds up no other log" {
  make_signed a
  make_signed b
  silent_server
  configure "$(log a '"pg":"host=127.0.0.1 port='"$(cat port)"'"'),$(log b)"
  start
  eventually published b 11
  tally append b --chain c 1 >/dev/null
  eventually published b 13
  stop
  # What it says when it ran into the time.
  sed -i 's/ port=/ connect_timeout=2 port=/' watch.json
  start
  eventually is_told 'a failed'
  told 'select(.target == "a") | .evidence' |
    grep -q '^cannot carry the database: cannot connect'
  eventually published a 11
  stop
}

@test "a sink that hangs holds up no other sink" {
  make_signed a
  silent_server
  configure "$(log a)"
  jq --arg url "http://127.0.0.1:$(cat port)/" '.logs[0].sinks = [
    {name: "far", type: "webhook", url: $url}] + .logs[0].sinks' \
    watch.json >new.json
  mv new.json watch.json
  start
  eventually test -s a.heads
  stop
}

@test "a process that is killed, or hangs, is begun anew, and that is told" {
  make_signed a
  configure "$(log a)" '"hang_s":2'
  sed -i '/hanging-hook/d' watch.json
  start
  eventually published a 11
  kill -KILL "$(process_of)"
  eventually is_told 'a failed'
  told .evidence >evidence
  grep -q '^its process ended by signal 9, and is begun anew' evidence
  tally append a --chain c 1 >/dev/null
  eventually published a 13
  # When it goes on, that is over.
  eventually jq -e '.alerts == []' state/alerts.json
  pid=$(process_of)
  echo "$pid" >>servers
  kill -STOP "$pid"
  told_of_hanging() {
    told .evidence | grep -q '^a cycle gave no sign for 2 seconds'
  }
  tally append a --chain c 2 >/dev/null
  eventually told_of_hanging
  eventually published a 15
  stop
}

@test "a process that fails again and again waits longer and longer" {
  make_signed a
  configure "$(log a)" '"metrics":"127.0.0.1:0"'
  sed -i '/hanging-hook/d' watch.json
  start
  eventually published a 11
  # Processes of ways come and go beside that of the log, which is killed once: it
  # comes again after a second at the earliest.
  killed() { # TIMES SECONDS
    pkill -KILL -P "$watcher"
    sleep 0.3
    [ "$(grep -cx "tally: the log \"a\": its process ended by signal 9,`
      ` and is begun anew in $2 s" err)" = "$1" ]
  }
  for wait in 1 2 4; do
    eventually killed 1 $wait
  done
  curl -s "$(sed -n 's/^metrics on //p' out)" |
    grep -qx 'tally_process_failures{target="a"} 3'
  # For who asks it to read its configuration it begins at once, and anew.
  tally append a --chain c 1 >/dev/null
  begin=$EPOCHREALTIME
  kill -HUP "$watcher"
  eventually pgrep -P "$watcher" -f 'watch.json'
  awk -v a="$begin" -v b="$EPOCHREALTIME" 'BEGIN { exit b - a > 3 }'
  eventually killed 2 1
  # A stop does not wait for it either.
  stop
}

@test "a configuration that does not hold leaves the old one in force, and is told" {
  make_signed a
  configure "$(log a)"
  start
  eventually published a 11
  cp watch.json good.json
  bad() { # FILTER WORDS
    jq "$1" good.json >watch.json
    kill -HUP "$watcher"
    eventually grep -qF "$2; the old configuration stays" err
    eventually is_told '\* failed'
    told 'select(.target == "*") | .evidence' >evidence
    tally append a --chain c 1 >/dev/null
  }
  bad '.logs[0].key = "none"' 'the log "a": there is no key file "none"'
  published_more() { [ "$(sed -n 2p a/public/checkpoint)" -gt "$1" ]; }
  eventually published_more 11
  bad '.logs[0].sinks[0].type = "owl"' \
    'the log "a": the sink "usb" is of type "owl", which there is none of'
  eventually published_more 13
  bad '.logs[1] = .logs[0]' 'two logs are called "a"'
  bad '.metrics = "0.0.0.0:80"' ''
  eventually published_more 15
  cp good.json watch.json
  kill -HUP "$watcher"
  eventually jq -e '.alerts == []' state/alerts.json
  tally append a --chain c 1 >/dev/null
  eventually published_more 19
  stop
}

@test "who alters very many records does not keep the daemon from the rest" {
  make_signed a
  events 100000 300000 | tally append a --chain many >/dev/null
  sed -i 's/"event":{"n":/"event":{"m":/' "$(segment a)"
  configure "$(log a)" '"metrics":"127.0.0.1:0"'
  sed -i '/hanging-hook/d' watch.json
  start
  eventually is_told 'a more-breaks'
  # All the while that its process goes on to say what it found.
  for _ in {1..6}; do
    curl -s --max-time 5 "$(sed -n 's/^metrics on //p' out)" |
      grep -q '^tally_breaks{target="a"} 1[0-9][0-9]$'
    sleep 0.2
  done
  stop
}

# Answers, and each version of an object takes its time.
slow_s3() {
  python3 - >port 3>&- <<'PY' &
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def reply(self, body=b""):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.reply()
    def do_GET(self):
        if "retention=" in self.path:
            self.reply(b"<Mode>COMPLIANCE</Mode><RetainUntilDate>"
                       b"2099-01-01T00:00:00Z</RetainUntilDate>")
        elif "versions=" in self.path:
            self.reply(b"".join(
                b"<Version><Key>k%d</Key><VersionId>1</VersionId></Version>"
                % i for i in range(8)))
        else:
            time.sleep(0.5)
            self.reply(b"no line of ours\n")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1])
server.serve_forever()
PY
  echo $! >>servers
  eventually test -s port
}

@test "a sink whose lines take too long is told, and holds up its log no longer" {
  make_signed a
  slow_s3
  echo key:secret >s3.key
  configure "$(log a)" '"hang_s":2'
  sed -i '/hanging-hook/d' watch.json
  jq --arg url "http://127.0.0.1:$(cat port)/b" '.logs[0].sinks = [
    {name: "far", type: "s3", url: $url, region: "r", key_file: "s3.key",
     retain_days: 1}]' watch.json >new.json
  mv new.json watch.json
  start
  eventually is_told 'a sink-fails'
  told 'select(.kind == "sink-fails") | .evidence' >evidence
  grep -qx 'cannot read it back: there is more than can be read in the time' \
    evidence
  eventually test -s state/a/state.json
  tally append a --chain c 1 >/dev/null
  eventually published a 13
  [ "$(told 'select(.kind == "failed")')" = "" ]
  stop
}

@test "what was told while a configuration is read again is told once" {
  make_signed a
  configure "$(log a)"
  python3 - >port 3>&- <<'PY' &
import http.server, time
class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("posted", "ab") as file:
            file.write(body + b"\n")
        time.sleep(0.5)
        self.send_response(204)
        self.end_headers()
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1])
server.serve_forever()
PY
  echo $! >>servers
  eventually test -s port
  jq --arg url "http://127.0.0.1:$(cat port)/" \
    '.alerts = [{type: "webhook", url: $url}]' watch.json >new.json
  mv new.json watch.json
  start
  eventually published a 11
  # The next cycle cannot open it.
  mv a.key away.key
  mv a away
  eventually test -s posted
  mv away.key a.key
  kill -HUP "$watcher"
  is_known() { jq -e '.alerts[0].told != {}' state/alerts.json; }
  eventually is_known
  stop
  [ "$(jq .id posted | sort | uniq -d)" = "" ]
}

@test "a log for which there is no process is told" {
  local logs=""

  for i in {1..24}; do
    make_signed "l$i"
    logs+=${logs:+,}$(log "l$i")
  done
  configure "$logs"
  (
    ulimit -n 24
    exec "$TALLY" watch watch.json >out 2>err 3>&-
  ) &
  watcher=$!
  echo $watcher >>servers
  is_noted() {
    jq -r '.alerts[].evidence' state/alerts.json |
      grep -q '^cannot start its process: Too many open files'
  }
  eventually is_noted
  stop
}

@test "a hook heeds the signals that the daemon does not" {
  make_signed a
  configure "$(log a)"
  printf '#!/bin/sh\ncat >>told\ngrep SigIgn /proc/self/status >signals\n' >hook
  sed -i '/hanging-hook/d' watch.json
  rm a.register -rf
  mv a away
  mkdir a
  tally watch watch.json --once >/dev/null
  read -r _ mask <signals
  # SIGHUP, SIGINT, SIGPIPE
  [ $((0x$mask & 0x1003)) -eq 0 ]
}

@test "what a clock saw that was put back since does not stay" {
  make_signed a
  configure "$(log a)"
  mkdir state
  echo '{"alerts":[{"id":1,"target":"a","kind":"failed","break":false,"seq":0,
    "first_us":1,"seen_us":9000000000000000,"sent_us":1,"told":{},
    "acknowledged":true}],"next":2}' >state/alerts.json
  tally watch watch.json --once >/dev/null
  jq -e '.alerts == []' state/alerts.json
}

@test "a standard output that takes nothing is named" {
  make_signed a
  configure "$(log a)" '"metrics":"127.0.0.1:0"'
  tally watch watch.json >/dev/full 2>err || [ $? -eq 2 ]
  grep -qx 'tally: cannot say where the metrics are: No space left on device' \
    err
}

@test "a program of one sink gets no socket of another" {
  make_signed a
  silent_server
  configure "$(log a)"
  sed -i '/hanging-hook/d' watch.json
  git init -q repository
  mkdir bin
  printf '#!/bin/sh\nls -l /proc/$$/fd >>seen\nsleep 0.3\nexec %s "$@"\n' \
    "$(command -v git)" >bin/git
  chmod +x bin/git
  jq --arg to "tls:127.0.0.1:$(cat port)" '.logs[0].sinks = [
    {name: "far", type: "syslog", address: $to},
    {name: "kept", type: "git", repository: "repository"}]' \
    watch.json >new.json
  mv new.json watch.json
  export PATH="$PWD/bin:$PATH"
  start
  eventually has_lines seen 15
  stop
  [ "$(grep -c socket seen)" = 0 ]
}

@test "an alert that no syslog took is not told" {
  [ ! -e /dev/log ] || skip "there is a /dev/log"
  make_signed a
  configure "$(log a)"
  jq '.alerts = [{type: "syslog"}]' watch.json >new.json
  mv new.json watch.json
  rm a/log/*
  tally watch watch.json --once >out 2>err || [ $? -eq 1 ]
  grep -q '^tally: an alert could not be given to syslog: nobody listens' err
  jq -e '.alerts | length > 0 and all(.told == {})' state/alerts.json
}

@test "less time than signs are apart is no time to hang" {
  make_signed a
  configure "$(log a)" '"hang_s":0.5'
  sed -i '/hanging-hook/d; s/"interval_s":0.2/"interval_s":60/' watch.json
  start
  eventually published a 11
  sleep 3
  jq -e '.alerts == []' state/alerts.json || [ ! -e state/alerts.json ]
  stop
}

@test "one who started it, and listens no more, does not hold it up" {
  make_signed a
  configure "$(log a)"
  sed -i '/hanging-hook/d' watch.json
  python3 - "$PWD/notify" >full 3>&- <<'PY' &
import socket, sys, time
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
to = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
to.setblocking(False)
try:
    while True:
        to.sendto(b"STATUS=x", sys.argv[1])
except BlockingIOError:
    print("full")
    time.sleep(300)
PY
  echo $! >>servers
  eventually test -s full
  export NOTIFY_SOCKET="$PWD/notify"
  start
  eventually published a 11
  stop
}
