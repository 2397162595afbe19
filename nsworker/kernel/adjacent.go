package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// heard is an entry of the kernel's neighbour table.
type heard struct {
	addr netip.Addr
	link int
	age  uint32 // since it was heard, in the kernel's clock ticks; 0: somebody put the entry there
}

// Adjacent looks who is on the interfaces of the daemon's own namespace.
func (n *Namespaces) Adjacent(ctx context.Context) (rib.Adjacencies, error) {
	if n.own == nil {
		return nil, n.ownErr
	}
	s, err := dialClient(n.own, anyPort)
	if err != nil {
		return nil, err
	}
	defer s.close()
	links, err := s.dumpLinks(ctx)
	if err != nil {
		return nil, err
	}
	entries, err := dumpNeighbors(ctx, s)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b heard) int { return cmp.Or(cmp.Compare(a.age, b.age), a.addr.Compare(b.addr)) })
	out := make(rib.Adjacencies, len(links))
	for index, k := range links {
		a := rib.Adjacency{Up: k.Up, Admin: k.Admin}
		for _, e := range entries {
			if e.link == index && !k.has(e.addr) {
				a.Peers = append(a.Peers, e.addr)
			}
		}
		out[k.Name] = a
	}
	return out, nil
}

// has tells whether an address is the link's own.
func (k *linkState) has(a netip.Addr) bool {
	for p := range k.addresses {
		if p.Addr() == a {
			return true
		}
	}
	return false
}

// dumpNeighbors reads the link-local IPv6 addresses of others.
func dumpNeighbors(ctx context.Context, s *client) ([]heard, error) {
	var all []heard
	request := make([]byte, sizeofNdmsg)
	request[0] = unix.AF_INET6
	err := complete(ctx, "neighbour table", func() error {
		all = nil
		err := s.dump(ctx, unix.RTM_GETNEIGH, request, func(m message) error {
			e, ok, err := decodeNeighbor(m)
			if ok {
				all = append(all, e)
			}
			return err
		})
		return absentFamily(unix.AF_INET6, err)
	})
	return all, err
}

// decodeNeighbor reads one entry. It is not ok where the entry gives no address that
// somebody answers at.
func decodeNeighbor(m message) (e heard, ok bool, err error) {
	if m.typ != unix.RTM_NEWNEIGH || len(m.body) > 0 && m.body[0] != unix.AF_INET6 {
		return e, false, nil
	}
	if len(m.body) < sizeofNdmsg {
		return e, false, fmt.Errorf("neighbour message of %d bytes is too short", len(m.body))
	}
	e.link = int(int32(native.Uint32(m.body[4:])))
	state := native.Uint16(m.body[8:])
	a := attrs{b: m.body[sizeofNdmsg:]}
	for typ, v, more := a.next(); more; typ, v, more = a.next() {
		switch typ {
		case unix.NDA_DST:
			e.addr = attrAddr(v)
		case unix.NDA_CACHEINFO:
			e.age = sinceHeard(v, state)
		}
	}
	if a.bad {
		return e, false, errors.New("neighbour message is malformed")
	}
	if state&(unix.NUD_PERMANENT|unix.NUD_NOARP) != 0 {
		e.age = 0
	}
	const silent = unix.NUD_INCOMPLETE | unix.NUD_FAILED
	return e, e.addr.Is6() && e.addr.IsLinkLocalUnicast() && state&silent == 0 && state != unix.NUD_NONE, nil
}

// sinceHeard reads struct nda_cacheinfo: the time since an address was last confirmed,
// or since the neighbour made or changed its entry. In NUD_DELAY and NUD_PROBE the last
// change was the kernel's own.
func sinceHeard(b []byte, state uint16) uint32 {
	const confirmedAt, updatedAt, size = 0, 8, 16
	if len(b) < size {
		return math.MaxUint32
	}
	age := native.Uint32(b[confirmedAt:])
	if state&(unix.NUD_DELAY|unix.NUD_PROBE) == 0 {
		age = min(age, native.Uint32(b[updatedAt:]))
	}
	return age
}

// WatchAdjacent signals changed whenever Adjacent may have another answer, until ctx
// ends, which is no error. A signal may be false.
func (n *Namespaces) WatchAdjacent(ctx context.Context, changed chan<- struct{}) error {
	if n.own == nil {
		return n.ownErr
	}
	groups := []int{unix.RTNLGRP_LINK, unix.RTNLGRP_IPV6_IFADDR, unix.RTNLGRP_NEIGH}
	return watchGroups(ctx, n.own, groups, concernsAdjacent, func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	})
}

// WatchLinks calls told for each interface of a namespace over which nothing goes any more,
// because it lost its carrier, was set down or is gone, and when something goes over it again,
// until ctx ends, which is no error. A binding would call the namespace netns.
func (n *Namespaces) WatchLinks(ctx context.Context, netns string, told func(rib.LinkFate)) error {
	ns, err := n.open(netns)
	if err != nil {
		return err
	}
	defer ns.close()
	w := newLinkWatch(told)
	if err := w.open(ns); err != nil {
		return err
	}
	defer w.close()
	if err := w.run(ctx); err != nil && ctx.Err() == nil {
		return fmt.Errorf("watch the interfaces of %v: %w", ns, err)
	}
	return nil
}

// OwnSix returns the IPv6 address that a namespace, as a binding would call it, has on the link
// on which it has an IPv4 address: a global one that may be used. bound is the interface, or the
// VRF device, of a socket at that address; "": none.
func (n *Namespaces) OwnSix(ctx context.Context, netns string, local netip.Addr, bound string) (six netip.Addr, err error) {
	ns, err := n.open(netns)
	if err != nil {
		return six, err
	}
	defer ns.close()
	w := new(linkWatch)
	if w.query, err = dialClient(ns, anyPort); err != nil {
		return six, err
	}
	defer w.query.close()
	if w.links, err = w.query.dumpLinks(ctx); err != nil {
		return six, err
	}
	for _, k := range w.links {
		if k.has(local) && (bound == w.vrfOf(k) || bound == k.Name) {
			return k.six(), nil
		}
	}
	return six, nil
}

// six is the first of the link's global IPv6 addresses that may be used; invalid: it has none.
func (k *linkState) six() (first netip.Addr) {
	for p, unusable := range k.addresses {
		a := p.Addr()
		if unusable == 0 && a.Is6() && a.IsGlobalUnicast() && (!first.IsValid() || a.Less(first)) {
			first = a
		}
	}
	return first
}

// concernsAdjacent tells whether a datagram has news for Adjacent: IPv4's neighbours,
// and the entries of bridges and tunnels, are none.
func concernsAdjacent(b []byte) bool {
	for len(b) > 0 {
		m, rest, err := nextMessage(b)
		if err != nil {
			return true
		}
		b = rest
		switch {
		case m.typ != unix.RTM_NEWNEIGH && m.typ != unix.RTM_DELNEIGH:
			return true
		case len(m.body) > 0 && m.body[0] == unix.AF_INET6:
			return true
		}
	}
	return false
}
