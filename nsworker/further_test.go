package nsworker

import (
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// A secondary table of a VRF gets its routes, resolves nexthops in its own routes
// first and then in the VRF's, and hears when those change.
func TestAFurtherTable(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		own := rib.Binding{Netns: "red", Table: 1002}
		clear(l.kernel.add(own, 1).routes)
		further := spec("red")
		further.Name, further.VRF, further.Binding = "red/1002", "red", own
		further.Import.Enabled = false
		further.Export.Metric = 30
		l.start(further)
		path := bgpPath("10.1.0.0/16", "192.0.2.9")
		l.hear("red/1002", path)
		l.settle()
		l.exported("red/1002", "10.1.0.0/16", rib.Unresolved, `VRF "red" has no table`)

		l.start(spec("red"))
		l.hear("red", path)
		l.settle()
		l.table(own, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 30 onlink")
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")

		// What the VRF imports itself goes to none of its tables.
		l.hear("red/1002", bgpPath("10.2.0.0/16", "192.0.2.9", imported("red")))
		l.settle()
		l.exported("red/1002", "10.2.0.0/16", rib.Filtered, "own import")

		// Both end when the daemon does, one of them first.
		l.stop("red", vrf.ErrExit)
		l.settle()
		l.table(own, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 30 onlink")

		l.start(spec("red"))
		l.stop("red", vrf.ErrRemoved)
		l.settle()
		l.exported("red/1002", "10.1.0.0/16", rib.Unresolved, `VRF "red" has no table`)
	})
}
