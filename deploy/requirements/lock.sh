#!/bin/sh
# Writes host.txt (to run) and dev.txt (to run, test and check) from pyproject.toml: exact versions with their hashes.
# torch is resolved, for what it needs, and left out: its CPU build is a different file on each platform (setup/python.sh).
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$here/../..
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
"$root/.venv/bin/python" -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check pip-tools
lock() {
    "$tools/bin/pip-compile" --quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options "$@" "$root/pyproject.toml"
}
printf 'torch==%s\n' "$(cat "$here/torch.txt")" >"$tools/torch.txt"
lock --extra dev --constraint "$tools/torch.txt" --output-file "$here/dev.txt"
sed -i '/^torch==/,/^[a-z]/{/^torch==/d;/^ /d}' "$here/dev.txt"
lock --constraint "$here/dev.txt" --output-file "$here/host.txt"
