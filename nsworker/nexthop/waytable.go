package nexthop

import (
	"hash/maphash"

	"github.com/vrfredist/vrfredist/rib"
)

// wayTable finds ways by their nexthops. It has them by a hash of those: a VRF with many other PEs has
// as many ways, and a map of nexthops would have each a second time.
type wayTable struct {
	hash func(wayKey) uint64
	by   map[uint64]*Way // the first with each hash; the others follow by Way.next
	n    int
}

func newWayTable() wayTable {
	seed := maphash.MakeSeed()
	return wayTable{hash: func(k wayKey) uint64 { return maphash.Comparable(seed, k) }, by: make(map[uint64]*Way)}
}

// find returns the way of a nexthop for routes of a family; nil: there is none.
func (t *wayTable) find(m Member, f rib.Family) *Way {
	for way := t.by[t.hash(wayKey{m, f})]; way != nil; way = way.next {
		if way.Member == m && way.ipv6 == (f == rib.IPv6) {
			return way
		}
	}
	return nil
}

// add takes in a way that is not there.
func (t *wayTable) add(way *Way) {
	h := t.hash(way.key())
	way.next, t.by[h] = t.by[h], way
	t.n++
}

// keep forgets the ways for which kept is false.
func (t *wayTable) keep(kept func(*Way) bool) {
	for h, first := range t.by {
		var left *Way
		for way := first; way != nil; {
			next := way.next
			way.next = nil
			if kept(way) {
				way.next, left = left, way
			} else {
				t.n--
			}
			way = next
		}
		if left == nil {
			delete(t.by, h)
		} else if left != first {
			t.by[h] = left
		}
	}
}

// all yields every way.
func (t *wayTable) all(yield func(*Way) bool) {
	for _, way := range t.by {
		for ; way != nil; way = way.next {
			if !yield(way) {
				return
			}
		}
	}
}
