#!/bin/sh
# Builds the image that algorithms run in, and prints its id (the digest that algorithm.yaml names).
#
#   build.sh [-a] [-o FILE] [BASE_IMAGE]
#
# BASE_IMAGE: any local image made from Debian with Python 3.11 and venv, such as a python:3.11-slim. Without one, a
# minimal Debian is made by mmdebstrap. -o FILE also writes the id to FILE. -a builds anew what is there already: the
# same inputs give the same id. Needs Python 3.11 with pip on the host for the wheels; the image build itself runs
# without a network. Without -a, does nothing when the image for the same inputs is already there.
# Environment: SEALROOM_CACHE (default: .build in the checkout), TORCH_INDEX_URL (an index with torch's CPU build,
# where the default one has another), PYTHON (default: python3.11).
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${SEALROOM_CACHE:-$here/../../.build}
python=${PYTHON:-python3.11}
torch=$(cat "$here/../requirements/torch.txt")
suite=bookworm
packages=python3,python3-venv
preload="torch torch._dynamo torch._inductor.config numpy pandas safetensors.torch \
sklearn.linear_model sklearn.metrics sklearn.model_selection opacus.grad_sample mpmath pyarrow.parquet \
cryptography.hazmat.primitives.ciphers"
epoch=1767225600 # 2026-01-01: the time of every file, so that no build's own time is in it

out=
anew=
while getopts ao: flag; do
    case $flag in
        a) anew=--no-cache ;;
        o) out=$OPTARG ;;
        *) echo "usage: build.sh [-a] [-o FILE] [BASE_IMAGE]" >&2; exit 2 ;;
    esac
done
shift $((OPTIND - 1))
base=${1:-}

say() { echo "image: $*" >&2; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

finish() {
    [ -z "$out" ] || printf '%s\n' "$1" >"$out"
    printf '%s\n' "$1"
    exit 0
}

digest() { sha256sum | cut -d' ' -f1; }

# By name and label: an image that somebody built on ours has its labels too.
find_image() {
    docker image ls --no-trunc --quiet --filter "reference=$name" --filter "label=org.sealroom.inputs=$inputs"
}

finish_if_built() {
    image=$(find_image)
    if [ -n "$image" ] && [ -z "$anew" ]; then
        finish "$image"
    fi
}

# The same packages of the same archive give the same bytes: mmdebstrap takes every time from SOURCE_DATE_EPOCH.
make_base() {
    if ! command -v mmdebstrap >/dev/null; then
        say "installing mmdebstrap"
        as_root apt-get update -qq
        as_root apt-get install -y -qq mmdebstrap >/dev/null
    fi
    say "making a minimal Debian ($suite)"
    as_root env SOURCE_DATE_EPOCH="$epoch" mmdebstrap --quiet --variant=minbase --include="$packages" \
        --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$work/base.tar" >&2
    docker import "$work/base.tar" "$1" >/dev/null
    as_root rm -f "$work/base.tar"
}

fetch_wheels() {
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
}

if [ -n "$base" ]; then
    base_key=$(docker image inspect --format '{{.Id}}' "$base")
else
    base_key="mmdebstrap minbase $suite $packages"
fi
inputs=$({ printf '%s\n' "$base_key" "$torch" "$epoch" "$preload"
    cat "$here/requirements.txt" "$here/Dockerfile" "$here/pack.py"; } | digest)
name=sealroom/python:$(printf '%s' "$inputs" | cut -c1-12)
finish_if_built

mkdir -p "$cache/image"
cache=$(CDPATH='' cd -- "$cache/image" && pwd)
exec 9>"$cache/lock"
flock 9 # two builds at once would do the same work twice
finish_if_built

work=$(mktemp -d "$cache/work.XXXXXX")
built=sealroom/build:$$
clean() {
    docker rm --force "sealroom-build-$$" >/dev/null 2>&1 || true
    docker image rm --force "$built" >/dev/null 2>&1 || true
    [ -z "$anew" ] || docker image rm --force "sealroom/base:anew-$$" >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap clean EXIT

if [ -z "$base" ]; then
    base=sealroom/base:$(printf '%s' "$base_key $epoch" | digest | cut -c1-12)
    [ -z "$anew" ] || base=sealroom/base:anew-$$
    docker image inspect "$base" >/dev/null 2>&1 || make_base "$base"
fi
wheels=$cache/wheels-$({ echo "$torch"; cat "$here/requirements.txt"; } | digest | cut -c1-12)
[ -e "$wheels/complete" ] || fetch_wheels

say "building"
mkdir -p "$work/context/wheels"
ln "$wheels"/*.whl "$work/context/wheels/"
cp "$here/Dockerfile" "$here/requirements.txt" "$work/context/"
docker build --quiet --force-rm --network none $anew --build-arg BASE="$base" --build-arg TORCH="$torch" --tag "$built" \
    "$work/context" >"$work/build.log" 2>&1 || { cat "$work/build.log" >&2; exit 1; }
say "packing"
docker create --name "sealroom-build-$$" "$built" true >/dev/null
docker export --output "$work/exported.tar" "sealroom-build-$$"
docker rm --force "sealroom-build-$$" >/dev/null
docker image rm --force "$built" >/dev/null # before the packed one comes: only one of them takes room
"$python" "$here/pack.py" --epoch "$epoch" --name "$name" --label "org.sealroom.inputs=$inputs" \
    --label "org.sealroom.preload=$preload" \
    --architecture "$(docker version --format '{{.Server.Arch}}')" "$work/exported.tar" | docker load >/dev/null
image=$(find_image)
[ -n "$image" ] || { say "the engine didn't take the image"; exit 1; }
finish "$image"
