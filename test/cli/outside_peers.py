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
    deaf PATH ...          datagram sockets that are full, and that nobody reads
    udp FILE, tcp FILE, unix PATH FILE
                           syslog: what arrives, a line each, after a head as a
                           server writes it; tcp by octet counting
    tls FILE CERTIFICATE [HOW]
                           tcp over TLS.  HOW: "mute" says nothing, "deaf" does not
                           read after the handshake, "cut" closes after 100 bytes,
                           "silent" reads and does not end, "rude" reads and
                           closes without an end, "chatty" talks for ever, "old"
                           knows TLS 1.1 only

Prints the address first."""

import http.server
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
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
