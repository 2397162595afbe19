package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// triedSIDs is how many SIDs of ours, and how many of others, each interface is asked about: what leads
// to one of a block leads to nearly all of them.
const triedSIDs = 4

// reached asks the kernel about each interface.
func reached(ctx context.Context, c *client, protocol uint8, block netip.Prefix) (list []rib.SIDReached, err error) {
	links, err := c.dumpLinks(ctx)
	if err != nil {
		return nil, err
	}
	rules, err := dumpSelectors(ctx, c)
	if err != nil {
		return nil, err
	}
	sids, err := someSIDs(ctx, c, protocol, block)
	if err != nil {
		return nil, err
	}
	for i := range rules {
		if to := rules[i].To; to.IsValid() && to.Overlaps(block) {
			sids = append(sids, narrower(to, block).Addr())
		}
	}
	for _, in := range sortedByIndex(links.links()) {
		for _, sid := range sids {
			if in.Loopback {
				continue
			}
			r, leads, err := leadsTo(ctx, c, in.Index, sid)
			if err != nil {
				return nil, err
			}
			if !leads {
				continue
			}
			for i := range rules {
				if rules[i].Table == r.Table && rules[i].Leads(in.Name, sid) {
					r.By = rules[i]
					break
				}
			}
			list = append(list, r)
		}
	}
	return list, nil
}

func narrower(a, b netip.Prefix) netip.Prefix {
	if a.Bits() > b.Bits() {
		return a
	}
	return b
}

// someSIDs are some SIDs of a block: of ours, and of other PEs.
func someSIDs(ctx context.Context, c *client, protocol uint8, block netip.Prefix) (list []netip.Addr, err error) {
	request := make([]byte, unix.SizeofRtMsg)
	request[0], request[5] = unix.AF_INET6, protocol
	request = appendAttrU32(request, unix.RTA_TABLE, unix.RT_TABLE_MAIN)
	var d decoder
	err = complete(ctx, "SIDs", func() error {
		list = list[:0]
		return c.dump(ctx, unix.RTM_GETROUTE, request, func(m message) error {
			if m.typ != unix.RTM_NEWROUTE || len(m.body) < unix.SizeofRtMsg || !isSID(m.body) || len(list) == triedSIDs {
				return nil
			}
			r, err := d.route(m.body)
			if err == nil && r.Protocol == protocol && r.table == unix.RT_TABLE_MAIN && block.Contains(r.Prefix.Addr()) {
				list = append(list, r.Prefix.Addr())
			}
			return err
		})
	})
	if err = absentFamily(unix.AF_INET6, err); err != nil && !errors.Is(err, unix.ENOENT) {
		return nil, err
	}
	objects, err := c.dumpNexthops(ctx)
	if err != nil {
		return nil, err
	}
	var others []netip.Addr
	for _, n := range objects {
		if n.protocol != protocol || n.hop.Encap.Kind() != rib.EncapSRv6 {
			continue
		}
		if sid := n.hop.Encap.Tunnel().SID; sid.IsValid() && block.Contains(sid) {
			others = append(others, sid)
		}
	}
	slices.SortFunc(others, netip.Addr.Compare)
	others = slices.Compact(others)
	return append(list, others[:min(len(others), triedSIDs)]...), nil
}

// leadsTo asks for the route by which a packet goes that comes in by an interface. It leads nowhere where
// that, or a rule, has it discarded.
func leadsTo(ctx context.Context, c *client, in int, sid netip.Addr) (r rib.SIDReached, leads bool, err error) {
	body := appendAttrU32(sidLookup(sid), unix.RTA_IIF, uint32(in))
	var d decoder
	errno, text, err := c.ask(ctx, unix.RTM_GETROUTE, body, func(m message) error {
		route, err := d.route(m.body)
		if err != nil {
			return err
		}
		leads = route.Kind == rib.KindUnicast
		r = rib.SIDReached{In: in, SID: sid, Prefix: route.Prefix, Table: route.table, Local: isSID(m.body)}
		if len(route.Hops) > 0 {
			r.Out = route.Hops[0].Ifindex
			r.Wrapped = !r.Local && route.Hops[0].Encap.Kind() != 0
		}
		return nil
	})
	_, discards := discarding[errno]
	switch {
	case err != nil:
		return r, false, err
	case errno == 0:
		return r, leads, nil
	case discards && text == "", errno == unix.ENETUNREACH, errno == unix.ENODEV: // the interface went meanwhile
		return r, false, nil
	}
	return r, false, &requestError{errno, text}
}

// dumpSelectors reads the rules of IPv6 that lead to tables, in the order in which the kernel looks at
// them. Those that go by anything else than addresses and interfaces are left out, as are those that
// exclude.
func dumpSelectors(ctx context.Context, c *client) (list []rib.Selector, err error) {
	request := make([]byte, sizeofRule)
	request[0] = unix.AF_INET6
	err = complete(ctx, "rules", func() error {
		list = list[:0]
		return c.dump(ctx, unix.RTM_GETRULE, request, func(m message) error {
			if m.typ != unix.RTM_NEWRULE {
				return nil
			}
			s, ok, err := decodeSelector(m.body)
			if err == nil && ok {
				list = append(list, s)
			}
			return err
		})
	})
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = nil // built without rules
	}
	slices.SortStableFunc(list, func(a, b rib.Selector) int { return cmp.Compare(a.Pref, b.Pref) })
	return list, absentFamily(unix.AF_INET6, err)
}

// decodeSelector reads a rule. It is not ok where that goes by more than a Selector has.
func decodeSelector(body []byte) (s rib.Selector, ok bool, err error) {
	if len(body) < sizeofRule {
		return s, false, fmt.Errorf("rule message of %d bytes is too short", len(body))
	}
	ok = body[0] == unix.AF_INET6 && body[3] == 0 && body[7] == unix.FR_ACT_TO_TBL && native.Uint32(body[8:])&unix.FIB_RULE_INVERT == 0
	s.Table = uint32(body[4])
	a := attrs{b: body[sizeofRule:]}
	for typ, v, more := a.next(); more; typ, v, more = a.next() {
		switch typ {
		case unix.FRA_DST:
			s.To = netip.PrefixFrom(attrAddr(v), int(body[1]))
		case unix.FRA_SRC:
			s.From = netip.PrefixFrom(attrAddr(v), int(body[2]))
		case unix.FRA_IIFNAME:
			s.In = attrString(v)
		case unix.FRA_PRIORITY:
			s.Pref = attrU32(v)
		case unix.FRA_TABLE:
			s.Table = attrU32(v)
		case unix.FRA_PROTOCOL, unix.FRA_PAD:
		case unix.FRA_SUPPRESS_PREFIXLEN, unix.FRA_SUPPRESS_IFGROUP: // -1: nothing is suppressed
			ok = ok && attrU32(v) == 1<<32-1
		default:
			ok = false
		}
	}
	if a.bad {
		return s, false, errors.New("rule message is malformed")
	}
	return s, ok, nil
}

func sortedByIndex(links rib.Links) []rib.Link {
	return slices.SortedFunc(maps.Values(links), func(a, b rib.Link) int { return cmp.Compare(a.Index, b.Index) })
}
