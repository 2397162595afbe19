package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// Steering is what a Speaker is asked about one neighbour, and does to it. name is BGP's own
// everywhere.
type Steering struct{ of *Speaker }

// inspection walks through what one neighbour sent, or is told, some destinations in each
// turn of GoBGP's loop: as long as it takes, BGP goes on.
type inspection struct {
	*tables
	name    string
	flags   *flags
	decoder *decoder
	words   conf.Words
	wants   func(netip.Prefix) bool // nil: all
	count   bool                    // routes are counted alone

	n     int // routes, or of what came those that are accepted
	batch []rib.NeighborRoute
}

// errNoNeighbor is of a neighbour that BGP does not have.
var errNoNeighbor = errors.New("BGP has no such neighbor now")

// errRouteServer is of a neighbour that has tables of its own.
var errRouteServer = errors.New("it is a route server's client, which is told of its own table: `gobgp neighbor ADDRESS adj-out` lists that")

func (s *Steering) inspection(name string) *inspection { return s.inspections(name)[0] }

// inspections share what is made of the configuration, which takes a while where it has many VRFs.
func (s *Steering) inspections(names ...string) []*inspection {
	c := s.of.inForce()
	d, list := newDecoder(c, s.of.keeper.names), make([]*inspection, len(names))
	for i, name := range names {
		list[i] = &inspection{tables: s.of.tables, name: name, flags: s.of.keeper.reach.flags, decoder: d, words: c.Words}
	}
	return list
}

// walk calls visit in the loop with each destination of some tables, and after between its turns.
func (i *inspection) walk(ctx context.Context, of func(p livePeer) iter.Seq[*bgpDestination], visit func(livePeer, *bgpDestination), after func() bool) error {
	var next func() (*bgpDestination, bool)
	stop := func() {}
	defer func() { stop() }()
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := i.inLoop(func() error {
			p, there := i.peerOf(i.name)
			if !there {
				return errNoNeighbor
			}
			if next == nil {
				next, stop = iter.Pull(of(p))
			}
			began := time.Now()
			for n := 0; n < touredAtOnce && (n%16 > 0 || time.Since(began) < touredFor); n++ {
				var d *bgpDestination
				if d, more = next(); !more {
					break
				}
				visit(p, d)
			}
			return nil
		})
		if err != nil {
			return err
		}
		if !after() {
			return nil
		}
	}
	return nil
}

// sent are the destinations of what the neighbour sent.
func sentBy(p livePeer) iter.Seq[*bgpDestination] {
	return func(yield func(*bgpDestination) bool) {
		for _, t := range p.adjIn().table {
			for _, d := range t.destinations {
				if !yield(d) {
					return
				}
			}
		}
	}
}

// heard are the destinations of which the neighbour may be told.
func (i *inspection) heard(p livePeer) iter.Seq[*bgpDestination] {
	tables := i.tablesTo(p)
	return func(yield func(*bgpDestination) bool) {
		for _, t := range tables {
			for _, d := range t.destinations {
				if !yield(d) {
					return
				}
			}
		}
	}
}

// tablesTo are the tables out of which the neighbour is told.
func (i *inspection) tablesTo(p livePeer) (list []*bgpTable) {
	p.read(func(n *oc.Neighbor, state bgp.FSMState) {
		if state != bgp.BGP_FSM_ESTABLISHED {
			return
		}
		for f := range *p.families.in(p.fsm) {
			if n.Config.Vrf != "" {
				f = vpnOf(f)
			}
			if t := i.rib().Tables[f]; t != nil {
				list = append(list, t)
			}
		}
	})
	return list
}

// received looks at a destination of what the neighbour sent.
func (i *inspection) received(p livePeer, d *bgpDestination) {
	if !i.isWanted(d.nlri) {
		return
	}
	o := offering{loop: i.loop, decoder: i.decoder, words: i.words, log: i.log}
	home := p.judgedBy()
	for _, path := range d.knownPathList {
		as := path
		if of := i.rib().Vrfs[home]; home != speaker.Default && of != nil {
			as = pathToGlobal(path, of)
		}
		has := home == "" || o.has(as)
		if i.count {
			if has {
				i.n++
			}
			continue
		}
		r := i.route(path)
		if !has {
			if r.Reason = o.why(p, path, as); r.Reason == "" {
				r.Reason = "BGP does not have it in its table yet, or not any more"
			}
		}
		i.batch = append(i.batch, r)
	}
}

// told looks at a destination of which the neighbour may be told.
func (i *inspection) told(p livePeer, d *bgpDestination) {
	if len(d.knownPathList) == 0 || !i.isWanted(d.nlri) {
		return
	}
	family := bgp.AfiSafiToRouteFamily(d.nlri.AFI(), d.nlri.SAFI())
	paths := unflagged(d.knownPathList)
	if t := i.rib().Tables[family]; t != nil {
		if held, is := i.flags.held[family][tableKey(t, d.nlri)]; is {
			if paths = nil; held != nil {
				paths = []*bgpPath{held}
			}
		}
	}
	if unicast, vpn, _ := p.getsAll(); len(paths) > 1 && (!unicast || isVPN(family)) && (!vpn || !isVPN(family)) {
		paths = paths[:1]
	}
	for _, best := range paths {
		out := asTold(serverFilter(i.server(), p.at, best, nil))
		if out == nil {
			continue
		}
		if i.count {
			i.n++
			return // prefixes are counted
		}
		i.batch = append(i.batch, i.route(out))
	}
}

func (i *inspection) isWanted(nlri bgp.AddrPrefixInterface) bool {
	if i.wants == nil {
		return true
	}
	to, _, err := i.decoder.destination(nlri)
	return err == nil && i.wants(to.Prefix)
}

// route is a path for those who ask.
func (i *inspection) route(p *bgpPath) rib.NeighborRoute {
	nlri := p.origin().nlri
	r := rib.NeighborRoute{
		Prefix: nlri.String(), Family: bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI()).String(),
		Terms: termsOf(p, conf.Services(i.inForce())),
	}
	to, label, err := i.decoder.destination(nlri)
	if err != nil {
		return r
	}
	if r.Prefix = to.Prefix.String(); to.RD != 0 {
		r.RD = to.RD.String()
	}
	if path, _, err := i.decoder.path(p, 0, to, label); err == nil {
		r.Path = path
	}
	return r
}

// NeighborRoutes calls yield with what a neighbour sent, each with why BGP does not have it in its
// table, or with what it is told, until it returns false. It is in no order, and what changes
// meanwhile may be missing. name is BGP's own.
func (s *Steering) NeighborRoutes(ctx context.Context, name string, advertised bool, wants func(netip.Prefix) bool, yield func(rib.NeighborRoute) bool) error {
	i := s.inspection(name)
	i.wants = wants
	after := func() bool {
		for _, r := range i.batch {
			if !yield(r) {
				return false
			}
		}
		i.batch = i.batch[:0]
		return true
	}
	if !advertised {
		return i.walk(ctx, sentBy, i.received, after)
	}
	if i.ofServer() {
		return errRouteServer
	}
	return i.walk(ctx, i.heard, i.told, after)
}

// ofServer tells whether the neighbour is a route server's client.
func (i *inspection) ofServer() (is bool) {
	_ = i.inLoop(func() error {
		if p, there := i.peerOf(i.name); there {
			is = p.judgedBy() == ""
		}
		return nil
	})
	return is
}

// steer does something to one neighbour, while nothing else changes the configuration.
func (s *Steering) steer(ctx context.Context, name, what string, do func(bgp *server.BgpServer) error) error {
	if err := s.of.waitStarted(ctx); err != nil {
		return err
	}
	s.of.changing.Lock()
	defer s.of.changing.Unlock()
	if err := do(s.of.server()); err != nil {
		return fmt.Errorf("%s neighbor %s: %w", what, s.called(name), err)
	}
	return nil
}

func (s *Steering) called(name string) string {
	if s.of.options.Called == nil {
		return name
	}
	return s.of.options.Called(name)
}

// Reset ends the session of a neighbour, which begins anew, or does what is softer. reason is told
// to the neighbour (RFC 9003).
func (s *Steering) Reset(ctx context.Context, name string, soft rib.SoftReset, reason string) error {
	return s.steer(ctx, name, "reset", func(bgp *server.BgpServer) error {
		if soft&rib.SoftIn != 0 {
			if err := s.of.keeper.changes.rejudge(name); err != nil {
				return err
			}
		}
		r := &api.ResetPeerRequest{Address: name, Communication: reason}
		switch {
		case soft&rib.SoftOut != 0:
			r.Soft, r.Direction = true, api.ResetPeerRequest_OUT
		case soft != rib.Hard:
			return nil
		}
		return bgp.ResetPeer(ctx, r)
	})
}

// Disable ends the session of a neighbour, and keeps it down. by is who wants that.
func (s *Steering) Disable(ctx context.Context, name, reason, by string) error {
	return s.steer(ctx, name, "disable", func(bgp *server.BgpServer) error {
		if err := s.of.stops.put(name, &rib.Disabled{By: by, Reason: reason, Since: time.Now()}); err != nil {
			return err
		}
		s.of.sessions.disabling(name, by, reason)
		err := bgp.DisablePeer(ctx, &api.DisablePeerRequest{Address: name, Communication: reason})
		if err != nil {
			err = errors.Join(err, s.of.stops.put(name, nil))
		}
		s.of.drift.note(touch{ofNeighbors, name, by, time.Now()})
		return err
	})
}

// Enable lets a neighbour have a session again.
func (s *Steering) Enable(ctx context.Context, name, by string) error {
	return s.steer(ctx, name, "enable", func(bgp *server.BgpServer) error {
		err := s.of.stops.enable(name, func() error { return bgp.EnablePeer(ctx, &api.EnablePeerRequest{Address: name}) })
		s.of.drift.note(touch{ofNeighbors, name, by, time.Now()})
		return err
	})
}

// Drain begins, or ends, a graceful shutdown of a neighbour of the configuration: it is told to
// prefer other ways, and any other way is preferred to its own (RFC 8326). It returns when that is
// told. until has the end of it kept, over a restart; nil: the shutdown is over, and the session may
// stay.
func (s *Steering) Drain(ctx context.Context, name string, until *rib.Disabled) error {
	is := until != nil
	if _, configured := s.of.inForce().Neighbor(name); is && !configured {
		return fmt.Errorf("neighbor %s is of no configuration, and has no graceful shutdown: disable it without", s.called(name))
	}
	if err := s.of.stops.put(name, until); err != nil {
		return err
	}
	err := s.of.reloader.drain(ctx, name, is)
	if err != nil && is {
		err = errors.Join(err, s.of.stops.put(name, nil))
	}
	return err
}

// Interrupted are the graceful shutdowns that the end of the daemon cut short, by BGP's name of the
// neighbour. Their sessions begin as others do.
func (s *Steering) Interrupted() map[string]rib.Disabled {
	all := s.of.stops.of(s.of.inForce())
	maps.DeleteFunc(all, func(_ string, one rib.Disabled) bool { return !one.Draining() })
	return all
}

// Turned is signalled when a session may fare otherwise than Sessions returned. It is for one
// reader.
func (s *Steering) Turned() <-chan struct{} { return s.of.sessions.turned }
