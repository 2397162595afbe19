#!/usr/bin/env bash
# Prints the moment that what is built is dated with, in seconds since 1970: of
# SOURCE_DATE_EPOCH where that is set, and else that of the last commit.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ -n "${SOURCE_DATE_EPOCH-}" ]; then
	echo "$SOURCE_DATE_EPOCH"
else
	git log -1 --format=%ct 2>/dev/null || stat -c %Y go.mod
fi
