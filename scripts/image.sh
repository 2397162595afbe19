#!/usr/bin/env bash
# Builds an OCI image of the static program alone, for several architectures,
# without a container engine:
#
#   scripts/image.sh DIRECTORY [VERSION]
#
# and prints the archive's path and the image's digest. The same sources give the
# same archive. ARCHS names the architectures (amd64 arm64), VRFREDIST_PROGRAM a
# directory that has programs that are built already, each by the name of its one.
set -euo pipefail
out=$(realpath -m "$1")
programs=${VRFREDIST_PROGRAM:+$(realpath "$VRFREDIST_PROGRAM")}
cd "$(dirname "$0")/.."
version=${2:-$(scripts/version.sh)}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
pairs=()
for arch in ${ARCHS:-amd64 arm64}; do
	program=$programs/$arch
	if [ -z "$programs" ]; then
		program=$made/$arch
		GOARCH=$arch scripts/build.sh "$program" "$version"
	fi
	pairs+=("$arch=$program")
done
mkdir -p "$out"
archive=$out/vrfredist-$version.oci.tar
digest=$(GOARCH= GOFLAGS= go run ./scripts/image -output "$archive" -version "$version" \
	-revision "$(git rev-parse HEAD 2>/dev/null || true)" -created "$(scripts/epoch.sh)" "${pairs[@]}")
echo "$archive"
echo "$digest"
