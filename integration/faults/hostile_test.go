package faults_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// siege is a network with a tenant, neighbours of each kind that may be hostile, and
// witnesses beside them: a BIRD of the global table, and one that is the tenant's
// customer. What the hostile ones do, the witnesses must not notice.
//
//	rtr   as in network, and  eth0 10.0.9.1 (dynamic neighbours)
//	      un<i> fe80::<i>:1                ── up un<i> fe80::<i>:2  (unnumbered)
//	red   cust0 192.0.2.1                  ── home eth0 192.0.2.2 (BIRD), .10 …
type siege struct {
	*network
	red, home *lab.Namespace
	there     *oracle.Oracle // of red
	strange   oracle.Foreign // in red
	customer  *lab.BIRD
	kinds     []*kind
	since     string // when the witnesses' sessions came up
}

// doors are the neighbours of each kind: GoBGP takes no session of a neighbour for five
// seconds after one that ended.
const doors = 24

// The AS numbers of the siege: a confederation, so that the neighbours have every
// relation to the daemon that there is.
const (
	memberAS, confederation, otherMember, outsideAS = 65010, 65000, 65011, 65300
)

// kind is a kind of neighbours.
type kind struct {
	name    string
	speaker raw.Speaker
	table   *oracle.Oracle // where its routes come to be
	doors   []*door
	used    atomic.Int32 // fresh addresses
	more    bool         // more families, or paths, than IPv4 and IPv6 unicast
	// open is the OPEN for generated messages.
	open []byte
}

// door is where one hostile neighbour comes in.
type door struct {
	*kind
	name     string // of the neighbour, as the daemon's log has it
	enter    raw.Enter
	local    netip.Addr // invalid: a fresh one each time
	remote   netip.Addr
	listener net.Listener // the daemon dials; nil: it waits
}

// open connects, and waits for the daemon's OPEN.
func (d *door) open() (*raw.Session, error) {
	if d.listener != nil {
		return raw.Accept(d.listener)
	}
	var s *raw.Session
	err := until(func() (err error) {
		local := d.local
		if !local.IsValid() {
			local = netip.AddrFrom4([4]byte{10, 0, 9, byte(10 + d.used.Add(1)%240)})
		}
		s, err = raw.Dial(d.enter, local, d.remote)
		return err
	})
	return s, err
}

// until tries until there is no error, and returns the last one.
func until(try func() error) (err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit()); ; <-tick.C {
		if err = try(); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// newSiege builds the network, with the daemon running and every witness up.
func newSiege(t *testing.T) *siege {
	t.Helper()
	g := &siege{network: newNetwork(t, 1000)}
	g.red, g.home = g.Namespace("red"), g.Namespace("home")
	g.Subnet(g.red, "cust0", g.home, "eth0", "192.0.2.1/24")
	g.red.Batch("route add blackhole 198.18.0.0/15 proto static metric 4000")
	g.there = oracle.New(t, g.red, run.Protocol)
	g.furnish()
	g.foreign, g.strange = g.oracle.Foreign(), g.there.Foreign()
	g.customer = g.home.BIRD(customerConfig)
	g.daemon = g.rtr.Daemon(g.config())
	g.waitWitnesses()
	g.since = g.sessions()
	return g
}

const customerConfig = `
router id 192.0.2.2;
log stderr all;
protocol device {}
protocol static four { ipv4; route 20.0.0.0/24 unreachable; route 20.0.1.0/24 unreachable; }
protocol bgp red {
  local as 65200;
  neighbor 192.0.2.1 as 65000;
  source address 192.0.2.2;
  connect retry time 1;
  error wait time 1, 2;
  ipv4 { import all; export where proto = "four"; };
}
`

// furnish gives each kind its addresses, and the unnumbered ones their links.
func (g *siege) furnish() {
	g.T.Helper()
	hop4, hop6 := netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("2001:db8:1::2")
	add := func(name string, as uint32) *kind {
		k := &kind{name: name, table: oracle.New(g.T, g.rtr, run.Protocol), speaker: raw.Speaker{
			AS: as, ID: netip.AddrFrom4([4]byte{10, 8, byte(len(g.kinds)), 1}), Nexthop: hop4, Nexthop6: hop6,
			Prefix: fmt.Sprintf("30.1.%d.0/24", len(g.kinds)), Internal: as == memberAS, Member: as == otherMember,
		}}
		k.open = k.speaker.Open()
		g.kinds = append(g.kinds, k)
		return k
	}
	var up, home, rtr []string
	native := func(name string, as uint32, first int) {
		k := add(name, as)
		for i := range doors {
			a := fmt.Sprintf("10.0.0.%d", first+i)
			up = append(up, "addr add "+a+"/24 dev eth0")
			k.doors = append(k.doors, &door{kind: k, name: a, enter: g.up.Enter, local: netip.MustParseAddr(a), remote: netip.MustParseAddr("10.0.0.1")})
		}
	}
	native("native", outsideAS, 10)
	native("of the confederation", otherMember, 40)
	native("internal", memberAS, 70)
	native("dialled", outsideAS, 100)
	dynamic := add("dynamic", outsideAS)
	for range 2 {
		dynamic.doors = append(dynamic.doors, &door{kind: dynamic, enter: g.up.Enter, remote: netip.MustParseAddr("10.0.9.1")})
	}
	for i := range 250 {
		up = append(up, fmt.Sprintf("addr add 10.0.9.%d/24 dev eth0", 3+i))
	}
	rtr = append(rtr, "addr add 10.0.9.1/24 dev eth0")
	unnumbered := add("unnumbered", outsideAS)
	for i := range doors {
		dev, far := fmt.Sprintf("un%d", i), fmt.Sprintf("fe80::%x:2", i+1)
		rtr = append(rtr, fmt.Sprintf("link add %s type veth peer name %s address 02:00:00:00:01:%02x netns %s", dev, dev, i, g.up.Name),
			"link set "+dev+" addrgenmode none", "link set "+dev+" up", fmt.Sprintf("addr add fe80::%x:1/64 dev %s nodad", i+1, dev),
			fmt.Sprintf("neigh add %s lladdr 02:00:00:00:01:%02x dev %s nud permanent", far, i, dev))
		up = append(up, "link set "+dev+" addrgenmode none", "link set "+dev+" up", fmt.Sprintf("addr add %s/64 dev %s nodad", far, dev))
		zoned := netip.MustParseAddr(far + "%" + dev)
		unnumbered.doors = append(unnumbered.doors, &door{kind: unnumbered, name: zoned.String(), enter: g.up.Enter, local: zoned, remote: netip.MustParseAddr(fmt.Sprintf("fe80::%x:1%%%s", i+1, dev))})
	}
	inside := add("in a namespace", outsideAS)
	inside.table, inside.speaker.Nexthop = g.there, netip.MustParseAddr("192.0.2.2")
	for i := range doors {
		a := fmt.Sprintf("192.0.2.%d", 10+i)
		home = append(home, "addr add "+a+"/24 dev eth0")
		inside.doors = append(inside.doors, &door{kind: inside, name: a, enter: g.home.Enter, local: netip.MustParseAddr(a), remote: netip.MustParseAddr("192.0.2.1")})
	}
	// Those that may say more, for generated messages alone.
	native("of every family", memberAS, 130)
	native("of every family, outside", outsideAS, 160)
	native("with several paths", outsideAS, 190)
	for i, open := range [][]byte{raw.Every, raw.Every, raw.AddPath} {
		k := g.kinds[len(g.kinds)-3+i]
		k.more, k.open, k.doors = true, k.speaker.Open(open), k.doors[:4]
	}
	g.rtr.Batch(rtr...)
	g.up.Batch(up...)
	g.home.Batch(home...)
	g.listen()
}

// listen opens the doors of those whom the daemon dials.
func (g *siege) listen() {
	g.T.Helper()
	for _, d := range g.kind("dialled").doors {
		l, err := raw.Listen(d.enter, d.local)
		if err != nil {
			g.T.Fatal(err)
		}
		d.listener = l
		g.T.Cleanup(func() { l.Close() })
	}
}

// plain are the kinds with IPv4 and IPv6 unicast alone.
func (g *siege) plain() []*kind {
	return slices.DeleteFunc(slices.Clone(g.kinds), func(k *kind) bool { return k.more })
}

func (g *siege) kind(name string) *kind {
	for _, k := range g.kinds {
		if k.name == name {
			return k
		}
	}
	g.T.Fatalf("there is no kind %q", name)
	return nil
}

// unicast are the families of every neighbour of the siege.
const unicast = `  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
`

// config is the daemon's.
func (g *siege) config() string {
	var b strings.Builder
	b.WriteString(strings.Replace(exporting(), "as = 65000", fmt.Sprintf("as = %d", memberAS), 1))
	fmt.Fprintf(&b, "\n[global.confederation.config]\n  enabled = true\n  identifier = %d\n  member-as-list = [%d]\n", confederation, otherMember)
	for _, k := range g.kinds {
		for i := range k.doors {
			b.WriteString(g.neighbour(k, i))
		}
	}
	fmt.Fprintf(&b, `[[dynamic-neighbors]]
  [dynamic-neighbors.config]
    prefix = "10.0.9.0/24"
    peer-group = "strangers"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.0.2.2"
    peer-as = 65200
    vrf = "red"
    netns = %[1]q
  [neighbors.transport.config]
    local-address = "192.0.2.1"
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:10"
    both-rt-list = ["65000:10"]
[[netlink.vrfs]]
  name = "red"
  netns = %[1]q
  [netlink.vrfs.export]
    enabled = true
`, g.red.Name)
	return b.String()
}

// neighbour is the section of one of a kind.
func (g *siege) neighbour(k *kind, i int) string {
	who, more := fmt.Sprintf("neighbor-address = %q", k.doors[i].local), ""
	switch k.name {
	case "dynamic":
		if i > 0 {
			return "" // they have one section
		}
		return fmt.Sprintf("[[peer-groups]]\n  [peer-groups.config]\n    peer-group-name = \"strangers\"\n    peer-as = %d\n", k.speaker.AS) +
			strings.ReplaceAll(unicast, "neighbors.", "peer-groups.")
	case "unnumbered":
		who = fmt.Sprintf("neighbor-interface = \"un%d\"", i)
	case "in a namespace":
		who += fmt.Sprintf("\n    vrf = \"red\"\n    netns = %q", g.red.Name)
		more = "    local-address = \"192.0.2.1\"\n"
	}
	families := unicast
	switch k.name {
	case "of every family", "of every family, outside":
		for _, f := range []string{"l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast", "l2vpn-evpn", "ipv4-labelled-unicast", "ipv6-labelled-unicast", "ipv4-flowspec", "ipv6-flowspec", "rtc"} {
			families += fmt.Sprintf("  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = %q\n", f)
		}
	case "with several paths":
		families = strings.ReplaceAll(unicast, "unicast\"\n", "unicast\"\n    [neighbors.afi-safis.add-paths.config]\n      receive = true\n      send-max = 4\n")
	}
	return fmt.Sprintf("[[neighbors]]\n  [neighbors.config]\n    %s\n    peer-as = %d\n  [neighbors.timers.config]\n    connect-retry = 1\n  [neighbors.transport.config]\n    passive-mode = %v\n%s%s",
		who, k.speaker.AS, k.name != "dialled", more, families)
}

// waitWitnesses waits until the tables are those of the witnesses alone, and everything
// that is not the daemon's is what it was.
func (g *siege) waitWitnesses() {
	g.T.Helper()
	g.wait(all(1000), all(routes6))
	g.there.Wait(lab.Main, by([]string{"20.0.0.0/24", "20.0.1.0/24"}, "via 192.0.2.2 dev cust0"), limit())
	g.there.WaitForeign(g.strange)
}

var established = regexp.MustCompile(`(?m)^(\w+) +BGP +\S+ +up +(\S+) +Established`)

// sessions are those of the witnesses that are up, and since when.
func (g *siege) sessions() string {
	g.T.Helper()
	var list []string
	for _, b := range []*lab.BIRD{g.bird, g.customer} {
		for _, m := range established.FindAllStringSubmatch(b.Show("show protocols"), -1) {
			list = append(list, m[1]+" since "+m[2])
		}
	}
	return strings.Join(list, ", ")
}

// untouched fails the test unless the daemon lives, and all is as it was before the
// hostile ones came.
func (g *siege) untouched(t *testing.T) {
	t.Helper()
	if !g.daemon.Running() {
		t.Fatalf("the daemon died: %v", g.daemon.Wait(lab.Patience))
	}
	g.waitWitnesses()
	lab.Equal(t, "the witnesses' sessions", g.since, g.sessions())
}

var errEnded = errors.New("the daemon ended the session")
