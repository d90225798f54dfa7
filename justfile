# Recipes for the commands in CONTRIBUTING.md: `just` lists them, `just test clock::tests` runs one.
# https://just.systems

# List the recipes
default:
    @just --list

# Build the command line: target/debug/lockstep
build:
    cargo build --workspace

# Run the tests whose path contains this text; without a text, all tests
test filter="":
    cargo test --workspace -- {{ filter }}

# Run the end-to-end tests whose path contains this text
end-to-end filter="":
    cargo test --workspace --test end_to_end -- {{ filter }}

# Check format, lints and documentation
check:
    .ci/run format clippy documentation

# Run these steps of the CI; without steps, all; `.ci/run --list` names them
ci *steps:
    .ci/run {{ steps }}

# Rewrite expected outputs; read the difference before you commit it
bless filter="":
    UPDATE_EXPECT=1 cargo test --workspace -- {{ filter }}

# Fuzz the named targets, or all targets, for this many seconds each
fuzz seconds="10" *targets:
    tests/fuzz/run.sh {{ seconds }} {{ targets }}

# Run the examples of the library crates
examples:
    .ci/run examples

# Save the outputs of a build, to compare them with another build
save binary folder *files:
    tests/unchanged/unchanged.py save {{ binary }} {{ folder }} {{ files }}

# Show the differences between the saved outputs of two builds
compare one other:
    tests/unchanged/unchanged.py compare {{ one }} {{ other }}

# Run the whole chain on a simulated sample; console on http://127.0.0.1:8080
demo:
    cargo run --release -- demo

# Profile a run over a file, with an optimised build and perf
profile file:
    cargo build --release --package lockstep
    perf record -g --output target/perf.data target/release/lockstep detect {{ file }} --out target/profile
    perf report --input target/perf.data --no-children --stdio --percent-limit 1 --max-stack 8

# Run the guides and build them as a book: target/book
guides:
    .ci/run guides
