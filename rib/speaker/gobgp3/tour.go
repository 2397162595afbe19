package gobgp3

import (
	"context"
	"iter"
	"maps"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// visitor looks at what would be at destinations.
type visitor interface {
	begin()       // a turn of GoBGP's loop, in it
	visit(spot)   // likewise
	ended() error // after each turn, out of the loop
}

const (
	// touredFor is how long a turn of the loop looks at destinations, and touredAtOnce at how
	// many at most.
	touredFor    = 5 * time.Millisecond
	touredAtOnce = 512
)

// tour has GoBGP's loop look at destinations, some in each turn. The tables change meanwhile:
// what comes behind it is not looked at.
func (p *prospect) tour(ctx context.Context, spots iter.Seq[spot], v visitor) error {
	next, stop := iter.Pull(spots)
	defer stop()
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := p.inLoop(func() error {
			p.begin()
			v.begin()
			began := time.Now()
			for n := 0; n < touredAtOnce && (n%16 > 0 || time.Since(began) < touredFor); n++ {
				var at spot
				if at, more = next(); !more {
					break
				}
				v.visit(at)
			}
			return nil
		})
		if err == nil {
			err = v.ended()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// spots are the destinations of a table, and those that may come to be there: what neighbours
// sent whose paths are made anew, and what originates here. It is walked through in the loop.
func (p *prospect) spots(family bgp.RouteFamily) iter.Seq[spot] {
	return func(yield func(spot) bool) {
		t := p.tables().Tables[family]
		if t == nil {
			return
		}
		for key, d := range maps.All(t.destinations) {
			if len(d.knownPathList) > 0 && !yield(spot{place{family, key}, d.nlri, d.knownPathList}) {
				return
			}
		}
		for at := range p.arrivals(family) {
			if len(at.known) == 0 && !yield(at) {
				return
			}
		}
	}
}

// arrivals are the destinations of a table to which something may come, those that are there
// already among them, each once.
func (p *prospect) arrivals(family bgp.RouteFamily) iter.Seq[spot] {
	return func(yield func(spot) bool) {
		for i, name := range p.anew {
			for nlri := range p.sentTo(name, family) {
				if at, is := p.at(nlri); is && !p.comesBefore(i, at) && !yield(at) {
					return
				}
			}
		}
		for name, all := range p.ours {
			if (name == speaker.Default) == isVPN(family) {
				continue
			}
			for prefix := range all {
				at, is := p.at(nlriOf(prefix, p.vrfs[name]))
				if is && at.family == family && !p.comesBefore(len(p.anew), at) && !yield(at) {
					return
				}
			}
		}
	}
}

// sentTo are the destinations of a table to which what a neighbour sent leads.
func (p *prospect) sentTo(name string, family bgp.RouteFamily) iter.Seq[bgp.AddrPrefixInterface] {
	return func(yield func(bgp.AddrPrefixInterface) bool) {
		n, there := p.peerOf(name)
		if !there {
			return
		}
		home := n.judgedBy()
		of := p.vrfs[home] // none is called "default"
		sent := family
		switch {
		case (home == "") != p.clients, home != "" && home != speaker.Default && (of == nil || !isVPN(family)):
			return
		case of != nil:
			sent = unicastOf(family)
		}
		adj := n.adjIn().table[sent]
		if adj == nil {
			return
		}
		for _, d := range maps.All(adj.destinations) {
			nlri := d.nlri
			if of != nil {
				prefix, err := unicastPrefix(nlri)
				if err != nil {
					continue
				}
				nlri = nlriOf(prefix, of)
			}
			if !yield(nlri) {
				return
			}
		}
	}
}

// comesBefore tells whether one of the first of the neighbours sent something that leads to a
// spot.
func (p *prospect) comesBefore(first int, at spot) bool {
	for _, name := range p.anew[:first] {
		for i := range p.senders {
			if s := &p.senders[i]; s.name == name && len(s.sent(at)) > 0 {
				return true
			}
		}
	}
	return false
}
