package config

import (
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// carriedSpecs are VRFs with every way to other PEs.
func carriedSpecs() []vrf.Spec {
	core := rib.Core{Netns: "core", VTEP: netip.MustParseAddr("10.255.0.1")}
	six := rib.Core{VTEP: netip.MustParseAddr("fd00:255::1")}
	locator := netip.MustParsePrefix("fd00:1:0:1::/64")
	return []vrf.Spec{
		{Name: "a", Binding: rib.Binding{Device: "a"}, Protocol: 179, Carriage: rib.Carriage{Kind: rib.EncapMPLS, Core: core, Label: 100}},
		{Name: "b", Binding: rib.Binding{Netns: "b"}, Protocol: 179, Carriage: rib.Carriage{
			Kind: rib.EncapMPLS, Core: core, Label: 101, Through: rib.Through{Link: "vr-b", To: rib.Binding{Netns: "core", Table: 3001}},
		}},
		{Name: "c", Binding: rib.Binding{Netns: "c"}, Protocol: 180, Carriage: rib.Carriage{
			Kind: rib.EncapMPLS, Core: core, Label: 102, Through: rib.Through{Link: "vr-c", To: rib.Binding{Netns: "core", Device: "c"}},
		}},
		{Name: "d", Binding: rib.Binding{Device: "d"}, Protocol: 179, Carriage: rib.Carriage{
			Kind: rib.EncapSRv6, Core: six, Managed: true, SRv6: rib.SRv6{SID: netip.MustParseAddr("fd00:1:0:1:1::"), Locator: locator},
			Through: rib.Through{Device: "sr-d", To: rib.Binding{Device: "sr-d"}},
		}},
		{Name: "e", Binding: rib.Binding{Netns: "e"}, Protocol: 179, Carriage: rib.Carriage{
			Kind: rib.EncapSRv6, Core: six,
			SRv6: rib.SRv6{SID: netip.MustParseAddr("fd00:1:0:1:2::"), SID6: netip.MustParseAddr("fd00:1:0:1:3::"), Locator: locator, Link: "vr-e"},
		}},
		{Name: "f", Binding: rib.Binding{Netns: "f", Device: "x"}, Protocol: 179, Carriage: rib.Carriage{Kind: rib.EncapVXLAN, Core: core, VNI: 100, Device: "vx100", Managed: true}},
	}
}

// TestCarriedIsKept: what VRFs have in the kernel for other PEs is read as it was kept; others are not
// kept, what is kept already is not written again, and what goes is forgotten.
func TestCarriedIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	c, err := OpenCarried(dir)
	if err != nil || len(c.Specs()) != 0 {
		t.Fatal(c.Specs(), err)
	}
	if err := c.Keep([]vrf.Spec{{Name: "plain", Protocol: 179}}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("something was written of a VRF that nothing is kept of: %v", err)
	}
	specs := carriedSpecs()
	further, _ := vrf.Further(&specs[1])
	more := append([]vrf.Spec{{Name: "plain", Protocol: 179}, further, specs[0]}, specs...)
	more[0].Import.Enabled = true // which is not about it
	more[3].RD = 7
	if err := c.Keep(more); err != nil {
		t.Fatal(err)
	}
	again, err := OpenCarried(dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := again.Specs(); !reflect.DeepEqual(got, specs) {
		t.Errorf("kept is\n%+v\nwant\n%+v", got, specs)
	}
	file := filepath.Join(dir, carriedName)
	before, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Keep(specs); err != nil {
		t.Fatal(err)
	}
	if after, err := os.Stat(file); err != nil || !os.SameFile(before, after) {
		t.Errorf("it was written anew though nothing changed: %v", err)
	}
	if err := again.Keep(specs[2:3]); err != nil {
		t.Fatal(err)
	}
	if c, err = OpenCarried(dir); err != nil || !reflect.DeepEqual(c.Specs(), specs[2:3]) {
		t.Errorf("%+v, %v", c.Specs(), err)
	}
}

// TestCarriedThatIsDamaged is told of with its file, and keeps nothing from starting.
func TestCarriedThatIsDamaged(t *testing.T) {
	for _, text := range []string{
		"{", `{"version": 2}`, `{"version": 1, "vrfs": [{"name": "a", "protocol": 179, "encap": "other"}]}`,
		`{"version": 1, "vrfs": [{"protocol": 179, "encap": "mpls"}]}`, `{"version": 1, "vrfs": [{"name": "a", "encap": "mpls"}]}`,
		`{"version": 1, "vrfs": [{"name": "a", "protocol": 179, "encap": "srv6", "sids": ["fd00::1", "fd00::2", "fd00::3"]}]}`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, carriedName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := OpenCarried(dir)
		if err == nil || !strings.Contains(err.Error(), carriedName) || len(c.Specs()) != 0 {
			t.Errorf("%s: %v, %v", text, c.Specs(), err)
		}
		if err := c.Keep(carriedSpecs()); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
