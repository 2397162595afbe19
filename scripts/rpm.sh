#!/usr/bin/env bash
# Builds the package for distributions with RPM:
#
#   scripts/rpm.sh DIRECTORY [VERSION]
#
# and prints its path. It needs no root and none of RPM's programs: nfpm, which
# scripts/tools/go.mod pins, writes it, of the same tree as the Debian package.
# The same sources give the same package. VRFREDIST_PROGRAM may name a program
# that is built already, GOARCH an architecture that is not this one, and
# VRFREDIST_RPM_COMPRESSION another compression than zstd.
set -euo pipefail
out=$(realpath -m "$1")
cd "$(dirname "$0")/.."
VERSION=${2:-$(scripts/version.sh)}
ARCH=$(go env GOARCH)
SOURCE_DATE_EPOCH=$(scripts/epoch.sh)
MTIME=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
COMPRESSION=${VRFREDIST_RPM_COMPRESSION:-zstd}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
ROOT=$tree/root
export SOURCE_DATE_EPOCH
scripts/tree.sh "$ROOT" "$VERSION"

case $ARCH in
amd64) machine=x86_64 ;;
arm64) machine=aarch64 ;;
386) machine=i386 ;;
*) machine=$ARCH ;;
esac
mkdir -p "$out"
package=$out/vrfredist-$VERSION-1.$machine.rpm
GOARCH= GOFLAGS= go build -C scripts/tools -o "$tree/nfpm" github.com/goreleaser/nfpm/v2/cmd/nfpm
text=$(<contrib/rpm/nfpm.yaml)
for name in VERSION ARCH MTIME COMPRESSION ROOT; do
	text=${text//@$name@/${!name}}
done
printf '%s\n' "$text" >"$tree/nfpm.yaml"
# It says what is wrong where it says what it does.
"$tree/nfpm" package --packager rpm --config "$tree/nfpm.yaml" --target "$package" >"$tree/said" || {
	cat "$tree/said" >&2
	exit 1
}
echo "$package"
