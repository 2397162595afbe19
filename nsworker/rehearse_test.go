package nsworker

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// A rehearsal writes nothing, and says what the change does then.
func TestRehearsal(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		l.start(s)
		for _, p := range []string{"10.1.0.0/16", "10.2.0.0/16"} {
			l.hear("red", bgpPath(p, "192.0.2.9"))
		}
		l.hear("red", bgpPath("192.0.2.0/24", "0.0.0.0", imported("red"))) // which no filter keeps out
		l.settle()
		before := table.String()
		writes, objects := len(l.kernel.writes), len(l.kernel.objectWrites)
		announced := l.bgp.announcements("red")
		check := func(what string, next vrf.Spec, want ...string) {
			t.Helper()
			if d := cmp.Diff(want, l.rehearsed(s, next)); d != "" {
				t.Errorf("%s (-want +got)\n%s", what, d)
			}
			if table.String() != before || len(l.kernel.writes) != writes || len(l.kernel.objectWrites) != objects || l.bgp.announcements("red") != announced {
				t.Errorf("%s: the rehearsal changed something", what)
			}
		}
		check("nothing", s)
		next := s
		next.Protocol = 200
		check("another protocol", next,
			"remove 10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"add 10.1.0.0/16 via 192.0.2.9 dev eth0 proto 200 metric 20",
			"remove 10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"add 10.2.0.0/16 via 192.0.2.9 dev eth0 proto 200 metric 20",
			"change 192.0.2.0/24", "change 198.51.100.0/24", "change 2001:db8::/64")
		next = s
		next.Export.Community = []rib.Community{7}
		check("a filter", next,
			"remove 10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"remove 10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"2 routes of BGP would be filtered")
		next = s
		next.Export.MaxRoutes = 1
		check("a quota keeps what is there", next)
		l.hear("red", bgpPath("10.3.0.0/16", "192.0.2.9"))
		l.settle()
		before, writes, objects = table.String(), len(l.kernel.writes), len(l.kernel.objectWrites)
		next = s
		next.Export.Enabled = false
		next.Import.Interfaces = []string{"eth1"}
		check("off", next,
			"remove 10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"remove 10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"remove 10.3.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"remove 192.0.2.0/24", "remove 2001:db8::/64")
		l.configure(next)
		l.settle()
		if table.String() != "" {
			t.Errorf("after the change the table has\n%s", table)
		}
	})
}
