package nsworker

import (
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestOnlinkIsNoReasonToWrite: what an earlier version wrote without onlink, and the kernel
// took, stays as it is; one that comes says onlink.
func TestOnlinkIsNoReasonToWrite(t *testing.T) {
	const six = " via 2001:db8::9 dev eth0 proto vrfredist metric 20"
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.NexthopObjects = false
		stands := via("2001:db8:1::/48", "2001:db8::9", 2, rib.ProtoOwn, 20)
		table.routes[stands.Key()] = stands
		l.feed("red").Set(stands.Prefix, 0, []rib.Path{bgpPath("2001:db8:1::/48", "2001:db8::9")})
		l.converge("red")
		l.start(s)
		l.settle()
		l.exported("red", "2001:db8:1::/48", rib.Installed, "")
		l.hear("red", bgpPath("2001:db8:2::/48", "2001:db8::9"))
		l.table(red, "2001:db8:1::/48"+six, "2001:db8:2::/48"+six+" onlink")
		if n := len(l.kernel.writes); n != 1 {
			t.Errorf("written: %q", l.kernel.writes)
		}
	})
}
