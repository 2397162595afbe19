package nsworker

import (
	"fmt"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// TestEncapsulationIsLacked: the kernel has no MPLS. It is asked once, and not for each route; what
// goes by labels is not reached, says so, and takes no part in the choice; and once the module is
// there the next reading brings the routes.
func TestEncapsulationIsLacked(t *testing.T) {
	const routes = 3000
	at := func(i int) string { return fmt.Sprintf("10.%d.%d.0/24", 10+i/256, i%256) }
	for _, objects := range []bool{true, false} {
		t.Run(fmt.Sprintf("nexthop_objects = %v", objects), func(t *testing.T) {
			labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
				s := labelled()
				s.NexthopObjects = objects
				for i := range routes {
					l.hear("red", bgpPath(at(i), pe2, rd(2), byVPN(80)))
				}
				l.k(func() { table.refuseVia = map[netip.Addr]error{netip.MustParseAddr("192.0.2.9"): syscall.EOPNOTSUPP} })
				l.start(s)
				l.settle()
				l.table(redDevice)
				l.exported("red", at(7), rib.Unresolved, "PE 10.255.0.2 is not reached: the kernel refused")
				l.exported("red", at(routes-1), rib.Unresolved, "operation not supported")
				if objects {
					if refused := table.refused; refused > 9 { // once a reading
						t.Errorf("the kernel was asked %d times", refused)
					}
				}
				l.k(func() { table.refuseVia = nil })
				time.Sleep(s.ResyncInterval + time.Second)
				l.settle()
				l.exported("red", at(7), rib.Installed, "")
				l.exported("red", at(routes-1), rib.Installed, "")
			})
		})
	}
}
