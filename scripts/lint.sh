#!/usr/bin/env bash
# Runs golangci-lint at a pinned version, built once through the Go module proxy
# and kept in .cache.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v2.15.0
bin=$PWD/.cache/golangci-lint-$version
program=$bin/golangci-lint
if [ ! -x "$program" ]; then
	echo "Building golangci-lint $version (once, some minutes)."
	GOBIN=$bin go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
fi
export GOLANGCI_LINT_CACHE=$PWD/.cache/lint
if [ $# -eq 0 ]; then
	(cd scripts/tools && "$program" run --timeout 10m --config ../../.golangci.yml) # a module of its own
fi
exec "$program" run --timeout 10m "$@"
