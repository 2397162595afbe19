package rib

import (
	"cmp"
	"iter"
	"net/netip"
	"slices"
)

// RouteList is a list of routes in 12 bytes each, 24 of IPv6: what a route is beside its prefix is
// there once for all that have it. A full table read as Route values would be a hundred. What it
// gives out says the same as what was added. It has one user at a time; the zero value is empty.
type RouteList struct {
	low    Slots[listedRoute]
	high   Slots[[3]uint32] // the first 12 bytes of IPv6 prefixes
	n      int
	shapes []Route // without a prefix
	known  map[routeShape]uint32
}

// listedRoute is a route of a list.
type listedRoute struct {
	addr  uint32 // the last 4 bytes of the address
	shape uint32 // its index among the shapes
	bits  uint8
	v4    bool
}

// routeShape is what routes have in common, to be found by. Hops are told apart by where they are:
// who reads a table has equal ones share a slice.
type routeShape struct {
	metric, nexthop, expires uint32
	protocol, scope          uint8
	kind                     Kind
	expired                  bool
	prefSrc                  netip.Addr
	hops                     *Hop
	count                    int
}

func shapeOf(r *Route) routeShape {
	s := routeShape{r.Metric, r.NexthopID, r.Expires, r.Protocol, r.Scope, r.Kind, r.Expired, r.PrefSrc, nil, len(r.Hops)}
	if len(r.Hops) > 0 {
		s.hops = &r.Hops[0]
	}
	return s
}

// mostShapes bounds how many shapes are looked for among the known ones.
const mostShapes = 1 << 14

// RouteListOf is a list of some routes.
func RouteListOf(routes ...Route) (l RouteList) {
	for i := range routes {
		l.Add(routes[i])
	}
	return l
}

// Len is how many routes there are.
func (l *RouteList) Len() int { return l.n }

// Add appends a route.
func (l *RouteList) Add(r Route) {
	at, k := Slot(l.n), pack(r.Prefix)
	r.Prefix = netip.Prefix{}
	*l.low.At(at) = listedRoute{uint32(k.lo), l.shape(&r), k.bits, k.v4}
	if !k.v4 {
		*l.high.At(at) = [3]uint32{uint32(k.hi >> 32), uint32(k.hi), uint32(k.lo >> 32)}
	}
	l.n++
}

// noBits is the length of a prefix that is none, packed.
const noBits = 0xff

// shape is the index of what a route has beside its prefix.
func (l *RouteList) shape(r *Route) uint32 {
	s := shapeOf(r)
	if l.n > 0 { // mostly that of the one before
		if last := l.low.At(Slot(l.n - 1)).shape; shapeOf(&l.shapes[last]) == s {
			return last
		}
	}
	i, is := l.known[s]
	if !is {
		i = uint32(len(l.shapes))
		l.shapes = append(l.shapes, *r)
		if l.known == nil {
			l.known = make(map[routeShape]uint32)
		}
		if len(l.known) < mostShapes {
			l.known[s] = i
		}
	}
	return i
}

// At returns a route by its place.
func (l *RouteList) At(i int) Route {
	r := l.shapes[l.low.At(Slot(i)).shape]
	r.Prefix = l.Prefix(i)
	return r
}

// Prefix returns the prefix of a route by its place.
func (l *RouteList) Prefix(i int) netip.Prefix {
	k := l.key(i)
	if k.bits == noBits {
		return netip.Prefix{}
	}
	return k.prefix()
}

func (l *RouteList) key(i int) packed {
	low := l.low.At(Slot(i))
	if low.v4 {
		return packed{0, mapped | uint64(low.addr), low.bits, true}
	}
	h := l.high.At(Slot(i))
	return packed{uint64(h[0])<<32 | uint64(h[1]), uint64(h[2])<<32 | uint64(low.addr), low.bits, false}
}

// Shape returns what a route has in common with others, by its place: a number from 0, and all of
// it but the prefix.
func (l *RouteList) Shape(i int) (number int, common *Route) {
	n := l.low.At(Slot(i)).shape
	return int(n), &l.shapes[n]
}

// Shapes are what routes have in common, without prefixes. Who changes one changes all routes that
// have it, and does so before another is added.
func (l *RouteList) Shapes() []Route { return l.shapes }

// All yields each route with its place.
func (l *RouteList) All(yield func(int, Route) bool) {
	for i := range l.n {
		if !yield(i, l.At(i)) {
			return
		}
	}
}

// Values yields each route.
func (l *RouteList) Values() iter.Seq[Route] {
	return func(yield func(Route) bool) {
		for _, r := range l.All {
			if !yield(r) {
				return
			}
		}
	}
}

// ByPrefix returns the places of the routes for which is, asked of what they have beside their
// prefix, is true: IPv4 before IPv6, then by address, then short to long, and those of one prefix as
// they came.
func (l *RouteList) ByPrefix(is func(common *Route) bool) []int32 {
	places := make([]int32, 0, l.n)
	for i := range l.n {
		if _, common := l.Shape(i); is(common) {
			places = append(places, int32(i))
		}
	}
	slices.SortFunc(places, func(a, b int32) int { // what is read is nearly in this order
		return cmp.Or(l.key(int(a)).compare(l.key(int(b))), cmp.Compare(a, b))
	})
	return places
}

// Cut leaves the first n routes.
func (l *RouteList) Cut(n int) {
	if l.n = n; n == 0 { // a table that was there once leaves nothing
		*l = RouteList{}
	}
}
