#!/usr/bin/env bash
# Builds the program, static and the same byte for byte wherever that is done:
#
#   scripts/build.sh OUTPUT [VERSION]
#
# The version is that of scripts/version.sh unless given. GOARCH may be set, and
# PGO=off builds without the profile in cmd/vrfredist, which takes a while less. TAGS are
# Go's build tags: `unguarded` is for the benchmarks alone (rib/speaker/gobgp3/unguarded.go).
set -euo pipefail
output=$(realpath -m "$1")
cd "$(dirname "$0")/.."
version=${2:-$(scripts/version.sh)}

# Go's own stamp of the repository would tell a checkout from a tarball.
CGO_ENABLED=0 GOFLAGS= go build -tags "${TAGS:-}" -pgo="${PGO:-auto}" -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$output" ./cmd/vrfredist
