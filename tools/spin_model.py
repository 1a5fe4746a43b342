# SPDX-License-Identifier: Apache-2.0
"""Checks a model of a protocol with spin and prints TAP.

The sound model is searched to its end in every configuration, and may leave
no line unreached that another configuration does not reach.  Then each
precaution is taken away, and spin must find what goes wrong, by name.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

TIMEOUT_S = 600
DEPTH = 100000
MEMORY_MIB = 4096


def run(command, where):
    done = subprocess.run(
        command,
        cwd=where,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout


def search(path, words):
    """Builds the verifier for some words and runs it: what it said."""
    model = os.path.basename(path)
    with tempfile.TemporaryDirectory(prefix="tally-model.") as where:
        shutil.copy(path, where)
        status, output = run(
            ["spin", "-a"] + ["-D" + word for word in words] + [model], where
        )
        if status != 0 or "Error" in output:
            return output
        # Every interleaving: reduction would save some states in a hundred.
        cc = [os.environ.get("CC", "cc"), "-O1", "-w", "-DSAFETY", "-DNOREDUCE"]
        cc += [f"-DMEMLIM={MEMORY_MIB}", "-o", "pan", "pan.c"]
        status, output = run(cc, where)
        if status != 0:
            return output
        return run(["./pan", f"-m{DEPTH}"], where)[1]


def errors(output):
    """The first error that spin found: forked, broken, lost, unsealed,
    invalid end; None if it found none; or what went wrong with it."""
    if re.search(r"errors: 0\b", output):
        for sign in ("not completed", "too small", "out of memory"):
            if sign in output:
                return f"the search is incomplete: {sign}"
        return None
    violated = re.search(r"assertion violated.*?(\w+)\)* \(at depth", output)
    if violated:
        return violated.group(1)
    if "invalid end state" in output:
        return "invalid end"
    return "spin did not finish"


def unreached(output):
    """The lines that the search did not reach, for each kind of process."""
    found = {}
    lines = set()
    for text in output.splitlines():
        title = re.match(r"unreached in (?:proctype )?(\w+)", text)
        if title:
            lines = found.setdefault(title.group(1), set())
        place = re.match(r"\s.*\.pml:(\d+), state \d+, \"(.*)\"", text)
        if place and place.group(2) != "-end-":
            lines.add(int(place.group(1)))
    return found


def states(output):
    stored = re.search(r"(\d+) states, stored", output)
    return f"{int(stored.group(1)):,} states" if stored else "no states"


class Plan:
    """Prints TAP and remembers whether anything failed."""

    def __init__(self):
        self.number = 0
        self.failed = 0

    def case(self, name, good, detail=""):
        self.number += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.number} - {name}")
        if not good:
            for line in detail.rstrip().splitlines():
                print("# " + line)
        sys.stdout.flush()


def check_sound(plan, cases, outputs, is_all):
    never = {}
    for (name, _), output in zip(cases, outputs):
        plan.case(f"sound: {name}: {states(output)}",
                  errors(output) is None, output)
        for kind, lines in unreached(output).items():
            never[kind] = never.get(kind, lines) & lines
    if is_all:
        left = [f"{kind}: line {line}" for kind, lines in never.items()
                for line in sorted(lines)]
        plan.case("sound: every line of the model is reached",
                  len(never) > 0 and not left, "\n".join(left))


def check_broken(plan, cases, outputs):
    for (word, _, expected), output in zip(cases, outputs):
        found = errors(output)
        plan.case(f"broken: {word}: {expected} after {states(output)}",
                  found == expected, f"found: {found}\n{output}")


def chosen(cases):
    words = sys.argv[1:]
    return [case for case in cases
            if not words or any(word in case[0] for word in words)]


def main(path, sound, broken):
    """path: the model.  sound: (name, words) each.  broken: (word, words of
    the configuration, what spin then finds) each.  The arguments of the program
    choose among the cases by their names.  Returns the exit status."""
    if shutil.which("spin") is None:
        print("1..1\nok 1 # SKIP spin is not installed (Debian: spin)")
        return 0
    plan = Plan()
    good, bad = chosen(sound), chosen(broken)
    with ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        check_sound(plan, good,
                    pool.map(lambda case: search(path, case[1]), good),
                    len(good) == len(sound))
        check_broken(plan, bad, pool.map(
            lambda case: search(path, case[1] + [case[0]]), bad))
    print(f"1..{plan.number}")
    return 1 if plan.failed or plan.number == 0 else 0
