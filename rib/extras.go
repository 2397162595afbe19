package rib

// Extras are what a configuration says of BGP for which GoBGP's own file has no keys.
// A value is immutable once it is in a configuration.
type Extras struct {
	// Terms are those of each neighbour, by its address as GoBGP knows it (with its
	// zone where it is link-local; the alias of one in a namespace), or by its interface
	// where it has no address; and those of each peer group, by TermsOfGroup, for the
	// dynamic neighbours in it.
	Terms map[string]Terms
	// MaxPrefixes is how many prefixes all sessions of a VRF may send together, by VRF;
	// one that is not in it may send any number.
	MaxPrefixes map[string]uint32
	// KeptBlackholes are the VRFs whose paths with BLACKHOLE no eBGP neighbour is told
	// (RFC 7999, 3.2), sorted.
	KeptBlackholes []string
	// Leaks are what VRFs take of others, by the VRF that takes.
	Leaks map[string][]LeakRule
	// Sends are the policies of what goes out of VRFs as VPN routes, by VRF: the name of a
	// policy of BGP's own.
	Sends map[string]string
	// Rules are what people call the statements of BGP's own policies that policies of the
	// configuration are written as, by the name of the statement: `policy "p", rule 2 (customers)`.
	Rules map[string]string
	// Carried is how what goes out of VRFs is carried, by VRF. What goes out of one that is not in
	// it is VPN routes.
	Carried map[string]Carried
	// Validating are the VRFs whose paths some policy judges by what the RPKI says, for the VRF's own
	// table or on their way into another VRF; sorted.
	Validating []string
	// Screened are the VRFs whose neighbours may be told of nothing that route targets lead into the
	// VRF but what its worker passes on, because a policy of the VRF judges it: see Advertising;
	// sorted.
	Screened []string
	// Draining are the neighbours whose sessions are about to be ended (RFC 8326), by their address
	// as GoBGP knows it; sorted. It is of no configuration, but said at run time.
	Draining []string
}

// TermsOfGroup is the key of a peer group in Extras.Terms.
func TermsOfGroup(name string) string { return "group:" + name }
