package access

import "time"

// Limits bound what the API's clients may take of the daemon.
type Limits struct {
	Connections        int           // open at once, of all clients
	ConnectionsPerUser int           // open at once, of one caller
	Calls              int           // under way at once on one connection
	MessageSize        int           // of one request, in bytes
	Handshake          time.Duration // until a new connection must be ready
}

// DefaultLimits hold where the configuration says nothing. A quarter of the
// connections is the most that one caller takes.
func DefaultLimits() Limits {
	return Limits{Connections: 256, ConnectionsPerUser: 64, Calls: 128, MessageSize: 4 << 20, Handshake: 10 * time.Second}
}
