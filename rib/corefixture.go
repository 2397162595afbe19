package rib

import (
	"fmt"
	"net/netip"
)

// VRFDevice is a VRF device as it is to be in the core's namespace.
type VRFDevice struct {
	Name  string
	Table uint32
	MTU   uint32 // 0: the kernel's, which is larger than that of any link
	Alias string // by which it is told apart from those of others
}

// Rule has the kernel look up what comes in by an interface in a table: `ip rule add pref PREF iif
// LINK lookup TABLE`, in both families.
type Rule struct {
	Link  string
	Table uint32
	Pref  uint32
}

// String is the rule as `ip rule` shows it.
func (r Rule) String() string {
	return fmt.Sprintf("%d: from all iif %s lookup %d", r.Pref, r.Link, r.Table)
}

// StandingRule is a rule that leads from an interface to a table, as the kernel has it.
type StandingRule struct {
	Rule
	IPv6     bool
	Protocol uint8 // of whoever wrote it; 0: nobody said
	// Narrow says that it is not about all that comes in by the interface, or does not just look
	// up.
	Narrow bool
}

// Unreachable is a route that answers "unreachable" for what no other route of a table leads to.
type Unreachable struct {
	Table  uint32
	Prefix netip.Prefix
}

// Defaults are the ends of a table, one a family.
func Defaults(table uint32) []Unreachable {
	return []Unreachable{
		{table, netip.PrefixFrom(netip.IPv4Unspecified(), 0)}, {table, netip.PrefixFrom(netip.IPv6Unspecified(), 0)},
	}
}

// CoreFeatures say what this kernel can do for MPLS and SRv6.
type CoreFeatures struct {
	Labels  Answer // routes of AF_MPLS: the module mpls_router
	MPLS    Answer // labels before packets: the module mpls_iptunnel
	SRv6    Answer // H.Encaps: Linux 4.10
	Reduced Answer // H.Encaps.Red: Linux 6.1
	DT4     Answer // Linux 5.11
	DT46    Answer // Linux 5.14
}
