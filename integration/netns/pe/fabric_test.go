package pe_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/fabric"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// The fabric's size: every tenant is at every PE.
const (
	fabricPEs     = 10
	fabricTenants = 20
	// fabricPatience is for a thousand routes in two hundred namespaces, where one route has
	// lab.Patience.
	fabricPatience = 4 * lab.Patience
)

// TestFabric: ten PEs around two route reflectors, with twenty tenants that have the same
// prefixes. In each tenant every PE reaches all others, in both families, and nobody else's; a
// reflector that is killed moves nothing, and a PE that ends is gone at all others.
func TestFabric(t *testing.T) {
	t.Parallel()
	f := &fabricTest{fabric.New(newLab(t, "bgpd", "vtysh"), fabricPEs, fabricTenants), t}
	wire := lab.ReadVXLANs(f.Router, "pe1")
	f.Start()
	f.reach("from the start", f.PEs)
	f.holds(f.PEs)
	f.apart()
	f.strangers()
	f.carries(wire)
	f.reflectorKilled()
	f.peEnds()
}

type fabricTest struct {
	*fabric.Fabric
	t *testing.T
}

func (f *fabricTest) reach(when string, there []*fabric.PE) {
	f.t.Helper()
	if err := f.Reach(there, fabricPatience); err != nil {
		f.t.Fatalf("%s: %v", when, err)
	}
}

// holds waits until each tenant at these PEs has the routes to what it has at the others of
// them, and none else.
func (f *fabricTest) holds(there []*fabric.PE) {
	f.t.Helper()
	for _, pe := range there {
		for i, ns := range pe.Tenants {
			want := f.Wants(pe, i, there)
			slices.Sort(want)
			lab.WaitEqual(f.t, fmt.Sprintf("the routes of %s at PE %d", fabric.Tenant(i), pe.N), want, func() []string {
				var got []string
				for _, r := range ns.Own(lab.Main) {
					got = append(got, strings.TrimSuffix(strings.Fields(r)[0], "/128"))
				}
				slices.Sort(got)
				return got
			})
		}
	}
}

// apart has one tenant after the other send its pings, and sees where they arrive: at that
// tenant, and at no other.
func (f *fabricTest) apart() {
	f.t.Helper()
	before := f.counts()
	for i := range fabricTenants {
		if err := f.ReachIn(i, f.PEs, time.Now().Add(fabricPatience)); err != nil {
			f.t.Fatal(err)
		}
		now := f.counts()
		for n, pe := range f.PEs {
			for other := range pe.Tenants {
				came := now[n][other] - before[n][other]
				// Each other PE sends a packet a family to this one, and an answer to each of its own.
				if least := uint64(4 * (fabricPEs - 1)); other == i && came < least {
					f.t.Errorf("%d packets of %s came to PE %d, want %d", came, fabric.Tenant(i), pe.N, least)
				} else if other != i && came != 0 {
					f.t.Errorf("while %s pinged, %d packets came to %s at PE %d", fabric.Tenant(i), came, fabric.Tenant(other), pe.N)
				}
			}
		}
		before = now
	}
}

// counts are the packets that came to each tenant of each PE.
func (f *fabricTest) counts() [][]uint64 {
	f.t.Helper()
	all := make([][]uint64, len(f.PEs))
	for n, pe := range f.PEs {
		for i := range pe.Tenants {
			packets, err := pe.Received(i)
			if err != nil {
				f.t.Fatal(err)
			}
			all[n] = append(all[n], packets)
		}
	}
	return all
}

// strangers: nobody reaches what another tenant alone has.
func (f *fabricTest) strangers() {
	f.t.Helper()
	before := f.counts()
	for i := range fabricTenants {
		pe := f.PEs[i%fabricPEs]
		for other := range fabricTenants {
			for _, six := range []bool{false, true} {
				if to := fabric.Unique(other, six); other != i && pe.Tenants[i].Ping("", to) == nil {
					f.t.Errorf("%s at PE %d reaches %s of %s", fabric.Tenant(i), pe.N, to, fabric.Tenant(other))
				}
			}
		}
	}
	lab.Equal(f.t, "packets that came to tenants meanwhile", before, f.counts())
}

// carries looks at what went by between PE 1 and the router: each packet has the VNI of the
// tenant whose router it goes to.
func (f *fabricTest) carries(wire *lab.VXLANs) {
	f.t.Helper()
	type end struct {
		vtep   netip.Addr
		router string
	}
	tenants := make(map[end]int)
	for _, pe := range f.PEs {
		for i := range pe.Tenants {
			mac, err := pe.RouterMAC(i)
			if err != nil {
				f.t.Fatal(err)
			}
			tenants[end{netip.MustParseAddr(fabric.VTEP(pe.N)), mac}] = fabric.VNI(i)
		}
	}
	lab.Equal(f.t, "routers of tenants", fabricPEs*fabricTenants, len(tenants))
	seen := wire.Seen()
	for c := range seen {
		if want, known := tenants[end{c.To, c.Router}]; !known || want != int(c.VNI) {
			f.t.Errorf("%+v is on the wire, and that router has the VNI %d", c, want)
		}
	}
	// To each of the other PEs and back, in each tenant.
	if want := 2 * (fabricPEs - 1) * fabricTenants; len(seen) != want {
		f.t.Errorf("PE 1 has %d ways of packets, want %d", len(seen), want)
	}
}

// reflectorKilled kills a reflector: no route changes, and no packet is lost.
func (f *fabricTest) reflectorKilled() {
	f.t.Helper()
	pulse := f.Pulse()
	for i, pe := range f.PEs {
		other := f.PEs[(i+1)%fabricPEs]
		pulse.Between(pe.Tenants[i], fabric.Shared(other.N, i%2 == 1))
	}
	marks := make(map[*lab.Namespace]int)
	for _, pe := range f.PEs {
		for _, ns := range pe.Tenants {
			marks[ns] = ns.Mark()
		}
	}
	f.Reflectors[0].Kill()
	for _, pe := range f.PEs {
		f.awaitSession(pe, 1, false)
	}
	f.reach("with one reflector", f.PEs)
	f.holds(f.PEs)
	pulse.EndWhole()
	for _, pe := range f.PEs {
		for i, ns := range pe.Tenants {
			for _, ev := range ns.Since(marks[ns]) {
				f.t.Errorf("%s at PE %d, with a reflector killed: %v", fabric.Tenant(i), pe.N, ev)
			}
		}
	}
}

// awaitSession waits until a PE has a session with a reflector, or has none.
func (f *fabricTest) awaitSession(pe *fabric.PE, reflector int, up bool) {
	f.t.Helper()
	lab.WaitFor(f.t, fmt.Sprintf("the session of PE %d with reflector %d is up: %v", pe.N, reflector, up), lab.Patience, func() string {
		var list struct {
			Neighbors []struct{ Address, State string }
		}
		pe.Daemon.JSON(&list, "neighbor")
		for _, n := range list.Neighbors {
			if n.Address == fabric.ReflectorAddr(reflector) && (strings.EqualFold(n.State, "established")) == up {
				return ""
			}
		}
		return fmt.Sprint(list.Neighbors)
	})
}

// peEnds has the last PE end, as a service manager does it: it is gone at all others, with the
// entries that led to it, and they go on among themselves. It comes back, and so does all.
func (f *fabricTest) peEnds() {
	f.t.Helper()
	last, rest := f.PEs[fabricPEs-1], f.PEs[:fabricPEs-1]
	last.Daemon.Signal(syscall.SIGTERM)
	if err := last.Daemon.Wait(lab.Patience); err != nil {
		f.t.Errorf("PE %d did not end well: %v", last.N, err)
	}
	f.holds(rest)
	f.reach("without the last PE", rest)
	for i := range fabricTenants {
		if ns := rest[i%len(rest)].Tenants[i]; ns.Ping("", fabric.Shared(last.N, false)) == nil || ns.Ping("", fabric.Shared(last.N, true)) == nil {
			f.t.Errorf("%s at PE %d reaches PE %d, which has ended", fabric.Tenant(i), rest[i%len(rest)].N, last.N)
		}
	}
	gateway := fmt.Sprintf("fe80::aff:%x:", last.N)
	for _, pe := range rest {
		lab.WaitFor(f.t, fmt.Sprintf("PE %d has no entry for PE %d", pe.N, last.N), fabricPatience, func() string {
			for _, ns := range pe.Tenants {
				if out := ns.IP("neigh", "show", "nud", "permanent"); strings.Contains(out, gateway) {
					return ns.Role + " has " + out
				}
			}
			return ""
		})
	}
	last.Daemon.Start()
	f.reach("with the last PE again", f.PEs)
	f.holds(f.PEs)
}
