package netns_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// planItem is a document of `plan --json`.
type planItem struct {
	Kind, Op, VRF, Text, Prefix, Where string
	Details, Notes                     []string
	Counts                             struct{ Added, Removed, Changed, Kept, Announced, Withdrawn, Vrfs, Neighbors, Settings int }
}

// plan asks what a configuration would change, and returns the items.
func (n *tenants) plan(config string, args ...string) []planItem {
	n.T.Helper()
	file := n.File("planned.toml", config+fmt.Sprintf("\n[netlink.api]\n  listen = [%q]\n", n.daemon.Target()))
	out := n.daemon.Do(append([]string{"plan", "-f", file, "--json"}, args...)...)
	var items []planItem
	for dec := json.NewDecoder(strings.NewReader(out)); ; {
		var i planItem
		if err := dec.Decode(&i); errors.Is(err, io.EOF) {
			return items
		} else if err != nil {
			n.T.Fatalf("plan --json: %v:\n%s", err, out)
		}
		items = append(items, i)
	}
}

// tables are the daemon's routes of every table, "WHERE: ROUTE" a line each.
func (n *tenants) tables() []string {
	n.T.Helper()
	all := []string{}
	for _, ns := range []*lab.Namespace{n.a, n.b} {
		for _, r := range ns.Routes() {
			if r.Protocol != "179" {
				continue
			}
			where := "netns " + ns.Name
			if r.Table != "254" {
				where += ", table " + r.Table
			}
			all = append(all, where+": "+r.String())
		}
	}
	slices.Sort(all)
	return all
}

var legs = regexp.MustCompile(` proto vrfredist metric (\d+)((?: nexthop via \S+ dev \S+ weight 1)*)$`)

// onlink is a flag that lab.Route does not have.
var onlink = regexp.MustCompile(` onlink\b`)

// plain is a line of a plan as lab.Route renders routes.
func plain(text string) string {
	return legs.ReplaceAllStringFunc(onlink.ReplaceAllString(text, ""), func(tail string) string {
		m := legs.FindStringSubmatch(tail)
		var ways []string
		for _, leg := range strings.Split(m[2], " nexthop")[1:] {
			ways = append(ways, strings.TrimSuffix(leg, " weight 1"))
		}
		slices.Sort(ways)
		return strings.Join(ways, " +") + " metric " + m[1]
	})
}

// applied is what a plan makes of the tables.
func applied(t *testing.T, tables []string, items []planItem) []string {
	t.Helper()
	now := slices.Clone(tables)
	for _, i := range items {
		line := i.Where + ": " + plain(i.Text)
		switch {
		case i.Kind != "route":
		case i.Op == "add":
			now = append(now, line)
		default:
			at := slices.Index(now, line)
			if at < 0 {
				t.Errorf("the plan removes a route that is not there: %s", line)
				continue
			}
			now = slices.Delete(now, at, at+1)
		}
	}
	slices.Sort(now)
	return now
}

// awaitTidy waits until every nexthop object of the daemon has a route or a group on
// it: what a reload leaves without one goes some seconds later, and not in the midst of
// a plan.
func (n *tenants) awaitTidy() {
	n.T.Helper()
	object, part := regexp.MustCompile(`(?m)^id (\d+) (?:group (\S+) )?.*proto 179`), regexp.MustCompile(`\d+(?:,\d+)?`)
	for _, ns := range []*lab.Namespace{n.rtr, n.a, n.b} {
		lab.WaitEqual(n.T, "objects of "+ns.Role+" that nothing is on", []string{}, func() (idle []string) {
			routes := ns.IP("-4", "route", "show", "table", "all") + ns.IP("-6", "route", "show", "table", "all")
			objects := object.FindAllStringSubmatch(ns.IP("nexthop"), -1)
			used := make(map[string]bool)
			for _, o := range objects {
				for _, p := range part.FindAllString(o[2], -1) {
					id, _, _ := strings.Cut(p, ",")
					used[id] = true
				}
			}
			for _, o := range objects {
				if !used[o[1]] && !strings.Contains(routes, "nhid "+o[1]+" ") {
					idle = append(idle, o[1])
				}
			}
			return idle
		})
	}
}

// atRest is standing once nothing has moved for longer than nexthop objects stay that no route
// needs, and than routes of several sets share one.
func (n *tenants) atRest() map[string]string {
	last, since := n.standing(), time.Now()
	lab.WaitFor(n.T, "the tables are at rest", 2*lab.Patience, func() string {
		if now := n.standing(); !maps.Equal(now, last) {
			last, since = now, time.Now()
		}
		if time.Since(since) < 4*time.Second {
			return fmt.Sprint(last)
		}
		return ""
	})
	return last
}

// standing is everything that a plan must not change: the kernel's routes, rules
// and nexthop objects, BGP's table, the session, and the state directory.
func (n *tenants) standing() map[string]string {
	n.T.Helper()
	// Its answer comes when all is done that the reload before made due. One of a
	// VRF without a table fails, which says nothing here.
	_, _ = n.daemon.Try("resync")
	n.awaitTidy()
	all := make(map[string]string)
	for _, ns := range []*lab.Namespace{n.rtr, n.a, n.b} {
		for _, what := range []string{"-4 route show table all", "-6 route show table all", "rule", "nexthop", "link"} {
			// What ip says where somebody else's namespace goes just then, whose id it
			// looks for a name of.
			out := strings.ReplaceAll(ns.IP(strings.Fields(what)...), "Error: Peer netns reference is invalid.\n", "")
			all[ns.Role+" "+what] = out
		}
	}
	for _, family := range []string{"vpnv4", "vpnv6"} {
		out, err := n.daemon.GoBGP("-j", "global", "rib", "-a", family)
		if err != nil {
			n.T.Fatalf("gobgp: %v: %s", err, out)
		}
		all[family] = out
	}
	var status struct {
		Neighbors []struct{ Address, State, SinceUnix string }
	}
	n.daemon.JSON(&status, "vrf", "default")
	all["sessions"] = fmt.Sprint(status.Neighbors)
	all["vrfs"] = n.daemon.Do("redistribution")
	state := filepath.Join(n.Dir, "state")
	entries, err := os.ReadDir(state)
	if err != nil {
		n.T.Fatal(err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(state, e.Name()))
		if err != nil {
			n.T.Fatal(err)
		}
		all["state "+e.Name()] = string(text)
	}
	return all
}

// A plan changes nothing, and the reload after it changes exactly what it said.
func TestPlan(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	// Objects of an earlier time are tidied away after the sweep: at once, and not
	// in the midst of a plan.
	const swept = "[netlink]\n  sweep_delay = \"0s\"\n"
	both := n.both()
	n.start(swept + both)
	n.policies(
		policy{name: "A", rts: rdA, hop4: via0v4, hop6: via0v6, more: []string{"set community 65001:100"}},
		policy{name: "A1", rts: rdA, hop4: via1v4, hop6: via1v6},
		policy{name: "B", rts: rdB, hop4: via0v4, hop6: via0v6},
		policy{name: "C", rts: "65000:30", hop4: via1v4, hop6: via1v6},
	)
	for i, p := range []string{"A", "A", "A1", "B", "C"} {
		n.vpn("", fmt.Sprintf("65100:%d", i), i, p)
	}
	n.vpn("", "65100:9", 0, "A1")
	n.a.WaitOwn(lab.Main, append(over(0, 0, 1), over(1, 2)...)...)
	n.b.WaitOwn(lab.Main, over(0, 3)...)
	n.daemon.Do(strings.Fields("redistribution enable import eth0 --vrf vrf-b")...)

	export := func(keys ...string) string { return exportAll + "\n    " + strings.Join(keys, "\n    ") }
	a := func(lines ...string) string {
		return bind("vrf-a", n.a, lines...) + bind("vrf-b", n.b, importAll, exportAll)
	}
	third := "\n[[vrfs]]\n  [vrfs.config]\n    name = \"vrf-c\"\n    rd = \"65000:30\"\n    both-rt-list = [\"65000:30\"]\n"
	rts := func(rts string) string {
		return strings.Replace(routerConfig, `both-rt-list = ["65000:10"]`, `both-rt-list = [`+rts+`]`, 1)
	}
	n.b.IP("route", "add", "192.168.2.0/24", "dev", "eth1", "table", "1001")
	n.b.IP("route", "add", "2001:db8:2::/64", "dev", "eth1", "table", "1001")
	head, _, _ := strings.Cut(routerConfig, "[[neighbors]]")
	_, tail, _ := strings.Cut(routerConfig, "[[vrfs]]")
	noNeighbor := head + "[[vrfs]]" + tail
	for _, step := range []struct{ name, config string }{
		{"nothing", both},
		{"metric", routerConfig + a(importAll, export("metric = 30"))},
		{"a filter", routerConfig + a(importAll, export(`community = "65001:100"`))},
		{"several paths", routerConfig + a(importAll, export("max_paths = 4"))},
		{"another interface list", routerConfig + a(strings.Replace(importAll, "eth*", "eth1", 1), exportAll)},
		{"import with a MED", routerConfig + a(importAll+"\n    med = 7", exportAll)},
		{"other route targets", rts(`"65000:10", "65000:20"`) + a(importAll, exportAll)},
		{"the route targets of another", rts(`"65000:30"`) + a(importAll, exportAll)},
		{"a VRF more", routerConfig + third + a(importAll, exportAll) + bind("vrf-c", n.b, "table = 1001", exportAll)},
		{"a VRF less", routerConfig + bind("vrf-a", n.a, importAll, exportAll)},
		{"another table", routerConfig + a("table = 1001", importAll, exportAll)},
		{"the namespace of the other", routerConfig + third + bind("vrf-a", n.a, importAll, exportAll) + bind("vrf-c", n.b, importAll, exportAll)},
		{"a namespace that is not there", routerConfig + "\n[[netlink.vrfs]]\n  name = \"vrf-a\"\n  netns = \"not-there\"\n  " + exportAll + "\n" + bind("vrf-b", n.b, importAll, exportAll)},
		{"all as before", both},
		{"no neighbour", noNeighbor + a(importAll, exportAll)},
	} {
		before := n.atRest()
		tables := n.tables()
		items := n.plan(swept + step.config)
		lab.Equal(t, step.name+": what stands after the plan", before, n.standing())
		want := applied(t, tables, items)
		last := items[len(items)-1]
		t.Logf("%s: %s; routes: %+v", step.name, last.Text, last.Counts)
		if changes := last.Counts.Added + last.Counts.Removed + last.Counts.Changed; changes == 0 && step.name != "nothing" && !strings.Contains(step.name, "import") && !strings.Contains(step.name, "interface") {
			t.Errorf("%s: the plan has no route", step.name)
		}
		n.daemon.Reload(swept + step.config)
		lab.WaitEqual(t, step.name+": the tables after the reload", want, n.tables)
		if step.name == "no neighbour" {
			lab.WaitEqual(t, "the tables stay so", []string{}, n.tables)
		}
	}
}

// What was set at run time lies over the file: a plan and a reload say what of the
// file is not in force for it, until the two say the same.
func TestWhatTheFileSaysInVain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	rtr, a := l.Namespace("rtr"), l.Namespace("a")
	config := func(community string) string {
		return strings.ReplaceAll(routerConfig, upAddr, "10.0.0.9") +
			bind("vrf-a", a, "[netlink.vrfs.export]\n    enabled = true\n    community = \""+community+"\"\n")
	}
	d := rtr.Daemon(config("65001:100"))
	const nothing, hidden = "the file says what is in force", `VRF "vrf-a": its export is as it was set at run time`
	says := func(where, out, want, not string) {
		t.Helper()
		if out = strings.Join(strings.Fields(out), " "); !strings.Contains(out, want) || strings.Contains(out, not) {
			t.Errorf("%s: %s", where, out)
		}
	}
	says("before", d.Reload(config("65001:100")), nothing, hidden)
	d.Do("redistribution", "enable", "export", "--vrf", "vrf-a", "--community", "65001:200")
	d.Write(config("65001:300"))
	file := filepath.Join(l.Dir, "vrfredist.toml")
	says("plan", d.Do("plan", "-f", file), hidden, nothing)
	says("reload", d.Reload(config("65001:300")), hidden, nothing)
	d.Do("redistribution", "enable", "export", "--vrf", "vrf-a", "--community", "65001:300")
	says("plan of the same", d.Do("plan", "-f", file), nothing, hidden)
	says("reload of the same", d.Reload(config("65001:300")), nothing, hidden)
}
