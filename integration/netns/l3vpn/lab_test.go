package l3vpn_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// network is a core with what is started in it.
type network struct {
	*edge.Network
	more map[*edge.PE]string // of the configuration
	told sync.Once
}

// newNetwork builds a core for a test that needs VRF devices, what it encapsulates by, and these
// programs.
func newNetwork(t *testing.T, by edge.By, count int, programs ...string) *network {
	t.Helper()
	need.VRF(t)
	if by == edge.SRv6 {
		need.SRv6(t)
	}
	return &network{Network: edge.New(newLab(t, programs...), by, count)}
}

var frrPrograms = []string{"bgpd", "zebra", "vtysh"}

// devices gives PEs the tenants red and blue as VRF devices.
func (n *network) devices(pes ...*edge.PE) {
	n.T.Helper()
	for _, pe := range pes {
		for _, name := range edge.Names() {
			n.Device(pe, name)
		}
	}
}

// ours starts vrfredist at PEs, with sessions to all others.
func (n *network) ours(pes ...*edge.PE) {
	n.T.Helper()
	n.oursAs(n.config, pes...)
}

// oursAs is ours with another configuration.
func (n *network) oursAs(config func(*edge.PE) string, pes ...*edge.PE) {
	n.T.Helper()
	for _, pe := range pes {
		pe.Daemon = pe.Core.Launched(config(pe), "--graceful-restart")
	}
	for _, pe := range pes {
		pe.Daemon.Answers()
	}
	n.T.Cleanup(n.tell)
}

// config is the configuration of vrfredist at a PE, with sessions to all others.
func (n *network) config(pe *edge.PE) string {
	return pe.Config(edge.Addrs(n.Others(pe)...)...) + n.more[pe]
}

// frr starts FRR at PEs, with sessions to all others.
func (n *network) frr(pes ...*edge.PE) {
	n.T.Helper()
	for _, pe := range pes {
		edge.StartFRR(n.Network, pe, n.Others(pe)...)
	}
	n.T.Cleanup(n.tell)
}

// bird starts BIRD at PEs, with sessions to all others.
func (n *network) bird(pes ...*edge.PE) {
	n.T.Helper()
	for _, pe := range pes {
		edge.StartBIRD(n.Network, pe, n.Others(pe)...)
	}
	n.T.Cleanup(n.tell)
}

type vrfState struct{ Name, State, Reason string }

func vrfs(d *lab.Daemon) []vrfState {
	var list struct{ Vrfs []vrfState }
	d.JSON(&list, "vrf")
	return list.Vrfs
}

// tell says how everything stands where the test has failed, before what was started ends.
func (n *network) tell() {
	if !n.T.Failed() {
		return
	}
	n.told.Do(n.tells)
}

func (n *network) tells() {
	for _, pe := range n.PEs {
		if pe.Daemon != nil {
			for _, args := range [][]string{{"vrf"}, {"neighbor"}, {"route", "export"}} {
				out, err := pe.Daemon.Try(args...)
				n.T.Logf("PE %d, %v: %v\n%s", pe.N, args, err, out)
			}
		}
		look := [][]string{{"nexthop"}, {"route", "show", "table", "all"}, {"-6", "route", "show", "table", "all"}, {"-f", "mpls", "route"}, {"rule"}}
		for _, args := range look {
			out, err := pe.Core.TryIP(args...)
			n.T.Logf("PE %d, ip %v: %v\n%s", pe.N, args, err, quiet(out))
		}
		for name, t := range pe.Tenants {
			if t.NS == pe.Core {
				continue
			}
			for _, args := range look {
				out, err := t.NS.TryIP(args...)
				n.T.Logf("%s at PE %d, ip %v: %v\n%s", name, pe.N, args, err, quiet(out))
			}
		}
	}
}

// quiet leaves out what the kernel has for its own addresses.
func quiet(out string) string {
	var lines []string
	for _, l := range strings.Split(out, "\n") {
		if !strings.HasPrefix(l, "local ") && !strings.HasPrefix(l, "broadcast ") && !strings.HasPrefix(l, "multicast ") && !strings.HasPrefix(l, "anycast ") {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "\n")
}
