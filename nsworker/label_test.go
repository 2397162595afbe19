package nsworker

import (
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

func label(n uint32) func(*rib.Path) { return func(p *rib.Path) { p.Label = n } }

// Paths with one nexthop share what it comes down to, and each still needs its
// own label.
func TestUnresolvedSaysItsOwnLabel(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "203.0.113.1", label(101)))
		l.hear("red", bgpPath("10.2.0.0/16", "203.0.113.1", label(102)))
		l.hear("red", bgpPath("10.3.0.0/16", "203.0.113.1"))
		l.hear("red", bgpPath("10.4.0.0/16", "192.0.2.9", label(104))) // in the VRF: plain IP
		l.settle()
		l.table(red, "10.4.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		l.exported("red", "10.1.0.0/16", rib.Unresolved, "MPLS label, 101,")
		l.exported("red", "10.2.0.0/16", rib.Unresolved, "MPLS label, 102,")
		l.exported("red", "10.3.0.0/16", rib.Unresolved, "203.0.113.1")
	})
}
