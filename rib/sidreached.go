package rib

import (
	"fmt"
	"net/netip"
	"strconv"
)

// SIDReached is where a packet leads that comes in by an interface and is for a SID, as the kernel says.
type SIDReached struct {
	In  int // the interface, by index
	SID netip.Addr
	// Prefix, Table and Out are of the route that it goes by.
	Prefix netip.Prefix
	Table  uint32
	Out    int
	// Local says that the route takes packets out of SRv6, and Wrapped that it puts another header
	// around them, so that the SID is no destination any more.
	Local, Wrapped bool
	// By is the rule that leads to that table; its zero value: which one that is was not found out.
	By Selector
}

// Selector is a rule for the lookup of IPv6 packets, as far as it goes by where they come from and go
// to.
type Selector struct {
	Pref     uint32
	From, To netip.Prefix // invalid: any
	In       string       // the interface by which they come in; "": any
	Table    uint32
}

// Leads tells whether a packet from any address that comes in by an interface is looked up in the rule's
// table.
func (s *Selector) Leads(in string, to netip.Addr) bool {
	return !s.From.IsValid() && (s.In == "" || s.In == in) && (!s.To.IsValid() || s.To.Contains(to))
}

// String is the rule as `ip rule` takes it.
func (s Selector) String() string {
	text := fmt.Sprintf("pref %d", s.Pref)
	if s.From.IsValid() {
		text += fmt.Sprintf(" from %v", s.From)
	}
	if s.To.IsValid() {
		text += fmt.Sprintf(" to %v", s.To)
	}
	if s.In != "" {
		text += " iif " + s.In
	}
	return text + " lookup " + tableName(s.Table)
}

// tableName is a table as `ip` has it.
func tableName(table uint32) string {
	if table == mainTable {
		return "main"
	}
	return strconv.FormatUint(uint64(table), 10)
}
