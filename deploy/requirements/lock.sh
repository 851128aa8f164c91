#!/bin/sh
# Writes host.txt (to run) and dev.txt (to run, test and check) from pyproject.toml: exact versions with their hashes.
# torch is left out, though not what it needs: see torch_stand_in.py.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$here/../..
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$root/.venv/bin/python" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check pip-tools
"$tools/bin/python" "$here/torch_stand_in.py" "$tools"
lock() {
    "$tools/bin/pip-compile" --quiet --generate-hashes --strip-extras --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
        --unsafe-package torch --find-links "$tools" --constraint "$tools/torch.txt" "$@" "$root/pyproject.toml"
}
lock --extra dev --output-file "$here/dev.txt"
lock --constraint "$here/dev.txt" --output-file "$here/host.txt"
