package pe_test

import (
	"fmt"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
)

// machines are PEs by VXLAN, whose tenants are namespaces.
type machines struct{ *edge.Network }

// newMachines builds the network without any daemon.
func newMachines(t *testing.T, count int, programs ...string) *machines {
	t.Helper()
	m := &machines{edge.New(newLab(t, programs...), edge.VXLAN, count)}
	for _, pe := range m.PEs {
		for _, name := range edge.Names() {
			m.Space(pe, name)
		}
	}
	return m
}

// start starts all daemons, each with sessions to all others.
func (m *machines) start() {
	m.T.Helper()
	for _, pe := range m.PEs {
		pe.Daemon = pe.Core.OwnDaemon(pe.Config(edge.Addrs(m.Others(pe)...)...), "--graceful-restart")
	}
	m.T.Cleanup(m.tell)
}

// tell says how everything stands where the test has failed.
func (m *machines) tell() {
	if !m.T.Failed() {
		return
	}
	for _, pe := range m.PEs {
		for name := range edge.Numbers {
			for _, args := range [][]string{{"vrf", name}, {"route", "export", "--vrf", name}} {
				out, err := pe.Daemon.Try(args...)
				m.T.Logf("PE %d, %v: %v\n%s", pe.N, args, err, out)
			}
			for _, args := range [][]string{{"-d", "link", "show", "dev", fmt.Sprintf("vx%d", edge.Numbers[name])}, {"route"}, {"neigh", "show", "nud", "permanent"}} {
				out, err := pe.Tenants[name].NS.TryIP(args...)
				m.T.Logf("PE %d, %s, ip %v: %v\n%s", pe.N, name, args, err, out)
			}
		}
	}
}
