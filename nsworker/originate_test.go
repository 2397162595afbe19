package nsworker

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// byRule makes a path one that leaked in from a VRF.
func byRule(name string) func(*rib.Path) {
	return func(p *rib.Path) { p.Attrs.Source, p.Attrs.ByRule = name, true }
}

// announcedAs prints what a VRF announces, and why.
func (l *lab) announcedAs(name string) string {
	var lines []string
	for _, a := range l.bgp.Announced(name) {
		lines = append(lines, a.Prefix.String()+" "+a.As.String())
	}
	slices.Sort(lines)
	return strings.Join(lines, ", ")
}

// TestLeaksArePassedOn: what is chosen of leaks is announced with its attributes, as long as its
// nexthop is reached and nothing better is there.
func TestLeaksArePassedOn(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		s := spec("red")
		s.Import.Enabled = false
		l.converge("red")
		other := spec("blue")
		other.Binding = rib.Binding{Netns: "red", Table: 1001}
		l.kernel.add(other.Binding, 1)
		l.start(other)
		l.start(s)
		leak := bgpPath("10.5.0.0/16", "192.0.2.9", byRule("blue"), rd(7), community(65000<<16|5))
		is := func(step, want string) {
			t.Helper()
			time.Sleep(time.Second)
			synctest.Wait()
			if got := l.announcedAs("red"); got != want {
				t.Errorf("%s: it announces %q, want %q", step, got, want)
			}
		}
		l.hear("red", leak)
		is("it comes", "10.5.0.0/16 leaked route")
		if a := l.bgp.Announced("red")[0]; a.Of != leak.Attrs || !slices.Equal(a.Communities, leak.Attrs.Communities) || a.LocalPref != nil {
			t.Errorf("announced %+v", a)
		}
		better := bgpPath("10.5.0.0/16", "192.0.2.8", pref(200))
		l.hear("red", better)
		is("a better path of a neighbour comes", "")
		l.unhear("red", "10.5.0.0/16", 0)
		is("and goes", "10.5.0.0/16 leaked route")
		l.hear("red", bgpPath("10.6.0.0/16", "203.0.113.1", byRule("blue"), rd(7)))
		is("another is unresolved", "10.5.0.0/16 leaked route")
		table := l.kernel.tables[other.Binding]
		table.set(via("203.0.113.0/24", "192.0.2.7", 2, rib.ProtoStatic, 0))
		is("and resolves", "10.5.0.0/16 leaked route, 10.6.0.0/16 leaked route")
		table.del(rib.Key{Prefix: netip.MustParsePrefix("203.0.113.0/24")})
		is("and does not", "10.5.0.0/16 leaked route")
		l.hear("red", bgpPath("10.7.0.0/16", "192.0.2.9", from("blue"), rd(7)))
		is("what route targets leak BGP tells itself", "10.5.0.0/16 leaked route")
		next := s
		next.Export.CommunityList = []rib.Community{65000<<16 | 6}
		l.configure(next)
		is("the export's communities leave it out of the table alone", "10.5.0.0/16 leaked route")
		next.Export.Enabled = false
		l.configure(next)
		is("export is off", "")
		l.configure(s)
		is("export is on", "10.5.0.0/16 leaked route")
		l.unhear("red", "10.5.0.0/16", 7)
		is("it goes", "")
	})
}

// TestAnotherWorkerKeepsWhatIsOriginated: after a failure BGP is told nothing, though the next
// worker hears of leaks and members only by and by.
func TestAnotherWorkerKeepsWhatIsOriginated(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Import.Enabled = false
		s.Originates = rib.Origination{
			Aggregates: []rib.Aggregate{{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Discard: true}},
			Networks:   []rib.Network{{Prefix: netip.MustParsePrefix("203.0.113.0/24")}},
			Conditions: []rib.Condition{{Prefixes: prefixes("203.0.113.0/24"), While: prefixes("10.5.0.0/16")}},
		}
		l.hear("red", bgpPath("10.5.0.0/16", "192.0.2.9"))
		l.start(s)
		l.settle()
		const all = "10.0.0.0/8 aggregate, 203.0.113.0/24 network"
		if got := l.announcedAs("red"); got != all {
			t.Fatalf("it announces %q", got)
		}
		l.hear("red", bgpPath("10.0.0.0/8", "0.0.0.0", func(p *rib.Path) {
			p.Attrs.Via = &rib.Via{Source: "red", Imported: true, As: rib.FromAggregate}
		}))
		l.settle()
		l.table(red, "10.5.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20", "blackhole 10.0.0.0/8 proto vrfredist metric 20")
		l.exported("red", "10.0.0.0/8", rib.Installed, "")
		before := l.bgp.told
		l.kernel.mu.Lock()
		table.emit(rib.KernelEvents{Broken: errors.New("the socket is gone")})
		l.kernel.mu.Unlock()
		l.settle()
		if !l.failed() {
			t.Fatal("the worker did not fail")
		}
		if got, calls := l.announcedAs("red"), l.bgp.told; got != all || calls != before {
			t.Errorf("it announces %q, and BGP was told %d times more", got, calls-before)
		}
		l.stop("red", vrf.ErrExit)
	})
}
