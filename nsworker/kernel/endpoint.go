package kernel

import (
	"context"
	"fmt"

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

// planEndpoints looks what stands where changes are about endpoints, and plans their messages:
// a plan for each index of those, nil where there are none. An error of one is in errs.
func planEndpoints(ctx context.Context, c *client, book *endpointBook, changes []rib.Change, errs []error) (map[int][]entryChange, error) {
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
			s = newSight(ifindex, book)
			sights[ifindex] = s
		}
		if err := s.lookFor(ctx, c, &ch.Endpoint, number[ifindex]); err != nil {
			return nil, err
		}
		plans[i], errs[i] = s.plan(ch)
	}
	book.expect(changes, errs)
	return plans, nil
}
