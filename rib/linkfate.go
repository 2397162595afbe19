package rib

import (
	"net/netip"
	"slices"
)

// LinkFate says that nothing goes over an interface any more, or that something does again.
type LinkFate struct {
	Name   string
	VRF    string         // the VRF device that it is in; "": none
	Addrs  []netip.Prefix // with host bits, as in Link: those that it has, or had a moment ago
	Reason string         // why nothing goes over it, in words; "": it carries again
}

// Carries tells whether a session between two addresses, of neighbours that are directly
// connected, goes over the interface. bound is the interface or VRF device that its socket is bound
// to; "": none.
func (l *LinkFate) Carries(local, remote netip.Addr, bound string) bool {
	if bound != l.VRF && bound != l.Name {
		return false // a socket that is bound to nothing is in no VRF
	}
	if remote.Zone() != "" {
		return remote.Zone() == l.Name
	}
	return slices.ContainsFunc(l.Addrs, func(p netip.Prefix) bool {
		// An address of its own, without a subnet, says which link it is by itself.
		return p.Addr() == local && (p.IsSingleIP() || p.Masked().Contains(remote))
	})
}
