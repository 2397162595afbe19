package kernel

import (
	"context"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// Fixtures make what this daemon has in the core's namespace beside routes of VRFs, labels and
// SIDs: VRF devices, rules, and the ends of tables and locators. protocol is always the route
// protocol of our own. They are safe for concurrent use.
type Fixtures struct{ spaces *Namespaces }

// AddUnreachable has a table, or a locator, end in a route of ours: what no other route leads to is
// answered "unreachable" there. One that discards packets and is there already will do, whoever
// wrote it.
func (f Fixtures) AddUnreachable(ctx context.Context, in rib.Binding, u rib.Unreachable, protocol uint8) error {
	return askIn(f.spaces, in.Netns, fmt.Sprintf("add the unreachable %v to table %d", u.Prefix, u.Table), func(c *client) error {
		return addUnreachable(ctx, c, u, protocol)
	})
}

// RemoveUnreachable removes such a route of ours. Another's is left alone; that there is none is
// no error.
func (f Fixtures) RemoveUnreachable(ctx context.Context, in rib.Binding, u rib.Unreachable, protocol uint8) error {
	err := askIn(f.spaces, in.Netns, fmt.Sprintf("remove the unreachable %v from table %d", u.Prefix, u.Table), func(c *client) error {
		return removeUnreachable(ctx, c, u, protocol)
	})
	if isAbsent(err) {
		return nil // and its tables with it
	}
	return err
}

// unreachableRoute is the message about such a route of ours, and its family.
func unreachableRoute(u rib.Unreachable, protocol uint8, del bool) ([]byte, byte, error) {
	r := rib.Route{Prefix: u.Prefix, Metric: rib.CoreMetric, Protocol: protocol, Kind: rib.KindUnreachable}
	op := rib.OpAdd
	if del {
		op = rib.OpDelete
	}
	family := byte(unix.AF_INET)
	if u.Prefix.Addr().Is6() {
		family = unix.AF_INET6
	}
	return appendRoute(nil, &r, u.Table, del), family, check(&rib.Change{Op: op, Route: r})
}

func addUnreachable(ctx context.Context, c *client, u rib.Unreachable, protocol uint8) error {
	body, family, err := unreachableRoute(u, protocol, false)
	if err != nil {
		return err
	}
	errno, text, err := c.do(ctx, unix.RTM_NEWROUTE, unix.NLM_F_CREATE|unix.NLM_F_EXCL, body)
	switch {
	case err != nil:
		return err
	case errno == 0:
		return nil
	case errno == unix.EEXIST:
		return endsIn(ctx, c, family, u)
	}
	return absentFamily(family, &requestError{errno, text})
}

// endsIn makes sure that the route which has the place of an unreachable one discards packets too.
func endsIn(ctx context.Context, c *client, family byte, u rib.Unreachable) error {
	only := appendAttrU32(nil, unix.RTA_TABLE, u.Table) // of others there may be thousands
	for _, kind := range []rib.Kind{rib.KindUnreachable, rib.KindBlackhole, rib.KindProhibit} {
		found := false
		err := pickRoutes(ctx, c, family, 0, kind, func() { found = false }, func(table uint32, r rib.Route) {
			found = found || table == u.Table && r.Prefix == u.Prefix && r.Metric == rib.CoreMetric
		}, only...)
		if err != nil || found {
			return err
		}
	}
	return fmt.Errorf("another program has a route for %v with the metric %d there, by which packets leave: remove it", u.Prefix, rib.CoreMetric)
}

func removeUnreachable(ctx context.Context, c *client, u rib.Unreachable, protocol uint8) error {
	body, family, err := unreachableRoute(u, protocol, true)
	if err != nil {
		return err
	}
	errno, text, err := c.do(ctx, unix.RTM_DELROUTE, 0, body)
	if err == nil && errno != 0 && errno != unix.ESRCH {
		err = absentFamily(family, &requestError{errno, text})
	}
	return err
}
