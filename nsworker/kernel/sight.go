package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// sight is what stands on one VXLAN device, as far as it was looked at. An entry that was looked
// for and is not there is nil.
type sight struct {
	ifindex   int
	book      *endpointBook
	keeps     bool // the kernel keeps the protocol of neighbour entries
	whole     bool // every entry was looked at
	neighbors map[netip.Addr]*entry
	forwards  map[rib.MAC]*entry
}

func newSight(ifindex int, book *endpointBook) *sight {
	return &sight{
		ifindex: ifindex, book: book, keeps: neighborsHaveProtocol(),
		neighbors: make(map[netip.Addr]*entry), forwards: make(map[rib.MAC]*entry),
	}
}

// look reads every entry of the device.
func (s *sight) look(ctx context.Context, c *client) error {
	neighbors, err := dumpEntries(ctx, c, unix.AF_INET6, s.ifindex)
	if err != nil {
		return err
	}
	forwards, err := dumpEntries(ctx, c, unix.AF_BRIDGE, s.ifindex)
	if err != nil {
		return err
	}
	for i := range neighbors {
		s.neighbors[neighbors[i].addr] = &neighbors[i]
	}
	for i := range forwards {
		s.forwards[forwards[i].mac] = &forwards[i]
	}
	s.whole = true
	return nil
}

// getAtMost is how many endpoints of a device are looked at one by one: of more of them a
// reading of the whole device costs less.
const getAtMost = 16

// lookFor makes sure that what one of so many changes depends on was looked at.
func (s *sight) lookFor(ctx context.Context, c *client, to *rib.Endpoint, number int) error {
	if s.whole {
		return nil
	}
	if number <= getAtMost {
		if err := s.lookAt(ctx, c, to); !errors.Is(err, errNoGet) {
			return err
		}
	}
	return s.look(ctx, c)
}

// lookAt reads the entries on which a change of one endpoint depends.
func (s *sight) lookAt(ctx context.Context, c *client, to *rib.Endpoint) error {
	if err := s.lookNeighbor(ctx, c, to.Gateway); err != nil {
		return err
	}
	if _, done := s.forwards[to.MAC]; !done {
		e, there, err := getEntry(ctx, c, unix.AF_BRIDGE, s.ifindex, appendAttr(nil, unix.NDA_LLADDR, to.MAC[:]))
		if err != nil {
			return err
		}
		s.forwards[to.MAC] = nil
		if there {
			s.forwards[to.MAC] = &e
		}
	}
	if f := s.forwards[to.MAC]; f != nil && f.addr.IsValid() {
		return s.lookNeighbor(ctx, c, rib.VTEPGateway(f.addr, to.MAC))
	}
	return nil
}

func (s *sight) lookNeighbor(ctx context.Context, c *client, gateway netip.Addr) error {
	if _, done := s.neighbors[gateway]; done {
		return nil
	}
	e, there, err := getEntry(ctx, c, unix.AF_INET6, s.ifindex, appendAttrAddr(nil, unix.NDA_DST, gateway))
	if err != nil {
		return err
	}
	s.neighbors[gateway] = nil
	if there {
		s.neighbors[gateway] = &e
	}
	return nil
}

// endpoints are those of which a neighbour entry is ours. The forwarding entry for its MAC address
// belongs to it where it leads to the VTEP that its gateway stands for: a router may have moved to
// another VTEP, and have a gateway of its own there.
func (s *sight) endpoints() (list []rib.Endpoint) {
	for _, e := range s.neighbors {
		if e == nil || !e.own(s.book.protocol, s.keeps) {
			continue
		}
		to := rib.Endpoint{Ifindex: s.ifindex, Gateway: e.addr, MAC: e.mac}
		if f := s.forwards[e.mac]; f != nil && f.plain() && rib.VTEPGateway(f.addr, e.mac) == e.addr {
			to.VTEP, to.VNI = f.addr, f.vni
		}
		list = append(list, to)
	}
	return list
}

// ours tells whether a forwarding entry is ours: it leads to the PE for which one of our
// neighbour entries stands, or is known to be what we wrote. The kernel keeps no protocol of it.
func (s *sight) ours(f *entry) bool {
	if f.object != 0 || !f.addr.IsValid() {
		return false
	}
	n := s.neighbors[rib.VTEPGateway(f.addr, f.mac)]
	return n != nil && n.mac == f.mac && n.own(s.book.protocol, s.keeps) || s.book.wrote(s.ifindex, f.mac, f.addr)
}

// plan returns the messages that a change takes, none where all stands as it should. Where an entry of another program is in the way, the error matches
// rib.ErrExists.
func (s *sight) plan(ch *rib.Change) ([]entryChange, error) {
	to := &ch.Endpoint
	if ch.Op == rib.OpDeleteEndpoint {
		return s.planDelete(to), nil
	}
	neighbor, err := s.planNeighbor(to)
	if err != nil {
		return nil, err
	}
	forward, err := s.planForward(to)
	if err != nil {
		return nil, err
	}
	var steps []entryChange
	// Forwarding first: a neighbour entry alone has packets sent to every VTEP, or to none.
	for _, step := range []entryChange{forward, neighbor} {
		if step.typ != 0 {
			steps = append(steps, step)
		}
	}
	return steps, nil
}

// create is what writes an entry that is there, or is not.
func create(there, forwards bool, to *rib.Endpoint) entryChange {
	flags := uint16(unix.NLM_F_CREATE | unix.NLM_F_EXCL)
	if there {
		flags = unix.NLM_F_CREATE | unix.NLM_F_REPLACE
	}
	return entryChange{unix.RTM_NEWNEIGH, flags, forwards, *to}
}

func (s *sight) planNeighbor(to *rib.Endpoint) (entryChange, error) {
	n := s.neighbors[to.Gateway]
	switch {
	case n == nil:
		return create(false, false, to), nil
	case n.own(s.book.protocol, s.keeps) && n.mac == to.MAC:
		return entryChange{}, nil
	case n.own(s.book.protocol, s.keeps), s.keeps && n.protocol == s.book.protocol, !n.kept():
		return create(true, false, to), nil
	}
	return entryChange{}, &takenError{to: *to, by: *n}
}

func (s *sight) planForward(to *rib.Endpoint) (entryChange, error) {
	f := s.forwards[to.MAC]
	switch {
	case f == nil:
		return create(false, true, to), nil
	case f.leadsTo(to):
		return entryChange{}, nil
	case s.ours(f), !f.kept():
		return create(true, true, to), nil
	}
	return entryChange{}, &takenError{to: *to, by: *f}
}

func (s *sight) planDelete(to *rib.Endpoint) (steps []entryChange) {
	f := s.forwards[to.MAC]
	if f != nil && to.VTEP.IsValid() && f.addr == to.VTEP && f.vni == to.VNI && s.ours(f) {
		steps = append(steps, entryChange{unix.RTM_DELNEIGH, 0, true, *to})
	}
	if n := s.neighbors[to.Gateway]; n != nil && n.own(s.book.protocol, s.keeps) {
		steps = append(steps, entryChange{unix.RTM_DELNEIGH, 0, false, *to})
	}
	return steps
}

// takenError is that an entry of another program is where one of ours has to be.
type takenError struct {
	to   rib.Endpoint
	by   entry
	link string // the name of the device; "": not known
}

func (e *takenError) Error() string {
	dev := e.link
	if dev == "" {
		dev = fmt.Sprintf("interface %d", e.to.Ifindex)
	}
	if e.by.forwards {
		to := e.by.addr.String()
		switch {
		case e.by.object != 0:
			to = fmt.Sprintf("nexthop object %d", e.by.object)
		case e.by.vni != 0:
			to += fmt.Sprintf(" with the VNI %d", e.by.vni)
		}
		return fmt.Sprintf("another program's forwarding entry on %s leads %v to %s; remove it: bridge fdb del %v dev %s self", dev, e.to.MAC, to, e.to.MAC, dev)
	}
	return fmt.Sprintf("another program's neighbour entry on %s has %v at %v; remove it: ip neigh del %v dev %s", dev, e.to.Gateway, e.by.mac, e.to.Gateway, dev)
}

// Is matches rib.ErrExists.
func (e *takenError) Is(target error) bool { return target == rib.ErrExists }
