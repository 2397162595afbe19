package gobgp3

import (
	"errors"
	"fmt"
	"iter"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// What a neighbour was told under other policies than those of now has to be put right with
// it. GoBGP's soft reset sends all that the neighbour may have now, and takes nothing back: a
// route that a policy has come to reject stays with the neighbour for good. So each neighbour
// goes on to be judged by the policies by which it was told, which GoBGP has in each peer,
// until in one turn of its loop it is told the difference and gets the new ones. What changes
// in between is told, or taken back, as it was told before.

// beginRetelling has neighbours, by the addresses that GoBGP has them under, be told so from now on.
func beginRetelling(c *changes, names []string) error {
	return c.inLoop(func() error {
		c.retelling = &retelling{c.loop, make(map[string]bool), make(map[string]*toldAnew)}
		for _, name := range names {
			c.retelling.names[name] = true
		}
		return nil
	})
}

// retell has all neighbours be told by the policies that are in force: those that are named
// the difference, while nothing is another for the others.
func retell(c *changes, names []string) error {
	l := c.loop
	var errs []error
	for _, name := range names {
		if err := l.inLoop(func() error { return l.retellPeer(name, c.retelling) }); err != nil {
			errs = append(errs, fmt.Errorf("tell neighbour %s what it may have now: %w", name, err))
		}
	}
	err := l.inLoop(func() error {
		c.retelling = nil
		now := *l.policy.in(unsafe.Pointer(l.server()))
		for _, p := range l.peers() {
			*l.judge.in(p.at) = now
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// retellPeer tells a neighbour the difference between what it may have by the policies of
// before and by those of now, but for what it has been told of by the latter. It is called in the
// loop.
func (l *loop) retellPeer(name string, done *retelling) error {
	p, there := l.peerOf(name)
	if !there {
		return nil
	}
	judge := l.judge.in(p.at)
	was, is := *judge, *l.policy.in(unsafe.Pointer(l.server()))
	defer func() { *judge = is }()
	if was == is || !p.established() {
		return nil // when it comes up it is told all
	}
	defer narrow(l, p, p.vrf())()
	told, to := done.by(name, p), audienceOf(p)
	var send []*bgpPath
	for _, f := range peerTables(p.at, softResetFamilies(p.at, 0)) {
		for choices := range l.offered(p, to, f) {
			if told.take(choices) {
				continue
			}
			if path := retold(l, p, choices, was, choices, is); path != nil {
				send = append(send, path)
			}
		}
	}
	for choices := range told.left() {
		if path := l.overtaken(p, to, choices, is); path != nil {
			send = append(send, path)
		}
	}
	if len(send) > 0 {
		sendToPeer(p.at, send, nil, false)
	}
	return nil
}

// overtaken is what a neighbour has to be told of a destination of which it was told these choices by the
// policies of now, and then, by those of before, of what has changed since: no policy of before
// takes back what one of now has let pass.
func (l *loop) overtaken(p livePeer, to audience, told []*bgpPath, is unsafe.Pointer) *bgpPath {
	nlri := told[0].origin().nlri
	var now []*bgpPath
	if t := p.tables().Tables[bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())]; t != nil {
		if d := t.destinations[tableKey(t, nlri)]; d != nil {
			now = to.choices(d.knownPathList)
		}
	}
	if next := retold(l, p, nil, is, now, is); next != nil {
		return next
	}
	return retold(l, p, told, is, nil, is)
}

// offered are the neighbour's choices of a table: one for each path where it gets several of a prefix.
func (l *loop) offered(p livePeer, to audience, family bgp.RouteFamily) iter.Seq[[]*bgpPath] {
	return func(yield func([]*bgpPath) bool) {
		if !to.second {
			best := serverBest(l.server(), p.at, family)
			for i := range best {
				if !yield(best[i : i+1]) {
					return
				}
			}
			return
		}
		if t := p.tables().Tables[family]; t != nil {
			for _, d := range t.destinations {
				if choices := to.choices(d.knownPathList); len(choices) > 0 && !yield(choices) {
					return
				}
			}
		}
	}
}
