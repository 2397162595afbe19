package policy

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// Definition is a policy as it is written. Compile makes a Policy of it.
type Definition struct {
	Name    string
	Default Action // Accept or Reject: what no rule decides
	Rules   []Rule
}

// Rule is one rule: where all of When holds and nothing of Unless does, Set is carried out, and
// Action says what follows.
type Rule struct {
	Name   string // "": it has none
	When   Conditions
	Unless Conditions // the keys that begin with not_
	Set    Changes
	Action Action
}

// Action is what a rule that matches comes to.
type Action uint8

// The actions. 0 is none.
const (
	Accept Action = iota + 1
	Reject
	Next // the next rules are asked, and see what this one changed
)

// String is the action as configurations write it.
func (a Action) String() string { return [...]string{"", "accept", "reject", "next"}[a] }

// Conditions are what a rule looks at. Of a list any one suffices, unless its name says All; an
// empty one is none.
type Conditions struct {
	Prefixes     []Prefix
	Families     []rib.Family
	SourceVRFs   []string // "default" is the global table
	Neighbors    []Neighbor
	Nexthops     []Range
	Protocols    []uint8  // of a kernel route
	Interfaces   []string // path.Match globs, on the output interfaces of a kernel route
	Metric       *Numbers // of a kernel route
	RPKI         []rib.Validity
	LocalPref    *Numbers
	MED          *Numbers
	OriginAS     []uint32
	ASPathLength *Numbers

	Communities    []rib.Community
	CommunitiesAll []rib.Community
	Large          []rib.LargeCommunity
	LargeAll       []rib.LargeCommunity
	RouteTargets   []rib.RT
	Extended       []rib.ExtCommunity
	ASPath         []ASPath
}

// Changes are what a rule makes of a path.
type Changes struct {
	LocalPref   *uint32
	MED         *uint32
	Prepend     uint8 // how often
	Nexthop     Nexthop
	Communities CommunityChanges[rib.Community]
	Large       CommunityChanges[rib.LargeCommunity]

	// What follows concerns the route in the kernel's table.
	Metric          uint32 // 0: none
	PrefSrc         [rib.Families]netip.Addr
	Weight          uint32 // 0: none
	WeightBandwidth bool   // the weight is the path's link bandwidth
}

// Nexthop is what a rule makes of a path's nexthop.
type Nexthop struct {
	Told rib.NexthopTold
	// Addr replaces it on prefixes of its own family; an IPv6 one on IPv4 prefixes too where
	// the rule is about those alone (RFC 8950). Invalid: it stays.
	Addr netip.Addr
}

// CommunityChanges are what a rule makes of the communities of one kind: first they are
// replaced, then some are removed, then some are added.
type CommunityChanges[T comparable] struct {
	Replace     bool // by Set, which may be empty
	Set         []T
	Add, Remove []T
}

func (c *CommunityChanges[T]) any() bool { return c.Replace || len(c.Add)+len(c.Remove) > 0 }

// Any tells whether there is anything to change.
func (c *Changes) Any() bool { return len(c.keys()) > 0 }
