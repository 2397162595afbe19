package gobgp3

import (
	"cmp"
	"maps"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// foretelling works out what neighbours would be told otherwise: what GoBGP tells them of what
// is in its tables, by the policies by which each is told now, against what it would tell them
// of what would be there, by those of a prospect. It is a visitor.
type foretelling struct {
	*prospect
	reach   *reachability
	effects *reload.Effects
	most    int             // changes of a neighbour that are kept; -1: all
	sources sources         // with what would be said
	said    map[string]bool // the VRFs of which something else is said now
	moved   map[string]bool // the VRFs whose neighbours are told by other targets: see nextVRFs
	carried map[rib.RD]*carriage
	makes   *routeMaker
	// services are those that routes may have the mark of then.
	services map[rib.RT]rib.Carried

	all  map[string]*hearer // by name
	here []*hearer          // of this turn
}

// hearer is a neighbour that is told of routes.
type hearer struct {
	livePeer
	audience
	name     string
	vrf      string // "": in none
	judged   bool   // by other policies than now
	moved    bool   // it is told by other import targets of its VRF
	families map[bgp.RouteFamily]bgp.BGPAddPathMode
	told     speaker.Told
}

// begin begins a turn: neighbours come and go between two.
func (f *foretelling) begin() {
	clear(f.sources.vrfs)
	f.here = f.here[:0]
	for name, p := range f.peers() {
		h := f.hearer(name, p)
		if h != nil && h.hears() {
			f.here = append(f.here, h)
		}
	}
}

// hearer is a neighbour that stays; nil: it does not, or its session is another one then.
func (f *foretelling) hearer(name string, p livePeer) *hearer {
	h := f.all[name]
	if h == nil {
		h = &hearer{name: name, judged: slices.Contains(f.effects.Out, name)}
		f.all[name] = h
	}
	h.livePeer, h.audience = p, audienceOf(p)
	p.read(func(n *oc.Neighbor, state bgp.FSMState) {
		h.vrf, h.families = n.Config.Vrf, nil
		h.told.Neighbor, h.told.VRF, h.told.PeerAS = name, vrfOrDefault(n.Config.Vrf), n.State.PeerAs
		if state == bgp.BGP_FSM_ESTABLISHED {
			h.families = maps.Clone(*p.families.in(p.fsm))
		}
	})
	h.moved = f.moved[h.vrf]
	if h.client != f.clients || f.effects.Lost[name].Whole() {
		delete(f.all, name)
		return nil
	}
	return h
}

// hears tells whether the neighbour is told of anything now. A session that is down is told all
// when it comes up.
func (h *hearer) hears() bool { return len(h.families) > 0 }

// takes tells whether routes of a table go to the neighbour, and whether it gets all paths.
func (h *hearer) takes(f bgp.RouteFamily) (is, all bool) {
	if h.vrf != "" {
		if !isVPN(f) {
			return false, false
		}
		f = unicastOf(f)
	}
	mode, is := h.families[f]
	return is, mode&bgp.BGP_ADD_PATH_SEND != 0
}

// visit finds out what is told of a spot, and would be.
func (f *foretelling) visit(at spot) {
	before := f.toldNow(at)
	after := f.told(at)
	same := len(before) == len(after)
	for i := range before {
		same = same && before[i] == after[i]
	}
	for _, h := range f.here {
		takes, all := h.takes(at.family)
		if !takes || same && !h.judged && !h.moved {
			continue
		}
		before, after := h.fitting(before), h.fitting(after)
		switch {
		case all:
			f.several(h, at, before, after)
		case h.second:
			f.compare(h, at, first(f.passing(h, before, false)), first(f.passing(h, after, true)))
		default:
			f.one(h, at, first(before), first(after))
		}
	}
}

// same tells whether the neighbour is told the same by two paths.
func (h *hearer) same(a, b *bgpPath) bool {
	if h.vrf != "" {
		return sameToCustomer(a, b)
	}
	return pathEqual(a, b)
}

func first(paths []*bgpPath) *bgpPath {
	if len(paths) == 0 {
		return nil
	}
	return paths[0]
}

// toldNow are the paths that neighbours may have been told of, the best one first.
func (f *foretelling) toldNow(at spot) []*bgpPath {
	if f.clients {
		return at.known // nothing is held back from them, nor flagged
	}
	if told, held := f.reach.flags.held[at.family][at.key]; held {
		if told == nil {
			return nil
		}
		return []*bgpPath{told}
	}
	return unflagged(at.known)
}

// told are the paths that neighbours may be told of then.
func (f *foretelling) told(at spot) []*bgpPath {
	if at.family == bgp.RF_EVPN {
		return f.toldByEVPN(at)
	}
	paths := f.paths(at)
	again := !slices.Equal(paths, at.known)
	if f.clients {
		return sorted(paths, again)
	}
	for i, p := range paths {
		flag := p.IsNexthopInvalid
		if vrf := f.homeOf(p, at.family); vrf != "" && (f.said[vrf] || !slices.Contains(at.known, p)) {
			flag = f.sources.isWithheld(p, at.family)
		}
		if flag == p.IsNexthopInvalid {
			continue
		}
		if !again {
			paths, again = slices.Clone(paths), true
		}
		paths[i] = withFlag(p, flag)
	}
	return unflagged(sorted(paths, again))
}

// homeOf is the VRF whose neighbour sent a path; "": none, or it originated here.
func (f *foretelling) homeOf(p *bgpPath, family bgp.RouteFamily) string {
	if o := p.origin(); len(o.source.Address) > 0 {
		return f.sources.vrfOf(o.source, family)
	}
	return ""
}

// one compares what a neighbour is told of a spot, where it gets the best path.
func (f *foretelling) one(h *hearer, at spot, before, after *bgpPath) {
	if before != after || h.moved {
		f.compare(h, at, f.filtered(h, before, false), f.filtered(h, after, true))
		return
	}
	if before == nil || !h.judged {
		return
	}
	// The same path, by two policies: it is made ready for the neighbour once.
	p, options, stop := serverPreFilter(f.server(), h.at, before, nil)
	if stop {
		return
	}
	options.Validate = validating(f.loop)
	table := *h.tableID.in(h.at)
	a := policiesApply(*h.judge.in(h.at), table, outwards, p, options)
	b := policiesApply(f.policies, table, outwards, p, options)
	if a != b {
		f.compare(h, at, asTold(f.finished(h, a)), asTold(f.finished(h, b)))
	}
}

func (f *foretelling) finished(h *hearer, p *bgpPath) *bgpPath {
	if p == nil {
		return nil
	}
	return serverPostFilter(f.server(), h.at, pathClone(p, p.IsWithdraw))
}

// filtered is a path as GoBGP tells it to a neighbour now, or then; nil: it does not.
func (f *foretelling) filtered(h *hearer, p *bgpPath, then bool) *bgpPath {
	if p == nil {
		return nil
	}
	if then {
		judge, tables := h.judge.in(h.at), f.rib()
		was, vrfs := *judge, tables.Vrfs
		defer func() { *judge, tables.Vrfs = was, vrfs }()
		*judge, tables.Vrfs = f.policies, f.vrfs
	}
	return asTold(serverFilter(f.server(), h.at, p, nil))
}

// compare takes down where a neighbour is told of a spot otherwise.
func (f *foretelling) compare(h *hearer, at spot, a, b *bgpPath) {
	switch {
	case a == nil && b == nil:
	case a == nil:
		h.told.Announced++
		f.note(h, at, speaker.Added, b)
	case b == nil:
		h.told.Withdrawn++
		f.note(h, at, speaker.Removed, a)
	case !h.same(a, b):
		h.told.Changed++
		f.note(h, at, speaker.Changed, b)
	}
}

// several compares what a neighbour is told of a spot, where it gets all paths.
func (f *foretelling) several(h *hearer, at spot, before, after []*bgpPath) {
	a, b := f.passing(h, before, false), f.passing(h, after, true)
	switch {
	case len(a) == len(b) && slices.EqualFunc(a, b, h.same):
	case len(a) == 0 || len(b) == 0:
		f.compare(h, at, first(a), first(b))
	default:
		h.told.Changed++
		f.note(h, at, speaker.Changed, first(b))
	}
}

// passing are the paths that GoBGP tells a neighbour of, now or then, as it tells them.
func (f *foretelling) passing(h *hearer, paths []*bgpPath, then bool) (list []*bgpPath) {
	for _, p := range paths {
		if p := f.filtered(h, p, then); p != nil {
			list = append(list, p)
		}
	}
	return list
}

// note keeps a change, as far as it is among the first ones.
func (f *foretelling) note(h *hearer, at spot, kind speaker.ChangeKind, p *bgpPath) {
	most := f.most
	rd, prefix, err := vpnPrefix(at.nlri)
	if err != nil || most == 0 {
		return
	}
	c := speaker.ToldChange{Kind: kind, Prefix: prefix}
	if h.vrf == "" {
		c.RD = rd
	}
	list := h.told.First
	if most > 0 && len(list) >= 2*most {
		list = firstOf(list, most)
		if compareTold(list[most-1], c) <= 0 {
			h.told.First = list
			return
		}
	}
	if kind != speaker.Removed {
		c.Terms = termsOf(p, f.services)
	}
	h.told.First = append(list, c)
}

// firstOf are the first changes; -1: all.
func firstOf(list []speaker.ToldChange, most int) []speaker.ToldChange {
	slices.SortFunc(list, compareTold)
	if most < 0 || len(list) <= most {
		return list
	}
	return list[:most]
}

func compareTold(a, b speaker.ToldChange) int {
	return cmp.Or(a.Prefix.Compare(b.Prefix), cmp.Compare(a.RD, b.RD))
}

// ended is for visitor: all is done in the loop.
func (f *foretelling) ended() error { return nil }
