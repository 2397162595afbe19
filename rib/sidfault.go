package rib

// SIDFault is why nothing can be made of the SRv6 service that a VPN route came with (RFC 9252).
// NoSIDFault: it can, or none came.
type SIDFault uint8

// What can be wrong with a service. What it says of bits in the label is judged with the label.
const (
	NoSIDFault SIDFault = iota
	// NoSID is of a service that has no SID in it, or one that is not 16 bytes long.
	NoSID
	// SeveralSIDs is of a service with several of them: which bits of each are in the label is not
	// known, because GoBGP takes what is said of one for another's.
	SeveralSIDs
	// OtherBehaviour is of a SID whose packets are not looked up in a VRF's table of the path's family.
	OtherBehaviour
	// SIDTooLong is of a SID whose parts have more bits than it has (RFC 9252, 3.2.1).
	SIDTooLong
	// OtherBits is of a SID of which bits are in the label that none of its parts has (RFC 9252, 3.2.1).
	OtherBits
)

// String is the fault as one short sentence; "": there is none.
func (f SIDFault) String() string {
	switch f {
	case NoSID:
		return "it came with an SRv6 service that names no SID (RFC 9252, 2)"
	case SeveralSIDs:
		return "it came with an SRv6 service of several SIDs, of which none is told apart (RFC 9252, 3.1)"
	case OtherBehaviour:
		return "it came with an SRv6 SID for packets of another kind or IP version (its endpoint behaviour; RFC 9252, 5)"
	case SIDTooLong:
		return "it came with an SRv6 SID whose parts have more than 128 bits (RFC 9252, 3.2.1)"
	case OtherBits:
		return "it came with an SRv6 SID of which bits are in the label that none of its parts has (RFC 9252, 3.2.1)"
	}
	return ""
}
