package rib

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// RD is a route distinguisher as its 8 bytes in wire order (RFC 4364 section
// 4.2), read as a big-endian number. The zero RD is the global table.
type RD uint64

// RT is a route target extended community as its 8 bytes in wire order (RFC
// 4360), read as a big-endian number. Two RTs are equal where all 8 bytes are.
type RT uint64

// Community is an RFC 1997 community.
type Community uint32

// LargeCommunity is an RFC 8092 large community.
type LargeCommunity struct{ Global, Local1, Local2 uint32 }

// Origin codes of RFC 4271 section 4.3.
const (
	OriginIGP        uint8 = 0
	OriginEGP        uint8 = 1
	OriginIncomplete uint8 = 2
)

// Via is whom a path came from and which way it goes. The paths of a neighbour
// share it, however many attributes they have; it is immutable once handed on.
type Via struct {
	// A link-local one carries its interface as zone, where that is known: one of the
	// namespace that BGP runs in.
	Nexthop   netip.Addr
	LinkLocal netip.Addr // the second nexthop of RFC 2545; invalid: none

	Peer         netip.Addr // the neighbour that sent it; invalid: originated here
	RouterID     netip.Addr // of that neighbour
	PeerAS       uint32
	IBGP         bool
	OriginatorID netip.Addr
	ClusterLen   int

	// Source is the VRF in which this server learned or originated the path:
	// "" for the global table and for VPN paths from other PEs.
	Source string
	// Imported marks a path that a worker of this daemon announced, from the
	// kernel table of Source ("default" for the global table), or for another reason As.
	Imported bool
	As       AnnouncedAs
	// Carrier is what brought a path of another PE into a VRF. Of ByEVPN the rest says for which
	// encapsulation, and its router's MAC address; the VNI is the path's label.
	Carrier   Carrier
	EncapKind EncapKind
	RouterMAC MAC
	// SID is that of SRv6 which a VPN route came with, as it was sent; invalid: with none. SIDBits
	// bits of it, those from the bit SIDFrom on, counted from the highest, are in the path's label
	// (RFC 9252, 4: transposition length and offset). They are as sent, and may be senseless.
	SID              netip.Addr
	SIDFrom, SIDBits uint8
	SIDFault         SIDFault // why SID is invalid, where a service came all the same
	// ByRule marks a path that another VRF's LeakRule let in; Source is "default" where it
	// is of the global table.
	ByRule bool
	// GivesWay says of one that it comes behind all others, because rules lead in a circle.
	GivesWay bool
}

// PathNexthop is by what a path is forwarded in the VRF that has it from a neighbour. Paths
// with the same one are reached alike.
type PathNexthop struct {
	Nexthop   netip.Addr
	LinkLocal netip.Addr
	Peer      netip.Addr // of a link-local one, which the neighbour's link makes unambiguous; else invalid
}

// PathNexthop is that of the paths that share v.
func (v *Via) PathNexthop() PathNexthop {
	n := PathNexthop{Nexthop: v.Nexthop, LinkLocal: v.LinkLocal}
	if v.LinkLocal.IsValid() || v.Nexthop.IsLinkLocalUnicast() {
		n.Peer = v.Peer
	}
	return n
}

// Attrs are the attributes of a path that vrfredist needs. They are shared by
// many paths and immutable once handed on. In a full table there is one for
// every few prefixes, so its size counts.
type Attrs struct {
	*Via // never nil in a path

	LocalPref uint32 // 100 where the path has none
	MED       uint32 // 0 where the path has none
	ASPathLen int32  // as RFC 4271 9.1.2.2 counts: a set is 1, confederations 0
	Origin    uint8
	Stale     bool // LLGR-stale (RFC 9494)
	ASPath    []uint32

	*Tags // never nil in a path

	Rare *Rare // nil: it has nothing of it
}

// Tags are the communities of a path, which many paths do not have. They are
// immutable once handed on.
type Tags struct {
	RTs         []RT
	Communities []Community
	Large       []LargeCommunity
}

// Meets tells whether a path carries one of these route targets, as a VRF imports it.
func (t *Tags) Meets(rts []RT) bool {
	return slices.ContainsFunc(t.RTs, func(rt RT) bool { return slices.Contains(rts, rt) })
}

// Path is one candidate for a prefix in a VRF.
type Path struct {
	Prefix netip.Prefix
	RD     RD
	ID     uint32 // tells the paths of one RD:prefix apart, those by EVPN too (RFC 7911, multipath)
	Label  uint32 // of a VPN path its MPLS label, of one by EVPN its VNI; 0: none
	Age    int64  // Unix seconds at which it was learned
	Attrs  *Attrs
}

// InEVPN tells whether a path is of BGP's table of EVPN, in which an RD and a prefix name another
// destination than in the table of VPN routes.
func (p *Path) InEVPN() bool {
	return p.RD != 0 && p.Attrs != nil && p.Attrs.Via != nil && p.Attrs.Carrier == ByEVPN
}

// Announcement is a route that a VRF imports into BGP, or originates: ORIGIN incomplete,
// nexthop self. The VRF's RD and export RTs are added by BGP. Two are compared by Equal.
type Announcement struct {
	As AnnouncedAs
	// Of is the path that is passed on by FromLeak: origin and AS path are its own. No other VRF
	// gets it, and another router only where the policy of what goes out of the VRF accepts it,
	// which knows it by Mark. nil: it begins here.
	Of          *Attrs
	Mark        RT
	Prefix      netip.Prefix
	MED         uint32
	Communities []Community
	Large       []LargeCommunity
	LocalPref   *uint32 // nil: none is said, which is 100
	Prepend     uint8   // how often our own AS is put before the AS path
}

// Equal tells whether two announcements say the same.
func (a *Announcement) Equal(o *Announcement) bool {
	return a.Prefix == o.Prefix && a.MED == o.MED && a.Prepend == o.Prepend && a.As == o.As && a.Mark == o.Mark && samePassedOn(a.Of, o.Of) &&
		(a.LocalPref == o.LocalPref || a.LocalPref != nil && o.LocalPref != nil && *a.LocalPref == *o.LocalPref) &&
		slices.Equal(a.Communities, o.Communities) && slices.Equal(a.Large, o.Large)
}

// IsCandidate tells whether an announcement comes back as a path that VRFs choose among, and is
// made whatever is chosen: of a leak it does not, and an aggregate depends on its members.
func (a *Announcement) IsCandidate() bool { return a.As == FromKernel || a.As == FromNetwork }

// samePassedOn tells whether two paths are passed on with the same origin and AS path.
func samePassedOn(a, b *Attrs) bool {
	if a == nil || b == nil || a == b {
		return a == b
	}
	same := func(x, y ASSegment) bool { return x.Kind == y.Kind && slices.Equal(x.ASes, y.ASes) }
	return a.Origin == b.Origin && slices.EqualFunc(slices.Collect(a.Segments), slices.Collect(b.Segments), same)
}

// AnnouncementOf is what a path of ours says, as BGP has it: a policy of BGP's may have changed
// what was announced.
func AnnouncementOf(p *Path) Announcement {
	a := Announcement{Prefix: p.Prefix, MED: p.Attrs.MED, Communities: p.Attrs.Communities, Large: p.Attrs.Large}
	if p.Attrs.LocalPref != defaultLocalPref {
		a.LocalPref = &p.Attrs.LocalPref
	}
	if a.As = p.Attrs.As; a.As == FromLeak {
		a.Of, a.Mark = p.Attrs, sendMarkOf(p.Attrs.RTs)
		return a
	}
	a.Prepend = uint8(min(len(p.Attrs.ASPath), math.MaxUint8))
	return a
}

// Terms are what is announced beside the prefix, for a person.
func (a *Announcement) Terms() string {
	s := fmt.Sprintf("MED %d", a.MED)
	if a.LocalPref != nil {
		s += fmt.Sprintf(", local preference %d", *a.LocalPref)
	}
	if a.Prepend > 0 {
		s += fmt.Sprintf(", our AS prepended %d times", a.Prepend)
	}
	var has []string
	for _, c := range a.Communities {
		has = append(has, c.String())
	}
	for _, c := range a.Large {
		has = append(has, c.String())
	}
	if len(has) > 0 {
		s += " and " + strings.Join(has, ", ")
	}
	return s
}

// AnnounceChange announces, or with Withdraw takes back, one route of a VRF.
type AnnounceChange struct {
	Announcement
	Withdraw bool
}

// LeaksInto tells whether a path belongs to another VRF than own, which imports
// it.
func (p Path) LeaksInto(own string) bool {
	return p.Attrs != nil && p.Attrs.Source != "" && p.Attrs.Source != own
}

// Confined returns p without what it says of others, for one who may know of the VRF own alone.
// Of a path that leaks into own that is the other VRF: its name, RD and label, its neighbour and
// its nexthops; of one that another PE sent by an encapsulation, the core's addresses. What
// decides between paths, and what BGP would announce to the VRF's own neighbours, stays.
func (p Path) Confined(own string) Path {
	switch {
	case p.LeaksInto(own):
		a := *p.Attrs
		a.Via = &Via{Source: Elsewhere, Imported: a.Imported, As: a.As, IBGP: a.IBGP, ByRule: a.ByRule, GivesWay: a.GivesWay} // the old one is shared
		a.Tags = &Tags{Communities: a.Communities, Large: a.Large}                                                            // so is this
		a.Rare = a.Rare.confined()
		p.RD, p.ID, p.Label, p.Attrs = 0, 0, 0, &a
	case p.Attrs != nil && p.Attrs.Carrier == ByEVPN:
		return p.WithoutCore()
	}
	return p
}

// WithoutCore returns p, which another PE sent, without the core's addresses. A route
// distinguisher or a route target may have one in it (RFC 4364, 4.2).
func (p Path) WithoutCore() Path {
	a := *p.Attrs
	a.Via = &Via{IBGP: a.IBGP, PeerAS: a.PeerAS, ClusterLen: a.ClusterLen, Carrier: a.Carrier, EncapKind: a.EncapKind}
	a.Tags = &Tags{Communities: a.Communities, Large: a.Large}
	a.Rare = a.Rare.confined()
	p.RD, p.ID, p.Label, p.Attrs = 0, 0, 0, &a
	return p
}

// defaultLocalPref is that of a path without one (RFC 4271, 5.1.5 leaves it open; all
// implementations have it so).
const defaultLocalPref = 100
