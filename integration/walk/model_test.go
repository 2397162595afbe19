package walk_test

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/integration/faults/oracle"
)

// model is what a VRF's table should have of the daemon: by what the peers said, and
// by the foreign routes of the twin. It shares no code with the daemon.
type model struct {
	lines     []string
	conflicts int
	// What may have a nexthop object: distinct sets of nexthops, and distinct legs.
	groups, singles map[string]bool
	// open are the prefixes whose gateway is not on its link any more. The kernel
	// refuses such a gateway when it is written, and keeps one that it took before:
	// both are right.
	open []netip.Prefix
}

// eitherWay is the kind of forwarding of model.open.
const eitherWay = "either way"

const blackholeCommunity = 65535<<16 | 666

func (s *state) model(at *site, v vrfOf, foreign []oracle.Entry) model {
	s, v = s.as(v)
	m := model{lines: []string{}, groups: map[string]bool{}, singles: map[string]bool{}}
	if !s.exports(v) {
		return m
	}
	if v.table == ownTable {
		s.intruded(&m)
		return m
	}
	taken := map[string]bool{}
	for _, e := range foreign {
		taken[fmt.Sprint(e.Prefix, e.Metric)] = true
	}
	for _, prefix := range s.prefixes(v) {
		kind, nexthops, legs := s.forwarding(at, v, prefix, foreign)
		if kind == eitherWay {
			m.open = append(m.open, prefix)
			m.groups[nexthops] = true
		}
		if kind == eitherWay || kind == "" && len(legs) == 0 {
			continue
		}
		if kind == "" {
			m.groups[nexthops+s.apart(at, v, prefix, foreign)] = true
		}
		for _, l := range legs {
			m.singles[l] = true
		}
		if taken[fmt.Sprint(prefix, s.policy.metric)] {
			m.conflicts++
			continue
		}
		m.lines = append(m.lines, fmt.Sprintf("%s%s%s metric %d", kind, prefix, strings.Join(legs, " +"), s.policy.metric))
	}
	s.leaked(&m, at, v)
	sort.Strings(m.lines)
	return m
}

// prefixes are those that any peer sends to a VRF.
func (s *state) prefixes(v vrfOf) (list []netip.Prefix) {
	for _, p := range s.peers {
		for id := range p.rib {
			if id.vpn == (v.target != 0) && !slices.Contains(list, id.prefix) {
				list = append(list, id.prefix)
			}
		}
	}
	return list
}

// forwarding is what a prefix comes down to in a VRF: "blackhole ", or the legs by
// which these nexthops are reached.
func (s *state) forwarding(at *site, v vrfOf, prefix netip.Prefix, foreign []oracle.Entry) (kind, nexthops string, legs []string) {
	paths := s.best(at, v, prefix, foreign)
	if len(paths) == 0 || !s.passes(paths[0]) {
		return "", "", nil
	}
	if s.policy.blackhole && slices.Contains(paths[0].Communities, blackholeCommunity) {
		return "blackhole ", "", nil
	}
	for _, p := range paths {
		if !s.passes(p) {
			continue
		}
		nexthops += " " + p.Nexthop.String()
		for _, w := range carrying(at, ways(at, p.Nexthop, foreign)) {
			if !onLink(w, foreign) && !onLink(w, s.main) {
				return eitherWay, p.Nexthop.String(), nil
			}
			if leg := fmt.Sprintf(" via %s dev %s", w.Gateway, w.Dev); !slices.Contains(legs, leg) {
				legs = append(legs, leg)
			}
		}
	}
	sort.Strings(legs)
	return "", nexthops, legs
}

// apart is what else than its nexthops tells the sets of two prefixes apart, which may have a
// nexthop object each: the peers that sent which nexthop, as far as it is reached.
func (s *state) apart(at *site, v vrfOf, prefix netip.Prefix, foreign []oracle.Entry) (key string) {
	for i, p := range s.peers {
		r, there := p.rib[routeID{v.target != 0, prefix}]
		if there && p.up && (v.target == 0 || slices.Contains(r.Targets, v.target)) {
			key += fmt.Sprintf(" %d: %s %d %v", i, r.Nexthop, s.reach(at, r, foreign), s.passes(r))
		}
	}
	return key
}

// How a path's nexthop is reached, the best first.
const (
	reached = iota
	withoutCarrier
	unreached
)

// reach is how a path's nexthop is reached. A blackhole needs none.
func (s *state) reach(at *site, r peer.Route, foreign []oracle.Entry) int {
	if s.policy.blackhole && slices.Contains(r.Communities, blackholeCommunity) {
		return reached
	}
	switch legs := ways(at, r.Nexthop, foreign); {
	case len(legs) == 0:
		return unreached
	case slices.ContainsFunc(legs, func(w oracle.Way) bool { return at.link(w.Dev).carrier }):
		return reached
	}
	return withoutCarrier
}

// carrying are the legs over links with carrier, or all where there is none.
func carrying(at *site, legs []oracle.Way) []oracle.Way {
	with := slices.DeleteFunc(slices.Clone(legs), func(w oracle.Way) bool { return !at.link(w.Dev).carrier })
	if len(with) == 0 {
		return legs
	}
	return with
}

// best are the equally good paths to a prefix (RFC 4271, 9.1.2, as far as what these
// peers send can differ: they are internal, and their AS paths are empty) of those that are
// reached best. What the VRF imports itself has a local preference of 100, and wins over
// others that have the same; where its metric is above that of our routes, it takes no part.
func (s *state) best(at *site, v vrfOf, prefix netip.Prefix, foreign []oracle.Entry) (paths []peer.Route) {
	own, local := imported(at, v, foreign)[prefix]
	local = local && int(own.Metric) <= s.policy.metric
	least := unreached
	for _, p := range s.peers { // in the order of their router IDs
		r, there := p.rib[routeID{v.target != 0, prefix}]
		if local && r.LocalPref <= 100 {
			continue
		}
		if !there || !p.up || v.target != 0 && !slices.Contains(r.Targets, v.target) {
			continue
		}
		level := s.reach(at, r, foreign)
		if level < least {
			least, paths = level, nil
		}
		if level == least {
			paths = append(paths, r)
		}
	}
	if len(paths) < 2 {
		return paths
	}
	a, b := paths[0], paths[1]
	switch {
	case a.LocalPref > b.LocalPref, a.LocalPref == b.LocalPref && a.MED < b.MED:
		return paths[:1]
	case a.LocalPref < b.LocalPref, a.MED > b.MED:
		return paths[1:]
	case s.policy.maxPaths < 2, a.Nexthop == b.Nexthop:
		return paths[:1]
	}
	return paths
}

// passes tells whether a path carries what the export asks for.
func (s *state) passes(r peer.Route) bool {
	if len(s.policy.communities) == 0 {
		return true
	}
	for _, text := range s.policy.communities {
		high, low, _ := strings.Cut(text, ":")
		h, _ := strconv.Atoi(high)
		l, _ := strconv.Atoi(low)
		if slices.Contains(r.Communities, uint32(h<<16|l)) {
			return true
		}
	}
	return false
}

// ways are the legs by which a nexthop is reached: the longest foreign prefix that
// covers it, then the lowest metric; what has no usable link is passed over; a route
// that discards ends it, and the default route is not asked.
func ways(at *site, nexthop netip.Addr, foreign []oracle.Entry) (legs []oracle.Way) {
	if at.own(nexthop) {
		return nil
	}
	cover := slices.DeleteFunc(slices.Clone(foreign), func(e oracle.Entry) bool {
		return e.Prefix.Bits() == 0 || !e.Prefix.Contains(nexthop)
	})
	sort.SliceStable(cover, func(i, j int) bool {
		a, b := cover[i], cover[j]
		if a.Prefix.Bits() != b.Prefix.Bits() {
			return a.Prefix.Bits() > b.Prefix.Bits()
		}
		return a.Metric < b.Metric
	})
	for _, e := range cover {
		if e.Discards {
			return nil
		}
		for _, w := range e.Ways {
			l := at.link(w.Dev)
			if l == nil || !l.usable() {
				continue
			}
			if !w.Gateway.IsValid() {
				w.Gateway = nexthop
			}
			legs = append(legs, w)
		}
		if len(legs) > 0 {
			return legs
		}
	}
	return nil
}

// onLink tells whether the kernel takes a gateway: some route of its link covers it.
// Another program's route may point to one that was on the link when it came.
func onLink(w oracle.Way, foreign []oracle.Entry) bool {
	return slices.ContainsFunc(foreign, func(e oracle.Entry) bool {
		return e.Prefix.Contains(w.Gateway) && slices.Contains(e.Ways, oracle.Way{Dev: w.Dev})
	})
}

// settled returns the lines of a table without those of the prefixes that are open.
func (m model) settled(lines []string) []string {
	return slices.DeleteFunc(lines, func(line string) bool {
		return slices.ContainsFunc(m.open, func(p netip.Prefix) bool { return strings.HasPrefix(line, p.String()+" ") })
	})
}
