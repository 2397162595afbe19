package nsworker

import (
	"maps"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
)

// TestWhoseLinkItIs: a namespace's main table has what is in no VRF device; a plain
// table has whatever somebody puts there, by any link.
func TestWhoseLinkItIs(t *testing.T) {
	for name, tc := range map[string]struct {
		binding rib.Binding
		want    []string
	}{
		"a main table":  {red, nil},
		"a plain table": {rib.Binding{Netns: "red", Table: 1001}, []string{"10.1.0.0/16 med 5"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				defer l.close()
				table := l.kernel.add(tc.binding, 1)
				table.links = maps.Clone(table.links)
				eth1 := table.links[3]
				eth1.Master = 9
				table.links[3] = eth1
				table.links[9] = rib.Link{Index: 9, Name: "blue", Up: true, Admin: true, VRFTable: 77}
				table.set(via("10.1.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 5))
				s := spec("red")
				s.Binding = tc.binding
				s.Import.Interfaces = []string{"eth1"}
				s.Import.Protocols = []uint8{rib.ProtoStatic}
				l.start(s)
				l.settle()
				l.announces("red", tc.want...)
			})
		})
	}
}
