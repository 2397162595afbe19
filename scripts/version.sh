#!/usr/bin/env bash
# Prints the version of the tree: of its tag (v1.2.3), or of the last tag with
# the commits since then (1.2.3+5.g0123456789ab). Without a tag that is 0.0.0.
# It is a semantic version, and a Debian one.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! git rev-parse --git-dir >/dev/null 2>&1; then
	echo "0.0.0"
	exit 0
fi
tag=$(git describe --tags --match 'v[0-9]*' --abbrev=0 2>/dev/null || true)
since=$(git rev-list --count "${tag:+$tag..}HEAD")
version=${tag#v}
version=${version:-0.0.0}
version=${version/-/\~} # v1.2.3-rc1 comes before v1.2.3
if [ "$since" -gt 0 ]; then
	version+="+$since.g$(git rev-parse --short=12 HEAD)"
fi
if ! git diff --quiet HEAD --; then
	case $version in
	*+*) version+=.dirty ;;
	*) version+=+dirty ;;
	esac
fi
echo "$version"
