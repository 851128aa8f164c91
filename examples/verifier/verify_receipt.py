"""Verifies one receipt, from docs/receipt-format.md alone: nothing of Sealroom is imported.

    python verify_receipt.py receipt.jsonl provider-keys.json [artefact ...]

Needs `cryptography` and `pycryptodome` (for keccak-256). The proof stands beside the receipt, with the ending .tlog-proof.
Steps 1 to 15 of the checklist; step 16 needs a chain.
"""

import base64
import binascii
import hashlib
import json
import math
import re
import sys
from decimal import Decimal
from pathlib import Path

from Crypto.Hash import keccak
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

LARGEST = 2**53 - 1
P256_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200")
PRIME = 2**256 - 2**32 - 977  # of secp256k1, with its order and generator
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
BASE = (
    0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
    0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8,
)
ED25519_PRIME = 2**255 - 19
ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL_ORDER = {
    y + shift
    for y in (0, 1, ED25519_PRIME - 1, ORDER_8, ED25519_PRIME - ORDER_8)
    for shift in (0, ED25519_PRIME)
}
FORMS = {
    "digest": r"sha256:[0-9a-f]{64}",
    "hex32": r"[0-9a-f]{64}",
    "hash32": r"0x[0-9a-f]{64}",
    "address": r"0x[0-9a-fA-F]{40}",
    "hex": r"0x(?:[0-9a-f]{2})*",
    "point": r"0x04[0-9a-f]{128}",
    "decimal": r"(?:0|[1-9][0-9]{0,77})(?:\.[0-9]{1,30})?",
    "whole": r"0|[1-9][0-9]{0,77}",
}
POSITIVE = r"0\.[0-9]{0,29}[1-9][0-9]{0,29}|[1-9][0-9]{0,9}(?:\.[0-9]{1,30})?"
PLAIN = {"text": str, "integer": int, "boolean": bool, "object": dict}
RECORDS = {
    "receipt": "job:job inputs:inputs policy:policy sandbox:sandbox? run:run? outputs:output* privacy:privacy "
    "egress:egress notBefore:block provider:provider log:log",
    "job": "id:hex32 nonce:hex32 consumer:address attempt:integer orders:order* request:object requestSignature:hex",
    "order": "chainId:integer txHash:hash32 logIndex:integer datatoken:address consumer:address amountWei:whole "
    "tokenId:whole",
    "inputs": "datasets:dataset* algorithm:digest image:digest? parametersDigest:digest parameters:object "
    "holdBack:holdback?",
    "holdback": "part:decimal column:text? maxRows:integer?",
    "dataset": "assetId:hex32 tokenId:whole commitment:digest scheme:text metadataDigest:digest",
    "policy": "digests:digest* engine:text decision:text rules:rule* decided:integer witnesses:demand* "
    "reviews:reviewdemand*",
    "reviewdemand": "when:text needed:integer reviewers:address*",
    "demand": "threshold:integer keys:text*",
    "rule": "assetId:hex32 name:text verdict:text detail:text",
    "sandbox": "runtime:text profile:digest limits:object determinism:determinism probe:probe?",
    "determinism": "threads:integer hashSeed:integer deterministicAlgorithms:boolean architecture:text vendor:text "
    "level:text",
    "probe": "passed:boolean digest:digest rows:integer",
    "run": "started:integer finished:integer reason:text cpuS:decimal peakMemoryBytes:whole bytesWritten:whole "
    "logDigest:digest logs:text",
    "output": "name:text digest:digest sizeBytes:whole released:boolean releasedDigest:digest?",
    "privacy": "mechanism:text accountant:text? unit:unit? mechanisms:mechanism* epsilon:decimal? delta:decimal? "
    "ledgerBefore:decimal? ledgerAfter:decimal? ledgerCap:decimal? ledgerDelta:decimal? informationBits:whole",
    "unit": "column:text? maxRows:integer?",
    "mechanism": "kind:text noiseMultiplier:decimal samplingRate:decimal? steps:integer? count:integer?",
    "egress": "verdict:text outcome:text gate:text checks:check* rule:text review:review? "
    "mantissaBits:integer?",
    "review": "lookedAt:digest salt:hex32? decisions:decision*",
    "decision": "reviewer:address decision:text decided:integer reason:digest nonce:hex32 expiry:integer signature:hex",
    "check": "name:text ok:boolean detail:text",
    "block": "number:integer hash:hash32",
    "provider": "address:address origin:text software:digest keyids:text*",
    "log": "origin:text index:integer",
    "signedrequest": "datasets:hex32* algorithm:digest parameters:digest purpose:text provider:address "
    "result_key:text nonce:hex32 expiry:integer",
    "trustroot": "version:integer chainId:integer escrow:address provider:address origin:text keys:trustedkey* "
    "anchors:anchor* closed:integer?",
    "trustedkey": "p256:point signer:address ed25519:hash32 validFrom:integer validFromBlock:integer "
    "validUntil:integer? revokedAt:integer?",
    "anchor": "size:integer root:hash32 block:integer blockHash:hash32 time:integer tx:hash32",
}


PRIVACY_TESTS = [
    *("rows-held-back", "scores-useful", "generalisation-gap", "membership-loss", "membership-likelihood"),
    *("rows-verbatim", "low-bits", "spare-tensors"),
]  # what people may overrule who looked at a release
GATE_CHECKS = [
    *("only-declared-files", "all-declared-present", "weights-size", "metrics-allowed", "information-bits"),
    *("weights-safetensors", "weights-declared", "weights-finite", "metrics-declared", "metrics-range"),
]  # of sealroom-gate/1
REVIEW_ENDS = {"review-withheld": "withheld", "review-late": "withheld", "cancelled-reviewing": "cancelled"}


class Wrong(Exception):  # noqa: N818 - it carries a verdict
    """How a verification ends that doesn't pass."""

    def __init__(self, verdict, detail=""):
        super().__init__(detail)
        self.verdict = verdict
        self.step = ""


def need(holds, verdict, detail=""):
    if not holds:
        raise Wrong(verdict, detail)


# JSON, base64, records


def read_json(data, size, depth, fractions=False):  # noqa: FBT002
    def refuse(text):
        raise Wrong("malformed", f"{text} is no number here")

    def whole(text):
        need(len(text) <= 17 and abs(int(text)) <= LARGEST, "malformed", "a number is too large")
        return int(text)

    def fraction(text):
        need(
            fractions and len(text) <= 32 and math.isfinite(float(text)),
            "malformed",
            "a number with a fraction",
        )
        return float(text)

    def pairs(items):
        need(len(dict(items)) == len(items), "malformed", "a key stands twice")
        return dict(items)

    need(len(data) <= size, "malformed", "too large")
    try:
        value = json.JSONDecoder(
            object_pairs_hook=pairs, parse_int=whole, parse_float=fraction, parse_constant=refuse
        ).decode(data.decode("utf-8"))
        check_nesting(value, depth)
    except (ValueError, RecursionError) as exc:
        raise Wrong("malformed", "not JSON in UTF-8") from exc
    return value


def check_nesting(value, depth):
    if isinstance(value, str):
        value.encode()  # half of a surrogate pair has no UTF-8: a ValueError
    if isinstance(value, (dict, list)):
        need(depth > 0, "malformed", "nested too deep")
        for item in [*value, *value.values()] if isinstance(value, dict) else value:
            check_nesting(item, depth - 1)


def canonical(value):
    if isinstance(value, dict):
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        return canonical_number(value)
    return json.dumps(value, ensure_ascii=False)


def canonical_number(value):
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text, minus = "".join(map(str, digits)), "-" if sign else ""
    point = len(text) + exponent
    if len(text) <= point <= 21:
        return minus + text + "0" * (point - len(text))
    if 0 < point <= 21:
        return f"{minus}{text[:point]}.{text[point:]}"
    if -6 < point <= 0:
        return f"{minus}0.{'0' * -point}{text}"
    return f"{minus}{text[0]}{'.' if text[1:] else ''}{text[1:]}e{point - 1:+d}"


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def keccak256(data):
    return keccak.new(digest_bits=256, data=data).digest()


def unbase64(text, verdict="malformed"):
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as exc:
        raise Wrong(verdict, "not base64") from exc
    need(base64.b64encode(data).decode() == text, verdict, "not canonical base64")
    return data


def read_record(value, form, verdict):
    """Check a value against a form such as `digest?` (or null) or `rule*` (a list); return it without unknown fields."""
    if form.endswith("?"):
        return None if value is None else read_record(value, form[:-1], verdict)
    if form.endswith("*"):
        need(isinstance(value, list), verdict, f"no list of {form}")
        return [read_record(item, form[:-1], verdict) for item in value]
    if form in RECORDS:
        need(isinstance(value, dict), verdict, f"no {form}")
        fields = dict(field.split(":") for field in RECORDS[form].split())
        need(fields.keys() <= value.keys(), verdict, f"a field of {form} is missing")
        return {name: read_record(value[name], kind, verdict) for name, kind in fields.items()}
    if form in PLAIN:
        need(type(value) is PLAIN[form], verdict, f"no {form}")
    else:
        need(isinstance(value, str) and re.fullmatch(FORMS[form], value), verdict, f"no {form}")
    return value


# Keys and signatures


def unhex(text):
    return bytes.fromhex(text.removeprefix("0x").removeprefix("sha256:"))


def checksum(address):
    digits = address[2:].lower()
    marks = keccak256(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(m, 16) >= 8 else d for d, m in zip(digits, marks, strict=False))


def load_point(point):
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError:
        return None


def p256_keyid(key):
    point = unhex(key["p256"])
    return "p256:" + sha256(P256_HEAD, point).hex() if load_point(point) else None


def signer_keyid(key, chain_id):
    return f"eip155:{chain_id}:{checksum(key['signer'])}"


def note_keyid(key, name):
    return sha256(name.encode(), b"\n\x01", unhex(key["ed25519"]))[:4]


def is_p256(key, signature, message):
    try:
        load_point(unhex(key["p256"])).verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def is_ed25519(raw, signature, message):
    if len(signature) != 64 or int.from_bytes(raw, "little") % 2**255 in SMALL_ORDER:
        return False
    try:
        Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def add(one, two):
    """Add two points of secp256k1; None is the neutral one."""
    if one is None or two is None:
        return one or two
    if one[0] == two[0] and (one[1] + two[1]) % PRIME == 0:
        return None
    if one == two:
        slope = 3 * one[0] ** 2 * pow(2 * one[1], -1, PRIME) % PRIME
    else:
        slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, PRIME) % PRIME
    x = (slope**2 - one[0] - two[0]) % PRIME
    return x, (slope * (one[0] - x) - one[1]) % PRIME


def multiply(point, times):
    result = None
    while times:
        result = add(result, point) if times & 1 else result
        point, times = add(point, point), times >> 1
    return result


def recover(signature, digest):
    """Return the address that made 65 bytes r, s, v over a digest, or None (SEC 1 §4.1.6)."""
    if len(signature) != 65 or signature[64] not in (27, 28):
        return None
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
    if not (0 < r < ORDER and 0 < s <= ORDER // 2):
        return None
    square = (pow(r, 3, PRIME) + 7) % PRIME
    y = pow(square, (PRIME + 1) // 4, PRIME)
    if y * y % PRIME != square:
        return None
    y = y if y % 2 == signature[64] - 27 else PRIME - y
    inverse, message = pow(r, -1, ORDER), int.from_bytes(digest)
    key = add(multiply((r, y), s * inverse % ORDER), multiply(BASE, -message * inverse % ORDER))
    return checksum("0x" + keccak256(key[0].to_bytes(32) + key[1].to_bytes(32))[-20:].hex()) if key else None


# The files


def read_trust(data):
    trust = read_record(read_json(data, 67108864, 6), "trustroot", "malformed")
    origin = f"sealroom/{trust['chainId']}/{trust['provider'].lower()}"
    need(trust["version"] == 1 and trust["chainId"] >= 1, "malformed", "another version, or no chain")
    need(
        len(trust["keys"]) <= 4096 and trust["origin"] == origin,
        "malformed",
        "too many keys, or another's log",
    )
    return trust


def read_receipt(data):
    need(
        len(data) <= 8388608 and data.endswith(b"}\n") and data.startswith(b"{"),
        "malformed",
        "no line of JSON",
    )
    need(data.count(b"\n") == 1, "malformed", "not one envelope")
    envelope = read_json(data[:-1], 1048576, 4)
    signatures = envelope.get("signatures")
    need(isinstance(signatures, list) and 1 <= len(signatures) <= 16, "malformed", "no signatures")
    need(all(isinstance(item, dict) for item in signatures), "malformed", "a signature is no object")
    texts = [text_of(envelope, "payload", 1048576), *(text_of(item, "sig", 8192) for item in signatures)]
    joined = set("".join(texts))
    need(not (joined & set("-_") and joined & set("+/")), "malformed", "two alphabets")
    payload, *sigs = [unbase64(text.replace("-", "+").replace("_", "/")) for text in texts]
    keyids = [text_of(item, "keyid", 256) for item in signatures]
    need(len(set(keyids)) == len(keyids), "malformed", "a key id stands twice")
    return payload, text_of(envelope, "payloadType", 256), dict(zip(keyids, sigs, strict=True))


def text_of(document, name, most):
    value = document.get(name)
    need(isinstance(value, str) and 1 <= len(value) <= most, "malformed", f"no {name}")
    return value


def read_number(text):
    need(re.fullmatch("0|[1-9][0-9]{0,15}", text) and int(text) <= LARGEST, "malformed", "no number")
    return int(text)


def read_hash(text):
    value = unbase64(text)
    need(len(value) == 32, "malformed", "no hash")
    return value


def read_proof(data):
    need(len(data) <= 135168, "malformed", "too large")
    try:
        head, parted, note = data.decode("utf-8").partition("\n\n")
    except UnicodeDecodeError as exc:
        raise Wrong("malformed", "not UTF-8") from exc
    lines = head.split("\n")
    need(parted and 2 <= len(lines) <= 65 and lines[0] == "c2sp.org/tlog-proof@v1", "malformed", "no proof")
    need(lines[1].startswith("index "), "malformed", "no index")
    return read_number(lines[1][6:]), [read_hash(line) for line in lines[2:]], note


def read_note(note):
    need(len(note) <= 131072 and note.endswith("\n"), "malformed", "no note")
    need(not re.search(r"[\x00-\x09\x0b-\x1f]", note), "malformed", "a control character")
    text, parted, tail = note.rpartition("\n\n")
    lines = tail[:-1].split("\n")
    need(parted and len(lines) <= 64, "malformed", "no empty line, or too many signatures")
    return text + "\n", [read_signature_line(line) for line in lines]


def read_signature_line(line):
    found = re.fullmatch("\u2014 ([^\\s+]+) ([A-Za-z0-9+/=]+)", line)
    need(found, "malformed", "no signature line")
    raw = unbase64(found[2])
    need(len(raw) > 4, "malformed", "no signature")
    return (found[1], raw[:4]), raw[4:]


def read_checkpoint(text, origin):
    lines = text.split("\n")
    need(len(lines) == 4 and lines[0] and not lines[3], "malformed", "not three lines")
    size, root = read_number(lines[1]), read_hash(lines[2])
    need(lines[0] == origin, "unknown-key", "another log's")
    return size, root


# The checklist


def verify(receipt, proof, trust_data, artefacts):
    """Return "verified", or raise `Wrong` with a verdict and the step; artefacts are SHA-256 digests by name."""
    trust = step("read trust root", lambda: read_trust(trust_data))
    payload, kind, signatures = step("read receipt", lambda: read_receipt(receipt))
    index, path, note = step("read proof", lambda: read_proof(proof))
    type_bytes = kind.encode()
    pae = b"DSSEv1 %d %b %d %b" % (len(type_bytes), type_bytes, len(payload), payload)
    p256, signers = step("know the keys", lambda: find_keys(signatures, trust))
    step("p-256 signature", lambda: check_p256(p256, signatures, pae))
    step("secp256k1 signature", lambda: check_signers(signers, signatures, pae, trust["chainId"]))
    log_keys, size, root = step("checkpoint signature", lambda: check_note(note, trust))
    step("entry included", lambda: check_path(sha256(b"\x00", entry_of(pae)), index, size, path, root))
    anchor = step("root anchored", lambda: find_anchor(size, root, trust))
    step("keys valid then", lambda: [check_valid(keys, anchor) for keys in (p256, signers, log_keys)])
    facts, subjects = step("read statement", lambda: read_statement(payload, kind))
    step("statement is of this log", lambda: check_place(facts, index, signatures, anchor, trust))
    step("request signed by the consumer", lambda: check_request(facts, trust))
    step("reviews", lambda: check_review_signatures(facts, trust))
    step("witnesses", lambda: check_witnesses(facts, note))
    step("artefact digests", lambda: check_artefacts(artefacts, facts, subjects))
    return "verified"


def step(name, work):
    """Do one step, and give its name to what went wrong in it."""
    try:
        return work()
    except Wrong as wrong:
        wrong.step = name
        raise


def find_keys(signatures, trust):
    p256 = [key for key in trust["keys"] if p256_keyid(key) in signatures]
    signers = [key for key in trust["keys"] if signer_keyid(key, trust["chainId"]) in signatures]
    need(p256 and signers, "unknown-key", "no signature by a published key of each kind")
    return p256, signers


def check_p256(keys, signatures, pae):
    good = all(is_p256(key, signatures[p256_keyid(key)], pae) for key in keys)
    need(good, "bad-signature", "not over this statement")


def check_signers(keys, signatures, pae, chain_id):
    for key in keys:
        address = recover(signatures[signer_keyid(key, chain_id)], sha256(pae))
        need(address == checksum(key["signer"]), "bad-signature", "not over this statement")


def check_note(note, trust):
    text, lines = read_note(note)
    origin = trust["origin"]
    by_log = [
        (key, sig) for key in trust["keys"] for who, sig in lines if who == (origin, note_keyid(key, origin))
    ]
    need(by_log, "unknown-key", "not signed by the log")
    need(
        all(is_ed25519(unhex(key["ed25519"]), sig, text.encode()) for key, sig in by_log),
        "bad-signature",
        "not over this text",
    )
    marks = [who for who, _ in lines if who in {(origin, note_keyid(key, origin)) for key, _ in by_log}]
    need(len(set(marks)) == len(marks), "malformed", "signed twice by one key")
    return ([key for key, _ in by_log], *read_checkpoint(text, origin))


def entry_of(pae):
    return b"sealroom-receipt-v1\n" + sha256(pae)


def check_path(leaf, index, size, path, root):
    """RFC 9162 §2.1.3.2."""
    need(index < size, "not-included", "past the end")
    fn, sn, r = index, size - 1, leaf
    for p in path:
        need(sn != 0, "not-included", "too long")
        if fn & 1 or fn == sn:
            r = sha256(b"\x01", p, r)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = sha256(b"\x01", r, p)
        fn, sn = fn >> 1, sn >> 1
    need(sn == 0 and r == root, "not-included", "another root")


def find_anchor(size, root, trust):
    found = [item for item in trust["anchors"] if item["size"] == size and unhex(item["root"]) == root]
    need(found, "root-not-anchored", "not on the chain")
    closed = trust["closed"] is not None and trust["closed"] <= found[0]["time"]
    need(not closed, "root-not-anchored", "the log was closed")
    return found[0]


def check_valid(keys, anchor):
    def in_force(key):
        until = key["validUntil"]
        begun = anchor["block"] >= key["validFromBlock"] and anchor["time"] >= key["validFrom"]
        return begun and (key["revokedAt"] is None if until is None else anchor["time"] < until)

    def revoked(key):
        until = key["validUntil"]
        return key["revokedAt"] is not None and (until is None or until <= anchor["time"])

    good = any(map(in_force, keys)) and not any(map(revoked, keys))
    need(good, "key-not-valid-then", "not in force, or revoked")


def read_statement(payload, kind):
    no = "statement-refused"
    need(kind == "application/vnd.in-toto+json", no, "another payload type")
    document = read_json(payload, 786432, 24, fractions=True)
    need(isinstance(document, dict), no, "no object")
    need(document.get("_type") == "https://in-toto.io/Statement/v1", no, "another type")
    need(document.get("predicateType") == "urn:sealroom:sealed-training-run:v1", no, "another predicate")
    subjects = document.get("subject")
    need(isinstance(subjects, list) and 1 <= len(subjects) <= 1024, no, "no subjects")
    subjects = [read_subject(item) for item in subjects]
    facts = read_record(document.get("predicate"), "receipt", no)
    check_outcome(facts, no)
    check_run(facts, no)
    check_subjects(facts, subjects, no)
    check_datasets(facts, no)
    check_demands(facts, no)
    check_privacy(facts, no)
    check_reviews(facts, no)
    return facts, subjects


def read_subject(item):
    no = "statement-refused"
    need(isinstance(item, dict) and isinstance(item.get("name"), str) and item["name"], no, "no name")
    digest = item.get("digest")
    need(isinstance(digest, dict) and list(digest) == ["sha256"], no, "no digest")
    return item["name"], read_record(digest["sha256"], "hex32", no)


def check_outcome(facts, no):
    egress, outputs = facts["egress"], facts["outputs"]
    left = egress["verdict"] == "RELEASED"
    failed = {check["name"] for check in egress["checks"] if not check["ok"]}
    need(egress["outcome"] in {"released", "withheld", "failed", "refused", "cancelled"}, no, "outcome")
    need(egress["verdict"] == ("RELEASED" if egress["outcome"] == "released" else "WITHHELD"), no, "verdict")
    need(len(egress["checks"]) <= 4096 and len(outputs) <= 4096, no, "too many")
    need(
        not left
        or (not egress["rule"] and (not failed or (egress["review"] and failed <= set(PRIVACY_TESTS)))),
        no,
        "a check said no",
    )
    held, kept = facts["inputs"]["holdBack"], egress["mantissaBits"]
    if left:
        names = [check["name"] for check in egress["checks"]]
        need(egress["gate"] == "sealroom-gate/1", no, "an unknown gate")
        need(names == GATE_CHECKS + (PRIVACY_TESTS if held else []), no, "not all checks")
        whens = {demand["when"] for demand in facts["policy"]["reviews"]}
        need(held or "not-passed" not in whens, no, "a review on tests that were not made")
    else:
        check_withheld(facts, no)
    if facts["run"]:
        check_bits(facts, no)
    need(kept is None or 0 <= kept <= 52, no, "rounding")
    if held:
        need(len(facts["inputs"]["datasets"]) == 1 and 0 < Decimal(held["part"]) < 1, no, "part held back")
        need((held["column"] is None) == (held["maxRows"] is None), no, "unit held back")
        need(held["maxRows"] is None or 0 < held["maxRows"] <= 10000, no, "rows of a unit")
    need(all(item["name"] for item in outputs), no, "a file without a name")
    released = [item["name"] for item in outputs if item["released"]]
    need(bool(released) == left and len(released) <= 1024, no, "what left")
    need(
        all(item["released"] == (item["releasedDigest"] is not None) for item in outputs),
        no,
        "released digest",
    )
    need("undeclared" not in released and len(set(released)) == len(released), no, "names")


def check_withheld(facts, no):
    """What stayed lists no check but the one that kept it; a privacy test, where people looked."""
    egress = facts["egress"]
    looked = REVIEW_ENDS.get(egress["rule"]) == egress["outcome"] and find_wanted(facts)
    names = {check["name"] for check in egress["checks"]}
    need(len(names) <= 1 and names <= set(PRIVACY_TESTS if looked else [egress["rule"]]), no, "other checks")
    need(not any(check["ok"] for check in egress["checks"]), no, "a check that passed")


def check_bits(facts, no):
    """How much left at least: the ending, an open log as a whole, the tests that people could overrule."""
    held, reviews = facts["inputs"]["holdBack"], facts["policy"]["reviews"]
    told = held and reviews and facts["egress"]["verdict"] == "RELEASED"
    least = 6 + (8 if told else 0)
    if facts["run"]["logs"] == "consumer":
        need(not reviews and not held and facts["privacy"]["ledgerCap"] is None, no, "an open log")
        limits = facts["sandbox"]["limits"] if facts["sandbox"] else {}
        least += 8 * int(read_record(limits.get("log_bytes"), "whole", no))
    need(int(facts["privacy"]["informationBits"]) >= least, no, "too few bits")


def check_run(facts, no):
    run, sandbox = facts["run"], facts["sandbox"]
    if run is not None:
        need(run["finished"] >= run["started"], no, "times")
        need(run["logs"] in {"owner", "nobody", "consumer"}, no, "logs")
    if facts["egress"]["outcome"] in {"released", "withheld"}:
        probe = sandbox["probe"] if sandbox else None
        need(run is not None and probe is not None and probe["passed"], no, "no sealed run")


def check_subjects(facts, subjects, no):
    released = [(o["name"], o["releasedDigest"][7:]) for o in facts["outputs"] if o["released"]]
    job = [("job", sha256(canonical(facts["job"]).encode()).hex())]
    need(subjects == (released or job), no, "subjects")
    need(facts["log"]["origin"] == facts["provider"]["origin"], no, "origins")
    numbers = facts["job"]["attempt"], facts["log"]["index"], facts["notBefore"]["number"]
    need(min(numbers) >= 0 and len(facts["provider"]["keyids"]) <= 4096, no, "below 0, or too many")


def check_datasets(facts, no):
    datasets, orders, policy = facts["inputs"]["datasets"], facts["job"]["orders"], facts["policy"]
    ids = [item["assetId"] for item in datasets]
    need(1 <= len(ids) <= 64 and len(set(ids)) == len(ids) == len(policy["digests"]), no, "datasets")
    tokens = [item["tokenId"] for item in datasets]
    need(not orders or [item["tokenId"] for item in orders] == tokens, no, "orders")
    judged = {rule["assetId"] for rule in policy["rules"]}
    need(judged <= set(ids) and len(policy["rules"]) <= 4096, no, "rules")
    if facts["run"] is not None:
        said = {policy["decision"], *(rule["verdict"] for rule in policy["rules"])}
        need(said == {"allow"} and judged == set(ids), no, "not allowed")


def check_privacy(facts, no):
    privacy, used = facts["privacy"], facts["privacy"]["mechanisms"]
    always = ["accountant", "epsilon", "delta", "ledgerBefore", "ledgerAfter", "ledgerDelta"]
    stated = [privacy[name] is not None for name in always]
    if privacy["mechanism"] == "none":
        stated += [privacy["unit"] is not None, privacy["ledgerCap"] is not None]
        need(not any(stated) and not used, no, "privacy of nothing")
        return
    need(all(stated) and 1 <= len(used) <= 16 and len(facts["inputs"]["datasets"]) == 1, no, "privacy")
    for item in used:
        sampled, most = item["kind"] == "sampled-gaussian", {"steps": 10**8, "count": 10**6}
        given, absent = ("steps", "count") if sampled else ("count", "steps")
        need(sampled or item["kind"] == "gaussian", no, "an unknown mechanism")
        need(item[given] is not None and 1 <= item[given] <= most[given], no, given)
        need(item[absent] is None and sampled == (item["samplingRate"] is not None), no, "parameters")
        numbers = [item["noiseMultiplier"], *([item["samplingRate"]] if sampled else [])]
        need(all(re.fullmatch(POSITIVE, number) for number in numbers), no, "a number that is not above 0")


def check_demands(facts, no):
    demands = facts["policy"]["witnesses"]
    need(len(demands) <= len(facts["inputs"]["datasets"]), no, "too many demands")
    for demand in demands:
        keys = [read_witness_key(text, no) for text in demand["keys"]]
        need(1 <= demand["threshold"] <= len(keys) <= 7, no, "a threshold out of reach")
        need(
            len({key for _, _, key in keys}) == len({mark for _, mark, _ in keys}) == len(keys),
            no,
            "a key twice",
        )


def read_witness_key(text, no="statement-refused"):
    """Return name, key id and Ed25519 key of a C2SP verifier key."""
    found = re.fullmatch(r"([!-*,-~]{1,200})\+([0-9a-f]{8})\+([A-Za-z0-9+/]{44})", text)
    need(found, no, "no witness key")
    key = unbase64(found[3], no)
    keyid = sha256(found[1].encode(), b"\n", key)[:4]
    need(len(key) == 33 and key[0] == 4 and keyid.hex() == found[2], no, "no witness key")
    return found[1], keyid, key[1:]


def check_witnesses(facts, note):
    """Each demand is met by the lines under the checkpoint, when something left."""
    text, lines = read_note(note)
    opened = facts["run"] is not None and facts["run"]["logs"] == "consumer"
    for demand in facts["policy"]["witnesses"] if opened or facts["egress"]["verdict"] == "RELEASED" else ():
        count = 0
        for name, keyid, key in map(read_witness_key, demand["keys"]):
            stamped = [sig for who, sig in lines if who == (name, keyid)]
            need(all(is_cosignature(key, sig, text) for sig in stamped), "bad-signature", name)
            count += bool(stamped)
        need(count >= demand["threshold"], "not-witnessed", f"{count} cosigned")


def is_cosignature(key, stamped, text):
    time = int.from_bytes(stamped[:8])
    message = f"cosignature/v1\ntime {time}\n{text}".encode()
    return len(stamped) == 72 and time < 2**63 and is_ed25519(key, stamped[8:], message)


def check_place(facts, index, signatures, anchor, trust):
    no = "statement-refused"
    need(facts["log"] == {"origin": trust["origin"], "index": index}, no, "another place")
    need(facts["provider"]["address"].lower() == trust["provider"].lower(), no, "another provider")
    need(set(facts["provider"]["keyids"]) <= signatures.keys(), no, "a key that didn't sign")
    need(facts["notBefore"]["number"] <= anchor["block"], no, "after the anchor")
    need(all(order["chainId"] == trust["chainId"] for order in facts["job"]["orders"]), no, "another chain")


def check_request(facts, trust):
    no, job, inputs = "statement-refused", facts["job"], facts["inputs"]
    request = read_record(job["request"], "signedrequest", no)
    need(0 <= request["expiry"] < 2**64, no, "expiry")
    digest = request_hash(request, trust["chainId"], trust["escrow"])
    need(digest.hex() == job["id"], no, "another job")
    need(recover(unhex(job["requestSignature"]), digest) == checksum(job["consumer"]), no, "another signer")
    need(request["nonce"] == job["nonce"], no, "another nonce")
    need(request["provider"].lower() == facts["provider"]["address"].lower(), no, "another provider")
    need(request["algorithm"] == inputs["algorithm"], no, "another algorithm")
    need(request["parameters"] == inputs["parametersDigest"], no, "other parameters")
    need(request["datasets"] == [item["assetId"] for item in inputs["datasets"]], no, "other datasets")
    shown = sha256(canonical(inputs["parameters"]).encode())
    need(shown == unhex(request["parameters"]), no, "parameters of another digest")


def request_hash(request, chain_id, escrow):
    request_type = (
        b"JobRequest(bytes32[] datasets,bytes32 algorithm,bytes32 parameters,string purpose,address provider,"
        b"bytes resultKey,bytes32 nonce,uint64 expiry)"
    )
    struct = [
        keccak256(request_type),
        keccak256(b"".join(map(unhex, request["datasets"]))),
        unhex(request["algorithm"]),
        unhex(request["parameters"]),
        keccak256(request["purpose"].encode()),
        word(request["provider"]),
        keccak256(unbase64(request["result_key"], "statement-refused")),
        unhex(request["nonce"]),
        request["expiry"].to_bytes(32),
    ]
    return keccak256(b"\x19\x01" + domain_hash(chain_id, escrow) + keccak256(b"".join(struct)))


def domain_hash(chain_id, escrow):
    domain_type = b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    domain = [
        keccak256(domain_type),
        keccak256(b"Sealroom"),
        keccak256(b"1"),
        chain_id.to_bytes(32),
        word(escrow),
    ]
    return keccak256(b"".join(domain))


def word(address):
    return unhex(address).rjust(32, b"\x00")


def check_reviews(facts, no):
    """Who had to look, who did, and what follows from it; the signatures are another step's."""
    egress, demands, consumer = facts["egress"], facts["policy"]["reviews"], facts["job"]["consumer"].lower()
    need(len(demands) <= len(facts["inputs"]["datasets"]), no, "too many demands")
    for demand in demands:
        people = {address.lower() for address in demand["reviewers"]}
        need(len(people) == len(demand["reviewers"]) <= 16, no, "reviewers")
        need(demand["when"] in {"always", "not-passed"}, no, "when")
        need(1 <= demand["needed"] <= min(2, len(people)), no, "needed")
    wanted = find_wanted(facts)
    listed = [{who.lower() for who in demand["reviewers"]} - {consumer} for demand in wanted]
    review, left = egress["review"], egress["verdict"] == "RELEASED"
    made = review["decisions"] if review else []
    people, words = [one["reviewer"].lower() for one in made], {one["decision"] for one in made}
    if review:
        need(
            people and len(set(people)) == len(people) and set(people) <= set().union(*listed),
            no,
            "reviewers",
        )
        need(words <= {"release", "withhold"}, no, "a decision that is none")
        need(all(0 <= one["expiry"] < 2**64 for one in made), no, "expiry")
        need((review["salt"] is not None) == left, no, "salt")
    enough = bool(wanted) and all(
        len(accounts & set(people)) >= demand["needed"]
        for demand, accounts in zip(wanted, listed, strict=True)
    )
    if left:
        need(not wanted or (enough and words == {"release"}), no, "released without the decisions needed")
    elif review or egress["rule"] == "review-withheld":
        stayed = enough and "withhold" in words and egress["outcome"] == "withheld"
        need(
            stayed and egress["rule"] == "review-withheld",
            no,
            "a review and an end that contradict each other",
        )


def find_wanted(facts):
    """Return the demands that apply, by what the checks said."""
    passed = all(check["ok"] for check in facts["egress"]["checks"])
    return [demand for demand in facts["policy"]["reviews"] if demand["when"] == "always" or not passed]


def check_review_signatures(facts, trust):
    no, review = "statement-refused", facts["egress"]["review"]
    for one in review["decisions"] if review else []:
        digest = decision_hash(one, review["lookedAt"], facts, trust)
        need(recover(unhex(one["signature"]), digest) == checksum(one["reviewer"]), no, "another signer")
    if review and review["salt"] is not None:
        files = sorted([o["name"], o["releasedDigest"]] for o in facts["outputs"] if o["released"])
        checks = [[check["name"], check["ok"]] for check in facts["egress"]["checks"]]
        shown = canonical({"checks": checks, "files": files, "salt": review["salt"]})
        need(sha256(shown.encode()) == unhex(review["lookedAt"]), no, "other files were looked at")


def decision_hash(decision, looked_at, facts, trust):
    action_type = b"Action(string action,bytes32 body,address provider,bytes32 nonce,uint64 expiry)"
    body = {
        "decision": decision["decision"],
        "job_id": facts["job"]["id"],
        "looked_at": looked_at,
        "reason": decision["reason"],
    }
    struct = [
        keccak256(action_type),
        keccak256(b"review.decide"),
        sha256(canonical(body).encode()),
        word(facts["provider"]["address"]),
        unhex(decision["nonce"]),
        decision["expiry"].to_bytes(32),
    ]
    return keccak256(
        b"\x19\x01" + domain_hash(trust["chainId"], trust["escrow"]) + keccak256(b"".join(struct))
    )


def check_artefacts(artefacts, facts, subjects):
    named = dict(subjects)
    for name, digest in artefacts.items():
        known = named.get(name.rsplit("/", 1)[-1])
        good = digest.hex() == known if known else digest.hex() in named.values()
        need(good and facts["egress"]["verdict"] == "RELEASED", "artefact-digest-differs", name)


def main():
    receipt, trust, *artefacts = map(Path, sys.argv[1:])
    digests = {path.name: sha256(path.read_bytes()) for path in artefacts}
    proof = receipt.with_suffix(".tlog-proof")
    try:
        print(verify(receipt.read_bytes(), proof.read_bytes(), trust.read_bytes(), digests))
    except Wrong as wrong:
        sys.exit(f"{wrong.verdict} at step '{wrong.step}': {wrong}")


if __name__ == "__main__":
    main()
