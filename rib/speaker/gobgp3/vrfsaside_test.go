package gobgp3

import (
	"fmt"
	"testing"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// TestVRFsAside: what GoBGP goes through for each best path of VPN routes does not grow with the number of
// VRFs, whoever sends the route: while it handles a message it has none, or the sender's; and it has all of
// them again in the next turn of its loop. What a neighbour in a VRF sends leads to the others as ever.
func TestVRFsAside(t *testing.T) {
	const vrfs = 40
	var all []any
	for i := range vrfs {
		all = append(all, vrfConf(fmt.Sprintf("v%d", i), fmt.Sprintf("65000:%d", i+1), []string{"65000:1"}, []string{"65000:1"}))
	}
	for _, home := range []string{speaker.Default, "v3"} {
		t.Run(home, func(t *testing.T) {
			p, q := newHostile(t, "127.0.0.2", 65001, both()...), newHostile(t, "127.0.0.3", 65002, both()...)
			s := run(t, Options{Config: toJSON(t, baseConf(all, []any{in(home, p.conf(allFamilies[:2]...)), in("v4", q.conf(allFamilies[:2]...))}))})
			eventually(t, "the sessions", func() bool { return p.isUp() && q.isUp() })
			var most, told int // of the loop
			if err := s.keeper.inLoop(func() error {
				hear := s.keeper.changes.hear // which is called before the turn in which a path came ends
				s.keeper.changes.hear = func(nlri bgp.AddrPrefixInterface) {
					hear(nlri)
					tables := *s.keeper.globalRib.in(unsafe.Pointer(s.keeper.server()))
					told, most = told+1, max(most, len(tables.Vrfs))
					if n := len(s.keeper.rib().Vrfs); n != vrfs {
						t.Errorf("what is called meanwhile sees %d VRFs, want %d", n, vrfs)
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			p.send(p.some(false, false, 0, 50)...)
			s.awaitKept(t, 50, 50)
			if err := s.keeper.inLoop(func() error {
				if told == 0 || most > 1 {
					t.Errorf("GoBGP had %d VRFs as it took %d paths in, want the sender's at most", most, told)
				}
				if tables := *s.keeper.globalRib.in(unsafe.Pointer(s.keeper.server())); len(tables.Vrfs) != vrfs || s.keeper.allVRFs != nil {
					t.Errorf("%d VRFs are left, want %d", len(tables.Vrfs), vrfs)
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			if home == speaker.Default {
				return
			}
			heard := make(map[string]bool)
			eventually(t, "the other VRF's neighbour is told", func() bool {
				for _, lines := range q.heard() {
					for _, line := range lines {
						heard[line] = true
					}
				}
				return len(heard) == 50
			})
		})
	}
}
