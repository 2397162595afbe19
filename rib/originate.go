package rib

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Origination is what a VRF tells BGP beside what it imports from the kernel. It is immutable.
type Origination struct {
	Aggregates []Aggregate
	Networks   []Network
	Conditions []Condition
}

// Aggregate is a prefix that is announced while a longer one in it is chosen (RFC 4271, 9.2.2.2).
type Aggregate struct {
	Prefix   netip.Prefix
	Suppress bool // neighbours are not told of the longer ones
	// Discard has the table get a route that discards what no longer prefix takes: else packets
	// for such an address would follow a default route, back to whom the aggregate was announced to.
	Discard     bool
	Communities []Community
	MED         uint32
}

// Network is a prefix that is always announced.
type Network struct {
	Prefix      netip.Prefix
	Communities []Community
}

// Condition has some prefixes announced only as long as others are chosen, or are not.
type Condition struct {
	Prefixes []netip.Prefix
	While    []netip.Prefix // any of them is there
	WhileNot []netip.Prefix // none of them is there
}

// Any tells whether anything is originated.
func (o *Origination) Any() bool { return len(o.Aggregates)+len(o.Networks)+len(o.Conditions) > 0 }

// String is the aggregate as a list of changes names it.
func (a Aggregate) String() string {
	s := a.Prefix.String() + communitiesText(a.Communities)
	if a.MED > 0 {
		s += fmt.Sprintf(" MED %d", a.MED)
	}
	if a.Suppress {
		s += " suppressing"
	}
	if !a.Discard {
		s += " without a discard route"
	}
	return s
}

// String is the network as a list of changes names it.
func (n Network) String() string { return n.Prefix.String() + communitiesText(n.Communities) }

// String is the condition as a list of changes names it.
func (c Condition) String() string {
	s := joined(c.Prefixes)
	if len(c.While) > 0 {
		s += " while " + joined(c.While)
	}
	if len(c.WhileNot) > 0 {
		s += " while not " + joined(c.WhileNot)
	}
	return s
}

func communitiesText(list []Community) string {
	s := ""
	for _, c := range list {
		s += " " + c.String()
	}
	return s
}

// joined names prefixes of which any counts.
func joined(list []netip.Prefix) string {
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.String()
	}
	return strings.Join(names, " or ")
}

// Covers tells whether a prefix is a member of the aggregate.
func (a *Aggregate) Covers(p netip.Prefix) bool { return p != a.Prefix && covers(a.Prefix, p) }

// Keeps tells whether the condition keeps a prefix from being announced. there says which
// prefixes the VRF has chosen a path for.
func (c *Condition) Keeps(prefix netip.Prefix, there func(netip.Prefix) bool) bool {
	if !slices.Contains(c.Prefixes, prefix) {
		return false
	}
	return len(c.While) > 0 && !slices.ContainsFunc(c.While, there) || slices.ContainsFunc(c.WhileNot, there)
}

// AnnouncedAs is why a VRF announces a prefix.
type AnnouncedAs uint8

// What may be announced.
const (
	FromKernel AnnouncedAs = iota // a route of the kernel's, which the VRF imports
	FromLeak                      // a path of another VRF that a LeakRule let in, and that was chosen
	FromNetwork
	FromAggregate
)

// String is what is announced, for a person.
func (a AnnouncedAs) String() string {
	return [...]string{"route of the kernel", "leaked route", "network", "aggregate"}[a]
}
