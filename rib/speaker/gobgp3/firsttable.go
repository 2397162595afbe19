package gobgp3

import (
	"maps"
	"net/netip"
	"slices"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/guard"
)

// To have what a neighbour is to be told when its session begins, GoBGP goes through all routes, of
// all tenants where it is in a VRF, in one turn of the loop that all tenants share. So for that turn
// the neighbour gets tables without a route, and is told all afterwards, in parts (recital). The same
// is so of all neighbours at once where the last End-of-RIB of a restart comes (RFC 4724, 4.1), and
// of one that asks for all again (RFC 2918).

// firstTables are the tables of neighbours that are to be told all, whose own they are for this turn
// of the loop.
type firstTables struct {
	*loop
	parts    *parts
	opening  *opening
	prepared []prepared
	under    map[unsafe.Pointer]*recital // under way, by peer
	synced   bool                        // GoBGP has said in this turn that a restart is over
}

// prepared is a neighbour that GoBGP is about to tell all.
type prepared struct {
	key   string
	peer  livePeer
	widen func() // gives it back its tables
	// families are to be told of in parts; none: GoBGP tells.
	families []toldFamily
	held     func() // lets its End-of-RIBs go; nil: none are kept back
	ifSynced bool   // it is told only if a restart is over with this turn
}

func newFirstTables(l *loop, p *parts) *firstTables {
	return &firstTables{loop: l, parts: p, opening: &opening{loop: l}, under: make(map[unsafe.Pointer]*recital)}
}

// established is called in the loop, with the session's lock held, before GoBGP tells the neighbour
// all.
func (f *firstTables) established(key string, p livePeer) {
	if (*p.conf.in(p.fsm)).GracefulRestart.State.LocalRestarting {
		f.all(p.at)
		return
	}
	if waitsForTargets(p) { // GoBGP tells it its own, and the rest when it has said which it wants
		f.prepared = append(f.prepared, prepared{peer: p, widen: narrow(f.loop, p, (*p.conf.in(p.fsm)).Config.Vrf)})
		return
	}
	f.prepare(key, p, familiesOf(p), false)
}

// ended is called in the loop before GoBGP handles an End-of-RIB. While GoBGP restarts, the last one
// has it tell all neighbours; that of route targets (RFC 4684) has it tell who sent it.
func (f *firstTables) ended(from netip.Addr, family bgp.RouteFamily) {
	for key, p := range f.peers() {
		if zoneless(key).Unmap() != from {
			continue
		}
		if p.restarts() {
			f.all(nil)
			return
		}
		p.read(func(*oc.Neighbor, bgp.FSMState) {
			if family == bgp.RF_RTC_UC && waitsForTargets(p) {
				f.prepare(key, p, routesOf(p), false)
			}
		})
	}
}

// soon is called in the loop when GoBGP is about to tell a neighbour all of some families, or with
// none of those that have routes.
func (f *firstTables) soon(key string, families ...bgp.RouteFamily) {
	p, there := f.peerOf(key)
	if !there {
		return
	}
	p.read(func(*oc.Neighbor, bgp.FSMState) {
		all := familiesOf(p)
		if len(families) == 0 {
			families = routesOf(p)
		}
		f.prepare(key, p, slices.DeleteFunc(all, func(f bgp.RouteFamily) bool { return !slices.Contains(families, f) }), false)
	})
}

// late is soon where GoBGP has waited long enough, with its list of the families.
func (f *firstTables) late(key string, families any) {
	if list, is := families.([]bgp.RouteFamily); is {
		f.soon(key, list...)
	}
}

// all prepares those who are told when a restart is over. The lock of the one's session is held that
// is locked.
func (f *firstTables) all(locked unsafe.Pointer) {
	for key, p := range f.peers() {
		look := func(n *oc.Neighbor, state bgp.FSMState) {
			s := &n.GracefulRestart.State
			if (p.at == locked || state == bgp.BGP_FSM_ESTABLISHED) && (s.Enabled || s.LocalRestarting) {
				f.prepare(key, p, familiesOf(p), true)
			}
		}
		if p.at == locked {
			look(*p.conf.in(p.fsm), *p.state.in(p.fsm))
		} else {
			p.read(look)
		}
	}
}

// prepare has GoBGP tell a neighbour nothing, in this turn, of all that it would of some families of
// its session, whose lock is held.
func (f *firstTables) prepare(key string, p livePeer, families []bgp.RouteFamily, ifSynced bool) {
	conf := *p.conf.in(p.fsm)
	conn, guarded := (*p.conn.in(p.fsm)).(*guard.Conn)
	if !guarded || !recitable(p) {
		f.prepared = append(f.prepared, prepared{peer: p, widen: narrow(f.loop, p, conf.Config.Vrf)})
		return
	}
	tables := p.localRib.in(p.at)
	was := *tables
	without := *was
	without.Tables = make(map[bgp.RouteFamily]*bgpTable)
	*tables = &without
	ready := prepared{key: key, peer: p, ifSynced: ifSynced, widen: func() { *tables = was }}
	graceful := conf.GracefulRestart.State.Enabled
	for _, family := range families {
		ready.families = append(ready.families, toldFamily{family, graceful})
	}
	if graceful {
		conn.Withhold(families)
		ready.held = func() { conn.LetGo(families) }
	}
	f.prepared = append(f.prepared, ready)
}

// putBack ends the turn.
func (f *firstTables) putBack() {
	for _, r := range slices.Backward(f.prepared) {
		r.widen()
	}
	for _, r := range f.prepared {
		switch {
		case len(r.families) == 0:
		case r.ifSynced && !f.synced: // it goes on waiting
			if r.held != nil {
				r.held()
			}
		default:
			f.begin(r.key, r.peer, r.families)
		}
	}
	clear(f.prepared)
	f.prepared, f.synced = f.prepared[:0], false
}

// begin has a neighbour be told all of some families, in place of what is left to tell it. What takes
// no longer than a part it is told at once.
func (f *firstTables) begin(key string, p livePeer, families []toldFamily) {
	r := newRecital(f.parts, f.opening, key, p, families)
	if was := f.under[p.at]; was != nil {
		if !was.done() {
			r.owed = slices.DeleteFunc(was.owed, r.tells)
		}
		was.over = true
	}
	f.under[p.at] = r
	r.ended = func() {
		if f.under[p.at] == r {
			delete(f.under, p.at)
		}
	}
	for until := time.Now().Add(f.parts.each); time.Now().Before(until) && !r.keptBack(); r.beside() {
		if !r.step() {
			return
		}
	}
	f.parts.add(r)
}

// again has a neighbour be told all of some families of its session, or with none of all, once more.
// It is called in the loop, and returns false where GoBGP has to do it.
func (f *firstTables) again(key string, families ...bgp.RouteFamily) bool {
	p, there := f.peerOf(key)
	if !there {
		return false
	}
	is, all, graceful := recitableNow(p)
	if !is {
		return false
	}
	var list []toldFamily
	for _, family := range all {
		if len(families) == 0 || slices.Contains(families, family) {
			list = append(list, toldFamily{family, graceful})
		}
	}
	if was := f.under[p.at]; was != nil && !was.done() {
		was.families = append(was.families, list...)
	} else {
		f.begin(key, p, list)
	}
	return true
}

// refresh is called by the reader of a session for a ROUTE-REFRESH, and returns false where GoBGP has
// to answer it.
func (f *firstTables) refresh(key string, p livePeer, family bgp.RouteFamily) bool {
	if is, _, _ := recitableNow(p); !is {
		return false
	}
	f.parts.ask(func() {
		if now, there := f.peerOf(key); there && now.at == p.at {
			p.change(func(n *oc.Neighbor) { n.State.Messages.Received.Refresh++ })
			f.again(key, family)
		}
	})
	return true
}

// narrow has GoBGP find for a neighbour in a VRF those routes alone that lead there, until widen is
// called. For one in no VRF, with "", it does nothing.
func narrow(l *loop, p livePeer, vrf string) (widen func()) {
	v, tables := l.rib().Vrfs[vrf], l.localRib.in(p.at)
	if v == nil || *tables != l.rib() {
		return func() {}
	}
	*tables = l.rib().leadingInto(importsOf(v))
	return func() { *tables = l.rib() }
}

// leadingInto are tables in which the VPN routes are those alone that have a path with one of some
// import targets.
func (t *bgpTables) leadingInto(wants importTargets) *bgpTables {
	narrowed := *t
	narrowed.Tables = maps.Clone(t.Tables)
	for family, table := range t.Tables {
		if !hasVRFs(family) {
			continue
		}
		some := *table
		some.destinations = make(map[string]*bgpDestination)
		for key, d := range table.destinations {
			if slices.ContainsFunc(d.knownPathList, wants.take) {
				some.destinations[key] = d
			}
		}
		narrowed.Tables[family] = &some
	}
	return &narrowed
}
