package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

const tenantBase = `[global.config]
as = 65000
router-id = "192.0.2.1"
`

const tenantTemplate = tenantBase + `[[netlink.templates]]
  name = "tenants"
  netns = "tenant-*"
  rd = "65000:{id}"
  both-rt-list = ["65000:{id}", "65000:1"]
  ids = "1000-1002"
  [netlink.templates.import]
  enabled = true
  interface_list = ["*"]
  communities = ["65000:{id}"]
  [netlink.templates.export]
  enabled = true
  [[netlink.templates.neighbors]]
  address = "first"
  peer_as = 65001
`

// seen are namespaces by name, each another one, and VRF devices, which begin with "vrf-".
func seen(names ...string) (sights []Sight) {
	for i, name := range names {
		s := Sight{Name: name, Dev: 4, Inode: uint64(100 + i), Device: strings.HasPrefix(name, "vrf-")}
		sights = append(sights, s)
	}
	return sights
}

// host is a machine on which a configuration with templates is in force.
type host struct {
	t      *testing.T
	ids    *TenantIDs
	now    time.Time
	starts bool
	layers *Layers
	config *Config
}

func newHost(t *testing.T) *host {
	t.Helper()
	ids, err := OpenTenantIDs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &host{t: t, ids: ids, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (h *host) try(text string, sights ...Sight) error {
	c, err := ParseUnder("f.toml", []byte(text), h.layers.Over(h.ids.Presence(sights, h.now, h.starts)), fakeBGP())
	if err != nil {
		return err
	}
	h.config = c
	return h.ids.Keep(c)
}

// becomes has a file in force with what there is.
func (h *host) becomes(text string, sights ...Sight) {
	h.t.Helper()
	if err := h.try(text, sights...); err != nil {
		h.t.Fatal(err)
	}
}

// has wants the tenants to be these: "name id", or "name waits".
func (h *host) has(want ...string) {
	h.t.Helper()
	var got []string
	for _, x := range h.config.Tenants() {
		if x.Waits != "" {
			got = append(got, x.Name+" waits")
			continue
		}
		got = append(got, fmt.Sprint(x.Name, " ", x.ID))
		if rd := specOf(h.t, h.config, x.Name).RD.String(); x.ID != 0 && rd != fmt.Sprintf("65000:%d", x.ID) {
			h.t.Errorf("%s has the RD %s", x.Name, rd)
		}
	}
	if !slices.Equal(got, want) {
		h.t.Errorf("the tenants are %q, want %q", got, want)
	}
}

func TestATemplateMakesVRFs(t *testing.T) {
	h := newHost(t)
	sights := seen("tenant-b", "tenant-a", "other")
	sights[1].Links = []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24"), netip.MustParsePrefix("10.0.1.2/24")}
	h.becomes(tenantTemplate, sights...)
	h.has("tenant-a 1000", "tenant-b 1001")
	a := specOf(t, h.config, "tenant-a")
	if a.Binding != (rib.Binding{Netns: "tenant-a"}) || !a.Import.Enabled || !a.Export.Enabled || len(a.ImportRTs) != 2 || a.Import.Communities[0].String() != "65000:1000" {
		t.Errorf("tenant-a is %+v", a)
	}
	if len(h.config.Neighbors) != 1 || h.config.Neighbors[0].Peer.String() != "10.0.0.1" || h.config.Neighbors[0].Local.String() != "10.0.0.2" || h.config.Neighbors[0].VRF != "tenant-a" {
		t.Errorf("its neighbours are %v", h.config.Neighbors)
	}
	if s := h.config.Seeks(); !s.Wants(false, "tenant-x") || s.Wants(true, "tenant-x") || s.Wants(false, "x") || !s.WantsLinks("tenant-x") {
		t.Errorf("it asks for %+v", s)
	}
}

func TestIDsComeBackAndRest(t *testing.T) {
	h := newHost(t)
	h.becomes(tenantTemplate, seen("tenant-a", "tenant-b", "tenant-c")...)
	h.has("tenant-a 1000", "tenant-b 1001", "tenant-c 1002")
	h.becomes(tenantTemplate, seen("tenant-b", "tenant-c")...)
	h.becomes(tenantTemplate, seen("tenant-b", "tenant-c", "tenant-d")...)
	h.has("tenant-b 1001", "tenant-c 1002", "tenant-d waits")
	if want := h.now.Add(10 * time.Minute); !h.config.NextID().Equal(want) || !strings.Contains(h.config.Tenants()[2].Waits, want.Format(time.RFC3339)) {
		t.Errorf("it waits until %v: %s", h.config.NextID(), h.config.Tenants()[2].Waits)
	}
	h.becomes(tenantTemplate, seen("tenant-a", "tenant-b", "tenant-c")...)
	h.has("tenant-a 1000", "tenant-b 1001", "tenant-c 1002")
	again, err := OpenTenantIDs(h.ids.dir)
	if err != nil {
		t.Fatal(err)
	}
	h.ids = again
	h.becomes(tenantTemplate, seen("tenant-c", "tenant-b")...)
	h.has("tenant-b 1001", "tenant-c 1002")
	h.now = h.now.Add(10 * time.Minute)
	h.becomes(tenantTemplate, seen("tenant-b", "tenant-c", "tenant-d", "tenant-e")...)
	h.has("tenant-b 1001", "tenant-c 1002", "tenant-d 1000", "tenant-e waits")
	if !h.config.NextID().IsZero() || !strings.Contains(h.config.Tenants()[3].Waits, "all in use") {
		t.Errorf("it waits until %v: %s", h.config.NextID(), h.config.Tenants()[3].Waits)
	}
	h.becomes(strings.ReplaceAll(tenantTemplate, `"tenants"`, `"renamed"`), seen("tenant-b", "tenant-c", "tenant-d")...)
	h.has("tenant-b 1001", "tenant-c 1002", "tenant-d 1000")
}

func TestOtherLayersGoBefore(t *testing.T) {
	h := newHost(t)
	file := tenantTemplate + `[[vrfs]]
  [vrfs.config]
  name = "red"
  rd = "65000:1000"
[[vrfs]]
  [vrfs.config]
  name = "tenant-b"
  rd = "65000:7"
[[netlink.vrfs]]
  name = "red"
  netns = "/var/run/netns/tenant-c"
  export = {enabled = true}
`
	sights := seen("tenant-a", "tenant-b", "tenant-c", "tenant-d", "tenant-e", "alias")
	sights[3].Own = true
	sights = append(sights, Sight{Name: "tenant-f", Dev: 4, Inode: sights[0].Inode}) // tenant-a by another name
	h.layers = over("blue", `{"name":"blue","rd":"65000:1001","netns":"alias","export":{"enabled":true}}`)
	sights = append(sights, Sight{Name: "tenant-g", Dev: 4, Inode: sights[5].Inode}) // blue's, by another name
	h.becomes(file, sights[0])
	h.has("tenant-a 1002")
	err := h.try(file, sights...)
	if err != nil {
		t.Fatal(err)
	}
	h.has("tenant-a 1002", "tenant-e waits")
	if b := specOf(t, h.config, "tenant-b"); b.RD.String() != "65000:7" || b.Binding.Netns != "" {
		t.Errorf("the file's tenant-b is %+v", b)
	}
	// A mask lies over what the template says; without the namespace it waits.
	h.layers = over("tenant-a export.metric", `{"export":{"metric":77}}`)
	h.becomes(tenantTemplate, seen("tenant-a")...)
	if a := specOf(t, h.config, "tenant-a"); a.Export.Metric != 77 || a.Binding.Netns != "tenant-a" || h.config.Made(vrf.LayerKey{Name: "tenant-a"}) {
		t.Errorf("with a mask it is %+v", a)
	}
	h.becomes(tenantTemplate)
	if len(h.config.VRFs) != 0 {
		t.Errorf("without the namespace there are %v", specNames(h.config.VRFs))
	}
}

// TestAnIDThatAnotherLayerTook: a reload is refused with both names, and at a start the tenant gives
// way.
func TestAnIDThatAnotherLayerTook(t *testing.T) {
	h := newHost(t)
	h.becomes(tenantTemplate, seen("tenant-a")...)
	taken := tenantTemplate + "[[vrfs]]\n[vrfs.config]\nname = \"red\"\nrd = \"65000:1000\"\n"
	if err := h.try(taken, seen("tenant-a")...); err == nil || !strings.Contains(err.Error(), `"red"`) || !strings.Contains(err.Error(), "f.toml:7: netlink.templates[0].rd: 65000:1000") {
		t.Errorf("the error is %v", err)
	}
	h.starts = true
	h.becomes(taken, seen("tenant-a")...)
	h.has("tenant-a 1001")
}

func TestDeviceTemplates(t *testing.T) {
	h := newHost(t)
	h.becomes(tenantBase+`[[netlink.templates]]
  name = "devices"
  device = "vrf-*"
  rd = "65000:{id}"
  ids = "1-9"
  label = "10{id}"
  encap = "mpls"
  [netlink.templates.export]
  enabled = true
[netlink.core]
  source = "192.0.2.1"
[netlink.mpls]
  labels = "100-200"
`, seen("vrf-a", "tenant-a")...)
	h.has("vrf-a 1")
	if a := specOf(t, h.config, "vrf-a"); a.Binding != (rib.Binding{Device: "vrf-a"}) || a.Carriage.Label != 101 {
		t.Errorf("vrf-a is %+v", a)
	}
}

func TestTemplatesAreJudged(t *testing.T) {
	valid := strings.TrimPrefix(tenantTemplate, tenantBase)
	for _, tt := range []struct{ name, from, to, want string }{
		{"an unknown key", `  ids = `, "  idz = 1\n  ids = ", `f.toml:9: netlink.templates[0].idz: unknown key; did you mean ids?`},
		{"an unknown key of import", `interface_list = ["*"]`, `interface_lst = ["*"]`, `f.toml:12: netlink.templates[0].import.interface_lst: unknown key; did you mean interface_list?`},
		{"a bad value", `communities = ["65000:{id}"]`, `communities = ["65000:{id}00"]`, `f.toml:13: netlink.templates[0].import.communities[0]: `},
		{"no id in the RD", `rd = "65000:{id}"`, `rd = "65000:5"`, `f.toml:7: netlink.templates[0].rd: "65000:5" would be that of every tenant`},
		{"too wide for the RD", `rd = "65000:{id}"`, `rd = "4200000000:{id}00"`, `f.toml:7: netlink.templates[0].rd: `},
		{"too wide for the RT", `"65000:1"]`, `"4200000000:{id}00"]`, `f.toml:8: netlink.templates[0].both-rt-list[1]: `},
		{"too wide for a VNI", `  ids = "1000-1002"`, "  ids = \"1-16777217\"\n  vni = \"{id}\"\n  encap = \"vxlan\"", `f.toml:10: netlink.templates[0].vni: `},
		{"too wide for a label", `  ids = "1000-1002"`, "  ids = \"1000-1048576\"\n  label = \"{id}\"\n  encap = \"mpls\"", `f.toml:10: netlink.templates[0].label: `},
		{"no ids", `  ids = "1000-1002"`, ``, `f.toml:4: netlink.templates[0].ids: is missing; {id} stands for`},
		{"ids backwards", `"1000-1002"`, `"1002-1000"`, `f.toml:9: netlink.templates[0].ids: "1002-1000" begins behind its end`},
		{"a slash", `netns = "tenant-*"`, `netns = "a/*"`, `f.toml:6: netlink.templates[0].netns: "a/*" can match nothing`},
		{"too long a device", `netns = "tenant-*"`, `device = "a-very-long-name*"`, `f.toml:6: netlink.templates[0].device: "a-very-long-name*" can match nothing`},
		{"no pattern", `netns = "tenant-*"`, `netns = "tenant-[a"`, `f.toml:6: netlink.templates[0].netns: "tenant-[a" is not a pattern`},
		{"none", `netns = "tenant-*"`, ``, `f.toml:4: netlink.templates[0].netns: is missing`},
		{"both", `netns = "tenant-*"`, `netns = "tenant-*"` + "\n device = \"vrf-*\"", `f.toml:7: netlink.templates[0].device: "vrf-*" is a pattern, and beside netns it names the VRF device in each namespace`},
		{"a place", `address = "first"`, `address = "second"`, `netlink.templates[0].neighbors[0].address: "second" is no place`},
		{"no AS", `peer_as = 65001`, ``, `netlink.templates[0].neighbors[0].peer_as: is missing`},
		{"a policy that is not there", `  enabled = true` + "\n  interface_list", "  policy = \"none\"\n  enabled = true\n  interface_list", `netlink.templates[0].import.policy: `},
		{"twice", "", valid, `netlink.templates[1].netns: "tenant-*" is the pattern of template "tenants", on line 4, too`},
	} {
		text := tenantBase + strings.Replace(valid, tt.from, tt.to, 1) + "[netlink.core]\n  source = \"192.0.2.1\"\n[netlink.mpls]\n  labels = \"100-200\"\n"
		if tt.from == "" {
			text = tenantTemplate + tt.to
		}
		for _, sights := range [][]Sight{nil, seen("tenant-a", "tenant-b")} {
			err := newHost(t).try(text, sights...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s, with %d tenants: the error is %v, want %s", tt.name, len(sights), err, tt.want)
				continue
			}
			if n := strings.Count(err.Error(), tt.want); n != 1 {
				t.Errorf("%s, with %d tenants: it is said %d times:\n%v", tt.name, len(sights), n, err)
			}
		}
	}
	if err := newHost(t).try(tenantTemplate); err != nil {
		t.Errorf("without tenants: %v", err)
	}
}

// TestTenantsGiveWay: one that cannot be had is left out, and no other.
func TestTenantsGiveWay(t *testing.T) {
	h := newHost(t)
	text := strings.Replace(tenantTemplate, "both-rt", "table = \"9{id}\"\n  both-rt", 1)
	file := text + "[[vrfs]]\n[vrfs.config]\nname = \"red\"\nrd = \"65000:1\"\n[[netlink.vrfs]]\nname = \"red\"\nrouter_mac = \"02:00:00:00:00:01\"\n"
	file = strings.Replace(file, `"9{id}"`, `"9{name}"`, 1) // which is a number for one of them alone
	file = strings.Replace(strings.Replace(file, `"tenant-*"`, `"1*"`, 1), "router_mac = \"02:00:00:00:00:01\"\n", "table = 77\n", 1)
	layers := h.layers.Over(h.ids.Presence(seen("11", "12", "1x"), h.now, false))
	if _, err := ParseUnder("f.toml", []byte(file), layers, fakeBGP()); err == nil {
		t.Fatal("all three can be had")
	}
	got, err := Settle(func(l *Layers) (*Config, error) { return ParseUnder("f.toml", []byte(file), l, fakeBGP()) }, layers, None)
	if err != nil {
		t.Fatal(err)
	}
	key := vrf.LayerKey{Name: "1x", Template: true}
	if names := specNames(got.VRFs); !slices.Equal(names, []string{"11", "12", "red"}) || got.Failed[key] == nil || len(got.Failed) != 1 {
		t.Errorf("the VRFs are %v, and these failed: %v", names, got.Failed)
	}
}

func TestInForceSaysWhatATemplateSays(t *testing.T) {
	h := newHost(t)
	h.layers = over("tenant-a export.metric", `{"export":{"metric":77}}`)
	h.becomes(tenantTemplate, seen("tenant-a")...)
	shown, err := h.config.InForce("f.toml", fakeBGP(), Over{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := PrintInForce(&b, shown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`rd = "65000:1000" +# template f.toml:7`, `netns = "tenant-a" +# template f.toml:6`, `metric = 77 +# API`, `interface_list = \["\*"\] +# template f.toml:12`, `ids = "1000-1002" +# f.toml:9`} {
		if !containsLike(b.String(), want) {
			t.Errorf("it lacks %s:\n%s", want, b.String())
		}
	}
	again, err := ParseUnder("f.toml", []byte(b.String()), h.layers.Over(h.ids.Presence(seen("tenant-a"), h.now, false)), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	if a, b := specOf(t, h.config, "tenant-a"), specOf(t, again, "tenant-a"); a.RD != b.RD || a.Binding != b.Binding {
		t.Errorf("read as a file it is %+v", b)
	}
}

// TestWhoDialsIn: a router that dialled in from a prefix of the template is a neighbour where a link
// of the tenant leads to it, and its place is kept.
func TestWhoDialsIn(t *testing.T) {
	h := newHost(t)
	text := strings.Replace(tenantTemplate, `address = "first"`, `address = "10.0.0.0/16"`, 1)
	sights := seen("tenant-a", "tenant-b")
	sights[0].Links = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("10.0.8.1/21"), netip.MustParsePrefix("192.0.2.1/24")}
	h.becomes(text, sights...)
	want := []rib.Doorway{
		{Netns: "tenant-a", Local: netip.MustParseAddr("10.0.0.1"), From: netip.MustParsePrefix("10.0.0.0/24")},
		{Netns: "tenant-a", Local: netip.MustParseAddr("10.0.8.1"), From: netip.MustParsePrefix("10.0.8.0/21")},
	}
	if got := h.config.Doorways(); !slices.Equal(got, want) || len(h.config.Neighbors) != 0 {
		t.Errorf("the doorways are %v, and the neighbours %v", got, h.config.Neighbors)
	}
	for _, a := range []string{"10.0.0.7", "10.0.9.9", "10.0.77.1", "192.0.2.2"} { // two of which are on no link, or in no prefix
		sights[0].Callers = append(sights[0].Callers, netip.MustParseAddr(a))
	}
	h.becomes(text, sights...)
	var got []string
	for _, n := range h.config.Neighbors {
		got = append(got, n.Peer.String()+" from "+n.Local.String())
	}
	slices.Sort(got)
	if !slices.Equal(got, []string{"10.0.0.7 from 10.0.0.1", "10.0.9.9 from 10.0.8.1"}) {
		t.Errorf("the neighbours are %v", got)
	}
	again, err := OpenTenantIDs(h.ids.dir)
	if err != nil || !slices.Equal(again.Callers()["tenant-a"], sights[0].Callers) {
		t.Errorf("kept are %v: %v", again.Callers(), err)
	}
	err = h.try(strings.Replace(text, "peer_as", "password = \"x\"\n  peer_as", 1))
	if err == nil || !strings.Contains(err.Error(), "netlink.templates[0].neighbors[0].password: cannot be set for who dials in") {
		t.Errorf("with a password: %v", err)
	}
}

// TestATenantIsNoDifference: a file by itself has no tenants, which is no difference.
func TestATenantIsNoDifference(t *testing.T) {
	h := newHost(t)
	h.becomes(tenantTemplate, seen("tenant-a", "tenant-b")...)
	var shown [2]vrf.InForce
	for i, c := range []*Config{h.config, nil} {
		if c == nil {
			var err error
			if c, err = ParseUnder("f.toml", []byte(strings.Replace(tenantTemplate, "1000-1002", "1000-1003", 1)), nil, fakeBGP()); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		if shown[i], err = c.InForce("f.toml", fakeBGP(), Over{}); err != nil {
			t.Fatal(err)
		}
	}
	if list := DifferencesInForce(shown[0], shown[1]); len(list) != 1 || list[0].New == nil || list[0].New.Key != "ids" {
		t.Errorf("the differences are %+v", list)
	}
}

func TestFirstOf(t *testing.T) {
	for _, tt := range []struct{ link, want string }{
		{"10.0.0.2/24", "10.0.0.1"}, {"10.0.0.1/24", ""}, {"10.0.0.1/30", "10.0.0.2"}, {"10.0.0.2/30", "10.0.0.1"},
		{"10.0.0.0/31", "10.0.0.1"}, {"10.0.0.1/31", "10.0.0.0"}, {"10.0.0.1/32", ""},
		{"2001:db8::2/64", "2001:db8::1"}, {"2001:db8::1/64", ""}, {"2001:db8::/127", "2001:db8::1"}, {"2001:db8::1/127", "2001:db8::"},
	} {
		got := ""
		if a, is := firstOf(netip.MustParsePrefix(tt.link)); is {
			got = a.String()
		}
		if got != tt.want {
			t.Errorf("on %s it is %q, want %q", tt.link, got, tt.want)
		}
	}
}

func containsLike(text, pattern string) bool { return regexp.MustCompile(pattern).MatchString(text) }
