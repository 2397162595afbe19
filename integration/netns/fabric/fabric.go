// Package fabric builds a core of many machines for tests and benchmarks: provider edges around
// two route reflectors and one router, each with the same tenants, all of them network namespaces.
// Whoever builds one says how the daemons' binary comes about: it is the lab's.
package fabric

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Fabric is the network. Every tenant has a namespace at every PE, and its addresses on lo:
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
	Daemon  *lab.Daemon      // nil before Start
}

// AS is that of all sessions.
const AS = 65000

// New builds a fabric without any daemon, and with its reflectors at work.
func New(l *lab.Lab, pes, tenants int) *Fabric {
	l.T.Helper()
	f := &Fabric{Lab: l, Router: l.Namespace("p")}
	f.Router.Sysctl("ipv4.ip_forward", "1")
	for r := 1; r <= 2; r++ {
		core := f.join(fmt.Sprintf("rr%d", r), fmt.Sprintf("10.1.%d", r), ReflectorAddr(r))
		f.Reflectors = append(f.Reflectors, &Reflector{FRR: core.FRR(Reflects(ReflectorAddr(r))), Core: core, N: r})
	}
	for n := 1; n <= pes; n++ {
		pe := &PE{N: n, Core: f.join(fmt.Sprintf("pe%d", n), fmt.Sprintf("10.0.%d", n), VTEP(n))}
		for t := range tenants {
			pe.Tenants = append(pe.Tenants, f.tenant(pe, t, pes))
		}
		f.PEs = append(f.PEs, pe)
	}
	return f
}

// VTEP is the address of a PE in the core; ReflectorAddr a reflector's.
func VTEP(n int) string { return fmt.Sprintf("10.255.0.%d", n) }

// ReflectorAddr is the address of a reflector in the core.
func ReflectorAddr(r int) string { return fmt.Sprintf("10.255.1.%d", r) }

// join makes a machine of the core, with a link to the router.
func (f *Fabric) join(role, subnet, addr string) *lab.Namespace {
	f.T.Helper()
	core := f.Namespace(role)
	core.Sysctl("ipv4.ip_forward", "1")
	f.Link(core, "core", f.Router, role)
	core.Batch("addr add "+subnet+".1/24 dev core", "addr add "+addr+"/32 dev lo",
		"route add 10.255.0.0/16 via "+subnet+".2 src "+addr)
	f.Router.Batch("addr add "+subnet+".2/24 dev "+role, "route add "+addr+"/32 via "+subnet+".1")
	return core
}

// tenant gives a PE a tenant.
func (f *Fabric) tenant(pe *PE, t, pes int) *lab.Namespace {
	f.T.Helper()
	ns := f.Namespace(fmt.Sprintf("%s-%d", Tenant(t), pe.N))
	ns.Sysctl("ipv4.ip_forward", "1")
	ns.Sysctl("ipv6.conf.all.forwarding", "1")
	var lines []string
	for _, six := range []bool{false, true} {
		lines = append(lines, "addr add "+hostRoute(Shared(pe.N, six))+" dev lo")
		if Home(t, pes) == pe.N {
			lines = append(lines, "addr add "+hostRoute(Unique(t, six))+" dev lo")
		}
	}
	ns.Batch(lines...)
	return ns
}

// Tenant is the name of a tenant's VRF.
func Tenant(t int) string { return fmt.Sprintf("t%d", t) }

// VNI is a tenant's on the wire.
func VNI(t int) int { return 1000 + t }

// Home is the PE at which a tenant has what nobody else has.
func Home(t, pes int) int { return t%pes + 1 }

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

// PEOf is the PE with a number.
func (f *Fabric) PEOf(n int) *PE { return f.PEs[n-1] }

// Wants are the addresses that a tenant at a PE reaches at the others, while these PEs are there.
func (f *Fabric) Wants(pe *PE, t int, there []*PE) (addrs []string) {
	for _, six := range []bool{false, true} {
		for _, other := range there {
			if other == pe {
				continue
			}
			addrs = append(addrs, Shared(other.N, six))
			if Home(t, len(f.PEs)) == other.N {
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
