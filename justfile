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

# Let everything go wrong at once and check every invariant: `just chaos --workers 4 --jobs 400 --seed 7 --runs 10`.
@chaos *ARGS:
    scripts/chaos.sh chaos "$@"

# Send many small jobs through one worker; its memory and descriptors must stay flat: `just soak --jobs 10000`.
@soak *ARGS:
    scripts/chaos.sh soak "$@"

# Run the hostile cases under another of the engine's runtimes, against its table in tests/cases/: `just cases runsc`.
@cases RUNTIME *ARGS:
    scripts/setup.sh test
    images/build
    CAISSON_TEST_RUNTIME="$1" cargo nextest run --all-features --profile runtimes --test cases "${@:2}"

# Boot a Debian machine that is made as the machine image is, and look at its settings and at doctor in it: `just vm host`.
@vm *ARGS:
    scripts/vm.sh "$@"

# Compare Caisson with other ways to run a program, and write docs/performance.md: `just bench --quick --no-page` to try it.
@bench *ARGS:
    scripts/bench.sh "$@"

# Measure the parts that are only computing, all or the named ones: `just bench-parts checkers`.
@bench-parts *ARGS:
    scripts/setup.sh build
    cargo bench --bench parts -- "$@"

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

# Check and try everything that operators deploy: template, permissions, machine image, units, worker image, fleet.
@deploy-check:
    scripts/check.sh deploy dockerfiles shell
    scripts/test.sh --test deploy --test deploy_images --test deploy_fleet

# Build the image of the worker itself, from the release binary or the named one.
@worker-image *BINARY:
    scripts/setup.sh images
    images/worker/build "$@"

# Write schema/ and the reference pages of docs/ from the code.
@generate:
    scripts/setup.sh build
    scripts/generate.sh

# Write the list of environment variables that the images' binaries read, and show what has changed.
@environment-names:
    scripts/setup.sh images
    scripts/environment_names.py >target/environment-names.txt
    mv target/environment-names.txt src/job/environment/read-by-images.txt
    git diff --stat --exit-code -- src/job/environment/read-by-images.txt

# Name the containers, volumes and networks that were left behind, if any.
@leftovers:
    scripts/leftovers.sh

# Remove what builds made; tools (.tools) and images stay.
@clean:
    cargo clean
