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
	var shared []bgp.PathAttributeInterface
	var hash uint32
	for _, c := range changes {
		nlri := announcedNLRI(c.Prefix, c.As, of)
		p := &bgpPath{info: &bgpOrigin{nlri: nlri, source: localPeer, timestamp: now, isFromExternal: true}}
		list = append(list, p)
		if c.Withdraw {
			p.IsWithdraw, p.dropped = true, true
			continue
		}
		if shared == nil || !sameAttributes(last, c.Announcement) {
			last, shared = c.Announcement, attributesOf(c.Announcement, as)
			hash = hashOf(shared)
		}
		p.pathAttrs, p.attrsHash = withNexthop(shared, nlri, of, c.Announcement), hash
	}
	return list
}

func sameAttributes(a, b rib.Announcement) bool {
	a.Prefix = b.Prefix
	return a.Equal(&b)
}

// withNexthop adds a nexthop to the attributes, which others have too: an unspecified
// address, which stands for self. A VRF's paths get its export RTs as well, and what is leaked
// into it the one that only its own neighbours are told by, and its mark.
func withNexthop(shared []bgp.PathAttributeInterface, nlri bgp.AddrPrefixInterface, of *bgpVRF, a rib.Announcement) []bgp.PathAttributeInterface {
	list := make([]bgp.PathAttributeInterface, len(shared), len(shared)+2)
	copy(list, shared)
	self := "0.0.0.0"
	if nlri.AFI() == bgp.AFI_IP6 {
		self = "::"
	}
	if of == nil && nlri.AFI() == bgp.AFI_IP {
		return append(list, bgp.NewPathAttributeNextHop(self))
	}
	list = append(list, bgp.NewPathAttributeMpReachNLRI(self, []bgp.AddrPrefixInterface{nlri}))
	switch {
	case of == nil:
	case a.As == rib.FromLeak:
		targets := []bgp.ExtendedCommunityInterface{homeOf(of)}
		if a.Mark != 0 && (a.Of == nil || a.Of.Carrier == rib.NotCarried) { // what another router sent goes to no other one
			targets = append(targets, sendMark(a.Mark))
		}
		for _, rt := range of.ExportRt {
			if is, _ := decodeRT(rt); is == rib.CarriedMark {
				targets = append(targets, rt)
			}
		}
		list = append(list, bgp.NewPathAttributeExtendedCommunities(targets))
	default:
		list = append(list, bgp.NewPathAttributeExtendedCommunities(of.ExportRt))
	}
	return list
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
