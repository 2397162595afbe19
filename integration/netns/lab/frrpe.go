package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// FRRPE is FRR as a PE in a namespace: zebra and bgpd, with the kernel's tables. Its VRFs are VRF
// devices of the namespace, or namespaces.
type FRRPE struct {
	*FRR
	others []*Process // zebra, and what configures it
	ns     *Namespace
	config string
	vnis   map[string]int
	starts []string // the command line that starts each of FRR's programs; none: they are started themselves
}

// PE starts FRR as a PE with bgpd's configuration, and with the VNI of each of its VRFs. tenants
// are its VRFs where those are namespaces; none: they are VRF devices, which are there before it.
func (n *Namespace) PE(config string, vnis map[string]int, tenants map[string]*Namespace) *FRRPE {
	n.lab.T.Helper()
	n.Trust()
	for _, t := range tenants {
		t.Trust()
	}
	p := &FRRPE{ns: n, config: config, vnis: vnis, starts: n.amongTenants(tenants)}
	p.start()
	return p
}

// amongTenants is the command line of a program that starts another one where `ip netns` lists
// these namespaces alone, by these names. FRR makes a VRF of each that it finds, whoever's it is,
// and holds it open.
func (n *Namespace) amongTenants(tenants map[string]*Namespace) []string {
	n.lab.T.Helper()
	if len(tenants) == 0 {
		return nil
	}
	room := filepath.Join(n.lab.Dir, "frr-"+n.Role, "netns")
	if err := os.MkdirAll(room, 0o755); err != nil {
		n.lab.T.Fatalf("make room for the namespaces of FRR: %v", err)
	}
	const script = `room=$0
mount -t tmpfs tmpfs "$room"
while [ "$1" != -- ]; do : >"$room/$1"; mount --bind "$2" "$room/$1"; shift 2; done
shift
mount --rbind "$room" ` + netnsDir + `
exec "$@"`
	line := []string{"unshare", "--mount", "sh", "-ec", script, room}
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
	if len(p.starts) > 0 {
		backend = []string{"--vrfwnetns"}
	}
	p.others = nil
	if newestPeers(n.lab.T) { // of FRR 10, by which zebra is configured
		manager, _ := n.frrBy(p.starts, "mgmtd", "", backend...)
		p.others = append(p.others, manager)
	}
	zebra, _ := n.frrBy(p.starts, "zebra", "", append(backend, "-z", server)...)
	p.others = append(p.others, zebra)
	WaitFor(n.lab.T, "zebra takes clients", Patience, func() string {
		if _, err := os.Stat(server); err != nil {
			return err.Error()
		}
		return ""
	})
	process, dir := n.frrBy(p.starts, "bgpd", p.config, "-S", "-z", server)
	p.FRR = n.answering(&FRR{Process: process, lab: n.lab, ns: n, socket: dir})
	for vrf, vni := range p.vnis {
		p.vni(vrf, vni)
	}
}

// vni gives a VRF its VNI, once zebra takes it: it may not know the VRF yet.
func (p *FRRPE) vni(vrf string, vni int) {
	p.lab.T.Helper()
	WaitFor(p.lab.T, fmt.Sprintf("zebra gives %s the VNI %d", vrf, vni), Patience, func() string {
		out, err := p.all("configure terminal", "vrf "+vrf, fmt.Sprintf("vni %d", vni))
		if err != nil || strings.Contains(out, "%") {
			return fmt.Sprintf("%v: %s", err, out)
		}
		if out, err = p.all("show evpn vni"); err != nil || !strings.Contains(out, fmt.Sprintf("\n%d ", vni)) {
			return fmt.Sprintf("%v: %s", err, out)
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
