# For scripts that test a running demo. `start_demo` runs `lockstep demo` on free ports and waits until all posts are processed.
# It sets lockstep, work, console and admin. The processes that it starts end with the script. It builds the program, unless
# LOCKSTEP_BINARY names one to test.
# shellcheck shell=bash

free_port() {
    local port
    for port in $(shuf -i 20000-29999 -n 50); do
        if ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    echo "no free port" >&2
    return 1
}

ended() {
    local pid
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$work"
}

started=()
work=$(mktemp -d)
trap ended EXIT

# Sets lockstep.
find_program() {
    if [ -n "${LOCKSTEP_BINARY:-}" ]; then
        lockstep=$LOCKSTEP_BINARY
        return
    fi
    cargo build --quiet --workspace --bin lockstep
    lockstep=${CARGO_TARGET_DIR:-target}/debug/lockstep
}

start_demo() {
    find_program
    console=127.0.0.1:$(free_port)
    admin=127.0.0.1:$(free_port)
    : >"$work/demo.log"
    "$lockstep" demo --speed 1e9 --listen "$console" --admin "$admin" --intake "127.0.0.1:$(free_port)" 2>"$work/demo.log" &
    started+=($!)
    local tries=0
    until grep -q '^All posts were processed' "$work/demo.log"; do
        tries=$((tries + 1))
        if [ "$tries" -gt 600 ] || ! kill -0 "${started[0]}"; then
            cat "$work/demo.log" >&2
            return 1
        fi
        sleep 0.2
    done
}
