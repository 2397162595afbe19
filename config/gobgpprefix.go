package config

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
)

// prefixMembers are the entries of one prefix-set for the prefixes of when that are not of
// unless. For a prefix GoBGP looks at the entries of the longest of the set's prefixes that
// it lies in, and at no others, so each has all lengths that are meant within it; where
// nothing is, one that nothing has. some tells whether there is anything in it.
func prefixMembers(f rib.Family, when, unless []policy.Prefix) (members []any, some bool) {
	if len(when) == 0 {
		all := netip.MustParsePrefix(map[rib.Family]string{rib.IPv4: "0.0.0.0/0", rib.IPv6: "::/0"}[f])
		when = []policy.Prefix{{Prefix: all, Ge: 0, Le: all.Addr().BitLen()}}
	}
	var nodes []netip.Prefix
	for _, p := range slices.Concat(when, unless) {
		if rib.FamilyOf(p.Prefix) == f {
			nodes = append(nodes, p.Prefix)
		}
	}
	slices.SortFunc(nodes, netip.Prefix.Compare)
	for _, at := range slices.Compact(nodes) {
		meant := func(list []policy.Prefix, length int) bool {
			return slices.ContainsFunc(list, func(p policy.Prefix) bool {
				return p.Prefix.Bits() <= at.Bits() && p.Prefix.Contains(at.Addr()) && p.Ge <= length && length <= p.Le
			})
		}
		add := func(least, most int) {
			members = append(members, section{"ip-prefix": at.String(), "masklength-range": fmt.Sprintf("%d..%d", least, most)})
		}
		before, least := len(members), -1
		for length := at.Bits(); length <= at.Addr().BitLen()+1; length++ {
			is := length <= at.Addr().BitLen() && meant(when, length) && !meant(unless, length)
			switch {
			case is && least < 0:
				least = length
			case !is && least >= 0:
				add(least, length-1)
				some, least = true, -1
			}
		}
		if len(members) == before && at.Bits() > 0 {
			add(0, 0) // no prefix within it is so short
		}
	}
	return members, some
}
