// Package backlog bounds what gRPC queues for a client that does not read its
// answers. It is imported for that alone.
//
// For each frame that a client sends gRPC queues an item of its own, and reads on
// until there are 10,000 of them, which for one connection are tens of megabytes: of
// calls that are refused, or reset as soon as they have begun, of settings and pings.
// The only way to say otherwise is a variable of the environment, which gRPC reads
// when its packages are initialised. Go does that by import path among those that wait
// for no other, and this one waits for the standard library alone, and comes before.
package backlog

import "os"

// variable is gRPC's, and frames the most that it may queue: more than a client has
// outstanding that reads.
const (
	variable = "GRPC_GO_EXPERIMENTAL_CONTROL_BUFFER_THROTTLE_LIMIT"
	frames   = "128"
)

func init() {
	if _, given := os.LookupEnv(variable); !given {
		_ = os.Setenv(variable, frames) // it fails of a malformed name alone
	}
}
