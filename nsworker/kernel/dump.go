package kernel

import (
	"context"
	"errors"

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

// dumpTable appends the routes of one table to routes, IPv4 first.
func (c *client) dumpTable(ctx context.Context, d *decoder, table uint32, routes *rib.RouteList) error {
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		if err := c.dumpRoutes(ctx, d, family, table, routes); err != nil {
			return err
		}
	}
	return nil
}

// dumpRoutes appends the routes of one table and family to routes.
func (c *client) dumpRoutes(ctx context.Context, d *decoder, family byte, table uint32, routes *rib.RouteList) error {
	request := make([]byte, unix.SizeofRtMsg)
	request[0] = family
	request = appendAttrU32(request, unix.RTA_TABLE, table)
	start := routes.Len()
	err := complete(ctx, "routes", func() error {
		routes.Cut(start)
		err := c.dump(ctx, unix.RTM_GETROUTE, request, func(m message) error {
			if m.typ != unix.RTM_NEWROUTE {
				return nil
			}
			r, err := d.route(m.body)
			// Without strict checking the kernel sends every table, and
			// without IPv6 the IPv4 routes instead.
			if err == nil && !r.other && r.table == table && r.family == family {
				routes.Add(r.Route)
			}
			return err
		})
		if errors.Is(err, unix.ENOENT) {
			return nil // the kernel makes a table with its first route
		}
		return absentFamily(family, err)
	})
	return err
}

// pickRoutes calls each with the routes of all tables that have a protocol and
// a kind, 0 standing for any, and attrs. begin is called before each reading.
func pickRoutes(ctx context.Context, s *client, family, protocol byte, kind rib.Kind, begin func(), each func(uint32, rib.Route), attrs ...byte) error {
	request := make([]byte, unix.SizeofRtMsg, unix.SizeofRtMsg+len(attrs))
	request[0], request[5], request[7] = family, protocol, byte(kind)
	request = append(request, attrs...)
	var d decoder
	err := complete(ctx, "routes", func() error {
		begin()
		return s.dump(ctx, unix.RTM_GETROUTE, request, func(m message) error {
			if m.typ != unix.RTM_NEWROUTE {
				return nil
			}
			var r rib.Route
			head, err := d.routeInto(&r, m.body)
			if err == nil && !head.other && head.family == family &&
				(protocol == 0 || r.Protocol == protocol) && (kind == 0 || r.Kind == kind) {
				each(head.table, r)
			}
			return err
		})
	})
	return absentFamily(family, err)
}
