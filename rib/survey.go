package rib

import "net/netip"

// Survey is what one network namespace looks like to one who only looks: a
// snapshot, of which nothing was changed.
type Survey struct {
	Dev, Inode uint64 // of the namespace
	Links      Links
	// Settings are those of /proc/sys/net by their path below it:
	// "ipv4/ip_forward", "ipv4/conf/eth0/rp_filter". One that this kernel does
	// not have is not there.
	Settings map[string]string
	// Own counts the routes of our protocol by table, those of every table.
	Own map[uint32]int
	// Guarded are the tables that end in an unreachable, blackhole or prohibit
	// default route, so that no lookup goes on to the next rule.
	Guarded map[uint32]Guard
	// Looped are the prefixes, by table, of routes that lead out of the loopback interface.
	Looped map[uint32][]netip.Prefix
	// TunnelSource is that of the packets that are put into SRv6 there (`ip sr tunsrc`). An unspecified
	// one says that the kernel chooses, an invalid one that it is not known.
	TunnelSource netip.Addr
}

// NoNumber is the number of a namespace that another one has none for, or that is the same.
const NoNumber = -1

// Guard says for which families a table ends in such a route.
type Guard [Families]bool

// Answer is whether something is so, as far as that could be found out.
type Answer uint8

// The answers. The zero Answer is Unknown.
const (
	Unknown Answer = iota
	Yes
	No
)

// Features are what of the kernel's abilities matters to us.
type Features struct {
	VRFDevices      Answer
	NexthopObjects  Answer // Linux 5.3
	StrictChecking  Answer // of requests, so that a table is dumped alone: Linux 4.20
	ThrowAwayFailed error  // why nothing could be tried; nil where it was
}
