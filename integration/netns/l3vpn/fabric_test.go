package l3vpn_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/fabric"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// TestMixedFabric: four PEs around two route reflectors, whose tenants have the same prefixes and are
// carried by VXLAN and by SRv6, two by each: in each tenant every PE reaches all others, in both
// families, and nobody else's; and a PE whose daemon ends is gone at all others.
func TestMixedFabric(t *testing.T) {
	t.Parallel()
	fabricOf(t, 4, edge.VXLAN, edge.SRv6, edge.VXLAN, edge.SRv6)
}

// TestMixedFabricOfThree is TestMixedFabric at two PEs, whose tenants are carried by VXLAN, by SRv6 and
// by MPLS, one by each.
func TestMixedFabricOfThree(t *testing.T) {
	need.VRF(t)
	need.MPLS(t)
	fabricOf(t, 2, edge.VXLAN, edge.SRv6, edge.MPLS)
}

// fabricPatience is how long all tenants may take to reach all of theirs.
const fabricPatience = 6 * lab.Patience

type fabricTest struct {
	*fabric.Fabric
	t    *testing.T
	came [][]*lab.Wire[lab.Plain] // of each PE, at each tenant's host
}

func fabricOf(t *testing.T, pes int, carried ...edge.By) {
	t.Helper()
	if slices.Contains(carried, edge.SRv6) {
		need.SRv6(t)
	}
	f := &fabricTest{Fabric: fabric.Mixed(newLab(t, "bgpd", "vtysh"), pes, carried...), t: t}
	for _, pe := range f.PEs {
		var at []*lab.Wire[lab.Plain]
		for i, host := range pe.Hosts {
			dev := "eth0"
			if f.Carried[i] == edge.VXLAN {
				dev = "lo" // what is for the tenant itself comes by its VXLAN device, which is not there yet
			}
			at = append(at, lab.ReadPlain(host, dev))
		}
		f.came = append(f.came, at)
	}
	f.Start()
	t.Cleanup(f.tell)
	f.reach("from the start", f.PEs)
	f.holds(f.PEs)
	f.strangers()
	f.apart()
	f.ends()
}

func (f *fabricTest) reach(when string, there []*fabric.PE) {
	f.t.Helper()
	if err := f.Reach(there, fabricPatience); err != nil {
		f.t.Fatalf("%s: %v", when, err)
	}
}

// holds waits until each tenant at these PEs has the routes to what it has at the others of them, and
// none else.
func (f *fabricTest) holds(there []*fabric.PE) {
	f.t.Helper()
	for _, pe := range there {
		for i, ns := range pe.Tenants {
			want := f.Wants(pe, i, there)
			slices.Sort(want)
			lab.WaitEqual(f.t, fmt.Sprintf("the routes of %s at PE %d", fabric.Tenant(i), pe.N), want, func() []string {
				var got []string
				for _, r := range ns.Own(lab.Main) {
					if p := strings.TrimSuffix(strings.Fields(r)[0], "/128"); !strings.HasPrefix(p, "unreachable") && !strings.HasPrefix(p, "fd00:") {
						got = append(got, p)
					}
				}
				slices.Sort(got)
				return got
			})
		}
	}
}

// strangers: nobody reaches what another tenant alone has, whatever carries either of them.
func (f *fabricTest) strangers() {
	f.t.Helper()
	for i := range f.Carried {
		for other := range f.Carried {
			for _, six := range []bool{false, true} {
				to := fabric.Unique(other, six)
				for _, pe := range f.PEs {
					if other != i && pe.Hosts[i].Ping("", to) == nil {
						f.t.Errorf("%s at PE %d reaches %s of %s", fabric.Tenant(i), pe.N, to, fabric.Tenant(other))
					}
				}
			}
		}
	}
}

// apart has one tenant after the other send its pings: they arrive at hosts of that tenant, and at no
// other's. By VXLAN the tenants are the hosts, and how many packets their devices got is looked at.
func (f *fabricTest) apart() {
	f.t.Helper()
	for i := range f.Carried {
		before := f.counts()
		if err := f.ReachIn(i, f.PEs, time.Now().Add(fabricPatience)); err != nil {
			f.t.Fatal(err)
		}
		now := f.arrived(i, before)
		for n, pe := range f.PEs {
			for other := range f.Carried {
				if came := now[n][other] - before[n][other]; other != i && came != 0 {
					f.t.Errorf("while %s pinged, %d packets came to %s at PE %d", fabric.Tenant(i), came, fabric.Tenant(other), pe.N)
				}
			}
		}
	}
}

// arrived waits until a packet a family of each other PE has been counted at each for a tenant, and
// returns all counts then.
func (f *fabricTest) arrived(tenant int, before [][]uint64) (now [][]uint64) {
	f.t.Helper()
	lab.WaitFor(f.t, "packets of "+fabric.Tenant(tenant)+" come to all PEs", lab.Patience, func() string {
		now = f.counts()
		for n, pe := range f.PEs {
			if came, least := now[n][tenant]-before[n][tenant], uint64(2*(len(f.PEs)-1)); came < least {
				return fmt.Sprintf("%d packets came to PE %d, want %d", came, pe.N, least)
			}
		}
		return ""
	})
	return now
}

// caughtUp waits until all is counted that has come to hosts until now: what reads packets there is
// behind them on a loaded machine, and it reads an answer of the tenant's router after them.
func (f *fabricTest) caughtUp() {
	f.t.Helper()
	answer := lab.Plain{From: addr(fabric.Router), To: addr(fabric.Host)}
	for n, pe := range f.PEs {
		for i, host := range pe.Hosts {
			if f.Carried[i] == edge.VXLAN {
				continue // the kernel counts
			}
			before := f.came[n][i].Seen()[answer]
			host.WaitPing("", fabric.Router)
			lab.WaitFor(f.t, "what came to a host is counted", lab.Patience, func() string {
				if f.came[n][i].Seen()[answer] == before {
					return "the answer of its router is not"
				}
				return ""
			})
		}
	}
}

// counts are the packets between hosts that came to each tenant of each PE until now.
func (f *fabricTest) counts() [][]uint64 {
	f.t.Helper()
	f.caughtUp()
	all := make([][]uint64, len(f.PEs))
	for n, pe := range f.PEs {
		for i := range f.Carried {
			if f.Carried[i] == edge.VXLAN {
				packets, err := pe.Received(i)
				if err != nil {
					f.t.Fatal(err)
				}
				all[n] = append(all[n], packets)
				continue
			}
			var packets uint64
			for way, count := range f.came[n][i].Seen() {
				if f.between(way, pe) {
					packets += uint64(count)
				}
			}
			all[n] = append(all[n], packets)
		}
	}
	return all
}

// between tells whether a packet is from another PE's host to one of this PE.
func (f *fabricTest) between(way lab.Plain, to *fabric.PE) bool {
	for _, six := range []bool{false, true} {
		for _, from := range f.PEs {
			if from != to && way.From == addr(fabric.Shared(from.N, six)) && way.To == addr(fabric.Shared(to.N, six)) {
				return true
			}
		}
	}
	return false
}

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// ends has the last PE's daemon end: its prefixes are gone at all others, which reach each other.
func (f *fabricTest) ends() {
	f.t.Helper()
	last := len(f.PEs) - 1
	f.PEs[last].Daemon.Stop()
	f.holds(f.PEs[:last])
	f.reach("without a PE", f.PEs[:last])
}

// tell says how everything stands where the test has failed, before what was started ends.
func (f *fabricTest) tell() {
	if !f.t.Failed() {
		return
	}
	for _, pe := range f.PEs {
		for _, args := range [][]string{{"vrf"}, {"neighbor"}, {"route", "export"}} {
			out, err := pe.Daemon.Try(args...)
			f.t.Logf("PE %d, %v: %v\n%s", pe.N, args, err, out)
		}
	}
}
