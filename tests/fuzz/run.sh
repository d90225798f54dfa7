#!/usr/bin/env bash
# Runs every fuzz target, or the named targets, for some seconds each: tests/fuzz/run.sh [SECONDS [TARGET...]]
# Needs the stable compiler and a C++ compiler. New inputs are kept under target/fuzz from run to run. An input that breaks a
# property is kept in target/fuzz/found: copy it to corpus/TARGET, where `cargo test` runs it again, and correct the code.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-10}
shift || true
here=tests/fuzz
work=target/fuzz
mkdir -p "$work/found"

# Only our own crates are compiled again; all other crates come from `cargo build`.
export RUSTC_WORKSPACE_WRAPPER=$PWD/$here/instrument.sh
cargo build --quiet --package fuzzing --features libfuzzer --config 'profile.dev.opt-level=1'

targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(ls "$here/corpus")

one() {
    local target=$1 log=$work/$1.log
    mkdir -p "$work/corpus/$target"
    if LOCKSTEP_FUZZ=$target target/debug/fuzz -max_total_time="$seconds" -rss_limit_mb=1024 -timeout=10 -max_len=16384 \
        -artifact_prefix="$work/found/$target-" -print_final_stats=1 "$work/corpus/$target" "$here/corpus/$target" \
        >"$log" 2>&1; then
        awk -v target="$target" '/number_of_executed/ { runs = $2 } /peak_rss/ { rss = $2 } / cov: / { for (i = 1; i < NF; i++) \
            if ($i == "cov:") cov = $(i + 1) } END { printf "%-9s %9d inputs, %6d edges, %4d MB\n", target, runs, cov, rss }' "$log"
    else
        grep -a -A 3 -E 'panicked|ERROR: libFuzzer' "$log" | cut -c 1-1000 || tail -n 20 "$log"
        echo "$target FAILED: the input is under $work/found, the whole log is $log" >&2
        return 1
    fi
}
export -f one
export seconds work here

# shellcheck disable=SC2016 # the inner shell must expand it
printf '%s\n' "${targets[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one "$1"' fuzz {}
