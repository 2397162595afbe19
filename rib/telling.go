package rib

// Telling is what becomes of a prefix of a VRF on its way to other routers.
type Telling struct {
	// Sent are the VRF's own paths as the policy judges them of what goes out of it (bgp.send);
	// none, where it has none such.
	Sent []SentPath
	// Hearers are the neighbours that routes of the VRF go to: its own, and those that get VPN
	// routes. They are in order of their names.
	Hearers []Hearer
}

// SentPath is a path, and whether it goes out of its VRF.
type SentPath struct {
	Path Path
	Out  bool
	By   string   // what decided that, in the words of the configuration
	Then []string // rules that changed it before
}

// Hearer is a neighbour, and what it is told of a prefix.
type Hearer struct {
	Name string // as people call it
	VRF  string // "default": it is in none
	EVPN bool   // it is about a route of EVPN; of one in no VRF else about a VPN route
	Told bool
	Path Path // of which it is told, or is not; without Attrs: there is none of which anybody is
	// By is what decided, in the words of the configuration or of BGP; "": nothing is in the way.
	By    string
	Then  []string // rules that changed it
	Terms string   // where it is told: with what
}
