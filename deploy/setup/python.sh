#!/bin/sh
# Makes sure that the virtual environment holds exactly the locked packages and this checkout. Installs nothing when it does.
# torch comes apart from them: its CPU build is a different file on each platform, so no lock can name it.
# Environment: PYTHON (default: python3, which must be 3.11 or newer), TORCH_INDEX_URL (an index with torch's CPU build,
# where the default one has another).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$here/../..
venv=$root/.venv
python=${PYTHON:-python3}

say() { echo "python: $*" >&2; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

requirements=$root/deploy/requirements
wanted=$(cat "$requirements/dev.txt" "$requirements/torch.txt" "$root/pyproject.toml" | sha256sum | cut -d' ' -f1)
if [ "$(cat "$venv/locked" 2>/dev/null || true)" = "$wanted" ]; then
    exit 0
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    say "Python 3.11 or newer is needed: set PYTHON to one"
    exit 1
fi
if [ ! -x "$venv/bin/python" ]; then
    say "making a virtual environment"
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        say "installing python3-venv"
        as_root apt-get update -qq
        as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv >/dev/null
    fi
    "$python" -m venv "$venv"
fi
say "installing the locked packages"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --require-hashes --no-deps \
    -r "$requirements/dev.txt"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-deps \
    ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} "torch==$(cat "$requirements/torch.txt")"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps --editable "$root"
printf '%s\n' "$wanted" >"$venv/locked"
