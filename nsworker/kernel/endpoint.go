package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// checkEndpoint refuses what the kernel would take for something else, or for all VTEPs.
func checkEndpoint(c *rib.Change) error {
	to := &c.Endpoint
	refuse := func(why string) error { return fmt.Errorf("cannot %v %v: %s", c.Op, to.Gateway, why) }
	switch {
	case to.Ifindex <= 0:
		return refuse("it has no interface")
	case !linkLocal64.Contains(to.Gateway) || to.Gateway.Zone() != "":
		return refuse("its gateway is not link-local")
	case c.Op == rib.OpDeleteEndpoint:
		return nil
	case !to.MAC.Unicast():
		return refuse(fmt.Sprintf("the MAC address %v is not that of one router", to.MAC))
	case !to.VTEP.IsValid() || to.VTEP.Is4In6() || to.VTEP.IsUnspecified() || to.VTEP.IsMulticast():
		return refuse(fmt.Sprintf("the VTEP %v is not the address of one router", to.VTEP))
	case to.VNI > rib.MaxVNI:
		return refuse(fmt.Sprintf("the VNI %d is too large", to.VNI))
	}
	return nil
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

// readEndpoints reads what stands on the VXLAN devices of the table: nothing is asked where it has
// none. From then on there are events of it.
func (c *Conn) readEndpoints(ctx context.Context, links linkCache) (list []rib.Endpoint, err error) {
	devices := links.endpointDevices(c.where)
	c.endpoints.begin()
	if err := c.mon.entries.follow(c.mon.ns, c, devices); err != nil {
		return nil, err
	}
	sights := make([]*sight, 0, len(devices))
	for _, index := range devices {
		s := newSight(index, c.protocol, &c.endpoints)
		if err := s.look(ctx, c.sock); err != nil {
			return nil, err
		}
		sights = append(sights, s)
		list = append(list, s.endpoints()...)
	}
	if c.endpoints.learn(sights) {
		c.inbox.resync(rib.ResyncEndpoint, nil)
	}
	return list, nil
}

// apart is how many changes, from the first on, are of different entries: what becomes of one of
// an entry is to be known before the next of it is planned.
func apart(changes []rib.Change) int {
	var neighbors map[neighborKey]struct{}
	var forwards map[forwardKey]struct{}
	for i := range changes {
		if !isEndpoint(changes[i].Op) {
			continue
		}
		if neighbors == nil {
			neighbors, forwards = make(map[neighborKey]struct{}), make(map[forwardKey]struct{})
		}
		to := &changes[i].Endpoint
		neighbor, forward := neighborKey{to.Ifindex, to.Gateway}, forwardKey{to.Ifindex, to.MAC}
		_, before := neighbors[neighbor]
		_, other := forwards[forward]
		if before || other {
			return i
		}
		neighbors[neighbor], forwards[forward] = struct{}{}, struct{}{}
	}
	return len(changes)
}

// getAtMost is how many endpoints of a device are looked at one by one: of more of them a
// reading of the whole device costs less.
const getAtMost = 16

// planEndpoints looks what stands where changes are about endpoints, and plans their messages:
// a plan for each index of those, nil where there are none. An error of one is in errs.
func (c *Conn) planEndpoints(ctx context.Context, changes []rib.Change, errs []error) (map[int][]entryChange, error) {
	var number map[int]int // of changes by device
	for i := range changes {
		if !isEndpoint(changes[i].Op) {
			continue
		}
		if number == nil {
			number = make(map[int]int)
		}
		if errs[i] = checkEndpoint(&changes[i]); errs[i] == nil {
			number[changes[i].Endpoint.Ifindex]++
		}
	}
	if len(number) == 0 {
		return nil, nil
	}
	plans, sights := make(map[int][]entryChange), make(map[int]*sight)
	for i := range changes {
		ch := &changes[i]
		if !isEndpoint(ch.Op) || errs[i] != nil {
			continue
		}
		ifindex := ch.Endpoint.Ifindex
		s := sights[ifindex]
		if s == nil {
			s = newSight(ifindex, c.protocol, &c.endpoints)
			sights[ifindex] = s
		}
		if err := s.lookFor(ctx, c.sock, &ch.Endpoint, number[ifindex]); err != nil {
			return nil, err
		}
		if plans[i], errs[i] = s.plan(ch); errs[i] != nil {
			if taken := new(takenError); errors.As(errs[i], &taken) {
				taken.link = c.mon.linkName(ifindex)
			}
		}
	}
	c.endpoints.expect(changes, errs)
	return plans, nil
}

// againMost is how often an endpoint is tried again where the kernel had an entry that was not
// there a moment before: it makes one for a gateway whenever a packet goes there.
const againMost = 2

// again tries those endpoints again that met an entry which came after they were looked at, and
// notes which were refused.
func (c *Conn) again(ctx context.Context, changes []rib.Change, errs []error) error {
	for i := range changes {
		ch := &changes[i]
		if errs[i] == nil || !isEndpoint(ch.Op) {
			continue
		}
		for try := 0; try < againMost && errors.Is(errs[i], unix.EEXIST); try++ {
			errs[i] = nil
			if err := c.write(ctx, changes[i:i+1], errs[i:i+1]); err != nil {
				return err
			}
		}
		if errs[i] != nil {
			c.endpoints.refused(&ch.Endpoint)
		}
	}
	return nil
}

// isEndpoint tells whether an operation is about an endpoint.
func isEndpoint(op rib.Op) bool { return op == rib.OpSetEndpoint || op == rib.OpDeleteEndpoint }
