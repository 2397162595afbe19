#!/usr/bin/env bash
# Builds the program, static and the same byte for byte wherever that is done:
#
#   scripts/build.sh OUTPUT [VERSION]
#
# The version is that of scripts/version.sh unless given. GOARCH may be set, and
# PGO=off builds without the profile in cmd/vrfredist, which takes a while less. With QUICK=1
# nothing is optimized, which compiles in half of that: it is for what nobody measures. TAGS are
# Go's build tags: `unguarded` is for the benchmarks alone (rib/speaker/gobgp3/unguarded.go).
set -euo pipefail
output=$(realpath -m "$1")
cd "$(dirname "$0")/.."
version=${2:-$(scripts/version.sh)}

pgo=${PGO:-auto} flags=() how="as it is published" long="some minutes" # with a profile all packages are compiled for it
if [ -n "${QUICK:-}" ]; then
	pgo=off flags=(-gcflags "all=-N -l -dwarf=false") how="quickly, without optimization" long="half a minute"
elif [ "$pgo" = off ]; then
	how="without its profile" long="about a minute"
fi
packages=$(GOFLAGS= CGO_ENABLED=0 go list -deps ./cmd/vrfredist | wc -l)
echo "Building vrfredist $version for $(go env GOARCH), $how: seconds, or $long the first time, when its $packages packages are compiled." >&2

# progress counts the packages that go build names, on a terminal in one line, and shows whatever
# else it says.
progress() {
	awk -v all="$packages" -v terminal="$([ -t 2 ] && echo 1 || echo 0)" '
		/^[a-z0-9_.-]+(\/[A-Za-z0-9_.~-]+)*$/ { n++; if (terminal) { printf "\r  %d of %d compiled ", n, all; fflush() } next }
		{ print }
		END { if (n && terminal) print "" }' >&2
}
# Go's own stamp of the repository would tell a checkout from a tarball.
CGO_ENABLED=0 GOFLAGS= go build -v -tags "${TAGS:-}" -pgo="$pgo" "${flags[@]}" -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$version" -o "$output" ./cmd/vrfredist 2>&1 | progress
