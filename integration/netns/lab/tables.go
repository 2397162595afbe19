package lab

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// Tables are the routing tables and nexthop objects of a namespace, as `ip` prints them.
type Tables struct{ ns *Namespace }

// Routes reads all tables of both families. Routes that the kernel makes for
// its own addresses (local, broadcast, multicast) are left out.
func (b Tables) Routes() []Route {
	b.ns.lab.T.Helper()
	var all []Route
	for _, family := range []string{"-4", "-6"} {
		for _, r := range b.dump(family) {
			if _, wanted := typeNames[r.Type]; wanted && r.Table != "255" {
				all = append(all, r)
			}
		}
	}
	b.fillHops(all)
	return all
}

// fillHops writes the nexthops into routes that the kernel shows by their object
// alone, as it does with net.ipv4.nexthop_compat_mode=0.
func (b Tables) fillHops(routes []Route) {
	b.ns.lab.T.Helper()
	var byID map[int]object
	for i := range routes {
		r := &routes[i]
		if r.NHID == 0 || r.Dev != "" || len(r.NextHops) > 0 {
			continue
		}
		if byID == nil {
			byID = b.objects()
		}
		for _, m := range byID[r.NHID].members() {
			leg := byID[m.ID]
			r.NextHops = append(r.NextHops, hop{Gateway: leg.Gateway, Via: leg.Via, Dev: leg.Dev, Weight: m.Weight})
		}
	}
}

func (b Tables) objects() map[int]object {
	b.ns.lab.T.Helper()
	var list []object
	if out := b.ns.IP("-json", "-N", "nexthop"); strings.TrimSpace(out) != "" {
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			b.ns.lab.T.Fatalf("read the nexthop objects of %s: %v", b.ns.Role, err)
		}
	}
	byID := make(map[int]object, len(list))
	for _, o := range list {
		byID[o.ID] = o
	}
	return byID
}

// dump reads the routes of one family. With -details iproute2 asks the kernel for
// each route's nexthop object by itself, and where that went meanwhile it puts an
// error message into the JSON: then the dump is repeated, a few times.
func (b Tables) dump(family string) (routes []Route) {
	b.ns.lab.T.Helper()
	const tries = 20
	var err error
	for range tries {
		out := b.ns.IP(family, "-json", "-details", "-N", "route", "show", "table", "all")
		if strings.TrimSpace(out) == "" {
			return nil
		}
		routes = nil
		if err = json.Unmarshal([]byte(out), &routes); err == nil {
			return routes
		}
	}
	b.ns.lab.T.Fatalf("read the routes of %s, %d times: %v", b.ns.Role, tries, err)
	return nil
}

// Main is the number of the main table.
const Main = 254

// Own returns the daemon's routes of one table, a line each, sorted.
func (b Tables) Own(table int) []string {
	b.ns.lab.T.Helper()
	return b.pick(func(r Route) bool { return b.ours(r) && r.Table == fmt.Sprint(table) }, Route.String)
}

// OwnEverywhere returns the daemon's routes of all tables, a line each with the
// table's number in front, sorted: what proves that nothing is where it must
// not be.
func (b Tables) OwnEverywhere() []string {
	b.ns.lab.T.Helper()
	return b.pick(b.ours, func(r Route) string { return "table " + r.Table + ": " + r.String() })
}

// Foreign returns all routes that are not the daemon's, as the kernel prints
// them with every detail.
func (b Tables) Foreign() []string {
	b.ns.lab.T.Helper()
	return b.pick(func(r Route) bool { return !b.ours(r) }, func(r Route) string {
		return fmt.Sprintf("table %s proto %s src %q: %v", r.Table, r.Protocol, r.Prefsrc, r)
	})
}

func (b Tables) ours(r Route) bool { return r.Protocol == fmt.Sprint(b.ns.lab.Run.Protocol) }

func (b Tables) pick(want func(Route) bool, show func(Route) string) []string {
	b.ns.lab.T.Helper()
	lines := []string{}
	for _, r := range b.Routes() {
		if want(r) {
			lines = append(lines, show(r))
		}
	}
	sort.Strings(lines)
	return lines
}

// WaitOwn waits until the daemon's routes of table are exactly want.
func (b Tables) WaitOwn(table int, want ...string) {
	b.ns.lab.T.Helper()
	sorted := append([]string{}, want...)
	sort.Strings(sorted)
	WaitEqual(b.ns.lab.T, fmt.Sprintf("routes of the daemon in %s, table %d", b.ns.Role, table), sorted,
		func() []string { return b.Own(table) })
}
