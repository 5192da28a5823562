#!/usr/bin/env bash
# Makes sure that Rust code can be built here. Rust itself is the user's to install; the C compiler, which a few
# dependencies need, and the static C library, which the agent needs, are Debian packages.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

have cargo || fail "cargo is missing: Caisson needs Rust $needed or newer" \
    "install it as https://rustup.rs says, then run this again"

found=$(cargo --version | cut -d ' ' -f 2)
oldest=$(printf '%s\n' "$needed" "${found%%-*}" | sort --version-sort | head -n 1)
[[ $oldest == "$needed" ]] || fail "cargo is $found, Caisson needs Rust $needed or newer" "type: rustup update stable"

# `-print-file-name` answers with a path when the file is there, and with the bare name when it is not.
if ! have cc || [[ $(cc -print-file-name=libc.a) == libc.a ]]; then
    apt_install build-essential
fi
