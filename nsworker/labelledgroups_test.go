package nsworker

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
)

// TestLabelledGroup: of two PEs that are used together each is one message when the core reaches it
// otherwise, whatever labels they gave; and one that is lost leaves the other by one.
func TestLabelledGroup(t *testing.T) {
	for name, label3 := range map[string]uint32{"other labels": 90, "the same label": 80} {
		t.Run(name, func(t *testing.T) {
			labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
				l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byVPN(80)))
				l.hear("red", bgpPath("10.2.0.0/24", pe3, rd(3), byVPN(label3)))
				l.hear("red", bgpPath("10.3.0.0/24", pe3, rd(3), byVPN(label3)))
				l.start(labelled())
				l.settle()
				l.kernel.wrote()
				says := func(pe string, lead rib.Lead, objects string, hops ...string) {
					t.Helper()
					core.says(pe, lead)
					synctest.Wait()
					if routes, got := l.kernel.wrote(); len(routes) > 0 || got != objects {
						t.Errorf("it wrote %q and %q", routes, got)
					}
					l.settle()
					l.kernel.wrote()
					for _, h := range hops {
						if !strings.Contains(table.String(), h) {
							t.Errorf("nothing goes by %q:\n%s", h, table)
						}
					}
				}
				behind := func(transport string, label uint32) string {
					return transport + "/" + rib.LabelStack(label).String() + " via "
				}
				says(pe3, byLabels(pe3, over("192.0.2.9", 2, 17003)), "replace nexthop", behind("17003", label3)+"192.0.2.9 dev eth0", behind("16002", 80))
				says(pe3, byLabels(pe3, over("198.51.100.9", 3, 17003)), "replace nexthop", behind("17003", label3)+"198.51.100.9 dev eth1")
				// Both by one link: what differs is the label of the core.
				says(pe2, byLabels(pe2, over("198.51.100.9", 3, 17002)), "replace nexthop", behind("17002", 80)+"198.51.100.9 dev eth1")
				l.unhear("red", "10.3.0.0/24", 3) // which nobody else sent
				l.settle()
				l.kernel.wrote()
				says(pe3, rib.Lead{Err: errors.New("no route leads there")}, "replace nexthop", behind("17002", 80))
			})
		})
	}
}

// TestTwoAddressesOfOnePE: paths by two addresses that come to the same labels and hop share an object, and
// part when one of them is reached otherwise.
func TestTwoAddressesOfOnePE(t *testing.T) {
	labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		core.leads[vtepOf(pe2)], core.leads[vtepOf(pe3)] = byLabels(pe2, over("192.0.2.9", 2)), byLabels(pe3, over("192.0.2.9", 2))
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byVPN(80)))
		l.hear("red", bgpPath("10.3.0.0/24", pe3, rd(3), byVPN(80)))
		l.start(labelled())
		l.settle()
		both := func(two, three string) {
			t.Helper()
			l.settle()
			l.table(redDevice, "10.2.0.0/24 encap mpls "+two+" proto vrfredist metric 20 onlink", "10.3.0.0/24 encap mpls "+three+" proto vrfredist metric 20 onlink")
		}
		const here, there, elsewhere = "80 via 192.0.2.9 dev eth0", "17003/80 via 192.0.2.9 dev eth0", "80 via 198.51.100.9 dev eth1"
		both(here, here)
		core.says(pe3, byLabels(pe3, over("192.0.2.9", 2, 17003)))
		both(here, there)
		core.says(pe2, byLabels(pe2, over("192.0.2.9", 2, 17003)))
		both(there, there)
		core.says(pe3, byLabels(pe3, over("192.0.2.9", 2)))
		both(there, here)
		core.mu.Lock()
		core.leads[vtepOf(pe2)] = byLabels(pe2, over("198.51.100.9", 3))
		core.mu.Unlock()
		core.says(pe3, byLabels(pe3, over("198.51.100.9", 3)))
		both(elsewhere, elsewhere)
		if n := l.kernel.litter(9); n != 0 {
			t.Errorf("%d objects are left that no route uses", n)
		}
	})
}
