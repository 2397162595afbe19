package walk_test

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/integration/faults/oracle"
)

// state is what the steps have made of the world, as far as the test alone decides
// it: neither the kernel nor the daemon has a say in it, or a seed would not replay.
type state struct {
	peers [3]speaker // the last is FRR, which says the same all the time
	// intruder are the routes that the hostile neighbour announces lawfully.
	intruder map[netip.Prefix]bool
	policy   policy
	guest    guest
	sites    []*site
	dead     bool // the daemon does not run
	// graceful: its next start says to neighbours that it restarts, as `gobgpd -r`.
	graceful bool

	// main is another program's routes in the main table of the site that is judged:
	// there the kernel looks for a gateway too. source are those of the VRF that leaks.
	main, source []oracle.Entry
}

// speaker is what one BGP peer says.
type speaker struct {
	up  bool
	rib map[routeID]peer.Route
}

type routeID struct {
	vpn    bool
	prefix netip.Prefix
}

// policy is the part of the configuration that a reload changes.
type policy struct {
	metric      int
	maxPaths    int
	communities []string
	objects     bool
	blackhole   bool
	table       bool // the VRF of the plain table exports
}

// site is a namespace of the daemon's, and its twin.
type site struct {
	name  string
	there bool
	links []*link
	// foreign are the routes that another program added there; some may have gone
	// with a link since.
	foreign []string
	vrfs    []vrfOf
}

// vrfOf is a VRF of a site. Target is its route target; 0: the global RIB.
type vrfOf struct {
	name    string
	table   int
	target  uint16 // of what a template makes, the walk knows it when the VRF is there
	of      string // the template that makes it; "": the file or the API does
	paths   int    // max_paths that the API lays over the template's; 0: none
	imports bool   // what leads over the links of importGlob
	leaks   uint16 // the route target of another VRF, whose imports come here; 0: none
}

type link struct {
	number               int
	made, admin, carrier bool
	four, six            bool // has its addresses
}

func (l *link) name() string  { return fmt.Sprintf("eth%d", l.number) }
func (l *link) far() string   { return fmt.Sprintf("far%d", l.number) }
func (l *link) addr4() string { return fmt.Sprintf("10.0.%d.1", l.number) }
func (l *link) addr6() string { return fmt.Sprintf("2001:db8:%x::1", l.number) }

// usable tells whether the kernel forwards by the link. Without carrier it does: no
// site has ignore_routes_with_linkdown.
func (l *link) usable() bool { return l.made && l.admin }

const (
	mainTable  = 254
	plainTable = 1001 // of a VRF into which another one leaks
	leakTable  = 1002 // of that other one, which only imports
	ownTable   = 1003 // of the VRF of the hostile neighbour
	guestTable = 1004 // of the VRF that the API has
	as         = 65000

	guestTarget = 15
)

func newState() *state {
	s := &state{
		intruder: make(map[netip.Prefix]bool),
		policy:   policy{metric: 20, maxPaths: 4, objects: true, blackhole: true, table: true},
		sites: []*site{
			newSite("rtr", 4,
				vrfOf{name: "default", table: mainTable},
				vrfOf{name: "plain", table: plainTable, target: 12, leaks: 13},
				vrfOf{name: "source", table: leakTable, target: 13, imports: true},
				vrfOf{name: "hostile", table: ownTable, target: 14},
				vrfOf{name: "guest", table: guestTable}),
			newSite("t0", 3, vrfOf{name: "t0", table: mainTable, target: 10, imports: true}),
			newSite("t1", 3, vrfOf{name: "t1", table: mainTable, target: 11}),
			newSite("m0", 3, vrfOf{name: "m0", table: mainTable, of: "tenants", imports: true}),
			newSite("m1", 3, vrfOf{name: "m1", table: mainTable, of: "tenants", imports: true}),
		},
	}
	for i := range s.peers {
		s.peers[i] = speaker{up: true, rib: make(map[routeID]peer.Route)}
	}
	s.peers[frrPeer].rib = frrRoutes()
	return s
}

func newSite(name string, links int, vrfs ...vrfOf) *site {
	s := &site{name: name, there: true, vrfs: vrfs}
	for n := range links {
		s.links = append(s.links, newLink(n))
	}
	return s
}

func newLink(n int) *link {
	return &link{number: n, made: true, admin: true, carrier: true, four: true, six: true}
}

func (s *site) link(name string) *link {
	for _, l := range s.links {
		if l.name() == name {
			return l
		}
	}
	return nil
}

// own tells whether an address is one of the site's.
func (s *site) own(a netip.Addr) bool {
	for _, l := range s.links {
		if l.made && (l.four && l.addr4() == a.String() || l.six && netip.MustParseAddr(l.addr6()) == a) {
			return true
		}
	}
	return false
}

// config is the daemon's configuration file.
func (s *state) config(netnsOf func(site string) string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[global.config]\n  as = %d\n  router-id = \"10.0.0.1\"\n[global.use-multiple-paths.config]\n  enabled = true\n", as)
	for i := range s.peers {
		fmt.Fprintf(&b, "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = %q\n    peer-as = %d\n  [neighbors.transport.config]\n    passive-mode = true\n", peerAddr(i), as)
		if gracefulPeer(i) {
			fmt.Fprint(&b, "  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = 60\n    deferral-time = 5\n")
		}
		for _, f := range []string{"ipv4-unicast", "ipv6-unicast", "l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"} {
			fmt.Fprintf(&b, "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = %q\n", f)
			if gracefulPeer(i) {
				fmt.Fprint(&b, "    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n")
			}
		}
	}
	b.WriteString(intruderConfig())
	fmt.Fprintf(&b, "[netlink]\n  metric = %d\n  sweep_delay = \"5s\"\n  nexthop_objects = %v\n", s.policy.metric, s.policy.objects)
	for _, site := range s.sites {
		for _, v := range site.vrfs {
			if v.table == guestTable || v.of != "" {
				continue
			}
			if v.target != 0 {
				imports := fmt.Sprintf("\"%d:%d\"", as, v.target)
				if v.leaks != 0 {
					imports += fmt.Sprintf(", \"%d:%d\"", as, v.leaks)
				}
				fmt.Fprintf(&b, "[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"%d:%d\"\n    import-rt-list = [%s]\n    export-rt-list = [\"%d:%d\"]\n",
					v.name, as, v.target, imports, as, v.target)
			}
			fmt.Fprintf(&b, "[[netlink.vrfs]]\n  name = %q\n", v.name)
			if site.name != "rtr" {
				fmt.Fprintf(&b, "  netns = %q\n", netnsOf(site.name))
			}
			if v.table != mainTable {
				fmt.Fprintf(&b, "  table = %d\n", v.table)
			}
			s.exchange(&b, "netlink.vrfs", v)
		}
	}
	s.template(&b)
	return b.String()
}

// exchange writes what a VRF imports and exports.
func (s *state) exchange(b *strings.Builder, section string, v vrfOf) {
	if v.imports {
		fmt.Fprintf(b, "  [%s.import]\n    enabled = true\n    interface_list = [%q]\n", section, importGlob)
	}
	fmt.Fprintf(b, "  [%s.export]\n    enabled = %v\n    max_paths = %d\n    accept_blackhole = %v\n",
		section, s.exports(v), s.policy.maxPaths, s.policy.blackhole)
	if len(s.policy.communities) > 0 {
		fmt.Fprintf(b, "    community_list = [\"%s\"]\n", strings.Join(s.policy.communities, `", "`))
	}
}

func (s *state) exports(v vrfOf) bool {
	return v.table == mainTable || v.table == ownTable || v.table == plainTable && s.policy.table || v.table == guestTable && s.guest.there
}

// gracefulPeer tells which of the peers knows of graceful restart (RFC 4724).
func gracefulPeer(i int) bool { return i == 1 }

func peerAddr(i int) netip.Addr {
	if i == frrPeer {
		return netip.MustParseAddr(frrAddr)
	}
	return netip.AddrFrom4([4]byte{10, 0, 0, byte(2 + i)})
}
