#!/usr/bin/env bash
# Makes the Go code of api/v1 from its .proto, with the plugins that go.mod pins.
# With --check it makes it elsewhere and fails where the repository's differs.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v protoc >/dev/null; then
	echo "protoc is not installed; run: scripts/install-deps.sh test" >&2
	exit 1
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/out"
go build -o "$work/bin/" google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/grpc/cmd/protoc-gen-go-grpc
# The types that all .proto may import, which Debian's protoc comes without.
wellknown=$(go list -m -f '{{.Dir}}' github.com/bufbuild/protocompile)/wellknownimports
PATH=$work/bin:$PATH protoc -I . -I "$wellknown" \
	--go_out="$work/out" --go_opt=paths=source_relative \
	--go-grpc_out="$work/out" --go-grpc_opt=paths=source_relative \
	api/v1/vrfredist.proto

if [ "${1:-}" != --check ]; then
	cp "$work"/out/api/v1/*.pb.go api/v1/
	exit 0
fi
# protoc's own version stands in a comment, and another one is no difference.
stale=0
for file in "$work"/out/api/v1/*.pb.go; do
	name=api/v1/$(basename "$file")
	if ! diff -u -I '^//.*protoc' "$name" "$file"; then
		stale=1
	fi
done
if [ "$stale" -ne 0 ]; then
	echo "The generated code is not what the .proto says; run: make generate" >&2
	exit 1
fi
echo "The generated code is fresh."
