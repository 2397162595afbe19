// Package backlog bounds the answers that gRPC queues for a client that does not read
// them. It is imported for this effect alone, and keeps nothing.
//
// For each frame that a client sends, gRPC queues an item of its own, and reads on
// until there are 10,000 items, which for one connection are tens of megabytes: for
// calls that are refused, or reset as soon as they have begun, for settings and pings.
// The only way to set another number is a variable of the environment, which gRPC reads
// when its packages are initialised. Go initialises packages that wait for no other in
// the order of their import paths; this package imports the standard library alone, and
// so comes before gRPC's.
package backlog

import "os"

// variable is gRPC's, and frames the most items that it may queue: a client that reads
// its answers has fewer outstanding.
const (
	variable = "GRPC_GO_EXPERIMENTAL_CONTROL_BUFFER_THROTTLE_LIMIT"
	frames   = "128"
)

func init() {
	if _, given := os.LookupEnv(variable); !given {
		_ = os.Setenv(variable, frames) // it fails of a malformed name alone
	}
}
