package rib

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
)

// ForeignTable holds the foreign routes of one VRF's kernel table: those that we did not
// write. It is an immutable snapshot: With and Without return another one that shares
// with it what did not change, so any goroutine may read one while its owner makes the
// next. A nil *ForeignTable is an empty one.
type ForeignTable struct {
	tree   *foreignTree // by masked prefix; slices are never modified
	routes [Families]int
}

// NewForeignTable returns the table of routes, which come in the order in which the kernel
// dumped them. Of routes with the same key all are kept: IPv4 holds several after an
// append (NLM_F_APPEND).
func NewForeignTable(routes []Route) *ForeignTable {
	f := new(ForeignTable)
	order := make([]routeAt, 0, len(routes))
	for i := range routes {
		if r := &routes[i]; r.Prefix.IsValid() {
			f.routes[FamilyOf(r.Prefix)]++
			order = append(order, routeAt{pack(r.Prefix.Masked()), r.Metric, i})
		}
	}
	slices.SortFunc(order, routeAt.compare)
	all := make([]routesOf, 0, len(order))
	var room []Route // for some at once
	for i, o := range order {
		if last := len(all) - 1; last >= 0 && all[last].key == o.key {
			all[last].routes = append(all[last].routes, routes[o.at])
			continue
		}
		if len(room) == cap(room) {
			room = make([]Route, 0, min(treeMost, len(order)-i))
		}
		room = append(room, routes[o.at])
		all = append(all, routesOf{o.key, room[len(room)-1 : len(room) : len(room)]})
	}
	f.tree = newForeignTree(all)
	return f
}

// routeAt is a route of a list.
type routeAt struct {
	key    packed
	metric uint32
	at     int
}

func (r routeAt) compare(o routeAt) int {
	if c := r.key.compare(o.key); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(r.metric, o.metric), r.at-o.at)
}

// With returns f with r in it. It takes the place of the route with the same
// key and protocol; others with the same key stay. For IPv6 the kernel keeps
// routes of its own (proto kernel and ra) side by side, one for each device and
// gateway, so there these must be equal too.
func (f *ForeignTable) With(r Route) *ForeignTable {
	if !r.Prefix.IsValid() {
		return f
	}
	k := pack(r.Prefix.Masked())
	old := f.at(k)
	if i := find(old, r); i >= 0 {
		next := slices.Clone(old)
		next[i] = r
		return &ForeignTable{f.root().with(k, next), f.count()}
	}
	n := f.count()
	n[FamilyOf(r.Prefix)]++
	return &ForeignTable{f.root().with(k, inserted(old, after(old, r.Metric), r)), n}
}

// Without returns f without the route that With would replace by r. Where r
// names some of that route's hops and not all, only these go: for an ECMP route
// IPv6 announces the loss of one leg as the deletion of that leg.
func (f *ForeignTable) Without(r Route) *ForeignTable {
	k := pack(r.Prefix.Masked())
	old := f.at(k)
	i := find(old, r)
	if i < 0 {
		return f
	}
	if rest := remaining(old[i], r); len(rest) > 0 {
		next := slices.Clone(old)
		next[i].Hops = rest
		return &ForeignTable{f.tree.with(k, next), f.routes}
	}
	n := f.routes
	n[FamilyOf(r.Prefix)]--
	if len(old) == 1 {
		return &ForeignTable{f.tree.without(k), n}
	}
	return &ForeignTable{f.tree.with(k, removed(old, i)), n}
}

// Get returns the routes of exactly this prefix, lowest metric first, and in
// the kernel's order where metrics are equal. The slice is immutable.
func (f *ForeignTable) Get(prefix netip.Prefix) []Route {
	if f == nil || !prefix.IsValid() {
		return nil
	}
	return f.at(pack(prefix.Masked()))
}

func (f *ForeignTable) at(k packed) []Route { return f.root().get(k) }

func (f *ForeignTable) root() *foreignTree {
	if f == nil {
		return nil
	}
	return f.tree
}

// Before returns the route of a prefix by which the kernel forwards, and not by one of this
// metric: of those with lower ones the first that is in use. One whose nexthops are all dead is
// passed over (fib_table_lookup in net/ipv4/fib_trie.c, find_rr_leaf in net/ipv6/route.c).
func (f *ForeignTable) Before(prefix netip.Prefix, metric uint32) (Route, bool) {
	alive := func(h Hop) bool { return !h.Dead }
	for _, r := range f.Get(prefix) {
		if r.Metric < metric && !r.Expired && (len(r.Hops) == 0 || slices.ContainsFunc(r.Hops, alive)) {
			return r, true
		}
	}
	return Route{}, false
}

// All yields each prefix with its routes as Get returns them, IPv4 first,
// ordered by prefix.
func (f *ForeignTable) All() iter.Seq2[netip.Prefix, []Route] {
	return func(yield func(netip.Prefix, []Route) bool) {
		f.root().all(func(k packed, routes []Route) bool { return yield(k.prefix(), routes) })
	}
}

// Len is the number of routes.
func (f *ForeignTable) Len() int {
	n := f.count()
	return n[IPv4] + n[IPv6]
}

// Count is the number of routes of one family.
func (f *ForeignTable) Count(of Family) int {
	n := f.count()
	return n[of]
}

func (f *ForeignTable) count() (n [Families]int) {
	if f != nil {
		n = f.routes
	}
	return n
}

// Covering yields the prefixes that hold addr and their routes, longest first.
func (f *ForeignTable) Covering(addr netip.Addr) iter.Seq2[netip.Prefix, []Route] {
	return func(yield func(netip.Prefix, []Route) bool) {
		if !addr.IsValid() {
			return
		}
		all := pack(netip.PrefixFrom(addr, addr.BitLen()))
		for k := all; ; {
			found, routes, is := f.root().floor(k)
			if !is || found.v4 != all.v4 {
				return
			}
			// A longer one than both have in common would be behind what was found.
			bits := found.common(all)
			if bits >= found.bits {
				if !yield(found.prefix(), routes) || found.bits == 0 {
					return
				}
				bits = found.bits - 1
			}
			k = all.masked(bits)
		}
	}
}

// after is where a route of this metric goes: behind all that are not above.
func after(routes []Route, metric uint32) int {
	i := 0
	for i < len(routes) && routes[i].Metric <= metric {
		i++
	}
	return i
}

// find returns the index of the route that an event about r means, or -1: of several
// with the same identity the one that forwards as r does, else the first, which is what
// the kernel replaces (NLM_F_REPLACE).
func find(routes []Route, r Route) int {
	first := -1
	for i, o := range routes {
		if !sameIdentity(o, r) {
			continue
		}
		if SameForwarding(o, r) {
			return i
		}
		if first < 0 {
			first = i
		}
	}
	return first
}

func sameIdentity(a, b Route) bool {
	if a.Metric != b.Metric || a.Protocol != b.Protocol {
		return false
	}
	if !byDevice(a) {
		return true
	}
	if len(a.Hops) == 0 || len(b.Hops) == 0 {
		return true // an event without hops means the route, whichever hops that has
	}
	return a.Hops[0].SameWay(b.Hops[0])
}

// byDevice tells whether the kernel keeps routes like r side by side under one key.
func byDevice(r Route) bool {
	return r.Prefix.Addr().Is6() && (r.Protocol == ProtoKernel || r.Protocol == ProtoRA)
}

// remaining returns the hops of old that gone does not name, none where gone
// means the whole route.
func remaining(old, gone Route) []Hop {
	// A route by a nexthop object always goes whole, and its hops may have
	// changed with the object, unannounced.
	if old.Prefix.Addr().Is4() || gone.NexthopID != 0 || len(gone.Hops) == 0 || len(gone.Hops) >= len(old.Hops) {
		return nil
	}
	named := func(h Hop) bool {
		return slices.ContainsFunc(gone.Hops, h.SameWay)
	}
	rest := slices.DeleteFunc(slices.Clone(old.Hops), named)
	if len(old.Hops)-len(rest) != len(gone.Hops) {
		return nil
	}
	return rest
}
