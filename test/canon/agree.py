#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The canonical forms beside the real things: random documents, spelled in
many ways, through ours and through Node, Python and PostgreSQL; numbers, all
powers of two among them, through Node's and Python's own printing.

agree.py CANON_LINES [COUNT]: TAP on standard output.  What is not installed
is skipped."""

import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile

TOOL = sys.argv[1]
COUNT = int(sys.argv[2]) if len(sys.argv) > 2 else 4000

NODE = """
const lines = require('fs').readFileSync(0, 'utf8').split('\\n');
lines.pop();
const property = v => JSON.stringify(v, (k, x) =>
  x && typeof x === 'object' && !Array.isArray(x)
    ? Object.fromEntries(Object.keys(x).sort().map(n => [n, x[n]])) : x);
const utf16 = v => v === null || typeof v !== 'object' ? JSON.stringify(v)
  : Array.isArray(v) ? '[' + v.map(utf16).join(',') + ']'
  : '{' + Object.keys(v).sort().map(
      k => JSON.stringify(k) + ':' + utf16(v[k])).join(',') + '}';
const numbers = hex => {
  const b = Buffer.from(hex.padStart(16, '0'), 'hex');
  return String(b.readDoubleBE(0));
};
const how = { property: l => property(JSON.parse(l)),
              utf16: l => utf16(JSON.parse(l)), numbers }[process.argv[1]];
const out = lines.map(l => { try { return how(l); }
                             catch (e) { return 'refused'; } });
process.stdout.write(out.join('\\n') + '\\n');
"""

SQL = """
CREATE FUNCTION canon(t text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN RETURN t::jsonb::text;
EXCEPTION WHEN OTHERS THEN RETURN 'refused'; END $$;
CREATE TABLE docs (n serial, t text);
\\copy docs (t) from pstdin
SELECT encode(convert_to(canon(convert_from(decode(t, 'hex'), 'UTF8')),
                         'UTF8'), 'hex')
  FROM docs ORDER BY n;
"""

KEYS = ["a", "b", "aa", "ab", "A", "", "0", "1", "9", "10", "01", "-1", "1.5",
        "4294967294", "4294967295", "42949672950", "é", "ä", "\u2028", "\uffff",
        "\U0001f600", "\U00010000", "\ue000", "key with space", "\"", "\\",
        "\n", "\x7f", "constructor", "toString", "zz", "ZZ", "e\u0301"]
STRINGS = ["", "x", "line1\nline2", "\t\"q\" \\ \u2028 \x01", "Ünïcode 😀",
           "a/b", "\x7f\x80", "\b\f\r", "\u0000", "\ud83d", "\ude00x",
           "\ud83d\ud83d\ude00", "</script>", "\ufeff", "\U0010ffff"]
NUMBERS = ["0", "-0", "1", "-1", "0.0", "-0.0", "1.0", "1.10", "2.50", "100",
           "1e2", "1E+2", "1e-2", "1.5e-7", "1e21", "1e20", "1e16", "1e-5",
           "123456789012345678901234567890", "12345678901234567890.123",
           "9007199254740993", "0.1", "5e-324", "1e-400", "1e400", "-1e400",
           "3.141592653589793238", "1e5", "0e7", "0e-3", "0.000001", "1.0e1",
           "10.00e-1", "1.7976931348623157e308", "4.35", "0.30000000000000004"]


def spell_string(rng, text):
    """One of the many ways to write a string."""
    out = ['"']
    for char in text:
        code = ord(char)
        style = rng.random()
        if 0xD800 <= code < 0xE000:
            out.append(f"\\u{code:04x}")
        elif char in '"\\' or code < 0x20:
            short = {"\n": "\\n", "\t": "\\t", '"': '\\"', "\\": "\\\\",
                     "\b": "\\b", "\f": "\\f", "\r": "\\r"}.get(char)
            if short and style < 0.7:
                out.append(short)
            else:
                out.append(f"\\u{code:04X}" if style < 0.9 else f"\\u{code:04x}")
        elif style < 0.1 and code < 0x10000:
            out.append(f"\\u{code:04x}")
        elif style < 0.1:
            high, low = divmod(code - 0x10000, 0x400)
            out.append(f"\\u{0xD800 + high:04x}\\u{0xDC00 + low:04X}")
        elif char == "/" and style < 0.5:
            out.append("\\/")
        else:
            out.append(char)
    return "".join(out) + '"'


def spell_number(rng):
    kind = rng.random()
    if kind < 0.4:
        return rng.choice(NUMBERS)
    if kind < 0.6:
        return str(rng.randrange(-(10 ** rng.randrange(1, 25)), 10 ** 18))
    if kind < 0.8:
        return repr(struct.unpack("<d", struct.pack(
            "<Q", rng.randrange(0x3000000000000000, 0x4FF0000000000000)))[0])
    digits = "".join(rng.choice("0123456789") for _ in range(rng.randrange(1, 30)))
    return (f"{rng.choice(['', '-'])}{rng.randrange(10)}.{digits}"
            + rng.choice(["", f"e{rng.randrange(-40, 40)}"]))


def spell(rng, depth):
    """A random document as text, with random white space."""
    gap = lambda: rng.choice(["", "", "", " ", "\t", "\r"])
    kind = rng.random()
    if depth > 0 and kind < 0.35:
        names = [rng.choice(KEYS) if rng.random() < 0.8
                 else "".join(rng.choice("abé😀019") for _ in range(rng.randrange(4)))
                 for _ in range(rng.choice([0, 1, 2, 3, 5, 9, 40 if depth > 2 else 4]))]
        body = f"{gap()},{gap()}".join(
            f"{spell_string(rng, n)}{gap()}:{gap()}{spell(rng, depth - 1)}"
            for n in names)
        return "{" + gap() + body + gap() + "}"
    if depth > 0 and kind < 0.5:
        items = [spell(rng, depth - 1) for _ in range(rng.randrange(5))]
        return "[" + gap() + f"{gap()},{gap()}".join(items) + gap() + "]"
    if kind < 0.7:
        return spell_string(rng, rng.choice(STRINGS))
    if kind < 0.9:
        return spell_number(rng)
    return rng.choice(["null", "true", "false"])


def pipe(command, text):
    done = subprocess.run(command, input=text.encode(), check=True,
                          capture_output=True)
    return done.stdout.decode().split("\n")[:-1]


def python_form(line):
    return json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"))


class Postgres:
    """A server in a folder of its own, on a unix socket."""

    def __init__(self):
        self.bin = subprocess.run(["pg_config", "--bindir"], check=True,
                                  capture_output=True, text=True).stdout.strip()
        self.dir = tempfile.mkdtemp(prefix="tally-canon.")
        self.owner = []
        if os.getuid() == 0:
            self.owner = ["setpriv", "--reuid=postgres", "--regid=postgres",
                          "--clear-groups"]
            shutil.chown(self.dir, "postgres", "postgres")

    def call(self, *command):
        subprocess.run([*self.owner, *command], check=True, cwd=self.dir,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def __enter__(self):
        data = f"{self.dir}/data"
        self.call(f"{self.bin}/initdb", "-D", data, "-U", "postgres", "-A",
                  "trust", "-N", "--locale=C", "-E", "UTF8")
        self.call(f"{self.bin}/pg_ctl", "-D", data, "-w", "-l",
                  f"{self.dir}/log", "-o",
                  f"-c listen_addresses= -k {self.dir} -F", "start")
        return self

    def __exit__(self, *_):
        self.call(f"{self.bin}/pg_ctl", "-D", f"{self.dir}/data", "-m",
                  "immediate", "stop")
        shutil.rmtree(self.dir)

    def forms(self, lines):
        script = f"{self.dir}/script"
        with open(script, "w", encoding="utf-8") as file:
            file.write(SQL)
        os.chmod(script, 0o644)
        # In hexadecimal, since psql does not print every character.
        done = pipe([f"{self.bin}/psql", "-XqAt", "-h", self.dir, "-U",
                     "postgres", "-f", script, "postgres"],
                    "".join(line.encode().hex() + "\n" for line in lines))
        return [bytes.fromhex(line).decode() for line in done]


class Cases:
    def __init__(self, plan):
        self.number = 0
        self.failed = False
        print(f"1..{plan}")

    def say(self, good, name, note=""):
        self.number += 1
        self.failed |= not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}{note}",
              flush=True)

    def compare(self, name, inputs, ours, theirs):
        bad = [i for i in range(len(inputs))
               if i >= len(ours) or i >= len(theirs) or ours[i] != theirs[i]]
        for i in sorted(bad, key=lambda i: len(inputs[i]))[:5]:
            print(f"# {inputs[i]!a:.300}\n#   ours   {ours[i:i+1]!a:.300}"
                  f"\n#   theirs {theirs[i:i+1]!a:.300}")
        good = not bad and len(ours) == len(theirs) == len(inputs)
        self.say(good, f"{name}: {len(inputs)}")


def doubles(rng):
    values = [1 << (e + 1074) if e < -1022 else (e + 1023) << 52
              for e in range(-1074, 1024)]
    assert len(values) == 2098
    while len(values) < 2098 + 25 * COUNT:
        bits = rng.randrange(1 << 64)
        if bits >> 52 & 0x7FF != 0x7FF:
            values.append(bits)
    return [f"{v:x}" for v in values]


def main():
    rng = random.Random(8785)
    lines = [spell(rng, 4) for _ in range(COUNT)]
    text = "\n".join(lines) + "\n"
    ours = {form: pipe([TOOL, form], text)
            for form in ("js-property", "js-utf16", "python", "jsonb")}
    bits = doubles(rng)
    numbers = [line.split(" ") for line in
               pipe([TOOL, "numbers"], "\n".join(bits) + "\n")]
    cases = Cases(6)
    cases.compare("python", lines, ours["python"],
                  [python_form(line) for line in lines])
    cases.compare("python numbers", bits, [n[1] for n in numbers],
                  [repr(struct.unpack(">d", bytes.fromhex(b.zfill(16)))[0])
                   for b in bits])
    node = shutil.which("node") or shutil.which("nodejs")
    for form in ("property", "utf16", "numbers"):
        if node is None:
            cases.say(True, f"js-{form}", " # SKIP there is no node")
        elif form == "numbers":
            cases.compare("js numbers", bits, [n[0] for n in numbers],
                          pipe([node, "-e", NODE, form], "\n".join(bits) + "\n"))
        else:
            cases.compare(f"js-{form}", lines, ours[f"js-{form}"],
                          pipe([node, "-e", NODE, form], text))
    if shutil.which("pg_config") is None:
        cases.say(True, "jsonb", " # SKIP there is no PostgreSQL")
    else:
        with Postgres() as server:
            cases.compare("jsonb", lines, ours["jsonb"], server.forms(lines))
    return 1 if cases.failed else 0


if __name__ == "__main__":
    sys.exit(main())
