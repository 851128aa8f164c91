#!/bin/sh
# Runs slither over the shipped contracts and fails on a finding that docs/contracts.md has no answer for. The compiler
# is the locked one, so nothing is downloaded but slither itself, into an environment of its own.
set -eu
cd "$(dirname "$0")/../.."
node=$PWD/deploy/node
home=.build/slither
python=${PYTHON:-python3}

if [ ! -x "$home/bin/slither" ]; then
    "$python" -m venv "$home"
    "$home/bin/pip" install --quiet "slither-analyzer==0.11.6"
fi
rm -rf "$home/sources"
mkdir -p "$home/sources/datatokens/contracts"
cp datatokens/contracts/*.sol "$home/sources/datatokens/contracts/"
cp -RL "$node/node_modules/@openzeppelin" "$home/sources/"
node "$node/compile.mjs" --input >"$home/sources/input.json"
cd "$home/sources"
# The path is filtered, not the detectors: what OpenZeppelin's authors answer for is not ours to answer.
../bin/slither input.json --compile-force-framework solc-json --solc "$node/solc.mjs" \
    --filter-paths @openzeppelin --json findings.json >slither.log 2>&1 || true
cd - >/dev/null
exec "$python" deploy/contracts/findings.py "$home/sources/findings.json" docs/contracts.md
