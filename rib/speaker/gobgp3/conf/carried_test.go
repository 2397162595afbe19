package conf

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf/conftest"
)

func carriedConf(t testing.TB, carried map[string]rib.Carried) *Config {
	t.Helper()
	var vrfs []any
	for i, name := range slices.Sorted(maps.Keys(carried)) {
		rt := fmt.Sprint("65000:", i+1)
		vrfs = append(vrfs, conftest.VRF(name, rt, []string{rt}, []string{rt}))
	}
	c, err := Read(conftest.JSON(t, conftest.Base(vrfs, []any{conftest.Neighbor("192.0.2.2", 65000, 179, conftest.Families()...)})), rib.Extras{Carried: carried}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mpls(source string, label uint32) rib.Carried {
	return rib.Carried{Kind: rib.EncapMPLS, Source: netip.MustParseAddr(source), Label: label}
}

func srv6(source, sid string) rib.Carried {
	return rib.Carried{Kind: rib.EncapSRv6, Source: netip.MustParseAddr(source), SRv6: rib.SRv6{SID: netip.MustParseAddr(sid), Locator: netip.MustParsePrefix("fd00:1:0:1::/64")}}
}

// TestCarriageMarks: what goes out of a VRF has the marks of how, and of a VRF that has no number yet
// the one that keeps it from everybody; each service has a mark of its own, and another service
// another one.
func TestCarriageMarks(t *testing.T) {
	unnumbered := mpls("10.255.0.1", 0)
	nowhere := mpls("10.255.0.1", 16)
	nowhere.Source = netip.Addr{}
	c := carriedConf(t, map[string]rib.Carried{
		"a": mpls("10.255.0.1", 16), "b": mpls("10.255.0.1", 17), "c": srv6("fd00:255::1", "fd00:1:0:1:100::"), "d": srv6("fd00:255::1", "fd00:1:0:1:200::"),
		"e": {Kind: rib.EncapVXLAN, Source: netip.MustParseAddr("10.255.0.1"), VNI: 100}, "f": unnumbered, "g": nowhere,
	})
	marks := c.Marks()
	four, six := rib.SourceMark(netip.MustParseAddr("10.255.0.1")), rib.SourceMark(netip.MustParseAddr("fd00:255::1"))
	for name, want := range map[string][]rib.RT{"a": {four}, "b": {four}, "e": {rib.CarriedMark}, "f": {rib.DeafMark}, "g": {rib.DeafMark}} {
		if !slices.Equal(marks[name], want) {
			t.Errorf("%s has the marks %v, want %v", name, marks[name], want)
		}
	}
	if len(marks["c"]) != 2 || marks["c"][0] != six || len(marks["d"]) != 2 || marks["c"][1] == marks["d"][1] || !rib.IsServiceMark(marks["c"][1]) {
		t.Errorf("the VRFs by SRv6 have the marks %v and %v", marks["c"], marks["d"])
	}
	if s := Services(c); len(s) != 2 || s[marks["c"][1]].SRv6.SID != netip.MustParseAddr("fd00:1:0:1:100::") {
		t.Errorf("services %v", s)
	}
	for _, list := range marks {
		for _, rt := range list {
			if !rib.IsCarriageMark(rt) || rib.IsSendMark(rt) {
				t.Errorf("%v is no mark of how routes are carried", rt)
			}
		}
	}
	other := srv6("fd00:255::1", "fd00:1:0:1:100::")
	other.SRv6.Transpose = true
	if o := carriedConf(t, map[string]rib.Carried{"c": other}); slices.Equal(o.Marks()["c"], marks["c"]) {
		t.Error("another service has the same mark")
	}
}

// TestServicesAreTold: of very many services no two have one mark.
func TestServicesAreTold(t *testing.T) {
	const n = 20_000
	c := &Config{}
	for i := range n {
		by := srv6("fd00:255::1", fmt.Sprintf("fd00:1:0:1:%x:%x::", i>>16, i&0xffff))
		c.VRFs = append(c.VRFs, speaker.VRF{Name: fmt.Sprintf("vrf%05d", i), Carried: &by})
	}
	if got := len(Services(c)); got != n {
		t.Errorf("%d services have %d marks", n, got)
	}
}

// TestCarriageRules: what is deaf or told by EVPN is kept from all before the policies of what goes
// out, and the nexthop is set behind all else that sets one, once for each address; a configuration
// in which nothing is carried has none of it.
func TestCarriageRules(t *testing.T) {
	statements := func(c *Config) (list []string) {
		for _, p := range c.Set.PolicyDefinitions {
			for _, s := range p.Statements {
				text := strings.TrimPrefix(s.Name, ruleName)
				if hop := s.Actions.BgpActions.SetNextHop; hop != "" {
					text += " -> " + string(hop)
				}
				if s.Actions.RouteDisposition == oc.ROUTE_DISPOSITION_REJECT_ROUTE {
					text += " -> no"
				}
				list = append(list, text)
			}
		}
		return list
	}
	plain := carriedConf(t, nil)
	for _, s := range statements(plain) {
		if strings.Contains(s, "carried") || strings.Contains(s, "core") || strings.Contains(s, "packets") {
			t.Errorf("where nothing is carried there is %q", s)
		}
	}
	c := carriedConf(t, map[string]rib.Carried{"a": mpls("10.255.0.1", 16), "b": mpls("10.255.0.1", 17), "c": srv6("fd00:255::1", "fd00:1:0:1:100::")})
	got := statements(c)
	var order []int
	for _, want := range []string{
		"carried by EVPN, and no VPN route -> no", "takes no packets -> no", "address in the core 10.255.0.1 -> 10.255.0.1", "address in the core fd00:255::1 -> fd00:255::1", "carried otherwise -> no",
	} {
		order = append(order, slices.Index(got, want))
	}
	if slices.Contains(order, -1) || !slices.IsSorted(order) || order[4] != len(got)-1 {
		t.Errorf("the statements are %q", got)
	}
	if SameCarriage(plain, c) || !SameCarriage(c, carriedConf(t, map[string]rib.Carried{"a": mpls("10.255.0.1", 99), "z": srv6("fd00:255::1", "fd00:1:0:1:300::")})) {
		t.Error("the same statements are not the same carriage")
	}
}
