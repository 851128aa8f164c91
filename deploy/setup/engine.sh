#!/bin/sh
# Makes sure that a container engine answers, with gVisor registered as it has to be. An engine that somebody else
# started is used as it is: nothing is installed or changed, and what it lacks is said. Otherwise Docker and gVisor are
# installed from Debian when they are missing, gVisor is registered, and dockerd is started; one that this script
# started earlier is told of a registration that has changed, and its containers go on.
# Works as root or with sudo, without a terminal, and again.
# Environment: SEALROOM_GVISOR=no leaves gVisor out. SEALROOM_ENGINE_CONFIG, SEALROOM_ENGINE_PID, SEALROOM_ENGINE_LOG and
# SEALROOM_ENGINE_RUNS name the engine's configuration, the file that remembers which engine is ours, its log and what it
# keeps of its running containers, where they are not the usual ones.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
config=${SEALROOM_ENGINE_CONFIG:-/etc/docker/daemon.json}
record=${SEALROOM_ENGINE_PID:-/run/sealroom-dockerd.pid}
log=${SEALROOM_ENGINE_LOG:-/var/log/sealroom-dockerd.log}
runs=${SEALROOM_ENGINE_RUNS:-/var/run/docker/runtime-runc/moby}
gvisor=${SEALROOM_GVISOR:-yes}

say() { echo "engine: $*" >&2; }

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

answers() { docker info >/dev/null 2>&1; }

install() {
    say "installing $1"
    as_root apt-get update -qq && as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >/dev/null
}

wait_until() {
    tries=60
    until "$@"; do
        tries=$((tries - 1))
        [ "$tries" != 0 ] || return 1
        sleep 1
    done
}

# Whether the engine that answers is the one that this script started: the process still runs and is a dockerd.
is_ours() {
    pid=$(cat "$record" 2>/dev/null) && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = dockerd ]
}

is_registered() { docker info --format '{{json .Runtimes}}' | python3 "$here/gvisor.py" check; }

ensure_runsc() {
    command -v runsc >/dev/null || install runsc || {
        say "gVisor can't be installed from here: only runc will seal jobs. Install runsc by hand and run this again"
        return 1
    }
}

write_registration() {
    known=$(as_root cat "$config" 2>/dev/null || true)
    wanted=$(printf '%s' "$known" | python3 "$here/gvisor.py" add "$(command -v runsc)")
    [ "$known" != "$wanted" ] || return 0
    say "registering runsc (gVisor)"
    as_root mkdir -p "$(dirname "$config")"
    printf '%s\n' "$wanted" | as_root tee "$config" >/dev/null
}

# dockerd reads its runtimes anew at this signal; no container is disturbed.
reload() {
    as_root kill -HUP "$(cat "$record")"
    wait_until is_registered || { say "dockerd doesn't take up the registration; its log is $log"; exit 1; }
}

# An engine that was killed leaves gVisor's notes on sandboxes that ended with it. They name processes by number alone,
# and the clean-up at the engine's next start kills whatever has that number by then: its own containerd, for one.
forget_dead_sandboxes() {
    for note in $(as_root ls "$runs" 2>/dev/null | grep '_sandbox:.*\.state$'); do
        printf '%s' "${note%%_*}" | grep -qsF -f - /proc/[0-9]*/cmdline || as_root rm -f "$runs/$note"
    done
}

start() {
    say "starting dockerd"
    forget_dead_sandboxes
    as_root sh -c "setsid dockerd >>$log 2>&1 </dev/null & echo \$! >$record"
}

# True as soon as the engine answers; it is started again, twice at most, where it ends instead.
answers_or_restarts() {
    answers && return 0
    is_ours || [ "$starts" = 0 ] || { starts=$((starts - 1)); start; }
    return 1
}

advise() {
    command -v runsc >/dev/null || say "gVisor is missing: install runsc (Debian has it), then do as the next line says"
    say "this engine doesn't have gVisor as it is needed: let runtimes in $config hold"
    say "  $(python3 "$here/gvisor.py" show "$(command -v runsc || echo /usr/bin/runsc)")"
    say "and reload it: systemctl reload docker, or kill -HUP its process. Until then no job that demands gVisor can run"
}

if answers; then
    if [ "$gvisor" = no ] || is_registered; then
        exit 0
    fi
    if ! is_ours; then
        advise
    elif ensure_runsc; then
        write_registration
        reload
    fi
    exit 0
fi
if [ "$(id -u)" != 0 ] && as_root docker info >/dev/null 2>&1; then
    say "an engine answers root, but not $(id -un): add this user to the group docker and log in again"
    exit 1
fi
# gVisor first: where installing Docker also starts it, it starts with the registration.
if [ "$gvisor" != no ] && ensure_runsc; then
    write_registration
fi
if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then
    install docker.io
fi
starts=3
wait_until answers_or_restarts || { say "dockerd doesn't answer; its log is $log"; exit 1; }
