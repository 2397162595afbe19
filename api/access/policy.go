package access

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Way is how a caller came in.
type Way uint8

// The ways in.
const (
	Socket      Way = iota + 1 // the unix socket: the kernel vouches for the user
	Certificate                // TCP with TLS: the CA vouches for the names
	Loopback                   // TCP of this host without TLS: nobody vouches
)

// Caller is the user or certificate at the other end of a connection.
type Caller struct {
	Way Way
	// Owner: root, or the user that the daemon runs as.
	Owner bool
	// UID and GIDs are those that the process at the other end of a socket had
	// when it connected, its supplementary groups included.
	UID  uint32
	GIDs []uint32
	// PID is that process, in the daemon's process namespace; 0: it is in another.
	PID int32
	// Names are those of the certificate: its common name, and what its
	// subjectAltName lists. Until is when it runs out.
	Names []string
	Until time.Time
}

// Overflow is the uid and the gid that the kernel shows for every user and group
// that the daemon's user namespace does not know (Documentation/admin-guide/
// sysctl/fs.rst, overflowuid). It is nobody's, and has no role.
const Overflow = 65534

// String names the caller in a message.
func (c Caller) String() string {
	switch c.Way {
	case Socket:
		return "uid " + strconv.FormatUint(uint64(c.UID), 10)
	case Certificate:
		if len(c.Names) == 0 {
			return "the holder of a certificate without a name"
		}
		return fmt.Sprintf("the holder of the certificate %q", c.Names[0])
	case Loopback:
		return "a user of this host, over TCP without TLS,"
	}
	return "an unknown caller"
}

// Key is the same for two connections of one caller.
func (c Caller) Key() string {
	return strconv.Itoa(int(c.Way)) + " " + strconv.FormatUint(uint64(c.UID), 10) + " " + strings.Join(c.Names, ",")
}

// Policy says which roles the configuration gives to which callers. A policy without
// entries gives everyone who gets in the role admin.
type Policy struct {
	Entries []Entry
}

// Entry gives one role to the users, groups and certificates that it lists.
type Entry struct {
	Role     Role
	UIDs     []uint32
	GIDs     []uint32
	Names    []string // of certificates
	Loopback bool     // every caller over TCP from this host without TLS
}

// Grant returns what a caller may do: the sum of what the entries give it. Who
// owns the daemon could take every role by other means, and always has admin.
func (p Policy) Grant(c Caller) Grant {
	if c.Owner || len(p.Entries) == 0 {
		return NewGrant(Admin)
	}
	var roles []Role
	for _, e := range p.Entries {
		if e.covers(c) {
			roles = append(roles, e.Role)
		}
	}
	return NewGrant(roles...)
}

func (e Entry) covers(c Caller) bool {
	switch c.Way {
	case Socket:
		return c.UID != Overflow && slices.Contains(e.UIDs, c.UID) ||
			slices.ContainsFunc(c.GIDs, func(g uint32) bool { return g != Overflow && slices.Contains(e.GIDs, g) })
	case Certificate:
		return slices.ContainsFunc(c.Names, func(n string) bool { return slices.Contains(e.Names, n) })
	case Loopback:
		return e.Loopback
	}
	return false
}
