// SPDX-License-Identifier: Apache-2.0
// Judges inclusion proofs with the Merkle check of @sigstore/verify:
//   sigstore.js MODULES PROOF       the one of a .tlog-proof
//   sigstore.js MODULES - <PROOFS   what proofs.c prints: each must hold, and
//                                   none that was changed
"use strict";
const fs = require("fs");
const path = require("path");

const { verifyMerkleInclusion } = require(
  path.resolve(process.argv[2], "@sigstore/verify/dist/tlog/merkle.js"));

function judgeFile(name) {
  const lines = fs.readFileSync(name, "utf8").split("\n");
  const empty = lines.indexOf("");
  const extra = lines[1].replace("extra ", "");
  const line = Buffer.from(extra, "base64").toString();
  // The leaf's data is the header, which ends where "hash" begins.
  const header = line.slice(0, line.indexOf(',"hash":"')) + "}";
  const hashes = lines.slice(3, empty);
  const entry = {
    canonicalizedBody: Buffer.from(header),
    inclusionProof: {
      logIndex: lines[2].replace("index ", ""),
      hashes: hashes.map((hash) => Buffer.from(hash, "base64")),
    },
  };
  verifyMerkleInclusion(entry, {
    logSize: lines[empty + 2],
    logHash: Buffer.from(lines[empty + 3], "base64"),
  });
  console.log("accepted");
}

function holds(proof) {
  try {
    verifyMerkleInclusion(
      {
        canonicalizedBody: proof.body,
        inclusionProof: { logIndex: proof.index, hashes: proof.hashes },
      },
      { logSize: proof.size, logHash: proof.root });
    return true;
  } catch (error) {
    if (error.code !== "TLOG_INCLUSION_PROOF_ERROR") throw error;
    return false;
  }
}

function flipped(buffer, bit) {
  const other = Buffer.from(buffer);
  other[bit >> 3] ^= 1 << (bit & 7);
  return other;
}

// With other elements in the place of some.
function spliced(list, at, count, ...others) {
  const copy = [...list];
  copy.splice(at, count, ...others);
  return copy;
}

// Every proof that differs in one thing.
function* changed(proof) {
  const { hashes } = proof;
  for (let i = 0; i < hashes.length; i++) {
    for (let bit = i % 8; bit < 256; bit += 61) {
      yield { ...proof, hashes: spliced(hashes, i, 1,
        flipped(hashes[i], bit)) };
    }
    yield { ...proof, hashes: spliced(hashes, i, 1) };
    if (i > 0) {
      yield { ...proof, hashes: spliced(hashes, i - 1, 2,
        hashes[i], hashes[i - 1]) };
    }
  }
  yield { ...proof, hashes: [...hashes, Buffer.alloc(32)] };
  for (let bit = 0; bit < 256; bit += 51) {
    yield { ...proof, root: flipped(proof.root, bit) };
  }
  for (let bit = 0; bit < 16; bit++) {
    yield { ...proof, body: flipped(proof.body, bit) };
  }
  yield { ...proof, index: proof.size };
  yield { ...proof, index: String(BigInt(proof.index) + (1n << 64n)) };
  yield { ...proof, index: "-1" };
  if (proof.size !== "1") {
    yield { ...proof, index: String(BigInt(proof.index) ^ 1n) };
  }
}

function judgeAll() {
  let accepted = 0;
  let rejected = 0;
  for (const line of fs.readFileSync(0, "utf8").split("\n")) {
    const [kind, size, index, root, body, ...hashes] = line.split(" ");
    if (kind !== "inclusion") continue;
    const proof = {
      size,
      index,
      root: Buffer.from(root, "hex"),
      body: Buffer.from(body, "hex"),
      hashes: hashes.map((hash) => Buffer.from(hash, "hex")),
    };
    if (!holds(proof)) throw new Error(`refused: ${line}`);
    accepted++;
    for (const other of changed(proof)) {
      if (holds(other)) throw new Error(`it holds though changed: ${line}`);
      rejected++;
    }
  }
  console.log(`accepted ${accepted} rejected ${rejected}`);
}

if (process.argv[3] === "-") judgeAll();
else judgeFile(process.argv[3]);
