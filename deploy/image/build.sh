#!/bin/sh
# Builds the image that algorithms run in, and prints its id (the digest that algorithm.yaml names).
#
#   build.sh [-o FILE] [BASE_IMAGE]
#
# BASE_IMAGE: any local image with Python 3.11 and venv, such as a python:3.11-slim. Without one, a minimal Debian
# is made by mmdebstrap. -o FILE also writes the id to FILE. Needs Python 3.11 with pip on the host for the wheels;
# the image build itself runs without a network. Does nothing when the image for the same inputs is already there.
# Environment: SEALROOM_CACHE (default: .build in the checkout), TORCH_INDEX_URL (an index with torch's CPU build,
# where the default one has another), PYTHON (default: python3.11).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${SEALROOM_CACHE:-$here/../../.build}
python=${PYTHON:-python3.11}
torch=2.13.0
suite=bookworm
packages=python3,python3-venv

out=
while getopts o: flag; do
    case $flag in
        o) out=$OPTARG ;;
        *) echo "usage: build.sh [-o FILE] [BASE_IMAGE]" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
base=${1:-}

say() { echo "image: $*" >&2; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

finish() {
    [ -z "$out" ] || printf '%s\n' "$1" >"$out"
    printf '%s\n' "$1"
}

digest() { sha256sum | cut -d' ' -f1; }

find_image() { docker image ls --no-trunc --quiet --filter "label=org.sealroom.inputs=$inputs" | head -n 1; }

if [ -n "$base" ]; then
    base_key=$(docker image inspect --format '{{.Id}}' "$base")
else
    base_key="mmdebstrap minbase $suite $packages"
fi
inputs=$({ printf '%s\n%s\n' "$base_key" "$torch"; cat "$here/requirements.txt" "$here/Dockerfile"; } | digest)
image=$(find_image)
if [ -n "$image" ]; then
    finish "$image"
    exit 0
fi

mkdir -p "$cache/image"
cache=$(CDPATH='' cd -- "$cache/image" && pwd)
exec 9>"$cache/lock"
flock 9 # two builds at once would do the same work twice
image=$(find_image)
if [ -n "$image" ]; then
    finish "$image"
    exit 0
fi

if [ -z "$base" ]; then
    base=sealroom/base:$(printf '%s' "$base_key" | digest | cut -c1-12)
    if ! docker image inspect "$base" >/dev/null 2>&1; then
        if ! command -v mmdebstrap >/dev/null; then
            say "installing mmdebstrap"
            as_root apt-get update -qq
            as_root apt-get install -y -qq mmdebstrap >/dev/null
        fi
        say "making a minimal Debian ($suite)"
        as_root mmdebstrap --quiet --variant=minbase --include="$packages" \
            --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
            --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$cache/base.tar" >&2
        docker import "$cache/base.tar" "$base" >/dev/null
        as_root rm -f "$cache/base.tar"
    fi
fi

wheels=$cache/wheels-$({ echo "$torch"; cat "$here/requirements.txt"; } | digest | cut -c1-12)
if [ ! -e "$wheels/complete" ]; then
    if ! "$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))'; then
        say "the wheels must be fetched by Python 3.11, the image's version: set PYTHON to one"
        exit 1
    fi
    say "fetching wheels"
    mkdir -p "$wheels"
    "$python" -m pip download -qq --disable-pip-version-check --only-binary=:all: --require-hashes --no-deps \
        --dest "$wheels" -r "$here/requirements.txt" >&2
    "$python" -m pip download -qq --disable-pip-version-check --only-binary=:all: --no-deps \
        ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} --dest "$wheels" "torch==$torch" >&2
    touch "$wheels/complete"
fi

say "building"
context=$(mktemp -d "$cache/context.XXXXXX")
trap 'rm -rf "$context"' EXIT
mkdir "$context/wheels"
ln "$wheels"/*.whl "$context/wheels/"
cp "$here/Dockerfile" "$here/requirements.txt" "$context/"
docker build --quiet --network none --build-arg BASE="$base" --build-arg TORCH="$torch" \
    --label "org.sealroom.inputs=$inputs" --tag "sealroom/python:$(printf '%s' "$inputs" | cut -c1-12)" \
    "$context" >"$cache/build.log" 2>&1 || { cat "$cache/build.log" >&2; exit 1; }
docker image prune --force --filter label=org.sealroom.stage=build >/dev/null # an older builder leaves its stage behind
image=$(find_image)
finish "$image"
