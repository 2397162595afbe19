package gobgp3

import (
	"fmt"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// injector puts paths of our own into GoBGP's tables. The API, which is GoBGP's only
// way in, renders and parses each, tells the neighbours of each by itself, and when one
// is withdrawn leaves its destination in the table, empty. Here the loop takes many, and
// tells the neighbours once, in as many messages as that needs.
//
// It implements speaker.Injector with tables.
type injector struct {
	*loop
	*tables
	changes *changes
	flags   *flags
}

// Inject makes changes to the announcements of a VRF: all, or none where it fails.
func (in injector) Inject(vrf string, changes []rib.AnnounceChange) error {
	return in.inLoop(func() error {
		var of *bgpVRF
		if vrf != speaker.Default {
			if of = in.rib().Vrfs[vrf]; of == nil {
				return fmt.Errorf("BGP has no VRF %q any more", vrf)
			}
		}
		if of != nil && slices.ContainsFunc(changes, func(c rib.AnnounceChange) bool { return c.As == rib.FromLeak }) {
			openHome(of, in.rib().Vrfs)
		}
		paths := paths(of, in.config.in(unsafe.Pointer(in.server())).Global.Config.As, changes)
		in.changes.during("", paths, func() {
			if in.oneByOne() {
				serverPropagate(in.server(), nil, paths)
				return
			}
			for run := range runs(paths, changes) {
				in.update(run)
			}
		})
		return nil
	})
}

// update changes paths of one family at once.
func (in injector) update(paths []*bgpPath) {
	var updates []*bgpUpdate
	for _, p := range paths {
		for _, u := range tablesUpdate(in.rib(), p) {
			updates = append(updates, in.flags.without(u))
		}
	}
	in.flags.tell(updates)
}

// oneByOne tells whether the paths have to go the long way: through a global import
// policy, or to a neighbour who gets more than the best path of a prefix (RFC 7911),
// for which GoBGP looks at one path at a time.
func (in injector) oneByOne() bool {
	policy := *in.policy.in(unsafe.Pointer(in.server()))
	if a := (*in.assignments.in(policy))["global"]; a != nil {
		if len(*in.importList.in(a)) > 0 || *in.importDefault.in(a) != acceptRoute {
			return true
		}
	}
	for _, p := range in.peers() {
		if p.sendsAll() {
			return true
		}
	}
	return false
}

// paths are GoBGP's paths of changes in a VRF of a router of an AS; nil: in the global table.
// Paths with the same attributes have them in common.
func paths(of *bgpVRF, as uint32, changes []rib.AnnounceChange) []*bgpPath {
	now := time.Now().Unix()
	list := make([]*bgpPath, 0, len(changes))
	var last rib.Announcement
	var common *shared
	for _, c := range changes {
		nlri := announcedNLRI(c.Prefix, c.As, of)
		p := &bgpPath{info: &bgpOrigin{nlri: nlri, source: localPeer, timestamp: now, isFromExternal: true}}
		list = append(list, p)
		if c.Withdraw {
			p.IsWithdraw, p.dropped = true, true
			continue
		}
		if common == nil || !sameAttributes(last, c.Announcement) {
			last, common = c.Announcement, sharedBy(of, as, c.Announcement)
		}
		p.pathAttrs, p.attrsHash = common.with(nlri), common.hash
	}
	return list
}

func sameAttributes(a, b rib.Announcement) bool {
	a.Prefix = b.Prefix
	return a.Equal(&b) && (a.Mark == 0 || leavesHost(a) == leavesHost(b))
}

// leavesHost tells whether other routers may be told of an announcement: what one of them sent goes
// to no other one.
func leavesHost(a rib.Announcement) bool { return a.Of == nil || a.Of.Carrier == rib.NotCarried }

// shared is what announcements have in common that differ in nothing but the prefix. GoBGP writes
// into no attribute, and into no list of them, that a path came with.
type shared struct {
	plain   []bgp.PathAttributeInterface // without a nexthop
	whole   []bgp.PathAttributeInterface // of IPv4 prefixes in no VRF, whose nexthop is an attribute like others
	targets bgp.PathAttributeInterface   // of a VRF; nil: of none
	hash    uint32
}

func sharedBy(of *bgpVRF, as uint32, a rib.Announcement) *shared {
	s := &shared{plain: attributesOf(a, as)}
	s.hash = hashOf(s.plain)
	if of == nil {
		s.whole = append(slices.Clip(s.plain), bgp.NewPathAttributeNextHop("0.0.0.0"))
		return s
	}
	s.targets = bgp.NewPathAttributeExtendedCommunities(targetsFor(of, a))
	return s
}

// with are the attributes of one prefix: with a nexthop, which is an unspecified address and stands
// for self.
func (s *shared) with(nlri bgp.AddrPrefixInterface) []bgp.PathAttributeInterface {
	self := "0.0.0.0"
	switch {
	case nlri.AFI() == bgp.AFI_IP6:
		self = "::"
	case s.targets == nil:
		return s.whole
	}
	list := make([]bgp.PathAttributeInterface, len(s.plain), len(s.plain)+2)
	copy(list, s.plain)
	list = append(list, bgp.NewPathAttributeMpReachNLRI(self, []bgp.AddrPrefixInterface{nlri}))
	if s.targets != nil {
		list = append(list, s.targets)
	}
	return list
}

// targetsFor are the route targets of a VRF's announcement: its export targets; of what is leaked
// into it the one that only its own neighbours are told by, and its mark.
func targetsFor(of *bgpVRF, a rib.Announcement) []bgp.ExtendedCommunityInterface {
	if a.As != rib.FromLeak {
		return of.ExportRt
	}
	targets := []bgp.ExtendedCommunityInterface{homeOf(of)}
	if a.Mark != 0 && leavesHost(a) {
		targets = append(targets, sendMark(a.Mark))
	}
	for _, rt := range of.ExportRt {
		if is, _ := decodeRT(rt); rib.IsCarriageMark(is) {
			targets = append(targets, rt)
		}
	}
	return targets
}

// runs cuts paths where another family begins, and where a prefix comes again: GoBGP
// keeps no order within the paths that it sends its neighbours at once.
func runs(paths []*bgpPath, changes []rib.AnnounceChange) func(yield func([]*bgpPath) bool) {
	return func(yield func([]*bgpPath) bool) {
		seen, from := make(map[netip.Prefix]bool, len(changes)), 0
		for i, c := range changes {
			if i > from && (seen[c.Prefix] || c.Prefix.Addr().Is4() != changes[from].Prefix.Addr().Is4()) {
				if !yield(paths[from:i]) {
					return
				}
				clear(seen)
				from = i
			}
			seen[c.Prefix] = true
		}
		if from < len(paths) {
			yield(paths[from:])
		}
	}
}
