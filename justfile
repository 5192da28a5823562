# What can be done here. `./justw NAME` does its own set-up; `./justw` alone lists.

set shell := ["bash", "-euo", "pipefail", "-c"]
set positional-arguments

export PATH := env("PATH") + ":" + env("CARGO_HOME", env("HOME", "/root") + "/.cargo") + "/bin:" + justfile_directory() + "/.tools/bin"

# List the recipes.
@default:
    "{{ just_executable() }}" --justfile "{{ justfile() }}" --list --unsorted

# Install everything that the other recipes need (each does so by itself, too).
@setup:
    scripts/setup.sh

# Show a worker at work: a local SQS, jobs in several languages, their verdicts.
@demo *ARGS:
    scripts/setup.sh demo
    scripts/demo.sh "$@"

# Build the language images, all or the named ones.
@images *NAMES:
    scripts/setup.sh images
    images/build "$@"

# Build the release binary.
@build:
    scripts/setup.sh build
    cargo build --release

# Run every test (arguments go to cargo-nextest).
@test *ARGS:
    scripts/test.sh "$@"

# Run the tests that need neither Docker nor SQS (arguments go to cargo-nextest).
@test-fast *ARGS:
    scripts/setup.sh test-fast
    cargo nextest run --all-features -E 'not (group(docker) | group(sqs))' "$@"

# Fuzz one target for some seconds: `just fuzz job_parse 300`; what there is stands in fuzz/src/targets.rs.
@fuzz TARGET SECONDS="60":
    scripts/fuzz.sh "$@"

# Format the Rust code.
@fmt:
    cargo fmt

# Run the linters only: Rust, shell, Dockerfiles, spelling.
@lint:
    scripts/check.sh clippy shell dockerfiles spelling

# Check all but the tests, or the named checks: format, lints, dependencies, stale generated files.
@check *NAMES:
    scripts/check.sh "$@"

# Write schema/ and the reference pages of docs/ from the code.
@generate:
    scripts/setup.sh build
    scripts/generate.sh

# Name the containers, volumes and networks that were left behind, if any.
@leftovers:
    scripts/leftovers.sh

# Remove what builds made; tools (.tools) and images stay.
@clean:
    cargo clean
