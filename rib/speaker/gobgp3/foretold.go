package gobgp3

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"unsafe"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// foresight makes the prospects of one configuration.
type foresight struct {
	*keeper
	announcer *speaker.Announcer
	old, next *conf.Config
	effects   *reload.Effects
	policies  unsafe.Pointer // GoBGP's, of next
}

// foresee has a Reconciler that would bring the next configuration into force say what GoBGP would
// judge by then. Nothing is put in force.
func (f *foresight) foresee(ctx context.Context, by *reload.Reconciler) error {
	to, assigned, err := by.Policies(ctx, f.next)
	if err == nil {
		for _, n := range f.next.Set.Neighbors {
			if n.RouteServer.Config.RouteServerClient {
				assigned[n.Config.NeighborAddress] = n.ApplyPolicy
			}
		}
		f.policies, err = conf.MakePolicies(f.log, to, assigned)
	}
	return err
}

// asTheyAre are GoBGP's tables with the paths that are there.
func asTheyAre(k *keeper, c *conf.Config) speaker.Tables {
	f := &foresight{keeper: k, old: c, next: c, effects: new(reload.Effects)}
	return f.tables()
}

// tables are GoBGP's tables with what neighbours sent, and what originates here, judged by the
// policies of next; VRFs and neighbours are those of now.
func (f *foresight) tables() speaker.Tables {
	p := &prospect{loop: f.loop, policies: f.policies, as: f.old.Set.Global.Config.As}
	return &foreseen{prospect: p, decoder: newDecoder(f.old, f.names), ready: func() error {
		return f.inLoop(func() error {
			p.vrfs = f.rib().Vrfs
			p.anew = f.effects.In
			p.ours = make(map[string]originated)
			if f.effects.Local {
				f.announced(p, nil)
			}
			p.findHomes()
			return nil
		})
	}}
}

// findHomes learns the VRFs by their RDs.
func (p *prospect) findHomes() {
	p.homes = make(map[rib.RD]string, len(p.vrfs))
	for name, v := range p.vrfs {
		if rd, err := decodeRD(v.Rd); err == nil {
			p.homes[rd] = name
		}
	}
}

// announced has what originates in VRFs made anew; nil: in all.
func (f *foresight) announced(p *prospect, some map[string]bool) {
	for _, name := range f.announcer.VRFs() {
		if _, stays := p.vrfs[name]; !stays && name != speaker.Default || some != nil && !some[name] {
			continue
		}
		all := make(originated)
		for _, a := range f.announcer.Announced(name) {
			all[a.Prefix] = &a
		}
		p.ours[name] = all
	}
}

// told is Preview.Told.
func (f *foresight) told(ctx context.Context, o speaker.Outcome, most int) ([]speaker.Told, error) {
	w := &foretelling{
		prospect: &prospect{loop: f.loop, policies: f.policies, as: f.next.Set.Global.Config.As, lost: f.effects.Lost},
		reach:    f.reach, effects: f.effects, most: most, said: make(map[string]bool), all: make(map[string]*hearer),
	}
	whole := false
	err := f.inLoop(func() (err error) {
		whole, err = f.prepare(w, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, family := range judgedFamilies {
		spots := w.arrivals(family)
		if whole {
			spots = w.spots(family)
		}
		if err := w.tour(ctx, spots, w); err != nil {
			return nil, err
		}
	}
	if err := w.tour(ctx, w.spotsByEVPN(whole), w); err != nil {
		return nil, err
	}
	clients, err := f.toldClients(ctx, w)
	if err != nil {
		return nil, err
	}
	return sortedTold(append(w.results(), clients...)), nil
}

// toldClients is told of our route server's clients, who have tables of their own: what others send
// and what originates here does not come there.
func (f *foresight) toldClients(ctx context.Context, others *foretelling) ([]speaker.Told, error) {
	if len(f.effects.In)+len(f.effects.Out)+len(f.effects.Lost) == 0 {
		return nil, nil
	}
	w := &foretelling{
		prospect: &prospect{loop: f.loop, policies: f.policies, as: others.as, vrfs: others.vrfs, lost: f.effects.Lost, anew: f.effects.In, clients: true},
		reach:    f.reach, effects: f.effects, most: others.most, all: make(map[string]*hearer), services: others.services,
	}
	for _, family := range judgedFamilies {
		if err := w.tour(ctx, w.spots(family), w); err != nil {
			return nil, err
		}
	}
	return w.results(), nil
}

// prepare learns what would be otherwise than now, and tells whether all tables have to be
// looked at. It is called in the loop.
func (f *foresight) prepare(w *foretelling, o speaker.Outcome) (whole bool, err error) {
	p := w.prospect
	if p.vrfs, w.moved, err = nextVRFs(f.screens, f.out, f.next, f.effects, o.Advertising); err != nil {
		return false, err
	}
	remade := maps.Clone(f.effects.Anew)
	maps.Copy(remade, f.effects.Retargeted)
	p.gone = make(map[rib.RD]struct{})
	for name, v := range f.rib().Vrfs {
		if f.effects.Anew[name] {
			if rd, err := decodeRD(v.Rd); err == nil {
				p.gone[rd] = struct{}{}
			}
		}
		if is := p.vrfs[name]; is != nil && (is.MplsLabel != v.MplsLabel || !slices.Equal(marksOf(is), marksOf(v))) {
			remade[name] = true
		}
	}
	p.findHomes()
	p.anew = slices.Clone(f.effects.In)
	for name, n := range f.peers() {
		if remade[n.vrf()] && !slices.Contains(p.anew, name) {
			p.anew = append(p.anew, name)
		}
	}
	p.ours = make(map[string]originated)
	if f.effects.Local {
		remade = nil // all of them
	}
	f.announced(p, remade)
	p.originate(o.Announcing)
	w.stand(f, o)
	whole = len(p.anew)+len(p.lost)+len(p.gone)+len(f.effects.Out)+len(w.moved) > 0 || f.effects.Local
	whole = w.carry(f.carrier, f.next) || whole
	for _, other := range w.said {
		whole = whole || other
	}
	return whole, nil
}

// originate takes in what would be announced otherwise than now.
func (p *prospect) originate(changes speaker.Announcing) {
	for name, some := range changes {
		of, stays := p.vrfs[name]
		if !stays && name != speaker.Default {
			continue
		}
		if p.ours[name] == nil {
			p.ours[name] = make(originated, len(some))
		}
		maps.Copy(p.ours[name], some)
		if of == nil {
			continue
		}
		for _, a := range some {
			if a != nil && a.As == rib.FromLeak {
				openHome(of, p.vrfs)
				break
			}
		}
	}
}

// stand takes in what would be said of VRFs' paths. Where a VRF's worker is not heeded now, it
// is not then.
func (w *foretelling) stand(f *foresight, o speaker.Outcome) {
	now := w.reach.flags
	w.sources = sources{loop: f.loop, decoder: newDecoder(f.next, f.names), vrfs: make(map[*bgpPeer]string), said: make(map[string]word), gates: make(gates)}
	names := slices.Concat(slices.Collect(maps.Keys(now.said)), slices.Collect(maps.Keys(o.Advertising)), slices.Collect(maps.Keys(o.Standing)))
	for _, name := range names {
		if w.reach.refused[name] != "" {
			continue
		}
		was, advertised := now.said[name], o.Advertising[name]
		is := word{nexthops: was.nexthops, policy: advertised.Rejects, installed: advertised.Installed}
		standing, known := o.Standing[name]
		if known {
			is.nexthops = nil
			if standing.Unreached != nil {
				is.nexthops = newUnreached(standing.Unreached)
			}
		}
		w.said[name] = was.policy != is.policy || was.installed != is.installed || is.installed && known || !sameUnreached(was.nexthops, is.nexthops)
		if is != (word{}) {
			w.sources.said[name] = is
		}
		if is.installed {
			w.sources.gates[name] = gateOf(now.gates[name], standing, known)
		}
	}
}

func sameUnreached(a, b *unreached) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.equal(b)
}

// gateOf is a gate with what would be confirmed; where that is not known, the one of now.
func gateOf(now *gate, s speaker.Standing, known bool) *gate {
	if !known {
		return now
	}
	g := &gate{strict: true, known: true}
	g.clear()
	for _, p := range s.Confirmed {
		g.set(rib.Confirmation{Prefix: p, Is: true})
	}
	return g
}

// results are what is told otherwise, in any order.
func (w *foretelling) results() (list []speaker.Told) {
	for _, h := range w.all {
		t := h.told
		t.First = firstOf(t.First, w.most)
		switch {
		case t.Changes() > 0 || !h.judged:
		case !h.hears():
			t.Notes = append(t.Notes, "its session is down: it is told what it may have when that is up")
		}
		if t.Changes()+len(t.Notes) > 0 {
			list = append(list, t)
		}
	}
	return list
}

// sortedTold are they in the order of VRFs and neighbours.
func sortedTold(list []speaker.Told) []speaker.Told {
	slices.SortFunc(list, func(a, b speaker.Told) int {
		return cmp.Or(strings.Compare(a.VRF, b.VRF), zoneless(a.Neighbor).Compare(zoneless(b.Neighbor)), strings.Compare(a.Neighbor, b.Neighbor))
	})
	return list
}
