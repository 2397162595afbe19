package vrf

import (
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestFurther: a VRF whose own table leads through another one has that too, in the core's namespace,
// with its policies and without its imports; and it follows the VRF.
func TestFurther(t *testing.T) {
	t.Parallel()
	red := Spec{
		Name: "red", RD: 1, ImportRTs: []rib.RT{1}, Binding: rib.Binding{Netns: "red"}, Protocol: 179, Customers: true, MaxPrefixes: 5,
		Import:     rib.ImportPolicy{Enabled: true, Interfaces: []string{"*"}},
		Export:     rib.ExportPolicy{Enabled: true, Metric: 20, AdvertiseInstalled: true, PrefSrc: [rib.Families]netip.Addr{netip.MustParseAddr("10.1.0.1")}},
		Leaks:      []rib.LeakRule{{From: "blue"}},
		Originates: rib.Origination{Networks: []rib.Network{{}}},
		Carriage: rib.Carriage{
			Kind: rib.EncapMPLS, Label: 100, Managed: true,
			Through: rib.Through{Link: "vr-red", To: rib.Binding{Netns: "core", Device: "red"}},
		},
	}
	f, has := Further(&red)
	switch {
	case !has:
		t.Fatal("it has none")
	case f.Name != "red/red" || f.VRF != "red" || f.Binding != red.Carriage.Through.To || !f.Encapsulates() || red.Encapsulates():
		t.Errorf("it is %+v", f)
	case f.Import.Enabled || len(f.Leaks) > 0 || len(f.Originates.Networks) > 0 || f.Customers || f.MaxPrefixes != 0 || f.Export.AdvertiseInstalled || f.Export.PrefSrc[rib.IPv4].IsValid():
		t.Errorf("it has what is the VRF's own: %+v", f)
	case !f.Export.Enabled || f.Export.Metric != 20 || f.Protocol != 179 || f.RD != 1 || f.Carriage.Through != (rib.Through{}) || f.Carriage.Managed || f.Carriage.Label != 0:
		t.Errorf("it lacks what is the VRF's: %+v", f)
	}
	blue, plain := red, red
	blue.Name, blue.Carriage.Through.To = "blue", rib.Binding{Netns: "core", Table: 3001}
	plain.Name, plain.Carriage = "plain", rib.Carriage{}
	all := WithFurther([]Spec{red, plain, blue})
	names := func(list []Spec) (out []string) {
		for _, s := range list {
			out = append(out, s.Name)
		}
		return out
	}
	if got := listed(names(all)); got != "blue, blue/3001, plain, red, red/red" {
		t.Errorf("there are %s", got)
	}
	for i := range all {
		all[i].Export.Enabled = all[i].Encapsulates() // as nobody may say it of a further table
	}
	again := WithFurther(all)
	if got := listed(names(again)); got != "blue, blue/3001, plain, red, red/red" || again[1].Export.Enabled {
		t.Errorf("there are %s, and the first one exports: %t", got, again[1].Export.Enabled)
	}
	if _, has := Further(&again[1]); has {
		t.Error("a further table has one of its own")
	}
}

// TestCountOfSpecs: a table that a VRF has beside its own is none of the VRFs.
func TestCountOfSpecs(t *testing.T) {
	red, blue := Spec{Name: "red"}, Spec{Name: "blue"}
	also := func(name, of string) Spec { return Spec{Name: name, VRF: of} }
	for want, specs := range map[string][]Spec{
		"no VRFs": nil, "1 VRF": {red}, "2 VRFs": {blue, red},
		"1 VRF with 1 secondary table":   {red, also("red/red", "red")},
		"2 VRFs with 2 secondary tables": {blue, also("blue/7", "blue"), red, also("red/red", "red")},
	} {
		if got := CountOfSpecs(specs); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
