package rib

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/gaissmai/bart"
)

// NexthopIndex finds, by a prefix whose routes changed, the users of the nexthops inside
// it. The zero value is empty and ready to use. It has one owner.
type NexthopIndex[T comparable] struct {
	users bart.Table[[]T]
}

// Add notes that user uses nh. The same may be added several times.
func (x *NexthopIndex[T]) Add(nh netip.Addr, user T) {
	p := hostPrefix(nh)
	users, _ := x.users.Get(p)
	x.users.Insert(p, append(users, user))
}

// Remove takes back one Add.
func (x *NexthopIndex[T]) Remove(nh netip.Addr, user T) {
	p := hostPrefix(nh)
	users, _ := x.users.Get(p)
	i := slices.Index(users, user)
	switch {
	case i < 0:
	case len(users) == 1:
		x.users.Delete(p)
	default:
		x.users.Insert(p, slices.Delete(users, i, i+1))
	}
}

// Under yields the users of nexthops inside prefix, one as often as it was added.
func (x *NexthopIndex[T]) Under(prefix netip.Prefix) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, users := range x.users.Subnets(prefix) {
			for _, u := range users {
				if !yield(u) {
					return
				}
			}
		}
	}
}

// Of yields the users of one nexthop.
func (x *NexthopIndex[T]) Of(nh netip.Addr) iter.Seq[T] { return x.Under(hostPrefix(nh)) }

func hostPrefix(nh netip.Addr) netip.Prefix {
	nh = nh.WithZone("")
	return netip.PrefixFrom(nh, nh.BitLen())
}

// ChangedLinks returns the indexes of the interfaces that are not the same in a
// and b.
func ChangedLinks(a, b Links) []int {
	var changed []int
	for i, l := range a {
		if o, ok := b[i]; !ok || !sameLink(l, o) {
			changed = append(changed, i)
		}
	}
	for i := range b {
		if _, ok := a[i]; !ok {
			changed = append(changed, i)
		}
	}
	return changed
}

func sameLink(a, b Link) bool {
	return a.Name == b.Name && a.Master == b.Master && a.Peer == b.Peer && a.VRFTable == b.VRFTable &&
		a.Up == b.Up && a.Admin == b.Admin && a.VXLAN == b.VXLAN && slices.Equal(a.Addrs, b.Addrs) &&
		slices.Equal(a.Tentative, b.Tentative) && slices.Equal(a.Deprecated, b.Deprecated)
}
