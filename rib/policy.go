package rib

import (
	"net/netip"
	"slices"
)

// ImportPolicy says which kernel routes of a VRF go into BGP.
type ImportPolicy struct {
	Enabled          bool
	Interfaces       []string // path.Match globs on the output interface's name
	Protocols        []uint8  // rtm_protocol; none: all
	Addresses        bool     // each address of the interfaces too, as /32 or /128
	Kinds            []Kind   // what routes may do; none: KindUnicast alone
	Tables           []uint32 // tables of the namespace beside the binding's own, the first before the next
	AllowDefault     bool
	MED              *uint32 // nil: the route's metric
	Communities      []Community
	LargeCommunities []LargeCommunity
	AcceptMartians   []netip.Prefix // as in ExportPolicy
	// Policy judges what all else lets through; nil: there is none.
	Policy Judge
}

// Takes tells whether routes of a kind are imported.
func (p *ImportPolicy) Takes(k Kind) bool {
	if len(p.Kinds) == 0 {
		return k == KindUnicast
	}
	return slices.Contains(p.Kinds, k)
}

// ExportPolicy says which BGP routes of a VRF go into its kernel table. A path
// that carries any of the communities passes; with none given, every path does.
type ExportPolicy struct {
	Enabled          bool
	Community        []Community // none or one: the key `community`
	CommunityList    []Community
	LargeCommunities []LargeCommunity
	Metric           uint32 // 1 to 2^32-1
	MaxRoutes        int    // see Quota; 0: DefaultMaxRoutes
	MaxPaths         int    // equal paths used at once; 0 is read as 1
	AcceptBlackhole  bool   // a path with BLACKHOLE (RFC 7999) becomes a blackhole route
	// AnnounceBlackholes has such a path announced to eBGP neighbours too, where
	// AcceptBlackhole is set.
	AnnounceBlackholes bool
	// AcceptMartians are the ranges of martians from which some neighbour may announce
	// prefixes, sorted.
	AcceptMartians []netip.Prefix
	PrefSrc        [Families]netip.Addr // our routes' preferred source; invalid: none
	Selection      Selection            // the router's
	// BackupRoutes keeps the backup path's route in the table too, under the next metric: the kernel
	// takes it by itself where a link, and with it the first route, goes.
	BackupRoutes bool
	// AnnounceUnreached has neighbours told of paths whatever becomes of their nexthops: the
	// key `reachability` is false.
	AnnounceUnreached bool
	ResolveByDefault  bool // the default route may lead to nexthops
	// AdvertiseInstalled has neighbours told of what is in the table alone: the key
	// `advertise` is "installed".
	AdvertiseInstalled bool
	// AdvertiseRejected has neighbours told of paths that Policy rejects.
	AdvertiseRejected bool
	// Policy judges each path before the choice; nil: there is none.
	Policy Judge
	// Receive judges the paths of other VRFs and of other PEs before Policy does; nil: there is
	// none.
	Receive Judge
	// PreferLinkLocal has a path that came with a global and a link-local nexthop (RFC
	// 2545) go by the latter.
	PreferLinkLocal bool
}

// PassesOn tells whether the VRF's neighbours are told what its worker passes on of the paths of
// other VRFs and PEs, because Receive judges them, and not what BGP has of them.
func (p *ExportPolicy) PassesOn() bool { return p.Receive != nil && p.Enabled }

// Filtered tells whether the policy takes paths with some communities alone.
func (p *ExportPolicy) Filtered() bool {
	return len(p.Community)+len(p.CommunityList)+len(p.LargeCommunities) > 0
}

// Quota is how many routes the VRF may have in its table.
func (p ExportPolicy) Quota() int {
	if p.MaxRoutes == 0 {
		return DefaultMaxRoutes
	}
	return p.MaxRoutes
}

// DefaultMaxRoutes is the quota of a VRF that names none: generous and finite.
const DefaultMaxRoutes = 4_000_000
