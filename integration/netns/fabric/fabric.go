// Package fabric builds a core of many machines for tests and benchmarks: provider edges around
// two route reflectors and one router, each with the same tenants, all of them network namespaces.
// Tenants are carried by VXLAN, MPLS or SRv6, each by one of them. Whoever builds a fabric says how
// the daemons' binary comes about: it is the lab's.
package fabric

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Fabric is the network. Every tenant has a namespace at every PE, and its addresses on lo there, or by
// another encapsulation than VXLAN on a host's:
//
//	PE n          core 10.0.n.1 (the router has .2), lo 10.255.0.n, which is its VTEP
//	reflector r   core 10.1.r.1 (the router has .2), lo 10.255.1.r
//	any tenant    at PE n: 10.10.0.n and 2001:db8::n, the same in each tenant
//	tenant t      at one PE, its Home: 10.20.t.1 and 2001:db8:20:t+1::1, which nobody else has
type Fabric struct {
	*lab.Lab
	Router     *lab.Namespace
	Reflectors []*Reflector
	PEs        []*PE
	Carried    []edge.By // how each tenant is, by number
}

// Reflector is FRR's bgpd as a route reflector of EVPN.
type Reflector struct {
	*lab.FRR
	Core *lab.Namespace
	N    int
}

// PE is a machine with a daemon.
type PE struct {
	N       int
	Core    *lab.Namespace
	Tenants []*lab.Namespace // by number
	Hosts   []*lab.Namespace // where the tenants' addresses are: the tenants themselves by VXLAN
	Daemon  *lab.Daemon      // nil before Start
}

// AS is that of all sessions.
const AS = 65000

// New builds a fabric without any daemon, and with its reflectors at work; its tenants are carried by
// VXLAN.
func New(l *lab.Lab, pes, tenants int) *Fabric {
	l.T.Helper()
	return Mixed(l, pes, slices.Repeat([]edge.By{edge.VXLAN}, tenants)...)
}

// Mixed is New with tenants that are carried as it says.
func Mixed(l *lab.Lab, pes int, carried ...edge.By) *Fabric {
	l.T.Helper()
	f := &Fabric{Lab: l, Router: l.Namespace("p"), Carried: carried}
	edge.Forwards(f.Router)
	for r := 1; r <= 2; r++ {
		core := f.join(machine{role: fmt.Sprintf("rr%d", r), four: fmt.Sprintf("10.1.%d", r), addr: ReflectorAddr(r), six: fmt.Sprintf("fd00:c1:%d:", r), addr6: reflectorAddr6(r)})
		f.Reflectors = append(f.Reflectors, &Reflector{FRR: core.FRR(f.reflects(r)), Core: core, N: r})
	}
	for n := 1; n <= pes; n++ {
		core := f.join(machine{role: fmt.Sprintf("pe%d", n), four: fmt.Sprintf("10.0.%d", n), addr: VTEP(n), six: fmt.Sprintf("fd00:c0:%d:", n), addr6: edge.Loopback6(n)})
		f.PEs = append(f.PEs, &PE{N: n, Core: core})
	}
	underlay(f)
	for _, pe := range f.PEs {
		for t := range carried {
			f.tenant(pe, t)
		}
	}
	return f
}

// VTEP is the address of a PE in the core; ReflectorAddr a reflector's.
func VTEP(n int) string { return fmt.Sprintf("10.255.0.%d", n) }

// ReflectorAddr is the address of a reflector in the core.
func ReflectorAddr(r int) string { return fmt.Sprintf("10.255.1.%d", r) }

// machine is one of the core: the network parts of its link to the router, and its addresses on lo.
type machine struct{ role, four, addr, six, addr6 string }

// join makes a machine of the core, with a link to the router.
func (f *Fabric) join(m machine) *lab.Namespace {
	f.T.Helper()
	core := f.Namespace(m.role)
	edge.Forwards(core)
	f.Link(core, "core", f.Router, m.role)
	core.Address("core", m.four+".1/24")
	core.Address("lo", m.addr+"/32")
	f.Router.Address(m.role, m.four+".2/24")
	core.Batch("route add 10.255.0.0/16 via " + m.four + ".2 src " + m.addr)
	f.Router.Batch("route add " + m.addr + "/32 via " + m.four + ".1")
	if vpn(f) {
		core.Address("core", m.six+":1/64")
		core.Address("lo", m.addr6+"/128")
		f.Router.Address(m.role, m.six+":2/64")
		core.Batch("route add fd00::/16 via " + m.six + ":2 src " + m.addr6)
		f.Router.Batch("route add " + m.addr6 + " via " + m.six + ":1")
	}
	return core
}

// tenant gives a PE a tenant.
func (f *Fabric) tenant(pe *PE, t int) {
	f.T.Helper()
	ns := f.Namespace(fmt.Sprintf("%s-%d", Tenant(t), pe.N))
	edge.Forwards(ns)
	host := ns
	if f.Carried[t] != edge.VXLAN {
		host = linked(f, pe, t, ns)
	}
	for _, addr := range f.addresses(pe, t) {
		host.Address("lo", addr)
	}
	pe.Tenants, pe.Hosts = append(pe.Tenants, ns), append(pe.Hosts, host)
}

// addresses are a tenant's at a PE, as prefixes.
func (f *Fabric) addresses(pe *PE, t int) (list []string) {
	for _, six := range []bool{false, true} {
		list = append(list, hostRoute(Shared(pe.N, six)))
		if f.Home(t) == pe.N {
			list = append(list, hostRoute(Unique(t, six)))
		}
	}
	return list
}

// Tenant is the name of a tenant's VRF.
func Tenant(t int) string { return fmt.Sprintf("t%d", t) }

// VNI is a tenant's on the wire.
func VNI(t int) int { return 1000 + t }

// Home is the PE at which a tenant has what nobody else has.
func (f *Fabric) Home(t int) int { return t%len(f.PEs) + 1 }

// Shared is the address that each tenant has at a PE.
func Shared(n int, six bool) string {
	if six {
		return fmt.Sprintf("2001:db8::%x", n)
	}
	return fmt.Sprintf("10.10.0.%d", n)
}

// Unique is the address that one tenant has, at its Home.
func Unique(t int, six bool) string {
	if six {
		return fmt.Sprintf("2001:db8:20:%x::1", t+1)
	}
	return fmt.Sprintf("10.20.%d.1", t)
}

// hostRoute is the prefix of an address.
func hostRoute(addr string) string {
	if strings.Contains(addr, ":") {
		return addr + "/128"
	}
	return addr + "/32"
}

// Start starts the daemons of all PEs, and returns when all answer.
func (f *Fabric) Start(args ...string) {
	f.T.Helper()
	f.Launch(args...)
	for _, pe := range f.PEs {
		pe.Daemon.Answers()
	}
}

// Launch starts the daemons of all PEs, and waits for none.
func (f *Fabric) Launch(args ...string) {
	f.T.Helper()
	for _, pe := range f.PEs {
		pe.Daemon = pe.Core.Launched(f.Config(pe), args...)
	}
}

// Wants are the addresses that a tenant at a PE reaches at the others, while these PEs are there.
func (f *Fabric) Wants(pe *PE, t int, there []*PE) (addrs []string) {
	for _, six := range []bool{false, true} {
		for _, other := range there {
			if other == pe {
				continue
			}
			addrs = append(addrs, Shared(other.N, six))
			if f.Home(t) == other.N {
				addrs = append(addrs, Unique(t, six))
			}
		}
	}
	return addrs
}

// Device is the name of the link that the daemon makes for a tenant.
func Device(t int) string { return fmt.Sprintf("vx%d", VNI(t)) }

// Received is how many packets came to a tenant from other PEs.
func (pe *PE) Received(t int) (packets uint64, err error) {
	err = pe.Tenants[t].Enter(func() error {
		data, err := os.ReadFile("/proc/thread-self/net/dev")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(data)) {
			name, counters, _ := strings.Cut(strings.TrimSpace(line), ":")
			if name != Device(t) {
				continue
			}
			const received = 1 // after the bytes
			packets, err = strconv.ParseUint(strings.Fields(counters)[received], 10, 64)
			return err
		}
		return fmt.Errorf("tenant %s at PE %d has no %s", Tenant(t), pe.N, Device(t))
	})
	return packets, err
}

// RouterMAC is the address by which other PEs reach a tenant here.
func (pe *PE) RouterMAC(t int) (mac string, err error) {
	err = pe.Tenants[t].Enter(func() error {
		link, err := net.InterfaceByName(Device(t))
		if err == nil {
			mac = link.HardwareAddr.String()
		}
		return err
	})
	return mac, err
}

// each does something for each tenant, all at once, and joins what it says.
func (f *Fabric) each(do func(t int) error) error {
	var wait sync.WaitGroup
	failed := make([]error, len(f.PEs[0].Tenants))
	for t := range failed {
		wait.Go(func() { failed[t] = do(t) })
	}
	wait.Wait()
	return firstOf(failed)
}

// firstOf is the first error of some, and how many there are.
func firstOf(list []error) (first error) {
	more := 0
	for _, err := range list {
		switch {
		case err == nil:
		case first == nil:
			first = err
		default:
			more++
		}
	}
	if more > 0 {
		return fmt.Errorf("%w, and %d tenants more", first, more)
	}
	return first
}
