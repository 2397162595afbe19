package nsworker

import (
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// moveNexthop has 203.0.113.0/24 lead to another gateway on eth0.
func (t *fakeTable) moveNexthop(gateway string) {
	t.set(via("203.0.113.0/24", gateway, 2, 4, 0))
}

// TestKernelRefusesWhatStands: the nexthop of routes that stand comes to be one that the
// kernel takes for none. The other neighbour's path takes over in place, never through
// nothing; where routes hang on nexthop objects, by one replace for all of them. BGP is told
// that the path takes no part, and the next reading tries it again.
func TestKernelRefusesWhatStands(t *testing.T) {
	const routes = 50
	at := func(i int) string { return fmt.Sprintf("10.%d.0.0/16", i) }
	for _, objects := range []bool{true, false} {
		t.Run(fmt.Sprintf("nexthop_objects = %v", objects), func(t *testing.T) {
			story(t, func(l *lab, table *fakeTable) {
				s := spec("red")
				s.NexthopObjects = objects
				table.moveNexthop("192.0.2.9")
				hear := func(paths ...rib.Path) {
					for i := range paths {
						paths[i].Attrs.Source = "red" // its own neighbours'
					}
					l.hear("red", paths...)
				}
				for i := range routes {
					hear(two(at(i), "203.0.113.5", "198.51.100.9")...)
				}
				hear(two("172.16.0.0/16", "203.0.113.5", "198.51.100.9")[0])
				l.converge("red")
				l.start(s)
				l.settle()
				refused := netip.MustParseAddr("192.0.2.66")
				l.k(func() {
					table.refuseVia = map[netip.Addr]error{refused: syscall.EINVAL}
					l.kernel.writes, l.kernel.objectWrites = nil, nil
				})
				table.moveNexthop("192.0.2.66")
				synctest.Wait()
				l.exported("red", at(7), rib.Installed, "")
				for i := range routes {
					if !strings.Contains(table.String(), at(i)+" via 198.51.100.9 dev eth1") {
						t.Fatalf("%s does not go the other way:\n%s", at(i), table)
					}
				}
				for _, w := range l.kernel.writes {
					if !strings.HasPrefix(w, "replace 10.") && !strings.Contains(w, "172.16.0.0/16") {
						t.Errorf("written: %q", w)
					}
				}
				if objects && (len(l.kernel.writes) > 1 || len(l.kernel.objectWrites) > 4) {
					t.Errorf("%d routes are written, and the objects %q", len(l.kernel.writes), l.kernel.objectWrites)
				}
				// The path that has no other says what the kernel said.
				l.exported("red", "172.16.0.0/16", rib.Failed, "the kernel refused 172.16.0.0/16")
				if objects {
					if got := l.bgp.notReached("red"); got != "203.0.113.5" {
						t.Errorf("BGP is told that these are not reached: %s", got)
					}
					if text := text(l.explained("red", at(7)).Export); !strings.Contains(text, "behind by reachability: the kernel refuses its nexthop") {
						t.Errorf("the explanation reads\n%s", text)
					}
				}
				l.k(func() { table.refuseVia = nil })
				time.Sleep(s.ResyncInterval + time.Second)
				l.settle()
				for _, prefix := range []string{at(7), "172.16.0.0/16"} {
					if !strings.Contains(table.String(), prefix+" via 192.0.2.66 dev eth0") {
						t.Errorf("%s is not back:\n%s", prefix, table)
					}
				}
			})
		})
	}
}
