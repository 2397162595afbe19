package access

import "time"

// Limits bound the connections, calls and memory that the API's clients may take.
type Limits struct {
	Connections        int           // open at once, of all clients
	ConnectionsPerUser int           // open at once, of one caller
	StreamsPerUser     int           // calls open at once, of one caller over all its connections
	Calls              int           // under way at once on one connection
	MessageSize        int           // of one request, in bytes
	Memory             int           // that all clients may hold, in bytes
	MemoryPerUser      int           // that one caller may hold, in bytes
	Handshake          time.Duration // until a new connection must be ready
	Request            time.Duration // until a request must be whole
}

// DefaultLimits hold where the configuration says nothing. A quarter of the
// connections is the most that one caller takes.
func DefaultLimits() Limits {
	return Limits{
		Connections: 256, ConnectionsPerUser: 64, StreamsPerUser: 32, Calls: 128,
		MessageSize: 4 << 20, Memory: 256 << 20, MemoryPerUser: 32 << 20,
		Handshake: 10 * time.Second, Request: 10 * time.Second,
	}
}

// Kept is the part of a common limit that is kept for administrators: an eighth.
func Kept(of int) int { return of / 8 }
