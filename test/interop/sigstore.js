// SPDX-License-Identifier: Apache-2.0
// Judges the inclusion proof of a .tlog-proof with the Merkle check of
// @sigstore/verify: sigstore.js MODULES PROOF
"use strict";
const fs = require("fs");
const path = require("path");

const { verifyMerkleInclusion } = require(
  path.resolve(process.argv[2], "@sigstore/verify/dist/tlog/merkle.js"));
const lines = fs.readFileSync(process.argv[3], "utf8").split("\n");
const empty = lines.indexOf("");
const line = Buffer.from(lines[1].replace("extra ", ""), "base64").toString();
// The leaf's data is the header, which ends where "hash" begins.
const header = line.slice(0, line.indexOf(',"hash":"')) + "}";
const entry = {
  canonicalizedBody: Buffer.from(header),
  inclusionProof: {
    logIndex: lines[2].replace("index ", ""),
    hashes: lines.slice(3, empty).map((hash) => Buffer.from(hash, "base64")),
  },
};
verifyMerkleInclusion(entry, {
  logSize: lines[empty + 2],
  logHash: Buffer.from(lines[empty + 3], "base64"),
});
console.log("accepted");
