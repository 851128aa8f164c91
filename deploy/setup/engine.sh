#!/bin/sh
# Makes sure that a container engine answers. If one does, it is used as it is: nothing is installed or changed.
# Otherwise Docker is installed from Debian when it is missing, gVisor is registered with it when runsc is installed,
# and dockerd is started. Works as root or with sudo, without a terminal, and again.
set -eu

config=/etc/docker/daemon.json
log=/var/log/sealroom-dockerd.log

say() { echo "engine: $*" >&2; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

answers() { docker info >/dev/null 2>&1; }

has_runsc() { docker info --format '{{json .Runtimes}}' | grep -q '"runsc"'; }

# Debian's runsc needs --network=none here; a sealed container has no other network anyway.
register_runsc() {
    grep -qs '"runsc"' "$config" && return 0
    say "registering runsc (gVisor)"
    merged=$(as_root cat "$config" 2>/dev/null || echo '{}')
    merged=$(printf '%s' "${merged:-{\}}" | python3 -c '
import json, sys
config = json.load(sys.stdin)
config.setdefault("runtimes", {})["runsc"] = {"path": sys.argv[1], "runtimeArgs": ["--network=none"]}
print(json.dumps(config, indent=2))' "$(command -v runsc)")
    as_root mkdir -p "$(dirname "$config")"
    printf '%s\n' "$merged" | as_root tee "$config" >/dev/null
}

if answers; then
    if command -v runsc >/dev/null && ! has_runsc; then
        say "runsc is installed but this engine doesn't know it: add it to runtimes in $config and restart the engine"
    fi
    exit 0
fi
if [ "$(id -u)" != 0 ] && as_root docker info >/dev/null 2>&1; then
    say "an engine answers root, but not $(id -un): add this user to the group docker and log in again"
    exit 1
fi
if command -v runsc >/dev/null; then
    register_runsc
fi
if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
    say "installing docker.io"
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq docker.io >/dev/null
fi
if ! answers; then
    say "starting dockerd"
    as_root sh -c "setsid dockerd >>$log 2>&1 </dev/null &"
fi
tries=60
until answers; do
    tries=$((tries - 1))
    if [ "$tries" = 0 ]; then
        say "dockerd doesn't answer; its log is $log"
        exit 1
    fi
    sleep 1
done
