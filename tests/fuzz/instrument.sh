#!/bin/sh
# Cargo's RUSTC_WORKSPACE_WRAPPER. It compiles our own crates (and the generic code of other crates that they instantiate) with the
# coverage that libFuzzer needs. The stable compiler has these flags; neither nightly nor cargo-fuzz is needed.
exec "$@" -Ccodegen-units=1 -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares
