package nsworker

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// TestRestartKeepsLeaks: the worker of the VRF that leaks comes later, and BGP had all
// there is before; what stands from an earlier run waits for it, and no longer than
// anything else that is stale.
func TestRestartKeepsLeaks(t *testing.T) {
	for name, comes := range map[string]bool{"the other VRF comes": true, "it does not": false} {
		t.Run(name, func(t *testing.T) {
			story(t, func(l *lab, table *fakeTable) {
				s := spec("leaky")
				s.NexthopObjects = false
				s.Binding = rib.Binding{Netns: "red", Table: 1001}
				other := l.kernel.add(s.Binding, table.where.Inode)
				r := left("10.5.0.0/16")
				r.Hops[0].OnLink = true
				other.set(r)
				const line = "10.5.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20 onlink"
				l.feed("leaky").Set(r.Prefix, 0, []rib.Path{bgpPath("10.5.0.0/16", "192.0.2.9", from("red"))})
				l.converge("leaky")
				l.start(s)
				synctest.Wait()
				time.Sleep(s.SweepDelay - time.Second)
				synctest.Wait()
				l.table(s.Binding, line)
				if c := l.state("leaky").Counts.Total(); c.Stale != 1 {
					t.Errorf("while the other VRF is not there: %+v", c)
				}
				if !comes {
					l.settle()
					l.table(s.Binding)
					l.exported("leaky", "10.5.0.0/16", rib.Unresolved, "which has no table now")
					return
				}
				l.start(spec("red"))
				l.settle()
				l.table(s.Binding, line)
				l.exported("leaky", "10.5.0.0/16", rib.Installed, "")
				for _, w := range l.kernel.writes {
					if strings.Contains(w, "10.5.0.0/16") {
						t.Errorf("what stood was written: %s", w)
					}
				}
			})
		})
	}
}

// TestRestartKeepsLeakedImports: what another VRF imports, BGP has only when that VRF's
// worker has announced it, and the feed only some time after that.
func TestRestartKeepsLeakedImports(t *testing.T) {
	const line = "10.5.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20 onlink"
	for name, c := range map[string]struct{ starts, has, comes bool }{
		"it comes":                             {true, true, true},
		"the other VRF has it no more":         {true, false, false},
		"the other VRF is not there":           {false, false, false},
		"BGP keeps it, by a policy, to itself": {true, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			story(t, func(l *lab, table *fakeTable) {
				s := spec("leaky")
				s.NexthopObjects = false
				s.Binding = rib.Binding{Netns: "red", Table: 1001}
				l.leaks = map[string][]string{"leaky": {"red"}}
				other := l.kernel.add(s.Binding, table.where.Inode)
				r := left("10.5.0.0/16")
				r.Hops[0].OnLink = true
				other.set(r)
				if c.has {
					table.set(via("10.5.0.0/16", "192.0.2.9", 2, rib.ProtoStatic, 0))
				}
				l.converge("leaky") // there is no neighbour
				l.start(s)
				time.Sleep(s.SweepDelay / 2)
				synctest.Wait()
				l.table(s.Binding, line)
				if c.starts {
					l.start(spec("red"))
				}
				if !c.has && c.starts {
					l.table(s.Binding) // at once
					return
				}
				l.table(s.Binding, line)
				if c.comes {
					l.hear("leaky", bgpPath("10.5.0.0/16", "0.0.0.0", imported("red")))
				}
				l.settle()
				if !c.comes {
					l.table(s.Binding)
					return
				}
				l.table(s.Binding, line)
				l.exported("leaky", "10.5.0.0/16", rib.Installed, "")
				for _, w := range l.kernel.writes {
					if strings.Contains(w, "10.5.0.0/16") {
						t.Errorf("what stood was written: %s", w)
					}
				}
			})
		})
	}
}

// TestLeakFollowsTheImport: where the VRF that leaks has two routes of a prefix, and imports
// the one with the higher metric because of its interface, that one leads there, and not the
// other; also when the import changes while it runs.
func TestLeakFollowsTheImport(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("leaky")
		s.Binding = rib.Binding{Netns: "red", Table: 1001}
		l.kernel.add(s.Binding, table.where.Inode)
		source := spec("red")
		source.Import.Interfaces = []string{"eth1"}
		table.set(via("10.5.0.0/16", "192.0.2.9", 2, rib.ProtoStatic, 7))
		table.set(via("10.5.0.0/16", "198.51.100.9", 3, rib.ProtoStatic, 500))
		l.hear("leaky", bgpPath("10.5.0.0/16", "0.0.0.0", imported("red")))
		l.start(source)
		l.start(s)
		l.settle()
		l.table(s.Binding, "10.5.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 20 onlink")
		source.Import.Interfaces = []string{"eth*"}
		l.configure(source)
		l.settle()
		l.table(s.Binding, "10.5.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20 onlink")
	})
}
