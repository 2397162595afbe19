package rib

import (
	"iter"
	"net/netip"
	"slices"
)

// found is something of the kernel's that may be announced: a route of the VRF's own table, or
// of another one that is imported beside it, or an address of an interface, of which the table
// `local` may have the only route.
type found struct {
	route   *Route
	table   uint32 // 0: the VRF's own, or it is an address
	address bool
	unfit   bool // an address that is tentative or deprecated
}

// find appends all that may be announced for a prefix, in the order in which it is taken: by
// metric, then the VRF's own table before the others in the order of the policy.
func (x *Importing) find(all []found, v View, prefix netip.Prefix) []found {
	if x.policy.Addresses {
		all = x.findAddresses(all, v, prefix)
	}
	more := func(routes []Route, table uint32) {
		for i := range routes {
			all = append(all, found{route: &routes[i], table: table})
		}
	}
	more(v.Foreign.Get(prefix), 0)
	for _, table := range x.policy.Tables {
		if table != v.Where.Table { // that of a VRF device may be anything
			more(v.Beside[table].Get(prefix), table)
		}
	}
	if len(all) > 1 {
		slices.SortStableFunc(all, func(a, b found) int { return int(int64(a.route.Metric) - int64(b.route.Metric)) })
	}
	return all
}

// findAddresses appends the addresses that a prefix stands for: the same one may be on several
// interfaces, and is taken from the first that the policy takes.
func (x *Importing) findAddresses(all []found, v View, prefix netip.Prefix) []found {
	if !prefix.IsSingleIP() {
		return all
	}
	for i, link := range v.Links {
		if !v.Member(link) {
			continue
		}
		is := func(a netip.Prefix) bool { return a.Addr() == prefix.Addr() }
		if !slices.ContainsFunc(link.Addrs, is) {
			continue
		}
		r := addressOn(prefix, i)
		all = append(all, found{route: &r, address: true, unfit: slices.ContainsFunc(link.Tentative, is) || slices.ContainsFunc(link.Deprecated, is)})
	}
	slices.SortFunc(all, func(a, b found) int { return a.route.Hops[0].Ifindex - b.route.Hops[0].Ifindex })
	return all
}

// judgeAddress is judge for an address. It is asked for by its interface, whatever protocols
// and kinds of routes are.
func (x *Importing) judgeAddress(f found, v View) judgement {
	if !x.policy.Enabled {
		return judgement{cause: ImportOff}
	}
	if within := special(nil, f.route.Prefix); within != "" {
		return judgement{SpecialPrefix, within}
	}
	j := x.judgeHop(f.route.Hops[0], v)
	if j.cause == Accepted && f.unfit {
		j.cause = UnfitAddress
	}
	return j
}

// Prefixes yields each prefix of which something may be announced, once.
func (x *Importing) Prefixes(v View) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for prefix := range v.Foreign.All() {
			if !yield(prefix) {
				return
			}
		}
		before := []*ForeignTable{v.Foreign}
		seen := func(p netip.Prefix) bool {
			return slices.ContainsFunc(before, func(t *ForeignTable) bool { return len(t.Get(p)) > 0 })
		}
		for _, table := range x.policy.Tables {
			for prefix := range v.Beside[table].All() {
				if !seen(prefix) && !yield(prefix) {
					return
				}
			}
			before = append(before, v.Beside[table])
		}
		x.yieldAddresses(v, seen, yield)
	}
}

// yieldAddresses yields the addresses of the VRF's interfaces that seen has not.
func (x *Importing) yieldAddresses(v View, seen, yield func(netip.Prefix) bool) {
	if !x.policy.Addresses {
		return
	}
	told := make(map[netip.Prefix]struct{})
	for _, link := range v.Links {
		if !v.Member(link) {
			continue
		}
		for _, a := range link.Addrs {
			p := netip.PrefixFrom(a.Addr(), a.Addr().BitLen())
			if _, twice := told[p]; twice || seen(p) {
				continue
			}
			told[p] = struct{}{}
			if !yield(p) {
				return
			}
		}
	}
}

// Has tells whether there is anything of a prefix that may be announced.
func (x *Importing) Has(v View, prefix netip.Prefix) bool { return len(x.find(nil, v, prefix)) > 0 }
