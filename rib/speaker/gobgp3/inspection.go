package gobgp3

import (
	"context"
	"errors"
	"iter"
	"net/netip"
	"time"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

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
	to      audience                // the neighbour, where it is found out what it is told

	n     int // routes, or of what came those that are accepted
	batch []rib.NeighborRoute
}

// errNoNeighbor is of a neighbour that BGP does not have.
var errNoNeighbor = errors.New("BGP has no such neighbor now")

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
	i.to = audienceOf(p)
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
			if t := p.tables().Tables[f]; t != nil {
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
	for _, best := range i.offered(p, d) {
		out := asTold(serverFilter(i.server(), p.at, best, nil))
		if out == nil {
			continue
		}
		if i.count {
			i.n++
			return // prefixes are counted
		}
		i.batch = append(i.batch, i.route(out))
		if i.to.second && !p.sendsAll() {
			return // of the next one it is told where it is not told of this one
		}
	}
}

// offered are the paths of a destination of which the neighbour is told, as far as its policies let them pass.
func (i *inspection) offered(p livePeer, d *bgpDestination) []*bgpPath {
	if i.to.client {
		if p.sendsAll() {
			return i.to.fitting(d.knownPathList)
		}
		return i.to.choices(d.knownPathList)
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
	return paths
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
