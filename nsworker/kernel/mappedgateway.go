package kernel

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// An IPv6 packet with labels whose gateway is an IPv4 one waits in the kernel until ARP has found that.
// Then it is sent as its own route says, which is IPv6: ND is asked for the mapped address, nobody
// answers, and the packet is lost (neigh_update in net/core/neighbour.c looks the neighbour of a packet
// that waited up once more). Packets of IPv4 only wait. So ARP finds the gateway before the hop is
// written, and no packet has to wait for it.

// findMost is how long a batch is held back for gateways that ARP has not found: longer than the answer
// takes on any link of a core, and shorter than a failover may take twice. One that is not there is not
// waited for any longer.
const (
	findMost  = 20 * time.Millisecond
	findAgain = time.Millisecond
)

// onLink is a gateway on an interface.
type onLink struct {
	ifindex int
	gateway netip.Addr
}

// mappedGateways are the IPv4 gateways by which changes are to send IPv6 packets with labels.
func mappedGateways(changes []rib.Change) map[onLink]struct{} {
	var found map[onLink]struct{}
	note := func(h *rib.Hop) {
		if !h.Gateway.Is4In6() || !mappedMPLS(h) {
			return
		}
		if found == nil {
			found = make(map[onLink]struct{})
		}
		found[onLink{h.Ifindex, h.Gateway.Unmap()}] = struct{}{}
	}
	for i := range changes {
		switch ch := &changes[i]; {
		case ch.Op == rib.OpAddNexthop, ch.Op == rib.OpReplaceNexthop:
			note(&ch.Nexthop.Hop)
		case (ch.Op == rib.OpAdd || ch.Op == rib.OpReplace) && ch.Route.NexthopID == 0:
			for k := range ch.Route.Hops {
				note(&ch.Route.Hops[k])
			}
		}
	}
	return found
}

// findGateways has ARP look for the gateways that are mapped, and waits a moment until they are found.
func findGateways(ctx context.Context, c *client, changes []rib.Change) error {
	missing := mappedGateways(changes)
	if len(missing) == 0 {
		return nil
	}
	for at := range missing {
		found, err := hasNeighbor(ctx, c, at)
		if err != nil {
			return err
		}
		if found {
			delete(missing, at)
			continue
		}
		// What the kernel says to it, it says to the hop as well, and of that it is reported.
		if _, _, err := c.do(ctx, unix.RTM_NEWNEIGH, unix.NLM_F_CREATE, useNeighbor(at)); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	end := time.After(findMost)
	again := time.NewTicker(findAgain)
	defer again.Stop()
	for len(missing) > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end:
			return nil
		case <-again.C:
		}
		for at := range missing {
			found, err := hasNeighbor(ctx, c, at)
			if err != nil {
				return err
			}
			if found {
				delete(missing, at)
			}
		}
	}
	return nil
}

// useNeighbor is a message that has the kernel ask for a neighbour as a packet to it would; the entry
// is the kernel's own.
func useNeighbor(at onLink) []byte {
	return appendAttrAddr(appendNdmsg(nil, unix.AF_INET, at.ifindex, unix.NUD_NONE, unix.NTF_USE), unix.NDA_DST, at.gateway)
}

// hasNeighbor tells whether the kernel sends packets to an IPv4 neighbour without asking for it first. A
// kernel before 5.0 shows no single entries: then it is taken to.
func hasNeighbor(ctx context.Context, c *client, at onLink) (bool, error) {
	// NUD_VALID of include/net/neighbour.h
	const known = unix.NUD_PERMANENT | unix.NUD_NOARP | unix.NUD_REACHABLE | unix.NUD_PROBE | unix.NUD_STALE | unix.NUD_DELAY
	found := false
	request := appendAttrAddr(appendNdmsg(nil, unix.AF_INET, at.ifindex, 0, 0), unix.NDA_DST, at.gateway)
	errno, _, err := c.ask(ctx, unix.RTM_GETNEIGH, request, func(m message) error {
		if len(m.body) < sizeofNdmsg {
			return errors.New("neighbour message is too short")
		}
		found = native.Uint16(m.body[8:])&known != 0
		return nil
	})
	return found || errno == unix.EOPNOTSUPP, err
}
