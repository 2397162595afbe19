package kernel

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// dumpLinks reads the interfaces with their addresses.
func (c *client) dumpLinks(ctx context.Context) (linkCache, error) {
	var links linkCache
	request := make([]byte, unix.SizeofIfInfomsg)
	request = appendAttrU32(request, unix.IFLA_EXT_MASK, skipStats)
	err := complete(ctx, "interfaces", func() error {
		links = linkCache{}
		return c.dump(ctx, unix.RTM_GETLINK, request, func(m message) error {
			_, _, err := links.link(m)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		request := make([]byte, unix.SizeofIfAddrmsg)
		request[0] = family
		err := complete(ctx, "addresses", func() error {
			links.forget(family)
			err := c.dump(ctx, unix.RTM_GETADDR, request, func(m message) error {
				_, err := links.address(m)
				return err
			})
			return absentFamily(family, err)
		})
		if err != nil {
			return nil, err
		}
	}
	return links, nil
}

// absentFamily forgives that a kernel without IPv6 knows no answer.
func absentFamily(family byte, err error) error {
	if family == unix.AF_INET6 && (errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EAFNOSUPPORT)) {
		return nil
	}
	return err
}

// dumpNexthops reads the nexthop objects. A kernel older than 5.3 has none: nil.
func (c *client) dumpNexthops(ctx context.Context) (nexthops, error) {
	var all nexthops
	err := complete(ctx, "nexthop objects", func() error {
		all = nexthops{}
		err := c.dump(ctx, unix.RTM_GETNEXTHOP, make([]byte, sizeofNhmsg), func(m message) error {
			_, err := all.update(m)
			return err
		})
		if errors.Is(err, unix.EOPNOTSUPP) {
			all = nil
			return nil
		}
		return err
	})
	return all, err
}

// spare returns routes with room for one more. It doubles the slice: append grows large
// slices by a quarter, and copies a large table five times.
func spare(routes []rib.Route) []rib.Route {
	if len(routes) == cap(routes) {
		return slices.Grow(routes, max(len(routes), 256))
	}
	return routes
}

// dumpTable appends the routes of one table to routes, IPv4 first.
func (c *client) dumpTable(ctx context.Context, d *decoder, table uint32, routes []rib.Route) (_ []rib.Route, err error) {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if routes, err = c.dumpRoutes(ctx, d, family, table, routes); err != nil {
			return nil, err
		}
	}
	return routes, nil
}

// dumpRoutes appends the routes of one table and family to routes.
func (c *client) dumpRoutes(ctx context.Context, d *decoder, family byte, table uint32, routes []rib.Route) ([]rib.Route, error) {
	request := make([]byte, unix.SizeofRtMsg)
	request[0] = family
	request = appendAttrU32(request, unix.RTA_TABLE, table)
	start := len(routes)
	err := complete(ctx, "routes", func() error {
		routes = routes[:start]
		err := c.dump(ctx, unix.RTM_GETROUTE, request, func(m message) error {
			if m.typ != unix.RTM_NEWROUTE {
				return nil
			}
			routes = append(spare(routes), rib.Route{})
			head, err := d.routeInto(&routes[len(routes)-1], m.body)
			// Without strict checking the kernel sends every table, and
			// without IPv6 the IPv4 routes instead.
			if err != nil || head.other || head.table != table || head.family != family {
				routes = routes[:len(routes)-1]
			}
			return err
		})
		if errors.Is(err, unix.ENOENT) {
			return nil // the kernel makes a table with its first route
		}
		return absentFamily(family, err)
	})
	return routes, err
}
