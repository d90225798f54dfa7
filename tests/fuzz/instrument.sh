#!/bin/sh
# Cargo's RUSTC_WORKSPACE_WRAPPER: our own crates (and what they instantiate of others) are compiled with the coverage that
# libFuzzer steers by. These are flags of the stable compiler; no nightly and no cargo-fuzz is needed.
exec "$@" -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
