#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""outside_peers.py KIND ...: the other ends of sinks, for the tests.

    webhook FILE [TOKEN]   POST appends the body to FILE, a line each; GET gives
                           FILE; while FILE.down is there, status 503; while
                           FILE.slow is, six seconds later; the header
                           Tally-Signature of the last one is in FILE.signature
    tsa CONFIG             RFC 3161 over HTTP, by "openssl ts -reply"
    endless                S3 that lists nothing, and says that there is more
    refusing FILE          a witness, or a proxy of one: the answer to POST is in
                           FILE, status and body; to GET, what is in FILE.shown
    s3 FOLDER              a bucket "b" in FOLDER that keeps conditions; what it does
                           wrong FOLDER/mode says, "WORD [TIMES]": see S3_MODES;
                           FOLDER/asked has its requests and answers, a line each
    deaf PATH ...          datagram sockets that are full, and that nobody reads
    udp FILE, tcp FILE, unix PATH FILE
                           syslog: what arrives, a line each, after a head as a
                           server writes it; tcp by octet counting
    tls FILE CERTIFICATE [HOW]
                           tcp over TLS.  HOW: "mute" says nothing, "deaf" does not
                           read after the handshake, "cut" closes after 100 bytes,
                           "silent" reads and does not end, "rude" reads and
                           closes without an end, "chatty" talks for ever,
                           "asking" asks for a handshake for ever, "old" knows
                           TLS 1.1 only

Prints the address first."""

import base64
import hashlib
import http.server
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

FRAME = re.compile(
    rb"<109>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z \S+ tally \d+ checkpoint"
    rb" - (\{.*\})", re.DOTALL)


def serve(handler):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


def webhook(path, token=None):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def reply(self, status, body=b""):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def refused(self):
            if os.path.exists(path + ".down"):
                self.reply(503, b"down for now\n")
            elif token and self.headers["Authorization"] != f"Bearer {token}":
                self.reply(401)
            else:
                return False
            return True

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.refused():
                return
            if os.path.exists(path + ".slow"):
                time.sleep(6)
            with open(path + ".headers", "a") as file:
                file.write(f"{self.headers['Tally-Hmac']}"
                           f" {self.headers['Idempotency-Key']}\n")
            with open(path + ".signature", "w") as file:
                file.write(self.headers["Tally-Signature"] or "")
            with open(path, "ab") as file:
                file.write(body + b"\n")
            self.reply(204)

        def do_GET(self):
            if self.refused():
                return
            with open(path, "rb") as file:
                self.reply(200, file.read())

    serve(Handler)


def tsa(config):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            with tempfile.TemporaryDirectory() as folder:
                query = os.path.join(folder, "q")
                answer = os.path.join(folder, "r")
                with open(query, "wb") as file:
                    file.write(body)
                subprocess.run(
                    ["openssl", "ts", "-reply", "-config", config,
                     "-queryfile", query, "-out", answer],
                    check=True, stderr=subprocess.DEVNULL)
                with open(answer, "rb") as file:
                    reply = file.read()
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

    serve(Handler)


def endless():
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            body = b"<R><IsTruncated>true</IsTruncated></R>"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    serve(Handler)


def refusing(path):
    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def reply(self, status, body):
            self.send_response(status)
            self.send_header("Content-Type", "text/x.tlog.size")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            with open(path, "rb") as file:
                status, _, body = file.read().partition(b"\n")
            self.reply(int(status), body)

        def do_GET(self):
            if not os.path.exists(path + ".shown"):
                self.reply(404, b"not here\n")
                return
            with open(path + ".shown", "rb") as file:
                self.reply(200, file.read())

    serve(Handler)


# Of a PUT of an entry: "lost" is carried out and not answered, "500" is
# carried out and said to have failed, "never" is neither, "late" is carried
# out, on its condition, a while after the client was cut off, "409" and "503"
# are not carried out, "slow" takes 3 s, "mine" is carried out, and another
# entry put on top, before the client is cut off, "rival" puts another entry
# before it is carried out, "200" is not, and answered 200 with an error, "hung"
# is answered never.  Of a GET: "noetag", "garbage".  Of all: "bare" compares
# ETags without quotes, "one" gives the same to all, "fresh" a new one with each
# write (as where the server encrypts), "busy" answers 409 where the
# object "conditions" would be refused, and keeps no other conditions, "stern"
# takes none, "versions" keeps some, "sly" keeps conditions on the object
# "conditions" only, "nomatch" ignores If-Match, "nonone" If-None-Match,
# "redirect", "403".
S3_MODES = set("lost 500 never late 409 503 slow mine rival 200 hung noetag"
               " garbage bare one fresh busy stern versions sly nomatch nonone"
               " redirect 403".split())


class Bucket:
    """A bucket in a folder: what is in it, and what it does wrong."""

    def __init__(self, folder):
        self.folder = folder
        self.lock = threading.Lock()

    def mode(self, words):
        """The mode, if it is one of these; one of its times is gone."""
        path = os.path.join(self.folder, "mode")
        with self.lock:
            try:
                with open(path) as file:
                    word, _, times = file.read().strip().partition(" ")
            except FileNotFoundError:
                return ""
            assert word in S3_MODES, word
            if word not in words.split():
                return ""
            if times:
                with open(path + ".new", "w") as file:
                    file.write(f"{word} {int(times) - 1}\n")
                os.rename(path + ".new", path)
                if int(times) <= 0:
                    return ""
            return word

    def path(self, key):
        return os.path.join(self.folder, key.replace("/", "%"))

    def read(self, key):
        try:
            with open(self.path(key), "rb") as file:
                body = file.read()
                written = os.fstat(file.fileno()).st_mtime_ns
        except FileNotFoundError:
            return None, None
        if self.mode("one"):
            return body, "1"
        if self.mode("fresh"):
            return body, str(written)
        return body, hashlib.md5(body).hexdigest()

    def write(self, key, body):
        with open(self.path(key) + ".new", "wb") as file:
            file.write(body)
        # By itself, several writes have one time.
        os.utime(self.path(key) + ".new", ns=(time.time_ns(),) * 2)
        os.rename(self.path(key) + ".new", self.path(key))

    def holds(self, key, headers):
        etag = self.read(key)[1]
        match, none = headers["If-Match"], headers["If-None-Match"]
        sly = self.mode("sly busy") and not key.endswith("conditions")
        if none and not sly and not self.mode("nonone"):
            assert none == "*"
            if etag:
                return 412
        if match and not sly and not self.mode("nomatch"):
            if not etag:
                return 404
            told = f'"{etag}"' if not self.mode("bare") else etag
            if match != told or self.mode("stern"):
                return 412
        return 200

    def put(self, key, body, headers):
        with self.lock_all:
            status = self.holds(key, headers)
            if status == 412 and key.endswith("conditions") and \
                    self.mode("busy"):
                status = 409
            if status == 200:
                self.write(key, body)
            return status

    lock_all = threading.RLock()


def rival(body):
    """Another entry of the same origin."""
    lines = body.split(b"\n")
    lines[1] = str(int(lines[1]) + 1).encode()
    lines[2] = base64.b64encode(hashlib.sha256(body).digest())
    return b"\n".join(lines)


def s3(folder):
    os.makedirs(folder, exist_ok=True)
    bucket = Bucket(folder)
    codes = {404: "NoSuchKey", 412: "PreconditionFailed", 403: "AccessDenied",
             409: "ConditionalRequestConflict", 301: "PermanentRedirect",
             500: "InternalError", 503: "SlowDown"}

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def key(self):
            assert self.path.startswith("/b/"), self.path
            assert "AWS4-HMAC-SHA256" in self.headers["Authorization"]
            return self.path[3:]

        def note(self, status):
            with open(os.path.join(folder, "asked"), "a") as file:
                file.write(f"{self.command} {self.path[3:].split('/')[-1][:10]}"
                           f" {status}\n")

        def reply(self, status, body=None, etag=None):
            if body is None:
                body = (b"" if status == 200 else
                        f"<?xml version=\"1.0\"?>\n<Error><Code>{codes[status]}"
                        "</Code></Error>".encode())
            self.note(status)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            if etag and not bucket.mode("noetag"):
                self.send_header("ETag", f'"{etag}"')
            if bucket.mode("versions"):
                self.send_header("x-amz-version-id", "v1")
            self.end_headers()
            self.wfile.write(body)

        def cut(self, why):
            self.note(why)
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def refused(self):
            for word, status in (("redirect", 301), ("403", 403)):
                if bucket.mode(word):
                    self.reply(status)
                    return True
            return False

        def do_GET(self):
            if self.refused():
                return
            body, etag = bucket.read(self.key())
            if body is None:
                self.reply(404)
            elif bucket.mode("garbage"):
                self.reply(200, b"garbage\n", etag)
            else:
                self.reply(200, body, etag)

        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.refused():
                return
            key = self.key()
            if key.endswith("conditions"):
                self.reply(bucket.put(key, body, self.headers))
                return
            self.put_entry(key, body, bucket.mode(
                "lost 500 never late 409 503 slow mine rival 200 hung"))

        def put_entry(self, key, body, mode):
            if mode == "rival":
                bucket.write(key, rival(body))
            if mode in ("409", "503"):
                self.reply(int(mode))
                return
            if mode == "200":
                self.reply(200, b"<Error><Code>InternalError</Code></Error>")
                return
            if mode == "hung":
                self.note(mode)
                time.sleep(20)
                return
            if mode == "late":
                threading.Timer(0.5, bucket.put,
                                (key, body, self.headers)).start()
            if mode in ("late", "never"):
                self.cut(mode)
                return
            status = bucket.put(key, body, self.headers)
            if mode == "mine":
                bucket.write(key, rival(body))
            if mode == "slow":
                time.sleep(3)
            if mode in ("lost", "mine"):
                self.cut(mode)
            else:
                self.reply(500 if mode == "500" else status)

    serve(Handler)


def deaf(*paths):
    kept = []
    for path in paths:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sock.bind(path)
        sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        sender.connect(path)
        sender.setblocking(False)
        try:
            while True:
                sender.send(b"x")
        except BlockingIOError:
            pass
        kept += [sock, sender]
    print("full", flush=True)
    signal.pause()


def write(path, message):
    found = FRAME.fullmatch(message)
    assert found, message[:200]
    with open(path, "ab") as file:
        file.write(b"Nov 27 12:00:00 host tally[1]: " + found[1] + b"\n")


def udp(path):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    print(f"udp:127.0.0.1:{sock.getsockname()[1]}", flush=True)
    while True:
        write(path, sock.recv(65536))


def unix(where, path):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.bind(where)
    print(f"unix:{where}", flush=True)
    while True:
        write(path, sock.recv(65536))


def tcp(path):
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    print(f"tcp:127.0.0.1:{sock.getsockname()[1]}", flush=True)
    while True:
        stream = sock.accept()[0].makefile("rb")
        while True:
            digits = b""
            while (byte := stream.read(1)) not in (b" ", b""):
                digits += byte
            if not digits:
                break
            write(path, stream.read(int(digits)))


# A client skips them in the middle of a handshake.  Each is a record of its own: so it
# reads them more slowly than they come, and never waits for one.
HELLO_REQUESTS = bytes([22, 3, 3, 0, 4, 0, 0, 0, 0]) * 65536


def tls(path, certificate, how=""):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if how == "old":
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    print(f"tls:localhost:{sock.getsockname()[1]}", flush=True)
    kept = []
    while True:
        plain = sock.accept()[0]
        kept.append(plain)
        if how == "mute":
            continue
        try:
            while how == "asking":
                plain.sendall(HELLO_REQUESTS)
            with context.wrap_socket(plain, server_side=True) as stream:
                tls_session(stream, path, how)
        except (ssl.SSLError, OSError) as error:
            print(error, file=sys.stderr, flush=True)


def tls_session(stream, path, how):
    if how == "deaf":
        time.sleep(60)
    if how == "cut":
        stream.recv(100)
        return
    while how == "chatty":
        stream.send(b"x" * 1000)
        time.sleep(0.1)
    data = b""
    while received := stream.recv(65536):
        data += received
    while data:
        digits, data = data.split(b" ", 1)
        assert len(data) >= int(digits)
        write(path, data[:int(digits)])
        data = data[int(digits):]
    if how == "silent":
        time.sleep(60)
    if how != "rude":
        stream.unwrap()


globals()[sys.argv[1]](*sys.argv[2:])
