package gobgp3

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// Another rule for a neighbour whose session is up has to be heard of by it. GoBGP's soft
// reset sends the routes that the neighbour may have now, and takes nothing back: a route
// that a policy has come to reject stays with the neighbour for good. So these routes are
// withdrawn by ourselves, in GoBGP's loop, as a soft reset is done there.

// retell sends the neighbours that whom chooses, of those whose sessions stay up, all
// routes that they may have.
func (l *loop) retell(up map[string]netip.Addr, whom func(netip.Addr) bool) error {
	var errs []error
	for key, addr := range up {
		if !whom(addr) {
			continue
		}
		if err := l.retellPeer(key); err != nil {
			errs = append(errs, fmt.Errorf("tell neighbour %s what it may have now: %w", key, err))
		}
	}
	return errors.Join(errs...)
}

// retellPeer sends a neighbour all routes that it may have, and takes back the routes that
// a rule of ours can keep from it.
func (l *loop) retellPeer(address string) error {
	return l.inLoop(func() error {
		peers, err := serverPeers(l.server(), address)
		if err != nil || len(peers) != 1 {
			return nil //nolint:nilerr // it is gone
		}
		p := l.peer(peers[0])
		if !p.established() {
			return nil // when it comes up it is told all
		}
		paths, filtered := serverBest(l.server(), p.at, softResetFamilies(p.at, 0))
		inVRF := p.inVRF()
		for _, f := range filtered {
			if !mayBeKept(f) {
				continue
			}
			if inVRF {
				f = pathToLocal(f)
			}
			paths = append(paths, pathClone(f, true))
		}
		if len(paths) > 0 {
			sendToPeer(p.at, paths, nil, false)
		}
		return nil
	})
}

// mayBeKept tells whether a path has a community that a rule of ours is about.
func mayBeKept(p *bgpPath) bool {
	for _, a := range p.attributes() {
		c, is := a.(*bgp.PathAttributeCommunities)
		if is && slices.ContainsFunc(c.Value, func(v uint32) bool {
			return rib.Community(v) == rib.CommunityBlackhole || v >= 0xffffff01 && v <= 0xffffff03
		}) {
			return true
		}
	}
	return false
}
