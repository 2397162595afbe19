package relay_test

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/nsworker/relay"
	"github.com/vrfredist/vrfredist/rib"
)

type obj = map[string]any

const (
	secret   = "a-secret-of-this-run-for-the-alias-only"
	password = "the-customers-password"
)

// aliasConf is what GoBGP needs for a neighbour behind the relay.
func aliasConf(n rib.Neighbor, families ...string) obj {
	var afs []any
	for _, f := range families {
		afs = append(afs, obj{"config": obj{"afi-safi-name": f}})
	}
	return obj{
		"config": obj{
			"neighbor-address": n.Alias.String(), "peer-as": 65001, "vrf": n.VRF,
			"auth-password": n.Secret,
		},
		"transport": obj{"config": obj{
			"passive-mode": true, "local-address": n.Local.String(), "bind-interface": "lo",
		}},
		"timers":    obj{"config": obj{"hold-time": 9, "keepalive-interval": 3, "idle-hold-time-after-reset": 5}},
		"afi-safis": afs,
	}
}

func vrfConf(name string, number int) obj {
	rt := fmt.Sprintf("65000:%d", number)
	return obj{"config": obj{"name": name, "rd": rt, "both-rt-list": []any{rt}}}
}

// bgpd is a customer's FRR.
type bgpd struct {
	t   testing.TB
	dir string // of its socket
}

func startFRR(l *lab.Lab, n *lab.Namespace, config string) bgpd {
	l.T.Helper()
	n.FRR(config)
	return bgpd{l.T, filepath.Join(l.Dir, "frr-"+n.Role)}
}

func (b bgpd) show(commands ...string) string {
	b.t.Helper()
	args := []string{"--vty_socket", b.dir}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	var out []byte
	// bgpd that is busy makes vtysh give up at once.
	lab.WaitFor(b.t, strings.Join(commands, "; "), lab.Patience, func() string {
		var err error
		if out, err = exec.Command("vtysh", args...).CombinedOutput(); err != nil {
			return fmt.Sprintf("%v: %s", err, out)
		}
		return ""
	})
	return string(out)
}

// state is what FRR has of a neighbour: Established, Active, …
func (b bgpd) state(neighbor string) string {
	b.t.Helper()
	var peers map[string]struct {
		State string `json:"bgpState"`
	}
	out := b.show("show bgp neighbors " + neighbor + " json")
	if err := json.Unmarshal([]byte(out), &peers); err != nil {
		b.t.Fatalf("read what bgpd has of %s: %v: %s", neighbor, err, out)
	}
	return peers[neighbor].State
}

func (b bgpd) waitUp(r started, neighbors ...string) {
	b.t.Helper()
	for _, n := range neighbors {
		lab.WaitFor(b.t, "a session with "+n, 2*lab.Patience, func() string {
			if state := b.state(n); state != "Established" {
				return fmt.Sprintf("it is %s; %+v", state, r.Status())
			}
			return ""
		})
	}
}

// frrConf is a customer with a neighbour statement for each of our addresses.
func frrConf(router, prefix4, prefix6 string, more ...string) string {
	return strings.Join(append([]string{
		"router bgp 65001",
		" bgp router-id " + router,
		" no bgp default ipv4-unicast",
		" no bgp ebgp-requires-policy",
		" no bgp network import-check",
		" neighbor 10.0.0.1 remote-as 65000",
		" neighbor 10.0.0.1 timers 3 9",
		" neighbor 10.0.0.1 timers connect 1",
		" neighbor 2001:db8::1 remote-as 65000",
		" neighbor 2001:db8::1 timers 3 9",
		" neighbor 2001:db8::1 timers connect 1",
		" address-family ipv4 unicast",
		"  network " + prefix4,
		"  neighbor 10.0.0.1 activate",
		" exit-address-family",
		" address-family ipv6 unicast",
		"  network " + prefix6,
		"  neighbor 2001:db8::1 activate",
		" exit-address-family",
	}, more...), "\n") + "\n"
}

// TestSessionsWithFRR: two customers with the same addresses and prefixes, the
// one with MD5 and dialled, the other with TTL security and dialling, over IPv4
// and IPv6.
func TestSessionsWithFRR(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	a, b := newTenant(l, "red"), newTenant(l, "blue")
	a4, a6 := a.neighbor("127.1.0.1"), a.neighbor6("127.1.0.2")
	b4, b6 := b.neighbor("127.1.0.3"), b.neighbor6("127.1.0.4")
	for _, n := range []*rib.Neighbor{&a4, &a6, &b4, &b6} {
		n.Secret = secret
	}
	a4.Password, a6.Password = password, password
	b4.TTLSecurity, b6.TTLSecurity = 255, 255
	b4.PassiveOnly, b6.PassiveOnly = true, true
	b4.TTL, b6.TTL = 0, 0

	// TTL security may stay on in GoBGP's part, where it shows.
	inB := aliasConf(b4, "ipv4-unicast")
	inB["ttl-security"] = obj{"config": obj{"enabled": true, "ttl-min": 255}}
	g := startGoBGP(l, []any{vrfConf("red", 1), vrfConf("blue", 2)}, []any{
		aliasConf(a4, "ipv4-unicast"), aliasConf(a6, "ipv6-unicast"),
		inB, aliasConf(b6, "ipv6-unicast"),
	})
	r := startRelay(t, g.addr)
	r.set(a4, a6, b4, b6)

	frrA := startFRR(l, a.theirs, frrConf("10.0.0.2", "203.0.113.0/24", "2001:db8:a::/48",
		" neighbor 10.0.0.1 password "+password, " neighbor 10.0.0.1 passive",
		" neighbor 2001:db8::1 password "+password, " neighbor 2001:db8::1 passive"))
	frrB := startFRR(l, b.theirs, frrConf("10.0.0.2", "203.0.113.0/24", "2001:db8:b::/48",
		" neighbor 10.0.0.1 ttl-security hops 1", " neighbor 2001:db8::1 ttl-security hops 1"))

	frrA.waitUp(r, "10.0.0.1", "2001:db8::1")
	frrB.waitUp(r, "10.0.0.1", "2001:db8::1")
	for alias, accepted := range map[string]bool{"127.1.0.1": false, "127.1.0.2": false, "127.1.0.3": true, "127.1.0.4": true} {
		if st := r.status(alias); st.State != relay.StateConnected || st.Accepted != accepted {
			t.Errorf("the status of %s is %+v", alias, st)
		}
	}

	// From the customers: each into its own VRF, with the customer's nexthop.
	wait := func(vrf, prefix string, want ...string) {
		t.Helper()
		lab.WaitEqual(t, vrf+" "+prefix, append([]string{}, want...), func() []string { return g.paths(vrf, prefix) })
	}
	wait("red", "203.0.113.0/24", "10.0.0.2")
	wait("blue", "203.0.113.0/24", "10.0.0.2")
	wait("red", "2001:db8:a::/48", "2001:db8::2")
	wait("blue", "2001:db8:b::/48", "2001:db8::2")
	if got := g.paths("red", "2001:db8:b::/48"); len(got) != 0 {
		t.Errorf("VRF red has blue's prefix through %v", got)
	}

	toCustomers(g, frrA, frrB)

	// A customer that restarts comes back, dialled and dialling.
	frrA.show("clear bgp *")
	frrB.show("clear bgp *")
	frrA.waitUp(r, "10.0.0.1", "2001:db8::1")
	frrB.waitUp(r, "10.0.0.1", "2001:db8::1")
	for _, f := range []bgpd{frrA, frrB} {
		f.waitNexthop("ipv4", "198.51.100.0/24", "10.0.0.1")
	}
}

// toCustomers proves that our nexthop is our address in the customer's
// namespace, and that a customer has nothing of the other's VRF.
func toCustomers(g gobgp, frrA, frrB bgpd) {
	g.t.Helper()
	g.announce("red", "198.51.100.0/24", "2001:db8:100::/48")
	g.announce("blue", "198.51.100.0/24", "2001:db8:200::/48")
	for _, want := range []struct {
		f               bgpd
		family, prefix  string
		nexthop, absent string
	}{
		{frrA, "ipv4", "198.51.100.0/24", "10.0.0.1", ""},
		{frrB, "ipv4", "198.51.100.0/24", "10.0.0.1", ""},
		{frrA, "ipv6", "2001:db8:100::/48", "2001:db8::1", "2001:db8:200::/48"},
		{frrB, "ipv6", "2001:db8:200::/48", "2001:db8::1", "2001:db8:100::/48"},
	} {
		want.f.waitNexthop(want.family, want.prefix, want.nexthop)
		if want.absent != "" {
			if got := want.f.nexthop(want.family, want.absent); got != "" {
				g.t.Errorf("a customer has the other's prefix %s through %s", want.absent, got)
			}
		}
	}
}

// nexthop returns the nexthops that FRR has for a prefix, "" where it has none.
func (b bgpd) nexthop(family, prefix string) string {
	b.t.Helper()
	var view struct {
		Paths []struct {
			Nexthops []struct {
				IP    string `json:"ip"`
				Scope string `json:"scope"`
			} `json:"nexthops"`
		} `json:"paths"`
	}
	out := b.show(fmt.Sprintf("show bgp %s unicast %s json", family, prefix))
	if strings.TrimSpace(out) == "" {
		return ""
	}
	if err := json.Unmarshal([]byte(out), &view); err != nil {
		b.t.Fatalf("read what bgpd has for %s: %v: %s", prefix, err, out)
	}
	var hops []string
	for _, p := range view.Paths {
		for _, h := range p.Nexthops {
			hops = append(hops, h.IP)
		}
	}
	return strings.Join(hops, " ")
}

func (b bgpd) waitNexthop(family, prefix, want string) {
	b.t.Helper()
	lab.WaitFor(b.t, family+" "+prefix+" at the customer", 2*lab.Patience, func() string {
		if got := b.nexthop(family, prefix); got != want {
			return fmt.Sprintf("its nexthop is %q, want %q", got, want)
		}
		return ""
	})
}

// TestFamiliesOfTheOtherKind pins what GoBGP sends where a session carries the
// family that its addresses are not of; the alias is IPv4 in each case.
func TestFamiliesOfTheOtherKind(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "c")
	c4, c6 := c.neighbor("127.1.0.1"), c.neighbor6("127.1.0.2")
	g := startGoBGP(l, []any{vrfConf("c", 1)}, []any{
		aliasConf(c4, "ipv4-unicast", "ipv6-unicast"), aliasConf(c6, "ipv4-unicast", "ipv6-unicast"),
	})
	r := startRelay(t, g.addr)
	r.set(c4)
	frr := startFRR(l, c.theirs, frrConf("10.0.0.2", "203.0.113.0/24", "2001:db8:c::/48",
		" neighbor 2001:db8::1 capability extended-nexthop",
		" address-family ipv6 unicast", "  neighbor 10.0.0.1 activate", " exit-address-family",
		" address-family ipv4 unicast", "  neighbor 2001:db8::1 activate", " exit-address-family"))
	frr.waitUp(r, "10.0.0.1")
	g.announce("c", "198.51.100.0/24", "2001:db8:100::/48")
	frr.waitNexthop("ipv4", "198.51.100.0/24", "10.0.0.1")
	frr.waitNexthop("ipv6", "2001:db8:100::/48", "::ffff:a00:1")

	r.set(c6)
	frr.waitUp(r, "2001:db8::1")
	frr.waitNexthop("ipv6", "2001:db8:100::/48", "2001:db8::1")
	frr.waitNexthop("ipv4", "198.51.100.0/24", "2001:db8::1")
	lab.WaitEqual(t, "RFC 8950 from the customer", []string{"2001:db8::2"}, func() []string { return g.paths("c", "203.0.113.0/24") })
}

// TestLinkLocalSession: GoBGP's local-address has no zone.
func TestLinkLocalSession(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "ll")
	n := c.neighborL("127.1.0.1")
	g := startGoBGP(l, []any{vrfConf("ll", 1)}, []any{aliasConf(n, "ipv6-unicast")})
	r := startRelay(t, g.addr)
	r.set(n)
	// BIRD: FRR knows no interface without zebra.
	bird := c.theirs.BIRD(`
router id 10.0.0.2;
protocol device {}
protocol static { ipv6; route 2001:db8:c::/48 unreachable; }
protocol bgp up {
	local fe80::a:2%eth0 as 65001;
	neighbor fe80::a:1%eth0 as 65000;
	connect retry time 1;
	ipv6 { import all; export all; };
}
`)
	// BIRD sends :: and its link-local address, of which the first says nothing.
	lab.WaitEqual(t, "the customer's route", []string{"fe80::a:2"}, func() []string { return g.paths("ll", "2001:db8:c::/48") })
	g.announce("ll", "2001:db8:100::/48")
	lab.WaitFor(t, "our route at the customer", lab.Patience, func() string {
		if out := bird.Show("show route for 2001:db8:100::/48 all"); !strings.Contains(out, "BGP.next_hop: :: fe80::a:1") && !strings.Contains(out, "BGP.next_hop: fe80::a:1") {
			return out
		}
		return ""
	})
}

// TestWrongPasswordWithFRR: nothing comes up, the log says why once, and the
// right password is the end of it.
func TestWrongPasswordWithFRR(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "c")
	n := c.neighbor("127.1.0.1")
	n.Password, n.Secret = password, secret
	g := startGoBGP(l, []any{vrfConf("c", 1)}, []any{aliasConf(n, "ipv4-unicast")})
	r := startRelay(t, g.addr)
	r.set(n)
	frr := startFRR(l, c.theirs, frrConf("10.0.0.2", "203.0.113.0/24", "2001:db8:c::/48", " neighbor 10.0.0.1 password wrong"))
	r.waitError("127.1.0.1", "is the password the same on both sides?")
	lab.WaitFor(t, "three more attempts", 2*lab.Patience, func() string {
		if got := r.status("127.1.0.1").Attempts; got < 4 {
			return fmt.Sprintf("%d so far", got)
		}
		return ""
	})
	if state := frr.state("10.0.0.1"); state == "Established" {
		t.Error("the session is up")
	}
	if got := strings.Count(r.log.String(), "level=WARN"); got != 1 {
		t.Errorf("the log has %d warnings:\n%s", got, r.log.String())
	}
	frr.show("configure terminal", "router bgp 65001", "neighbor 10.0.0.1 password "+password)
	frr.waitUp(r, "10.0.0.1")
	lab.WaitEqual(t, "the customer's route", []string{"10.0.0.2"}, func() []string { return g.paths("c", "203.0.113.0/24") })
}

// TestNobodyElsePassesForTheAlias: with the secret on both sides, a program in
// the daemon's namespace cannot speak as a neighbour.
func TestNobodyElsePassesForTheAlias(t *testing.T) {
	t.Parallel()
	l := lab.New(t, run)
	c := newTenant(l, "c")
	n := c.neighbor("127.1.0.1")
	n.Secret = secret
	g := startGoBGP(l, []any{vrfConf("c", 1)}, []any{aliasConf(n, "ipv4-unicast")})
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: n.Alias.AsSlice()}, Timeout: 2 * time.Second}
	if conn, err := d.Dial("tcp4", g.addr.String()); err == nil {
		conn.Close()
		t.Error("a connection without the secret came up")
	}
}
