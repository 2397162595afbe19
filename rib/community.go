package rib

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Well-known communities of the IANA registry, as far as this package gives
// them a meaning.
const (
	CommunityGracefulShutdown Community = 0xffff0000 // RFC 8326
	CommunityLLGRStale        Community = 0xffff0006 // RFC 9494
	CommunityBlackhole        Community = 0xffff029a // RFC 7999
	CommunityNoExport         Community = 0xffffff01 // RFC 1997
)

type communityName struct {
	name  string
	value Community
}

// communityNames returns the names that ParseCommunity knows. Of two for one
// value the first is the one that String prints; the others are what GoBGP or
// other routers call it.
func communityNames() []communityName {
	return []communityName{
		{"no-export", CommunityNoExport},
		{"no-advertise", 0xffffff02},
		{"no-export-subconfed", 0xffffff03},
		{"local-as", 0xffffff03},
		{"no-peer", 0xffffff04},
		{"blackhole", CommunityBlackhole},
		{"graceful-shutdown", CommunityGracefulShutdown},
		{"planned-shut", CommunityGracefulShutdown},
		{"accept-own", 0xffff0001},
		{"route-filter-translated-v4", 0xffff0002},
		{"route-filter-v4", 0xffff0003},
		{"route-filter-translated-v6", 0xffff0004},
		{"route-filter-v6", 0xffff0005},
		{"llgr-stale", CommunityLLGRStale},
		{"no-llgr", 0xffff0007},
		{"accept-own-nexthop", 0xffff0008},
		{"internet", 0},
	}
}

// ParseCommunity reads a community: "65001:100", a plain number from 0 to
// 4294967295, or the name of a well-known one ("no-export", "blackhole").
// Letters may be of either case, and underscores stand for hyphens.
func ParseCommunity(s string) (Community, error) {
	head, tail, pair := strings.Cut(s, ":")
	if pair {
		return parsePair(s, head, tail)
	}
	if n, ok := decimal(s, math.MaxUint32); ok {
		return Community(n), nil
	}
	name := strings.ReplaceAll(strings.ToLower(s), "_", "-")
	for _, c := range communityNames() {
		if c.name == name {
			return c.value, nil
		}
	}
	if s != "" && strings.Trim(s, "0123456789") == "" {
		return 0, fmt.Errorf("community %q: a plain number is at most 4294967295; write AS:NUMBER, as in 65001:100", s)
	}
	return 0, fmt.Errorf("community %q: neither AS:NUMBER, nor a number, nor a name; write for example 65001:100, or one of %s", s, nameList())
}

func parsePair(s, head, tail string) (Community, error) {
	fail := func(why string) (Community, error) {
		return 0, fmt.Errorf("community %q: %s", s, why)
	}
	if strings.Contains(tail, ":") {
		if _, err := ParseLargeCommunity(s); err == nil {
			return fail("it has three parts, which makes it a large community; write it in large_community_list")
		}
		return fail("it has more than two parts; write AS:NUMBER, as in 65001:100")
	}
	var part [2]uint64
	for i, t := range [2]string{head, tail} {
		side := [2]string{"before", "after"}[i]
		if t == "" {
			return fail("there is no number " + side + " the colon; write AS:NUMBER, as in 65001:100")
		}
		n, ok := decimal(t, math.MaxUint32)
		if !ok {
			return fail(fmt.Sprintf("%q is not a number; write AS:NUMBER, as in 65001:100", t))
		}
		if n > math.MaxUint16 {
			return fail(fmt.Sprintf("%d is over 65535, the most that either part can hold; a 4-byte AS needs a large community, as in %s:0:%s", n, head, tail))
		}
		part[i] = n
	}
	return Community(part[0]<<16 | part[1]), nil
}

func nameList() string {
	var names []string
	for _, c := range communityNames() {
		names = append(names, c.name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// String renders c by its name where it is well known, and else as "65001:100".
func (c Community) String() string {
	for _, k := range communityNames() {
		if k.value == c {
			return k.name
		}
	}
	return utoa(uint32(c>>16)) + ":" + utoa(uint32(c&math.MaxUint16))
}

// ParseLargeCommunity reads a large community: "65001:1:100", three numbers
// from 0 to 4294967295 (RFC 8092 section 5).
func ParseLargeCommunity(s string) (LargeCommunity, error) {
	parts := strings.Split(s, ":")
	switch {
	case len(parts) == 2:
		return LargeCommunity{}, fmt.Errorf("large community %q: it has two parts and needs three; write AS:NUMBER:NUMBER, as in 65001:1:100, or write it in community_list if it is a standard community", s)
	case len(parts) != 3:
		return LargeCommunity{}, fmt.Errorf("large community %q: it needs three parts; write AS:NUMBER:NUMBER, as in 65001:1:100", s)
	}
	var n [3]uint32
	for i, part := range parts {
		v, ok := decimal(part, math.MaxUint32)
		if !ok {
			return LargeCommunity{}, fmt.Errorf("large community %q: %q is not a number from 0 to 4294967295; write AS:NUMBER:NUMBER, as in 65001:1:100", s, part)
		}
		n[i] = uint32(v)
	}
	return LargeCommunity{n[0], n[1], n[2]}, nil
}

// String renders c as "65001:1:100".
func (c LargeCommunity) String() string {
	return utoa(c.Global) + ":" + utoa(c.Local1) + ":" + utoa(c.Local2)
}
