package rib

import (
	"errors"
	"fmt"
	"net/netip"
)

// Entrance is a label or a SID of this router's, by which packets of other PEs come into a VRF: a
// route of AF_MPLS or of seg6local in the core's namespace. Two are compared with ==.
type Entrance struct {
	Label uint32     // of MPLS; 0: it is a SID
	SID   netip.Addr // of SRv6; invalid: it is a label
	// Does is what becomes of a packet for the SID.
	Does Behaviour
	// Ifindex is the VRF device, or the core's end of a link to the namespace of the VRF.
	Ifindex int
	Table   uint32     // that of the VRF device, of DT4, DT6 and DT46; of DT6 without one, as it is written
	Via     netip.Addr // where the packets go, where Ifindex is a link; of DX4 and DX6 it may be unspecified
}

// ErrTaken is matched by the error of an Entrance whose label or SID another program has, or that
// stands otherwise than it was said to.
var ErrTaken = errors.New("another program has it")

// Behaviour is an endpoint behaviour of SRv6, in the kernel's numbers (SEG6_LOCAL_ACTION,
// include/uapi/linux/seg6_local.h).
type Behaviour uint8

// Behaviours, by what they do with the packet inside (RFC 8986, 4.4 to 4.8).
const (
	DX6  Behaviour = 5  // it goes to an IPv6 neighbour
	DX4  Behaviour = 6  // it goes to an IPv4 neighbour
	DT6  Behaviour = 7  // IPv6 is looked up in a table
	DT4  Behaviour = 8  // IPv4 is looked up in a table
	DT46 Behaviour = 16 // either is looked up in a table
)

// Forward sends packets for a SID on, into the namespace that has it, by a plain route. The number
// is none of the kernel's.
const Forward Behaviour = 254

// String is the behaviour as `ip route` names it.
func (b Behaviour) String() string {
	switch b {
	case DX6:
		return "End.DX6"
	case DX4:
		return "End.DX4"
	case DT6:
		return "End.DT6"
	case DT4:
		return "End.DT4"
	case DT46:
		return "End.DT46"
	case Forward:
		return "a route"
	}
	return fmt.Sprintf("behaviour %d", uint8(b))
}

// Of is the label or the SID, for a person.
func (e Entrance) Of() string {
	if e.SID.IsValid() {
		return "SID " + e.SID.String()
	}
	return fmt.Sprintf("label %d", e.Label)
}

// EntranceCounts are how many labels, or SIDs, of VRFs there are by how they fare.
type EntranceCounts struct{ Standing, Missing, Conflict int }

// StandingEntrance is an Entrance as the kernel has it, with the protocol of whoever wrote it.
type StandingEntrance struct {
	Entrance
	Protocol uint8
}
