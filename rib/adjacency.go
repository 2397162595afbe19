package rib

import (
	"fmt"
	"net/netip"
)

// Adjacency is an interface of the daemon's own namespace, and who was heard on it.
type Adjacency struct {
	Up, Admin bool // as in Link
	// Peers are the link-local addresses of others that the kernel's neighbour table
	// has, those that do not answer left out; who was heard last comes first.
	Peers []netip.Addr
}

// Adjacencies are the interfaces by name: an immutable snapshot.
type Adjacencies map[string]Adjacency

// Waits says in a sentence why there is nobody to speak to on an interface; "" where
// there is.
func (a Adjacencies) Waits(device string) string {
	link, there := a[device]
	switch {
	case !there:
		return fmt.Sprintf("the interface %s is not there", device)
	case !link.Admin:
		return fmt.Sprintf("the interface %s is down", device)
	case !link.Up:
		return fmt.Sprintf("the interface %s has no carrier", device)
	case len(link.Peers) == 0:
		return fmt.Sprintf("no link-local address has been heard on the interface %s", device)
	}
	return ""
}
