package edge

import (
	"fmt"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Launch starts vrfredist at PEs, with sessions to all others, and returns when all answer.
func Launch(n *Network, pes ...*PE) {
	n.T.Helper()
	for _, pe := range pes {
		pe.Daemon = pe.Core.Launched(pe.Config(Addrs(n.Others(pe)...)...), "--graceful-restart")
	}
	for _, pe := range pes {
		pe.Daemon.Answers()
	}
}

// Ready waits until all VRFs of a PE are.
func Ready(n *Network, pe *PE) {
	n.T.Helper()
	lab.WaitFor(n.T, "the VRFs are ready", lab.Patience, func() string {
		var list struct {
			Vrfs []struct{ Name, State, Reason string }
		}
		pe.Daemon.JSON(&list, "vrf")
		for _, v := range list.Vrfs {
			if v.State != "ready" {
				return v.Name + " is " + v.State + ": " + v.Reason
			}
		}
		return ""
	})
}

// Between has packets go between the hosts of a tenant at two PEs, both ways.
func Between(n *Network, p *lab.Pulse, name string, a, b *PE, families ...bool) {
	for _, six := range families {
		p.Between(a.Tenants[name].Host, Host(b.N, six))
		p.Between(b.Tenants[name].Host, Host(a.N, six))
	}
}

// Entrances are the labels or SIDs of a PE's tenants, as its kernel has them.
func Entrances(pe *PE) map[string]string {
	is := map[string]string{}
	for name, t := range pe.Tenants {
		is[name] = fmt.Sprintf("labels %v, SIDs %v and %v", t.Labels(), t.SID(false), t.SID(true))
	}
	return is
}

// Survives kills a PE's daemon, which is away for 15 seconds: no packet between it and the others is
// lost, and what stands in its kernel is not written again. It returns how long the daemon was away,
// and how many packets were sent.
func Survives(n *Network, pe *PE, others ...*PE) (away time.Duration, sent int) {
	n.T.Helper()
	before, pulse := n.passed(), n.Pulse()
	for _, name := range Names() {
		for _, o := range others {
			Between(n, pulse, name, pe, o, false, true)
		}
	}
	var labels *lab.Process
	if n.By == MPLS {
		labels = pe.Core.Start("ip monitor", "ip", "-f", "mpls", "monitor", "route")
	}
	pe.Daemon.Kill()
	away = pulse.Lasts(15 * time.Second)
	marks := map[*lab.Namespace]int{}
	for _, ns := range spaces(pe) {
		marks[ns] = ns.Mark()
	}
	pe.Daemon.Start()
	Ready(n, pe)
	for _, o := range others {
		if o.FRR != nil {
			o.FRR.WaitEstablished(pe.Addr())
		}
	}
	pulse.Lasts(5 * time.Second)
	if sent = pulse.EndWhole(); n.T.Failed() {
		n.T.Logf("what was seen meanwhile:\n%s", n.passed().since(before))
	}
	for ns, mark := range marks {
		for _, e := range ns.Since(mark) {
			n.T.Errorf("%s, after the restart: %+v", ns.Role, e)
		}
	}
	if labels == nil {
		return away, sent
	}
	if lines := Changes(labels.Output()); len(lines) > 0 {
		n.T.Errorf("over the restart, in the label table:\n%s", strings.Join(lines, "\n"))
	}
	return away, sent
}

// Changes are the lines of `ip monitor` that say that a route or an object is another one.
func Changes(out string) (lines []string) {
	for _, l := range strings.Split(out, "\n") {
		if strings.TrimSpace(l) != "" && !strings.Contains(l, "ff00::") {
			lines = append(lines, l)
		}
	}
	return lines
}

// spaces are the namespaces of a PE that have routes of vrfredist's.
func spaces(pe *PE) []*lab.Namespace {
	list := []*lab.Namespace{pe.Core}
	for _, t := range pe.Tenants {
		if t.NS != pe.Core {
			list = append(list, t.NS)
		}
	}
	return list
}
