#!/bin/sh
# Generates the Go code of vrfredist.proto. The plugins are those that go.mod
# pins; protoc is Debian's protobuf-compiler, whose version stands in the header
# of what it generates, so another one is refused.
set -eu
cd "$(dirname "$0")/../.."

want="libprotoc 3.21.12"
have=$(protoc --version 2>&1) || {
	echo "protoc is not installed: apt-get install protobuf-compiler" >&2
	exit 1
}
if [ "$have" != "$want" ]; then
	echo "protoc is \"$have\", and the generated code is made with \"$want\": use that one" >&2
	exit 1
fi

plugins=$(mktemp -d)
trap 'rm -rf "$plugins"' EXIT
go build -o "$plugins/" \
	google.golang.org/protobuf/cmd/protoc-gen-go \
	google.golang.org/grpc/cmd/protoc-gen-go-grpc
PATH="$plugins:$PATH" protoc \
	--go_out=. --go_opt=paths=source_relative \
	--go-grpc_out=. --go-grpc_opt=paths=source_relative \
	api/v1/vrfredist.proto
