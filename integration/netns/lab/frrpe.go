package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// FRRPE is FRR as a PE in a namespace: zebra and bgpd, with the kernel's tables. Its VRFs are VRF
// devices of the namespace, or namespaces.
type FRRPE struct {
	*FRR
	is     PEConfig
	others []*Process // zebra, and what configures it
	ns     *Namespace
	// starts is the command line that starts each of FRR's programs.
	starts []string
}

// PEConfig is what FRR as a PE is given.
type PEConfig struct {
	BGP string // bgpd's configuration
	// Zebra are commands of zebra's configuration, before bgpd starts; Static are static routes, for
	// which staticd runs. Both are as vtysh takes them, a line each.
	Zebra, Static []string
	VNIs          map[string]int // of its VRFs
	// Tenants are its VRFs where those are namespaces; none: they are VRF devices, which are there
	// before FRR.
	Tenants map[string]*Namespace
}

// StartFRRPE starts FRR as a PE in a namespace.
func StartFRRPE(n *Namespace, is PEConfig) *FRRPE {
	n.lab.T.Helper()
	n.Trust()
	for _, t := range is.Tenants {
		t.Trust()
	}
	p := &FRRPE{is: is, ns: n, starts: amongTenants(n, is.Tenants)}
	p.start()
	return p
}

// amongTenants is the command line of a program that starts another one where `ip netns` lists
// these namespaces alone, by these names: FRR makes a VRF of each that it finds, whoever's it is,
// and holds it open. Its programs find each other in a folder of their own, and not in FRR's, where
// one FRR has room; and nothing of the host's configuration.
func amongTenants(n *Namespace, tenants map[string]*Namespace) []string {
	n.lab.T.Helper()
	dir := filepath.Join(n.lab.Dir, "frr-"+n.Role)
	for _, sub := range []string{"netns", "run"} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, sub), 0o755), os.Chmod(filepath.Join(dir, sub), 0o777)); err != nil {
			n.lab.T.Fatalf("make folders for FRR: %v", err)
		}
	}
	const script = `cd "$0"
mount -t tmpfs tmpfs netns
while [ "$1" != -- ]; do : >"netns/$1"; mount --bind "$2" "netns/$1"; shift 2; done
shift
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/frr
mount --rbind netns /run/netns
mount --bind run /run/frr
for dir in /etc/frr /var/lib/frr; do [ ! -d $dir ] || mount -t tmpfs tmpfs $dir; done
exec "$@"`
	line := []string{"unshare", "--mount", "sh", "-ec", script, dir}
	for name, t := range tenants {
		line = append(line, name, t.path())
	}
	return append(line, "--")
}

func (p *FRRPE) start() {
	n := p.ns
	n.lab.T.Helper()
	server := filepath.Join(n.lab.Dir, "frr-"+n.Role, "zserv.api")
	if err := os.Remove(server); err != nil && !os.IsNotExist(err) {
		n.lab.T.Fatalf("remove the socket that zebra left: %v", err)
	}
	var backend []string
	if len(p.is.Tenants) > 0 {
		backend = []string{"--vrfwnetns"}
	}
	p.others = nil
	args := append(slices.Clip(backend), "-z", server)
	if newestPeers(n.lab.T) { // FRR 10
		manager, _ := n.frrBy(p.starts, "mgmtd", "", backend...) // by which zebra is configured
		p.others = append(p.others, manager)
		// Without it bgpd ends a session between IPv4 addresses that is to carry an IPv6 family, where
		// the interface of its own address has no IPv6 address.
		args = append(args, "--v6-with-v4-nexthops")
	}
	zebra, _ := n.frrBy(p.starts, "zebra", "", args...)
	p.others = append(p.others, zebra)
	WaitFor(n.lab.T, "zebra takes clients", 3*Patience, func() string {
		if _, err := os.Stat(server); err != nil {
			return err.Error()
		}
		return ""
	})
	p.FRR = &FRR{lab: n.lab, ns: n, socket: filepath.Dir(server)}
	if len(p.is.Zebra) > 0 {
		p.configured("zebra", p.is.Zebra)
	}
	if len(p.is.Static) > 0 {
		static, _ := n.frrBy(p.starts, "staticd", "", "-z", server)
		p.others = append(p.others, static)
		p.configured("staticd", p.is.Static)
	}
	process, dir := n.frrBy(p.starts, "bgpd", p.is.BGP, "-S", "-z", server)
	p.FRR = n.answering(&FRR{Process: process, lab: n.lab, ns: n, socket: dir})
	for vrf, vni := range p.is.VNIs {
		p.vni(vrf, vni)
	}
}

// configured has one of FRR's programs take lines of its configuration, again until it takes commands
// and has them.
func (p *FRRPE) configured(program string, lines []string) {
	p.lab.T.Helper()
	WaitFor(p.lab.T, program+" has its configuration", 3*Patience, func() string {
		told, err := p.all(append([]string{"configure terminal"}, lines...)...)
		if err != nil {
			return fmt.Sprintf("%v: %s", err, told)
		}
		out, err := p.all("show running-config")
		for _, line := range lines {
			if err != nil || !strings.Contains(out, line) {
				return fmt.Sprintf("%s; then %v, without %q: %s", told, err, line, out)
			}
		}
		return ""
	})
}

// ConfigureAll runs commands in configuration mode, with all of FRR's programs, a line each. It tries
// again until they take them: one may not know the VRF yet. FRR 10 notes where there is nothing to change.
func (p *FRRPE) ConfigureAll(lines ...string) {
	p.lab.T.Helper()
	WaitFor(p.lab.T, "FRR takes "+strings.Join(lines, ", "), Patience, func() string {
		if out, err := p.all(append([]string{"configure terminal"}, lines...)...); err != nil || strings.Contains(strings.ReplaceAll(out, "% Configuration applied with notes", ""), "%") {
			return fmt.Sprintf("%v: %s", err, out)
		}
		return ""
	})
}

// vni gives a VRF its VNI, again until zebra has it: it may not know the VRF yet.
func (p *FRRPE) vni(vrf string, vni int) {
	p.lab.T.Helper()
	WaitFor(p.lab.T, fmt.Sprintf("zebra gives %s the VNI %d", vrf, vni), Patience, func() string {
		told, err := p.all("configure terminal", "vrf "+vrf, fmt.Sprintf("vni %d", vni))
		if err != nil {
			return fmt.Sprintf("%v: %s", err, told)
		}
		if out, err := p.all("show evpn vni"); err != nil || !strings.Contains(out, fmt.Sprintf("\n%d ", vni)) {
			return fmt.Sprintf("%s; then %v: %s", told, err, out)
		}
		return ""
	})
}

// all runs commands of vtysh with all of FRR's programs.
func (p *FRRPE) all(commands ...string) (string, error) {
	args := []string{"--vty_socket", p.socket}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	out, err := p.lab.peer("vtysh", args...).CombinedOutput()
	return string(out), err
}

// Zebra runs a command of vtysh that zebra answers, and returns what it prints.
func (p *FRRPE) Zebra(command string) string {
	p.lab.T.Helper()
	out, err := p.all(command)
	if err != nil {
		p.lab.T.Fatalf("%s: %v: %s", command, err, out)
	}
	return out
}

// Restart kills FRR, and starts it again.
func (p *FRRPE) Restart() {
	p.lab.T.Helper()
	p.Kill()
	for _, o := range p.others {
		o.Kill()
	}
	p.start()
}

// Keeps tells whether FRR keeps the IP prefix routes of a neighbour that has gone without a word,
// and asked for it (RFC 4724). FRR 8 does so for the families of IPv4 and IPv6 alone, whatever the
// neighbour asks.
func (p *FRRPE) Keeps(neighbor string) bool {
	p.lab.T.Helper()
	var peers map[string]struct {
		Info map[string]json.RawMessage `json:"gracefulRestartInfo"`
	}
	p.show("show bgp neighbors "+neighbor+" json", &peers)
	_, is := peers[neighbor].Info["l2VpnEvpn"]
	return is
}

// Dropped is how often a session with a neighbour has ended.
func (p *FRRPE) Dropped(neighbor string) int {
	p.lab.T.Helper()
	var peers map[string]struct {
		Dropped int `json:"connectionsDropped"`
	}
	p.show("show bgp neighbors "+neighbor+" json", &peers)
	return peers[neighbor].Dropped
}

// Type5 is a path of an IP prefix route of EVPN (RFC 9136) as FRR has it.
type Type5 struct {
	RD, Nexthop string
	Communities string // extended ones, as FRR writes them: "RT:65000:100 ET:8 Rmac:02:00:00:00:01:01"
}

// Type5 returns the paths of a prefix, of one RD after the other.
func (p *FRRPE) Type5(prefix string) (paths []Type5) {
	p.lab.T.Helper()
	net, err := netip.ParsePrefix(prefix)
	if err != nil {
		p.lab.T.Fatal(err)
	}
	var table map[string]json.RawMessage // by RD, with other things beside
	p.show("show bgp l2vpn evpn route type 5 json", &table)
	for rd, raw := range table {
		var routes map[string]json.RawMessage // by their names, with other things beside
		var route struct {
			Paths [][]struct {
				ExtendedCommunity struct{ String string }
				Nexthops          []struct{ IP string }
			}
		}
		if json.Unmarshal(raw, &routes) != nil {
			continue
		}
		raw, has := routes[fmt.Sprintf("[5]:[0]:[%d]:[%v]", net.Bits(), net.Addr())]
		if !has {
			continue
		}
		if err := json.Unmarshal(raw, &route); err != nil {
			p.lab.T.Fatalf("read FRR's path of %s: %v: %s", prefix, err, raw)
		}
		for _, same := range route.Paths {
			for _, path := range same {
				paths = append(paths, Type5{RD: rd, Nexthop: path.Nexthops[0].IP, Communities: path.ExtendedCommunity.String})
			}
		}
	}
	slices.SortFunc(paths, func(a, b Type5) int { return strings.Compare(a.RD, b.RD) })
	return paths
}
