package kernel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// ErrNoRoute is matched by the error of Underlay.Lookup where no route leads to an address.
var ErrNoRoute = errors.New("no route")

// Underlay is the network between PEs as the kernel has it in one namespace: by which route it
// sends packets to another PE, whoever wrote that route. Lookup and Close belong to its one owner;
// the other methods may be called from any goroutine.
type Underlay struct {
	host    *Host
	mon     *monitor
	sock    *client
	bound   bound
	dec     decoder
	lookups *lookups
	sources []netip.Addr // this router's addresses there
}

// OpenUnderlay opens the namespace that a binding would call netns. sources are the addresses of
// this router from which it sends to PEs, by which rules may choose the table. Where the namespace
// is not there, the error matches rib.ErrAbsent.
func (h *Host) OpenUnderlay(ctx context.Context, netns string, sources ...netip.Addr) (*Underlay, error) {
	o := &Underlay{host: h, lookups: newLookups(), sources: sources}
	o.bound = bound{netns: netns, inbox: &o.lookups.inbox}
	var err error
	if netns != "" {
		if o.bound.path, err = netnsPath(netns); err != nil {
			return nil, err
		}
	}
	if o.mon, err = h.monitors.acquire(ctx, netns); err != nil {
		return nil, fmt.Errorf("open the core in %s: %w", rib.NetnsText(netns), err)
	}
	if err := o.open(); err != nil {
		h.monitors.release(o.mon)
		return nil, fmt.Errorf("open the core in %s: %w", rib.NetnsText(netns), err)
	}
	h.paths.add(&o.bound)
	return o, nil
}

// OpenEntrances opens the labels and SIDs of the namespace that a binding names. protocol is the
// route protocol of our own. Where the namespace is not there, the error matches rib.ErrAbsent;
// that it goes later is told to those who have its tables open.
func (h *Host) OpenEntrances(ctx context.Context, core rib.Binding, protocol uint8) (*Entrances, error) {
	return openEntrances(ctx, h.Namespaces, h.monitors, core.Netns, protocol)
}

func (o *Underlay) open() (err error) {
	id := o.mon.ns.id
	o.bound.where = rib.Where{Dev: id.dev, Inode: id.inode, Table: unix.RT_TABLE_MAIN}
	if o.sock, err = dialClient(o.mon.ns, anyPort); err != nil {
		return err
	}
	o.mon.mu.Lock()
	defer o.mon.mu.Unlock()
	err = o.mon.broken
	// Nobody else looks at rules: the socket of all in the namespace hears of them from now on.
	for _, group := range []int{unix.RTNLGRP_IPV4_RULE, unix.RTNLGRP_IPV6_RULE} {
		if err == nil {
			err = o.mon.sock.join(group)
		}
	}
	if err != nil {
		_ = o.sock.close() // the error that counts is the first
		return err
	}
	o.mon.subscribers.underlays[o.lookups] = struct{}{}
	return nil
}

// Close frees the socket, and the namespace's monitor with its last user.
func (o *Underlay) Close() error {
	o.host.paths.drop(&o.bound)
	o.mon.mu.Lock()
	delete(o.mon.subscribers.underlays, o.lookups)
	o.mon.mu.Unlock()
	o.host.monitors.release(o.mon)
	return o.sock.close()
}

// Where is the identity of the namespace's main table.
func (o *Underlay) Where() rib.Where { return o.bound.where }

// Links are the interfaces of the namespace.
func (o *Underlay) Links() rib.Links {
	o.mon.mu.Lock()
	defer o.mon.mu.Unlock()
	return o.mon.links.links()
}

// Ready is signalled when Events has something.
func (o *Underlay) Ready() <-chan struct{} { return o.lookups.inbox.ready }

// Events takes what happened since the last call that may give a Lookup another answer: Routes
// are those of other programs in tables that rules lead to, and Resync says that any answer may
// be another one. Of what this daemon's own Conns write there are none.
func (o *Underlay) Events() rib.KernelEvents { return o.lookups.inbox.take() }

// Lookup is the route by which the kernel sends packets to an address, with all its hops; its
// Kind where it discards them, and then the kernel does not say the prefix. The error matches
// ErrNoRoute where there is none: of another error it is not known.
func (o *Underlay) Lookup(ctx context.Context, to netip.Addr) (rib.Route, error) {
	if err := o.readRules(ctx); err != nil {
		return rib.Route{}, err
	}
	for range readTries {
		r, err := o.lookup(ctx, to)
		known := true
		if err == nil && needsResolving(&r) {
			known, err = o.resolve(ctx, &r)
		}
		if err != nil {
			return rib.Route{}, err
		}
		if known {
			r.Hops = inOrder(r.Hops)
			return r, nil
		}
	}
	return rib.Route{}, fmt.Errorf("look up %v in %s: the route uses a nexthop object that cannot be found, %d times in a row", to, rib.NetnsText(o.bound.netns), readTries)
}

// inOrder returns hops in an order of their own: of an IPv6 route the kernel puts the one first
// that it would take for this packet, which may be another the next time.
func inOrder(hops []rib.Hop) []rib.Hop {
	return slices.SortedFunc(slices.Values(hops), func(a, b rib.Hop) int {
		return cmp.Or(cmp.Compare(a.Ifindex, b.Ifindex), a.Gateway.Compare(b.Gateway))
	})
}

func (o *Underlay) lookup(ctx context.Context, to netip.Addr) (r rib.Route, err error) {
	// Without RTM_F_FIB_MATCH the answer is one way to that address; with it, it is the route. (Of two
	// IPv6 routes with one nexthop object it may be the other one, of which the kernel keeps what it
	// found last: the hops are right, prefix and metric are for people.)
	family := byte(unix.AF_INET)
	if to.Is6() {
		family = unix.AF_INET6
	}
	source := o.source(to)
	body := []byte{family, byte(to.BitLen()), byte(source.BitLen()), 0, 0, 0, 0, 0}
	body = native.AppendUint32(body, unix.RTM_F_FIB_MATCH)
	body = appendAttrAddr(body, unix.RTA_DST, to)
	if source.IsValid() {
		body = appendAttrAddr(body, unix.RTA_SRC, source)
	}
	errno, text, err := o.sock.ask(ctx, unix.RTM_GETROUTE, body, func(m message) error {
		answer, err := o.dec.route(m.body)
		r = answer.Route
		return err
	})
	where := fmt.Sprintf("look up %v in %s", to, rib.NetnsText(o.bound.netns))
	kind, discards := discarding[errno]
	switch {
	case err != nil:
		return r, fmt.Errorf("%s: %w", where, err)
	case errno == unix.ENETUNREACH:
		return r, &noRouteError{to, o.bound.netns}
	case discards && text == "":
		return rib.Route{Kind: kind}, nil
	case errno != 0:
		return r, fmt.Errorf("%s: %w", where, &requestError{errno, text})
	}
	return r, nil
}

// source is the address from which this router sends to another; invalid: the kernel chooses. One
// that no interface has the kernel refuses, as it would refuse a blackhole.
func (o *Underlay) source(to netip.Addr) netip.Addr {
	for _, a := range o.sources {
		if a.BitLen() != to.BitLen() {
			continue
		}
		o.mon.mu.Lock()
		defer o.mon.mu.Unlock()
		if o.mon.links.has(a) {
			return a
		}
		break
	}
	return netip.Addr{}
}

// noRouteError is that nothing leads to an address.
type noRouteError struct {
	to    netip.Addr
	netns string
}

func (e *noRouteError) Error() string {
	return fmt.Sprintf("no route leads to %v in %s", e.to, rib.NetnsText(e.netns))
}

// Is matches ErrNoRoute.
func (e *noRouteError) Is(target error) bool { return target == ErrNoRoute }

// resolve fills in the hops of a route that came with the id of a nexthop object alone. It is
// not known where that object is gone again. The kernel is asked, because it does not say when the
// carrier of an object's link goes and comes.
func (o *Underlay) resolve(ctx context.Context, r *rib.Route) (known bool, err error) {
	objects := nexthops{}
	if err := o.readObject(ctx, objects, r.NexthopID); err != nil {
		return false, err
	}
	first, is := objects[r.NexthopID]
	if !is {
		return false, nil
	}
	for _, m := range first.group {
		if err := o.readObject(ctx, objects, m.id); err != nil {
			return false, err
		}
	}
	r.Hops, known = objects.resolve(r.NexthopID)
	return known, nil
}

// readObject reads one nexthop object, where it is there.
func (o *Underlay) readObject(ctx context.Context, objects nexthops, id uint32) error {
	body := appendAttrU32(make([]byte, sizeofNhmsg), unix.NHA_ID, id)
	errno, text, err := o.sock.ask(ctx, unix.RTM_GETNEXTHOP, body, func(m message) error {
		_, err := objects.update(m)
		return err
	})
	if err == nil && errno != 0 && errno != unix.ENOENT {
		err = &requestError{errno, text}
	}
	if err != nil {
		return fmt.Errorf("look up the nexthop object %d in %s: %w", id, rib.NetnsText(o.bound.netns), err)
	}
	return nil
}

// readRules finds out which tables rules lead to, where that is not known.
func (o *Underlay) readRules(ctx context.Context) error {
	o.mon.mu.Lock()
	known, rules := o.lookups.tables != nil, o.lookups.rules
	o.mon.mu.Unlock()
	if known {
		return nil
	}
	tables := builtInTables()
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		request := make([]byte, unix.SizeofRtMsg) // struct fib_rule_hdr is as long
		request[0] = family
		err := complete(ctx, "rules", func() error {
			return o.sock.dump(ctx, unix.RTM_GETRULE, request, func(m message) error {
				if m.typ == unix.RTM_NEWRULE {
					tables[tableOf(m.body)] = struct{}{} // FRA_TABLE has the number of RTA_TABLE
				}
				return nil
			})
		})
		switch {
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EAFNOSUPPORT): // built without rules, or without IPv6
		case err != nil:
			return fmt.Errorf("look at %s: %w", rib.NetnsText(o.bound.netns), err)
		}
	}
	o.mon.mu.Lock()
	defer o.mon.mu.Unlock()
	o.lookups.learn(tables, rules)
	return nil
}
