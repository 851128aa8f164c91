#!/bin/sh
# Makes sure that the local chain (anvil) is there, and with --compiler also what compiles the contracts.
# Installs nothing when it is.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
node=$here/../node

if [ -x "$node/node_modules/.bin/anvil" ] && [ -d "$node/node_modules/solc" ]; then
    exit 0
fi
if [ "${1:-}" != --compiler ] && command -v anvil >/dev/null; then
    exit 0
fi
if ! command -v npm >/dev/null; then
    echo "node: npm is needed for the local chain: install npm, or put anvil on PATH" >&2
    exit 1
fi
echo "node: installing anvil, solc and the contracts' library" >&2
cd "$node"
# Not `npm ci`: it wants every platform's anvil in the lock. This installs what the lock says, checks it, and writes no lock.
npm install --silent --no-save --ignore-scripts --no-audit --no-fund >&2
