// Package vrfredistv1 is the generated code of vrfredist.proto.
package vrfredistv1

//go:generate bash ../../scripts/generate.sh
