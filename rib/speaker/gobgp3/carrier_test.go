package gobgp3

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

var redCarried = rib.Carried{Source: netip.MustParseAddr("10.255.0.1"), VNI: 100, RouterMAC: rib.MAC{2, 0, 0, 0, 1, 1}}

// carrying is a router with the VRFs red and blue, with a PE of its AS and one of another, and a
// customer in red.
type carrying struct {
	*running
	t          *testing.T
	pe, abroad *peer
	customer   *peer
	conf       obj
}

func newCarrying(t *testing.T, extras rib.Extras) *carrying {
	t.Helper()
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	x := &carrying{
		t: t, pe: newPeer(t, "127.0.0.2", 65000, evpnFamilies...), abroad: newPeer(t, "127.0.0.3", 65009, evpnFamilies...),
		customer: newPeer(t, "127.0.0.4", 65003, families...),
	}
	x.conf = baseConf([]any{
		vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"}),
		vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}),
	}, []any{
		neighborConf(x.pe.addr, 65000, x.pe.port, evpnFamilies...), neighborConf(x.abroad.addr, 65009, x.abroad.port, evpnFamilies...),
		inVRF(neighborConf(x.customer.addr, 65003, x.customer.port, families...), "red"),
	})
	x.running = run(t, Options{Config: toJSON(t, x.conf), Extras: extras})
	for _, p := range []*peer{x.pe, x.abroad, x.customer} {
		x.awaitState(t, p.addr, "established")
	}
	return x
}

func carriedBy(by rib.Carried) rib.Extras {
	return rib.Extras{Carried: map[string]rib.Carried{"red": by}}
}

func (x *carrying) reloadAs(extras rib.Extras) []string {
	x.t.Helper()
	changes, err := x.Reload(context.Background(), toJSON(x.t, x.conf), extras)
	if err != nil {
		x.t.Fatal(err)
	}
	if got := x.Drift(); len(got) > 0 {
		x.t.Errorf("BGP is taken for changed by others: %v", got)
	}
	return changes
}

// told waits until a PE has this of a prefix of red by EVPN, "": nothing, and so many VPN routes.
func (x *carrying) told(when string, by *peer, pfx, want string, vpn int) {
	x.t.Helper()
	eventually(x.t, fmt.Sprintf("%s: %s has %s as %q, and %d VPN routes", when, by.addr, pfx, want, vpn), func() bool {
		got := by.fives(pfx)
		return (want == "" && len(got) == 0 || slices.Equal(got, []string{want})) && len(by.has(pfx, 1)) == vpn
	})
}

// five is what a PE has of a route of red.
func five(as string, med int, communities, targets string) string {
	return fmt.Sprintf("65000:1 vni 100 by 10.255.0.1 path [%s] med %d [%s] [%s] [VXLAN router's mac: 02:00:00:00:01:01]", as, med, communities, targets)
}

const (
	customersCommunity = "4260036609" // 65003:1
	ownCommunity       = "4259840007" // 65000:7, as change has it
)

var (
	customersPrefixes = []string{"10.1.0.0/16", "2001:db8:1::/48"}
	ownPrefixes       = []string{"10.2.0.0/16", "2001:db8:2::/48"}
)

func (x *carrying) announceAll() {
	x.t.Helper()
	for i, pfx := range customersPrefixes {
		x.customer.announce(spec{prefix: pfx, attrs: []proto.Message{&api.CommunitiesAttribute{Communities: []uint32{65003<<16 | 1}}}})
		x.announce(x.t, "red", change(ownPrefixes[i], 5))
		x.announce(x.t, "blue", change(ownPrefixes[i], 6))
	}
}

// TestCarried: what goes out of a VRF that is carried by EVPN goes to PEs of this AS and of others
// as routes of EVPN alone, of both families, with our nexthop, VNI and MAC address: the VRF's own
// routes and its customers'. They come and go with the VPN path, and are candidates nowhere here;
// another VRF's routes go out as VPN routes.
func TestCarried(t *testing.T) {
	x := newCarrying(t, carriedBy(redCarried))
	x.announceAll()
	for i, pfx := range customersPrefixes {
		own := ownPrefixes[i]
		x.told("a customer's", x.pe, pfx, five("65003", 0, customersCommunity, "65000:1"), 0)
		x.told("a customer's", x.abroad, pfx, five("65000 65003", 0, customersCommunity, "65000:1"), 0)
		x.told("its own", x.pe, own, five("", 5, ownCommunity, "65000:1"), 0)
		x.told("its own", x.abroad, own, five("65000", 5, ownCommunity, "65000:1"), 0)
		eventually(t, "blue's goes out as a VPN route", func() bool { return len(x.pe.has(own, 2)) == 1 })
		eventually(t, "the customer hears of red's own", func() bool { return len(x.customer.has(own, 0)) == 1 })
		for _, p := range x.await(t, "red", own, count(1)) {
			if p.Attrs.Carrier != rib.NotCarried || !slices.Equal(p.Attrs.RTs, []rib.RT{rt(t, "65000:1")}) {
				t.Errorf("red has of its own %+v, %+v", p.Attrs.Via, p.Attrs.Tags)
			}
		}
		x.customer.withdraw(spec{prefix: pfx})
		x.told("withdrawn", x.pe, pfx, "", 0)
		x.told("withdrawn", x.abroad, pfx, "", 0)
		x.announce(t, "red", withdrawal(own))
		x.told("withdrawn", x.pe, own, "", 0)
	}
	eventually(t, "nothing is left of it in GoBGP", func() bool {
		left := 0
		_ = x.inLoop(func() error { left = len(x.loop.rib().Tables[bgp.RF_EVPN].destinations); return nil })
		return left == 0
	})
}

// TestReloadedCarried: a reload that has a VRF carried, otherwise, or no more is in force when it
// returns, and disturbs no session.
func TestReloadedCarried(t *testing.T) {
	x := newCarrying(t, rib.Extras{})
	x.announceAll()
	since := x.established(t, x.pe.addr)
	vpn := func(when string) {
		t.Helper()
		for i, pfx := range customersPrefixes {
			for _, p := range []*peer{x.pe, x.abroad} {
				x.told(when, p, pfx, "", 1)
				x.told(when, p, ownPrefixes[i], "", 1)
			}
		}
	}
	vpn("before")
	other := redCarried
	other.VNI, other.Source, other.RouterMAC[5] = 1<<24-1, netip.MustParseAddr("2001:db8:ff::1"), 9
	for name, by := range map[string]rib.Carried{"by EVPN": redCarried, "otherwise": other} {
		changes := x.reloadAs(carriedBy(by))
		if !slices.ContainsFunc(changes, func(s string) bool { return strings.Contains(s, "VRF red: goes out") }) {
			t.Errorf("%s: the reload changed %q", name, changes)
		}
		as := func(s string) string {
			s = strings.ReplaceAll(s, "vni 100", fmt.Sprint("vni ", by.VNI))
			s = strings.ReplaceAll(s, "10.255.0.1", by.Source.String())
			return strings.ReplaceAll(s, "02:00:00:00:01:01", by.RouterMAC.String())
		}
		for i, pfx := range customersPrefixes {
			x.told(name, x.pe, pfx, as(five("65003", 0, customersCommunity, "65000:1")), 0)
			x.told(name, x.pe, ownPrefixes[i], as(five("", 5, ownCommunity, "65000:1")), 0)
			x.told(name, x.abroad, ownPrefixes[i], as(five("65000", 5, ownCommunity, "65000:1")), 0)
		}
		if changes := x.reloadAs(carriedBy(by)); len(changes) > 0 {
			t.Errorf("%s: the same again changed %q", name, changes)
		}
	}
	for _, pfx := range customersPrefixes {
		x.Takes("red", rib.Carried{}, func() {})
		x.told("while it takes no packets", x.pe, pfx, "", 0)
		x.Takes("red", redCarried, func() {})
		eventually(t, "it takes packets again, and the PE hears of "+pfx, func() bool { return len(x.pe.fives(pfx)) == 1 })
	}
	x.reloadAs(rib.Extras{})
	vpn("afterwards")
	if x.established(t, x.pe.addr) != since {
		t.Error("the session with the PE began anew")
	}
}

// TestCarriedComesBack: a route of EVPN that another client of the API takes away, or replaces, is
// sent again; one that a client adds stays.
func TestCarriedComesBack(t *testing.T) {
	x := newCarrying(t, carriedBy(redCarried))
	x.announceAll()
	want := five("", 5, ownCommunity, "65000:1")
	x.told("at first", x.pe, ownPrefixes[0], want, 0)
	client := x.client(t)
	theirs := fivePath(t, fiveSpec{prefix: "10.9.0.0/16", rd: "65000:1", vni: 7, rts: []uint32{1}})
	if _, err := client.AddPath(t.Context(), &api.AddPathRequest{Path: theirs}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a client's own route is told", func() bool { return len(x.pe.fives("10.9.0.0/16")) == 1 })
	forged := fivePath(t, fiveSpec{prefix: ownPrefixes[0], rd: "65000:1", vni: 7, rts: []uint32{1}})
	forged.Identifier = ourIdentifier
	for name, call := range map[string]func() error{
		"deleted": func() error {
			_, err := client.DeletePath(t.Context(), &api.DeletePathRequest{Path: forged})
			return err
		},
		"replaced": func() error {
			_, err := client.AddPath(t.Context(), &api.AddPathRequest{Path: forged})
			return err
		},
		"all deleted": func() error {
			_, err := client.DeletePath(t.Context(), &api.DeletePathRequest{Family: family("l2vpn-evpn")})
			return err
		},
	} {
		if err := call(); err != nil {
			t.Fatal(err)
		}
		for i, pfx := range customersPrefixes {
			x.told(name, x.pe, pfx, five("65003", 0, customersCommunity, "65000:1"), 0)
			x.told(name, x.pe, ownPrefixes[i], want, 0)
		}
	}
	if len(x.feed(t, "red").Lookup(prefix("10.9.0.0/16"))) > 0 {
		t.Error("what a client adds to EVPN is a candidate")
	}
}

// TestManyCarried: of many routes at a time none is lost, in whichever order they come and go.
func TestManyCarried(t *testing.T) {
	x := newCarrying(t, carriedBy(redCarried))
	const n = 5 * carriedAtOnce
	var add, del []rib.AnnounceChange
	for i := range n {
		pfx := fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)
		add, del = append(add, change(pfx, 1)), append(del, withdrawal(pfx))
	}
	routes := func() (n int) {
		err := x.pe.ListPath(context.Background(), &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: family("l2vpn-evpn")}, func(*api.Destination) { n++ })
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	x.announce(t, "red", add...)
	eventually(t, "all are told", func() bool { return routes() == n })
	x.reloadAs(rib.Extras{})
	eventually(t, "none are told by EVPN", func() bool { return routes() == 0 })
	x.reloadAs(carriedBy(redCarried))
	eventually(t, "all are told again", func() bool { return routes() == n })
	x.announce(t, "red", del...)
	eventually(t, "all are withdrawn", func() bool { return routes() == 0 })
}

// TestEVPNRoutes: the routes of other PEs come into the VRFs that import them, beside VPN routes
// of the same RD and prefix; what changes in them, or goes, is known; and who asks about a prefix
// finds them, and what is no candidate with the reason.
func TestEVPNRoutes(t *testing.T) {
	x := newCarrying(t, carriedBy(redCarried))
	first := rib.MAC{2, 0, 0, 0, 2, 1}
	for i, pfx := range []string{"10.5.0.0/16", "2001:db8:5::/48"} {
		route := fiveSpec{prefix: pfx, vni: 200, mac: first.String(), encap: 8, rts: []uint32{1}}
		x.pe.announceFive(route)
		x.pe.announce(spec{prefix: pfx, rd: 1, rts: []uint32{1}})
		is := func(p rib.Path, mac rib.MAC, vni uint32) bool {
			return p.Attrs.Carrier == rib.ByEVPN && p.Attrs.RouterMAC == mac && p.Label == vni
		}
		got := x.await(t, "red", pfx, count(2))
		if !slices.ContainsFunc(got, func(p rib.Path) bool { return is(p, first, 200) }) || !slices.ContainsFunc(got, func(p rib.Path) bool { return p.Attrs.Carrier == rib.ByVPN }) {
			t.Errorf("red has of %s %+v, %+v", pfx, got[0].Attrs.Via, got[1].Attrs.Via)
		}
		route.mac, route.vni = "02:00:00:00:02:02", 201
		x.pe.announceFive(route)
		x.await(t, "red", pfx, func(list []rib.Path) bool {
			return len(list) == 2 && slices.ContainsFunc(list, func(p rib.Path) bool { return is(p, rib.MAC{2, 0, 0, 0, 2, 2}, 201) })
		})
		asked, err := x.Candidates(t.Context(), "red", prefix(pfx))
		if err != nil || len(asked) != 2 || !slices.ContainsFunc(asked, func(p rib.Path) bool { return is(p, rib.MAC{2, 0, 0, 0, 2, 2}, 201) && p.ID&speaker.ByEVPN != 0 }) {
			t.Errorf("asked about %s BGP has %+v, %v", pfx, asked, err)
		}
		x.pe.withdraw(spec{prefix: pfx, rd: 1, rts: []uint32{1}})
		x.await(t, "red", pfx, count(1))
		route.gateway = []string{"10.5.0.1", "2001:db8:5::1"}[i]
		x.pe.announceFive(route)
		x.await(t, "red", pfx, count(0))
		offers, err := x.Offers(t.Context(), "red", prefix(pfx))
		if err != nil || len(offers) != 1 || !strings.Contains(offers[0].Reason, "gateway") || offers[0].Path.Attrs.Carrier != rib.ByEVPN {
			t.Errorf("of %s is offered %+v, %v", pfx, offers, err)
		}
		route.gateway = ""
		x.pe.announceFive(route)
		x.await(t, "red", pfx, count(1))
		x.pe.withdrawFive(route)
		x.await(t, "red", pfx, count(0))
	}
	if len(x.feed(t, speaker.Default).WithPaths())+len(x.feed(t, "blue").WithPaths()) > 0 {
		t.Error("routes of EVPN came into a VRF that does not import them")
	}
}
