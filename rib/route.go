package rib

import (
	"net/netip"
	"slices"
)

// Kind is what the kernel does with packets that match a route: its rtm_type
// (include/uapi/linux/rtnetlink.h), with the same numbers.
type Kind uint8

// The kinds that a table can hold.
const (
	KindUnicast     Kind = 1
	KindLocal       Kind = 2
	KindBroadcast   Kind = 3
	KindAnycast     Kind = 4
	KindMulticast   Kind = 5
	KindBlackhole   Kind = 6
	KindUnreachable Kind = 7
	KindProhibit    Kind = 8
	KindThrow       Kind = 9
)

// discards tells whether packets go nowhere by routes of kind k, which have no interface then.
func (k Kind) discards() bool { return k == KindBlackhole || k == KindUnreachable || k == KindProhibit }

// Route protocols (rtm_protocol) that this package treats by name.
const (
	ProtoRedirect uint8 = 1
	ProtoKernel   uint8 = 2
	ProtoBoot     uint8 = 3
	ProtoStatic   uint8 = 4
	ProtoRA       uint8 = 9
	ProtoDHCP     uint8 = 16
	// ProtoOwn is vrfredist's own number unless configured. It is not 186
	// (bgp): FRR and gobgp-netlink use that, and a shared number cannot say
	// whose a route is.
	ProtoOwn uint8 = 179
)

// DefaultMetric is the metric of our routes unless configured. It is not 0: the
// kernel turns 0 into 1024 for IPv6, and then a key read back is not the key
// written.
const DefaultMetric uint32 = 20

// CoreMetric is the metric of routes of ours that belong to no VRF's worker: SIDs, and what ends a
// table or a locator. The kernel takes every other route of the prefix first, and it is the metric
// that the kernel's documentation of VRF devices recommends for the end of a table
// (Documentation/networking/vrf.rst). A worker that has the same table leaves them alone.
const CoreMetric uint32 = 4278198272

// Key is the kernel's own key of a route within one table. TOS is always 0
// here: routes with another TOS are never ours and never considered.
type Key struct {
	Prefix netip.Prefix
	Metric uint32
}

// Route is a route of one kernel table, read from it or to be written to it.
// Hops is never modified after a Route has been handed on.
type Route struct {
	Prefix    netip.Prefix
	Metric    uint32
	Protocol  uint8
	Kind      Kind
	Scope     uint8      // as read; the writer derives it from the hops
	Expired   bool       // of another program, past Expires: no lookup uses it, but it holds its key still
	Hops      []Hop      // none for blackhole, unreachable, prohibit and throw
	PrefSrc   netip.Addr // invalid: none
	NexthopID uint32     // RTA_NH_ID. As read, Hops hold what it stands for; written, Hops are left out
	Expires   uint32     // when an IPv6 route ends, in Unix seconds; 0: never
}

// Key returns the kernel's key of r.
func (r Route) Key() Key { return Key{r.Prefix, r.Metric} }

// Own tells whether a route is one that the worker of a VRF with a route protocol has written.
func (r *Route) Own(protocol uint8) bool { return r.Protocol == protocol && r.Metric != CoreMetric }

// Link is an interface of the namespace of a VRF.
type Link struct {
	Index    int
	Name     string
	Master   int    // ifindex of the bridge or VRF device it is enslaved to; 0: none
	Peer     int    // of a veth: the ifindex of the other end, in whichever namespace; 0: not known
	VRFTable uint32 // the table of a VRF device; 0: this is none
	Alias    string // of a VRF device, by which that of one program is told apart from others
	Up       bool   // IFF_UP and IFF_RUNNING: administratively up, and with carrier
	Admin    bool   // IFF_UP
	Loopback bool
	MTU      uint32
	Addrs    []netip.Prefix // with host bits: 192.0.2.1/24
	// Those of Addrs that IPv6 still looks for on other hosts, and that are not for new
	// sessions any more (RFC 4862, 2).
	Tentative, Deprecated []netip.Prefix
	VXLAN                 VXLAN
}

// Links are the interfaces of one namespace by index: an immutable snapshot.
type Links map[int]Link

// ByName returns the link called name.
func (l Links) ByName(name string) (Link, bool) {
	for _, k := range l {
		if k.Name == name {
			return k, true
		}
	}
	return Link{}, false
}

// OwnAddrs are the addresses of an interface that others may be told of: not those of the
// loopback's own ranges, and none that is link-local.
func (k *Link) OwnAddrs() (list []netip.Addr) {
	for _, p := range k.Addrs {
		if a := p.Addr(); !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			list = append(list, a)
		}
	}
	return list
}

// Source tells whether the kernel takes an address for the source of what this host sends: an
// interface has it, and in IPv6 no other host may turn out to have it too (ipv6_chk_addr in
// net/ipv6/addrconf.c).
func (l Links) Source(addr netip.Addr) bool {
	for _, k := range l {
		is := func(a netip.Prefix) bool { return a.Addr() == addr }
		if slices.ContainsFunc(k.Addrs, is) && !slices.ContainsFunc(k.Tentative, is) {
			return true
		}
	}
	return false
}

// Op is what a Change does.
type Op uint8

// The operations on one route.
const (
	OpAdd     Op = iota + 1 // exclusive: fails with ErrExists where the key is taken
	OpReplace               // in place, of a route that is ours
	OpDelete                // of a route that is ours; one that is gone already is no error

	OpAddNexthop     // exclusive: fails with ErrExists where the id is taken
	OpReplaceNexthop // in place, of an object that is ours: all routes that use it follow
	OpDeleteNexthop  // of an object that is ours; the kernel deletes the routes that use it, silently

	OpSetEndpoint    // both its entries, each where it is missing or is ours and differs; fails with ErrExists where one is another's
	OpDeleteEndpoint // both its entries, where they are ours; what is gone already is no error
)

func (o Op) String() string {
	switch o {
	case OpAdd:
		return "add"
	case OpReplace:
		return "replace"
	case OpDelete:
		return "delete"
	case OpAddNexthop:
		return "add nexthop"
	case OpReplaceNexthop:
		return "replace nexthop"
	case OpDeleteNexthop:
		return "delete nexthop"
	case OpSetEndpoint:
		return "set endpoint"
	case OpDeleteEndpoint:
		return "delete endpoint"
	}
	return "unknown"
}

// Change is one change to a VRF's table, or to a nexthop object of its
// namespace. For OpDelete the key, protocol and kind of Route say which, for
// OpDeleteNexthop the id of Nexthop.
type Change struct {
	Op      Op
	Route   Route
	Nexthop Nexthop // of the operations on nexthop objects
	// Endpoint is of the operations on endpoints.
	Endpoint Endpoint
}

// Where is the identity of a table while it is open: the namespace's inode, not
// its name, because a name can be given to another namespace.
type Where struct {
	Dev, Inode uint64 // of the namespace
	Table      uint32
	Device     int // ifindex of the VRF device; 0: none
}

// SameNamespace tells whether two tables are in the same network namespace.
func (w Where) SameNamespace(o Where) bool { return w.Dev == o.Dev && w.Inode == o.Inode }

// Binding says how a VRF finds its table. The zero Binding is the main table of
// the daemon's own namespace.
type Binding struct {
	Netns  string // a name below /run/netns, or an absolute path; "": the daemon's own
	Device string // the VRF device; "": none
	Table  uint32 // a plain table; 0: none. Device and Table exclude each other
}

// String renders b as a person would say it: "main", "netns tenant-a",
// "device vrf-red", "netns tenant-a, table 1001".
func (b Binding) String() string {
	s := ""
	if b.Netns != "" {
		s = "netns " + b.Netns
	}
	add := func(t string) {
		if s != "" {
			s += ", "
		}
		s += t
	}
	switch {
	case b.Device != "":
		add("device " + b.Device)
	case b.Table != 0:
		add("table " + utoa(b.Table))
	case b.Netns == "":
		add("main")
	}
	return s
}
