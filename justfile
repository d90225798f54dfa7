# Recipes for what CONTRIBUTING.md names: `just` lists them, `just test detector::clock` runs one.
# https://just.systems

# List the recipes
default:
    @just --list

# Build the command; target/debug/lockstep
build:
    cargo build --workspace

# Run the tests whose path has this text in it; all without one
test filter="":
    cargo test --workspace -- {{ filter }}

# Run the end-to-end tests whose path has this text in it
end-to-end filter="":
    cargo test --workspace --test end_to_end -- {{ filter }}

# Format, lints and documentation
check:
    .ci/run format clippy documentation

# Steps of the CI, all without any; `.ci/run --list` names them
ci *steps:
    .ci/run {{ steps }}

# Write expected outputs anew; look at the difference before you commit it
bless filter="":
    UPDATE_EXPECT=1 cargo test --workspace -- {{ filter }}

# Fuzz every target, or those named, for so many seconds each
fuzz seconds="10" *targets:
    tests/fuzz/run.sh {{ seconds }} {{ targets }}

# Run the examples of the library crates
examples:
    .ci/run examples

# Save what a build writes, to compare it with another build
save binary folder *files:
    tests/unchanged/unchanged.py save {{ binary }} {{ folder }} {{ files }}

# Say what two builds write differently
compare one other:
    tests/unchanged/unchanged.py compare {{ one }} {{ other }}

# The whole chain on a simulated sample; console on http://127.0.0.1:8080
demo:
    cargo run --release -- demo

# Where the time goes in a run over a file: an optimised build, and perf
profile file:
    cargo build --release --package lockstep
    perf record -g --output target/perf.data target/release/lockstep detect {{ file }} --out target/profile
    perf report --input target/perf.data --no-children --stdio --percent-limit 1 --max-stack 8
