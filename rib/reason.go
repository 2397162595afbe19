package rib

// Cause is why a route goes no further, in either direction. It takes one byte: a worker
// keeps it for each of a million prefixes. Reason has the words.
type Cause uint8

// What may be in a route's way.
const (
	Accepted Cause = iota // nothing is

	// From BGP to the kernel: see Decide.
	ExportOff
	NoPath
	OwnImport     // the best path is the VRF's own import
	OwnPrefix     // the best path is what the VRF announces by its configuration
	OwnSubnet     // the prefix is connected here
	OwnAddress    // the prefix is an address of the VRF
	MartianPrefix // no unicast table should have it
	NoCommunity   // the best path carries none that is asked for
	PolicyRejects // the policy rejects all that there is of it, in either direction

	// From the kernel to BGP: see DecideImport.
	ImportOff
	NoRoute
	OwnRoute // we made it of a path
	NotUnicast
	ExpiredRoute // an IPv6 route whose lifetime has passed
	DefaultRoute
	UnlistedProtocol
	SpecialPrefix // it is for no other router
	// Of the hops of a route the one counts that came furthest: the order of these is
	// the order in which a hop is judged.
	NoInterface
	UnknownInterface
	ForeignInterface // it does not belong to the VRF
	UnlistedInterface
	InterfaceDown
	DeadHop
	UnfitAddress // it is tentative or deprecated
	// Two routes of one prefix pass, and the other is taken.
	OtherRoute
	Outranked // a route of ours has a lower metric, and the kernel forwards by that
)

// Reason is a Cause with what it is about. Lists, explanations, plans and the API have
// one text for it, which is String.
type Reason struct {
	Cause   Cause
	Subject string // an interface, a range, a protocol, a VRF: what of the route is meant
	Asked   string // what the policy has instead
}

// String is one sentence for a person, without a full stop; "" where nothing is in the way.
func (r Reason) String() string {
	switch r.Cause {
	case Accepted:
		return ""
	case ExportOff:
		return "export is off for this VRF; turn it on with `vrfredist redistribution enable export --vrf " + r.Subject + "`"
	case NoPath:
		return "BGP has no path for it, of any neighbour"
	case OwnImport:
		return "the best path is this VRF's own import from the kernel: its table has the route already"
	case OwnPrefix:
		return "the best path is what this VRF announces by its configuration: nothing comes in for that"
	case OwnSubnet:
		return "the prefix is directly connected here: who is on the link is reached over the link"
	case OwnAddress:
		return "the prefix is an address of this VRF: what goes there ends here"
	case MartianPrefix:
		return "the prefix is " + r.Subject + ", which no unicast table should have; accept_martians of a neighbour lets one in"
	case NoCommunity:
		return "the best path does not carry what export asks for: " + r.Subject
	case PolicyRejects:
		return r.Subject + " rejects it"
	}
	return r.importText()
}

func (r Reason) importText() string {
	switch r.Cause {
	case ImportOff:
		return "import is off for this VRF; turn it on with `vrfredist redistribution enable import IFACE --vrf " + r.Subject + "`"
	case NoRoute:
		return "the table has no route for it"
	case OwnRoute:
		return "the route is our own"
	case NotUnicast:
		return "the route is of type " + r.Subject + ", and " + r.Asked + " ones are imported"
	case ExpiredRoute:
		return "the route has expired: no lookup uses it any more"
	case DefaultRoute:
		return "the default route is imported only with allow_default"
	case UnlistedProtocol:
		return "its protocol " + r.Subject + " is not in protocols"
	case SpecialPrefix:
		return "the prefix is " + r.Subject
	case UnknownInterface:
		return "its interface is not there"
	case ForeignInterface:
		return "interface " + r.Subject + " does not belong to this VRF"
	case UnlistedInterface:
		return "interface " + r.Subject + " matches nothing in interface_list (" + r.Asked + ")"
	case InterfaceDown:
		return "interface " + r.Subject + " is down"
	case DeadHop:
		return "its nexthop on " + r.Subject + " is dead"
	case UnfitAddress:
		return "the address is tentative or deprecated"
	case OtherRoute:
		if r.Asked != "" {
			return "another route of this prefix has a lower metric, or is in a table that counts before " + r.Asked
		}
		return "another route of this prefix has a lower metric"
	case Outranked:
		return "our own route from BGP has a lower metric, " + r.Subject + ", and the kernel forwards by that; this one is announced when that one goes"
	}
	return "the route has no output interface"
}
