package vrf

// Guarded is what the guard before BGP did to the messages of a neighbour since the
// daemon started.
type Guarded struct {
	VRF, Netns string
	Neighbor   string // its address, not that of an alias
	// Plain and Rehearsed count UPDATEs: those that passed as they came, and those that
	// BGP's own code was tried on first.
	Plain, Rehearsed uint64
	// Removed counts attributes, prefixes, messages or sessions by the name of the
	// reason, as each reason is about.
	Removed map[string]uint64
}
