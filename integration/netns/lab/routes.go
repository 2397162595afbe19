package lab

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"
)

// Route is a route as `ip -json -details -N` prints it.
type Route struct {
	Type     string `json:"type"`
	Dst      string `json:"dst"`
	Gateway  string `json:"gateway"`
	Via      *via   `json:"via"`
	Dev      string `json:"dev"`
	Table    string `json:"table"`
	Protocol string `json:"protocol"`
	Metric   int64  `json:"metric"`
	NextHops []hop  `json:"nexthops"`
	// NHID is the nexthop object that the route hangs on.
	NHID int `json:"nhid"`
	// Prefsrc is the source address that the route prefers.
	Prefsrc string `json:"prefsrc"`
}

type via struct {
	Family string `json:"family"`
	Host   string `json:"host"`
}

type hop struct {
	Gateway string `json:"gateway"`
	Via     *via   `json:"via"`
	Dev     string `json:"dev"`
	Weight  int    `json:"weight"`
}

// unicast and the other route types by number, as `ip -N` prints them.
var typeNames = map[string]string{"1": "", "6": "blackhole ", "7": "unreachable ", "8": "prohibit ", "9": "throw "}

// String renders the route as `ip route` would, without table and protocol:
// "10.1.0.0/24 via 10.0.0.1 dev eth0 metric 20", with " +" between nexthops.
func (r Route) String() string {
	s := typeNames[r.Type] + r.Dst
	hops := r.NextHops
	if len(hops) == 0 && r.Dev != "" && r.Dev != "lo" {
		hops = []hop{{Gateway: r.Gateway, Via: r.Via, Dev: r.Dev}}
	}
	legs := make([]string, len(hops))
	for i, h := range hops {
		switch {
		case h.Gateway != "":
			legs[i] = " via " + h.Gateway
		case h.Via != nil:
			legs[i] = " via " + h.Via.Host
		}
		legs[i] += " dev " + h.Dev
	}
	sort.Strings(legs) // their order has no meaning
	s += strings.Join(legs, " +")
	if r.Metric != 0 {
		s += fmt.Sprintf(" metric %d", r.Metric)
	}
	return s
}

// Routes reads all tables of both families. Routes that the kernel makes for
// its own addresses (local, broadcast, multicast) are left out.
func (n *Namespace) Routes() []Route {
	n.lab.T.Helper()
	var all []Route
	for _, family := range []string{"-4", "-6"} {
		for _, r := range n.dump(family) {
			if _, wanted := typeNames[r.Type]; wanted && r.Table != "255" {
				all = append(all, r)
			}
		}
	}
	n.fillHops(all)
	return all
}

// fillHops writes the nexthops into routes that the kernel shows by their object
// alone, as it does with net.ipv4.nexthop_compat_mode=0.
func (n *Namespace) fillHops(routes []Route) {
	n.lab.T.Helper()
	var byID map[int]object
	for i := range routes {
		r := &routes[i]
		if r.NHID == 0 || r.Dev != "" || len(r.NextHops) > 0 {
			continue
		}
		if byID == nil {
			byID = n.objects()
		}
		for _, m := range byID[r.NHID].members() {
			leg := byID[m.ID]
			r.NextHops = append(r.NextHops, hop{Gateway: leg.Gateway, Via: leg.Via, Dev: leg.Dev, Weight: m.Weight})
		}
	}
}

// object is a nexthop object as `ip -json nexthop` prints it.
type object struct {
	ID      int      `json:"id"`
	Gateway string   `json:"gateway"`
	Via     *via     `json:"via"`
	Dev     string   `json:"dev"`
	Group   []member `json:"group"`
}

type member struct {
	ID     int `json:"id"`
	Weight int `json:"weight"`
}

func (o object) members() []member {
	if len(o.Group) == 0 && o.ID != 0 {
		return []member{{ID: o.ID}}
	}
	return o.Group
}

func (n *Namespace) objects() map[int]object {
	n.lab.T.Helper()
	var list []object
	if out := n.IP("-json", "-N", "nexthop"); strings.TrimSpace(out) != "" {
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			n.lab.T.Fatalf("read the nexthop objects of %s: %v", n.Role, err)
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
func (n *Namespace) dump(family string) (routes []Route) {
	n.lab.T.Helper()
	const tries = 20
	var err error
	for range tries {
		out := n.IP(family, "-json", "-details", "-N", "route", "show", "table", "all")
		if strings.TrimSpace(out) == "" {
			return nil
		}
		routes = nil
		if err = json.Unmarshal([]byte(out), &routes); err == nil {
			return routes
		}
	}
	n.lab.T.Fatalf("read the routes of %s, %d times: %v", n.Role, tries, err)
	return nil
}

// Main is the number of the main table.
const Main = 254

// Own returns the daemon's routes of one table, a line each, sorted.
func (n *Namespace) Own(table int) []string {
	n.lab.T.Helper()
	return n.pick(func(r Route) bool { return n.ours(r) && r.Table == fmt.Sprint(table) }, Route.String)
}

// OwnEverywhere returns the daemon's routes of all tables, a line each with the
// table's number in front, sorted: what proves that nothing is where it must
// not be.
func (n *Namespace) OwnEverywhere() []string {
	n.lab.T.Helper()
	return n.pick(n.ours, func(r Route) string { return "table " + r.Table + ": " + r.String() })
}

// Foreign returns all routes that are not the daemon's, as the kernel prints
// them with every detail.
func (n *Namespace) Foreign() []string {
	n.lab.T.Helper()
	return n.pick(func(r Route) bool { return !n.ours(r) }, func(r Route) string {
		return fmt.Sprintf("table %s proto %s src %q: %v", r.Table, r.Protocol, r.Prefsrc, r)
	})
}

func (n *Namespace) ours(r Route) bool { return r.Protocol == fmt.Sprint(n.lab.Run.Protocol) }

func (n *Namespace) pick(want func(Route) bool, show func(Route) string) []string {
	n.lab.T.Helper()
	lines := []string{}
	for _, r := range n.Routes() {
		if want(r) {
			lines = append(lines, show(r))
		}
	}
	sort.Strings(lines)
	return lines
}

// WaitOwn waits until the daemon's routes of table are exactly want.
func (n *Namespace) WaitOwn(table int, want ...string) {
	n.lab.T.Helper()
	sorted := append([]string{}, want...)
	sort.Strings(sorted)
	WaitEqual(n.lab.T, fmt.Sprintf("routes of the daemon in %s, table %d", n.Role, table), sorted,
		func() []string { return n.Own(table) })
}
