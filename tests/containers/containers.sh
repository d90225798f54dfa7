#!/usr/bin/env bash
# Runs docker-compose.yml for real: brings everything up but Grafana, lets check.py go through it, and stops what it started.
#
#   tests/containers/containers.sh PROGRAM     the image gets this program: target/release/lockstep
#   tests/containers/containers.sh --build     the image is built from the sources, by the whole Dockerfile
#
# Needs root on Debian. Installs an engine and docker-compose from Debian where they are missing, and starts an engine of its own unless
# DOCKER_HOST names one. The images that the files name are made from Debian packages and Maven's jars, so that nothing has to be pulled;
# Grafana has none. README.md says how they differ from the published images. PULL=1 pulls the published images instead.
#
# WORK           where everything lies, target/containers by default; kept, so that a second run builds little
# KEEP=1         leaves the containers (and an engine that was started) running
# BUILD_NETWORK  the network of builds, `host` by default: they reach what this machine reaches
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
program=${1:?usage: containers.sh PROGRAM | --build}
[ "$program" = --build ] || program=$(realpath -e "$program")
work=${WORK:-$repository/target/containers}
mkdir -p "$work"
work=$(cd "$work" && pwd)
export BUILD_NETWORK=${BUILD_NETWORK:-host} DEBIAN_FRONTEND=noninteractive DOCKER_BUILDKIT=1 COMPOSE_PROJECT_NAME=lockstep-check
services=(kafka metrics-token intake detect share prometheus)
started=
up=

finish() {
    local code=$?
    trap - EXIT INT TERM
    if [ -z "${KEEP:-}" ]; then
        if [ -n "$up" ]; then
            [ "$code" = 0 ] || compose logs --no-color >"$work/containers.log" 2>&1 || true
            [ "$code" = 0 ] || echo "what the containers said: $work/containers.log" >&2
            compose down --volumes --timeout 60 >"$work/down.log" 2>&1 || tail -n 5 "$work/down.log" >&2
        fi
        if [ -n "$started" ] && kill -0 "$started" 2>/dev/null; then
            kill "$started"
            wait "$started" 2>/dev/null || true
        fi
    fi
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

timed() {
    local what=$1 begin=$SECONDS
    shift
    "$@" >"$work/step.log" 2>&1 || {
        tail -n 40 "$work/step.log" >&2
        echo "error: $what" >&2
        exit 1
    }
    printf '%5d s  %s\n' $((SECONDS - begin)) "$what"
}

need() {
    command -v "$1" >/dev/null && return
    [ -e "$work/lists" ] || { apt-get update -qq && touch "$work/lists"; }
    apt-get install -y -qq --no-install-recommends "$2" >"$work/apt.log" 2>&1 || { tail -n 5 "$work/apt.log" >&2; exit 1; }
}

# Debian's client has BuildKit in it; newer ones need a plug-in that Debian 12 lacks.
engine() {
    need dockerd docker.io
    need docker-compose docker-compose
    need iptables iptables
    [ ! -x /usr/bin/docker ] || PATH=/usr/bin:$PATH
    if [ -z "${DOCKER_HOST:-}" ]; then
        export DOCKER_HOST=unix://$work/docker.sock
        setsid dockerd --data-root "$work/data" --exec-root "$work/exec" --pidfile "$work/docker.pid" -H "$DOCKER_HOST" \
            >"$work/dockerd.log" 2>&1 </dev/null &
        started=$!
    fi
    local tries=0
    until docker version >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 60 ] || { tail -n 5 "$work/dockerd.log" >&2; echo "error: no engine answers at $DOCKER_HOST" >&2; exit 1; }
        sleep 0.5
    done
}

missing() { ! docker image inspect "$1" >/dev/null 2>&1; }
image_of() { sed -n "s|^ *image: *\\($1:.*\\)$|\\1|p" "$repository/docker-compose.yml" | head -n 1; }
compose() { docker-compose --project-directory "$work/tree" -f "$work/tree/docker-compose.yml" "$@"; }

# Makes an image, or pulls it: image NAME FOLDER
image() {
    missing "$1" || return 0
    if [ -n "${PULL:-}" ]; then
        timed "$1 (pulled)" docker pull "$1"
    else
        timed "$1" "$here/$2/make.sh" "$1"
    fi
}

images() {
    need debootstrap debootstrap
    image "$(sed -n 's/^FROM \(debian:[^ ]*\).*/\1/p' "$repository/Dockerfile" | tail -n 1)" debian
    need mvn maven
    image "$(image_of apache/kafka)" kafka
    image "$(image_of prom/prometheus)" prometheus
    if [ "$program" = --build ]; then
        image "$(sed -n 's/^FROM \(rust:[^ ]*\).*/\1/p' "$repository/Dockerfile" | head -n 1)" rust
        timed "lockstep:local (whole Dockerfile)" docker build --network "$BUILD_NETWORK" -t lockstep:local "$repository"
    else
        timed "lockstep:local (second stage)" second_stage
    fi
    docker image inspect lockstep:local --format 'image: {{.Size}} bytes'
}

# The Dockerfile from its second FROM on, with the program that is given instead of the one that the first stage builds.
second_stage() {
    local context=$work/image
    rm -rf "$context"
    mkdir -p "$context"
    cp "$program" "$context/lockstep"
    strip "$context/lockstep"
    cp -r "$repository/models" "$repository/config" "$context/"
    awk '/^FROM /{stages++} stages >= 2' "$repository/Dockerfile" >"$context/Dockerfile"
    grep -q '^COPY --from=build /out/lockstep ' "$context/Dockerfile"
    sed -i 's|^COPY --from=build /out/lockstep |COPY lockstep |' "$context/Dockerfile"
    docker build --network "$BUILD_NETWORK" -t lockstep:local "$context"
}

# What an operator changes before the first start: a partner. In a copy, so that the files under test stay as they are.
tree() {
    rm -rf "$work/tree"
    mkdir -p "$work/tree"
    cp -r "$repository/docker-compose.yml" "$repository/config" "$repository/models" "$work/tree/"
    : >"$work/tree/Dockerfile"
    cat >>"$work/tree/config/sharing.toml" <<'END'

[[recipients]]
name = "example-network"
class = "platform"
platform = "chirp"
contact = "trust-and-safety@network.example"
delivery = "taxii"
tlp_ceiling = "amber"
END
    chmod -R a+rX "$work/tree"
}

rm -f "$work/lists"
engine
images
tree
up=yes
timed "up" compose up --no-build --detach "${services[@]}"
python3 "$here/check.py" "$work/tree" "${services[@]}"
