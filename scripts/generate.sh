#!/usr/bin/env bash
# Writes what is generated from the code: the JSON Schemas and the reference pages. `check` runs it into another
# directory and compares.
#
#   scripts/generate.sh [DIRECTORY]      (default: the project)
set -euo pipefail
caller=$PWD
# shellcheck source-path=SCRIPTDIR
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

into=$ROOT
(($# == 0)) || into=$(cd "$caller" && mkdir -p "$1" && cd "$1" && pwd)

# write FILE ARGUMENT...: a file is replaced only when the command has succeeded.
write() {
    local file=$into/$1
    shift
    mkdir -p "$(dirname "$file")"
    cargo run --quiet --bin caisson -- "$@" >"$file.new"
    mv "$file.new" "$file"
}
trap 'rm -f "$into"/schema/*.new "$into"/docs/*.new' EXIT

write schema/job.json schema job
write schema/result.json schema result
write schema/config.json schema config
write docs/configuration.md docs configuration
write docs/verdicts.md docs verdicts
write docs/languages.md docs languages
write docs/metrics.md docs metrics
