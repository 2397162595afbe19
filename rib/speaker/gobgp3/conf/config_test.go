package conf

import (
	"slices"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// TestRead: what the file says, and what GoBGP must not get of it.
func TestRead(t *testing.T) {
	c := readConf(t, goodConf(), rib.Extras{})
	for _, v := range c.Set.Vrfs {
		if v.Config.Id != 0 {
			t.Errorf("VRF %s has the Id %d", v.Config.Name, v.Config.Id)
		}
	}
	red, _ := c.VRF("red")
	if red.RD != 0x0000_fde8_0000_0001 || !slices.Equal(red.ImportRTs, []rib.RT{0x0002_fde8_0000_0001}) {
		t.Errorf("VRF red: %+v", red)
	}
	blue, _ := c.VRF("blue")
	if blue.RD != 0x0001_c000_0201_0002 || !slices.Equal(blue.ImportRTs, []rib.RT{0x0202_0001_0000_0002}) || len(blue.ExportRTs) != 0 {
		t.Errorf("VRF blue: %+v", blue)
	}
}

func TestTermsOf(t *testing.T) {
	static, link, group := rib.DefaultTerms(), rib.DefaultTerms(), rib.DefaultTerms()
	static.NextHopSelf, link.StaleTime, group.AnyRT = true, time.Minute, true
	c := readConf(t, goodConf(), rib.Extras{Terms: map[string]rib.Terms{
		"192.0.2.1": static, "eth1": link, rib.TermsOfGroup("customers"): group,
	}})
	for _, x := range []struct {
		address, group string
		want           rib.Terms
	}{
		{"192.0.2.1", "", static},
		{"192.0.2.1", "customers", static}, // its own have the group's in them
		{"fe80::1%eth1", "", link},         // unnumbered
		{"fe80::1%eth2", "", rib.DefaultTerms()},
		{"10.0.0.9", "customers", group}, // dynamic
		{"10.0.0.9", "others", rib.DefaultTerms()},
		{"10.0.0.9", "", rib.DefaultTerms()},
	} {
		if got := c.TermsOf(x.address, x.group); len(termChanges(got, x.want)) > 0 {
			t.Errorf("%s in %q: %v, want %v", x.address, x.group, got, x.want)
		}
	}
}
