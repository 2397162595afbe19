package kernel

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// dumpTries is how often an interrupted dump is repeated before the reader
// gives up. Links and nexthops are small; the kernel does not mark route dumps.
const dumpTries = 16

// dump asks for everything of one kind and calls each with every message of
// the answer, in the kernel's order. An interrupted answer is errInterrupted.
func (s *sock) dump(ctx context.Context, typ uint16, body []byte, each func(message) error) error {
	release, err := s.within(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := s.settle(); err != nil {
		return lapse(ctx, err)
	}
	seq := s.next()
	b := beginMessage(nil, typ, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, seq)
	b = endMessage(append(b, body...), 0)
	if err := s.send(b); err != nil {
		return lapse(ctx, err)
	}
	s.dumping = seq
	return lapse(ctx, s.answer(seq, each))
}

// answer reads the answer of the dump seq to its end, also after each failed.
func (s *sock) answer(seq uint32, each func(message) error) error {
	var failed error
	interrupted := false
	for s.dumping == seq {
		err := s.receive(func(b []byte) error {
			for len(b) > 0 {
				m, rest, err := nextMessage(b)
				if err != nil {
					return err
				}
				b = rest
				if m.seq != seq || m.port != s.port {
					continue // of a request that was given up
				}
				interrupted = interrupted || m.flags&unix.NLM_F_DUMP_INTR != 0
				switch m.typ {
				case unix.NLMSG_DONE, unix.NLMSG_ERROR:
					s.dumping = 0
					errno, text, err := m.status()
					if err != nil {
						return err
					}
					if errno != 0 {
						failed = &requestError{errno, text}
					}
				case unix.NLMSG_NOOP:
				default:
					if failed == nil {
						failed = each(m)
					}
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if failed == nil && interrupted {
		return errInterrupted
	}
	return failed
}

// settle makes the socket fit for a request. It reads on to the end of a dump
// whose reader gave up: until then the kernel refuses the next one with EBUSY.
// After an ENOBUFS it empties the queue: until then the kernel drops further
// acknowledgements, and without another word.
func (s *sock) settle() error {
	if s.lost {
		if err := s.drain(); err != nil {
			return err
		}
		s.lost, s.dumping = false, 0
	}
	if s.dumping == 0 {
		return nil
	}
	err := s.answer(s.dumping, func(message) error { return nil })
	if s.dumping == 0 {
		return nil // how it ended is of no interest
	}
	return err
}

// complete calls dump until it is not interrupted.
func complete(ctx context.Context, what string, dump func() error) error {
	for try := 1; ; try++ {
		err := dump()
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, errInterrupted):
			return fmt.Errorf("read the %s: %w", what, err)
		case try == dumpTries:
			return fmt.Errorf("read the %s: %w, %d times in a row", what, err, try)
		case ctx.Err() != nil:
			return fmt.Errorf("read the %s: %w", what, ctx.Err())
		}
	}
}

// dumpLinks reads the interfaces with their addresses.
func (s *sock) dumpLinks(ctx context.Context) (linkCache, error) {
	var links linkCache
	request := make([]byte, unix.SizeofIfInfomsg)
	request = appendAttrU32(request, unix.IFLA_EXT_MASK, skipStats)
	err := complete(ctx, "interfaces", func() error {
		links = linkCache{}
		return s.dump(ctx, unix.RTM_GETLINK, request, func(m message) error {
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
			err := s.dump(ctx, unix.RTM_GETADDR, request, func(m message) error {
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
func (s *sock) dumpNexthops(ctx context.Context) (nexthops, error) {
	var all nexthops
	err := complete(ctx, "nexthop objects", func() error {
		all = nexthops{}
		err := s.dump(ctx, unix.RTM_GETNEXTHOP, make([]byte, sizeofNhmsg), func(m message) error {
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

// spare returns routes with room for another. It doubles what it needs, because
// append grows large slices by a quarter, and copies a large table five times.
func spare(routes []rib.Route) []rib.Route {
	if len(routes) == cap(routes) {
		return slices.Grow(routes, max(len(routes), 256))
	}
	return routes
}

// dumpRoutes appends the routes of one table and family to routes.
func (s *sock) dumpRoutes(ctx context.Context, d *decoder, family byte, table uint32, routes []rib.Route) ([]rib.Route, error) {
	request := make([]byte, unix.SizeofRtMsg)
	request[0] = family
	request = appendAttrU32(request, unix.RTA_TABLE, table)
	start := len(routes)
	err := complete(ctx, "routes", func() error {
		routes = routes[:start]
		err := s.dump(ctx, unix.RTM_GETROUTE, request, func(m message) error {
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
