package kernel

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
)

// follow brings what was read up to date with events, as a worker does. It is not
// sure where the table must be read again.
func follow(fib *rib.ForeignTable, c *Conn) (_ *rib.ForeignTable, sure bool) {
	e := c.Events()
	sure = !e.Resync
	for _, ev := range e.Routes {
		var known bool
		fib, known = fib.After(ev)
		sure = sure && known
	}
	return fib, sure
}

func contents(fib *rib.ForeignTable) (lines []string) {
	for p, routes := range fib.All() {
		for _, r := range routes {
			lines = append(lines, fmt.Sprintf("%v metric %d proto %s %v %v", p, r.Metric, rib.ProtocolName(r.Protocol), r.Kind, r.Hops))
		}
	}
	return lines
}

// TestFollowingEventsLeadsWhereReadingDoes has other programs do all that `ip route`
// can to a few keys: add beside each other, replace each other's routes, delete.
func TestFollowingEventsLeadsWhereReadingDoes(t *testing.T) {
	for _, f := range []struct{ flag, prefix, gateway string }{
		{"-4", "10.%d.0.0/16", "192.0.2.%d"},
		{"-6", "2001:db8:%d::/48", "2001:db8::%d"},
	} {
		t.Run(f.flag, func(t *testing.T) {
			ns := lab(t)
			c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			// What is read by c counts as known to it: events that come later are of something newer.
			other := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			fib := rib.NewForeignTable(read(t, c).Routes)
			random := rand.New(rand.NewPCG(7, 11))
			pick := func(of ...string) string { return of[random.IntN(len(of))] }
			var done []string
			for range 250 {
				verb := pick("add", "append", "prepend", "replace", "change", "del")
				line := fmt.Sprintf("%s route %s %s metric %d table %d proto %s", f.flag, verb,
					fmt.Sprintf(f.prefix, 1+random.IntN(2)), 20+random.IntN(2), table, pick("static", "boot", "zebra"))
				via := " via " + fmt.Sprintf(f.gateway, 2+random.IntN(3)) + " dev v0"
				switch random.IntN(4) {
				case 0:
					line += " nexthop" + via + " nexthop via " + fmt.Sprintf(f.gateway, 9) + " dev v0"
				case 1:
					// Not in IPv6: a dump leaves out what stands among the legs of another.
					if f.flag == "-4" && verb != "del" {
						line = strings.Replace(line, verb, verb+" blackhole", 1)
						break
					}
					fallthrough
				default:
					line += via
				}
				if exec.Command("ip", append([]string{"-n", ns}, strings.Fields(line)...)...).Run() != nil {
					continue // no such route, or one like it is there
				}
				done = append(done, line)
				want := rib.NewForeignTable(read(t, other).Routes)
				same := func() bool { return slices.Equal(contents(fib), contents(want)) }
				var sure bool
				for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
					if fib, sure = follow(fib, c); !sure {
						fib = rib.NewForeignTable(read(t, c).Routes)
					}
					if same() {
						break
					}
					if time.Now().After(end) {
						t.Fatalf("after\n%s\nthe events lead to\n%s\nand the table has\n%s", strings.Join(done, "\n"),
							strings.Join(contents(fib), "\n"), strings.Join(contents(want), "\n"))
					}
				}
			}
			if len(done) < 50 {
				t.Errorf("only %d changes were made", len(done))
			}
		})
	}
}

func TestBacklogCollapses(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	flood(t, ns, backlog+10)
	// Read nothing until all has arrived: another table's event comes last.
	last := open(t, c.host, rib.Binding{Netns: ns, Table: 1002})
	quiet(t, last, ns)
	<-c.Ready()
	if e := c.Events(); !e.Resync || e.Reason != rib.ResyncBacklog || len(e.Routes) != 0 {
		t.Fatalf("events: resync %v for %v with %d routes", e.Resync, e.Reason, len(e.Routes))
	}
	if e := c.Events(); e.Resync || len(e.Routes) != 0 {
		t.Errorf("and then %+v", e)
	}
	if got := len(read(t, c).Routes); got != backlog+10 {
		t.Errorf("%d routes are read", got)
	}
	quiet(t, c, ns)
}

// TestSharedKeysAreFound: whatever else stands between equal keys of one
// prefix, in linear time.
func TestSharedKeysAreFound(t *testing.T) {
	r := func(prefix string, metric uint32) rib.Route {
		r := route(prefix, via("192.0.2.1"))
		r.Metric = metric
		return r
	}
	routes := []rib.Route{
		r("10.0.0.0/8", 1), r("10.0.0.0/8", 2), r("10.0.0.0/8", 1), r("10.0.0.0/8", 3),
		r("10.1.0.0/16", 3), r("10.1.0.0/16", 2), r("10.2.0.0/16", 2),
		route("2001:db8::/32", via("2001:db8::1"), via("2001:db8::2")), route("10.3.0.0/16", via("192.0.2.1"), via("192.0.2.2")),
	}
	for i := range 200_000 {
		routes = append(routes, r("10.4.0.0/16", uint32(i+1)))
	}
	c := fakeConn(fakeMonitor(t), rib.Binding{})
	c.inbox.learnShared(0, slices.Values(routes))
	want := map[rib.Key]struct{}{routes[0].Key(): {}, routes[7].Key(): {}}
	if d := cmp.Diff(want, c.inbox.shared, sameRoute); d != "" {
		t.Error(d)
	}
}
