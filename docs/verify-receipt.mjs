// Verifies a receipt's P-256 signature with Node alone, and with a proof that it stands in the log under the checkpoint's root.
//   node verify-receipt.mjs receipt.jsonl key.pem [receipt.tlog-proof]
// Not checked here: whose key it is, the checkpoint's signature, whether the root is anchored; docs/receipt-format.md says how.
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";

const [LEAF, NODE] = [Buffer.from([0]), Buffer.from([1])];
const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();

function fail(problem) {
  console.error(`NOT VERIFIED: ${problem}`);
  process.exit(1);
}

// The bytes that are signed and logged: DSSE v1.0.2, whose lengths count bytes.
function preAuthenticationEncoding({ payloadType, payload }) {
  const body = Buffer.from(payload, "base64");
  const type = Buffer.from(payloadType);
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} `), type, Buffer.from(` ${body.length} `), body]);
}

// A key's id in the receipt: SHA-256 of its SubjectPublicKeyInfo in DER.
const keyIdOf = (key) => `p256:${sha256(key.export({ type: "spki", format: "der" })).toString("hex")}`;

function checkSignature(envelope, pae, key) {
  const entry = envelope.signatures.find(({ keyid }) => keyid === keyIdOf(key));
  if (!entry) fail("this key didn't sign the receipt");
  if (!verify("sha256", pae, key, Buffer.from(entry.sig, "base64"))) fail("the signature is not over this statement");
}

// RFC 9162, section 2.1.3.2.
function rootFrom(leaf, index, size, path) {
  let [fn, sn, hash] = [BigInt(index), BigInt(size) - 1n, leaf];
  if (fn > sn) fail("the entry is not in a log of that size");
  for (const step of path) {
    if (sn === 0n) fail("the proof is too long");
    if (fn & 1n || fn === sn) {
      hash = sha256(NODE, step, hash);
      while (!(fn & 1n) && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else {
      hash = sha256(NODE, hash, step);
    }
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  if (sn !== 0n) fail("the proof is too short");
  return hash;
}

function checkInclusion(pae, proof) {
  const [head, ...note] = proof.split("\n\n");
  const [, index, ...path] = head.split("\n");
  const [origin, size, root] = note[0].split("\n");
  const leaf = sha256(LEAF, "sealroom-receipt-v1\n", sha256(pae));
  const hashes = path.map((line) => Buffer.from(line, "base64"));
  const found = rootFrom(leaf, index.replace("index ", ""), size, hashes).toString("base64");
  if (found !== root) fail("the proof doesn't lead to the checkpoint's root");
  console.log(`included: ${index} of ${size} in ${origin}, root ${root}`);
}

const [receiptFile, keyFile, proofFile] = process.argv.slice(2);
if (!keyFile) fail("usage: node verify-receipt.mjs receipt.jsonl key.pem [receipt.tlog-proof]");
const envelope = JSON.parse(readFileSync(receiptFile, "utf8"));
const pae = preAuthenticationEncoding(envelope);
checkSignature(envelope, pae, createPublicKey(readFileSync(keyFile)));
console.log(`signed: ${JSON.parse(Buffer.from(envelope.payload, "base64")).predicate.egress.outcome}`);
if (proofFile) checkInclusion(pae, readFileSync(proofFile, "utf8"));
