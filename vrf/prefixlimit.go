package vrf

// PrefixLimit is how far something is from the number of prefixes that the configuration lets
// it have: a neighbour (Neighbor), all neighbours of a VRF, or a leak from another VRF (From).
type PrefixLimit struct {
	VRF      string
	Neighbor string // by BGP's name for it; "": it is of all neighbours, or of a leak
	Family   string // "": all families
	From     string // "": it is of no leak
	Prefixes int
	Most     int    // 0: any number
	Over     int    // prefixes of a leak that are kept out
	Stopped  string // why the neighbour's session was ended; "": it was not
}

// Leak is what a VRF takes of another one beside route targets, and how much.
type Leak struct {
	From     string
	Policy   string // "": all of it
	Link     string // over which it is reached; "": none is named
	Prefixes int
	Most     int // max_prefixes; 0: any number
	Over     int // prefixes that this keeps out
}

// WarnAt is of how much of a limit, in percent, whoever looks is warned.
const WarnAt = 80

// Near tells whether so much of the limit is used.
func (l *PrefixLimit) Near() bool { return l.Most > 0 && l.Prefixes*100 >= l.Most*WarnAt }
