package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/vrf"
)

// layeredOver is a configuration after requests, each of which must be taken.
func layeredOver(t *testing.T, requests ...vrf.ApplyRequest) *Config {
	t.Helper()
	var layers *Layers
	for _, r := range requests {
		c, err := ParseUnder("f.toml", []byte(layered), layers, fakeBGP())
		if err != nil {
			t.Fatal(err)
		}
		if layers, err = Applying(c, c.Layers(), "f.toml", r); err != nil {
			t.Fatal(err)
		}
	}
	c, err := ParseUnder("f.toml", []byte(layered), layers, fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func asks(name, section string, fields ...string) vrf.ApplyRequest {
	key := vrf.LayerKey{Name: name, Neighbor: strings.ContainsAny(name, ":.")}
	return vrf.ApplyRequest{Key: key, Section: []byte(section), Fields: fields}
}

const green = `{"name":"green","rd":"65000:3","both_rt_list":["65000:3"],"netns":"green"}`

func TestApplyingIsIdempotent(t *testing.T) {
	c := layeredOver(t, asks("green", green))
	if again, err := Applying(c, c.Layers(), "f.toml", asks("green", `{"netns":"green","rd":"65000:3","both_rt_list":["65000:3"]}`)); err != nil || again != c.Layers() {
		t.Errorf("the same once more: %v, %v", again, err)
	}
	other, err := Applying(c, c.Layers(), "f.toml", asks("green", `{"rd":"65000:3","both_rt_list":["65000:3"]}`))
	if err != nil || other.Generation != 2 {
		t.Errorf("another one: %v, %v", other, err)
	}
}

func TestFieldsAreLaidOverWhatThereIs(t *testing.T) {
	whole := layeredOver(t, asks("green", green), asks("green", `{"export":{"enabled":true,"metric":3}}`, "export"), asks("green", `{"export":{}}`, "export.metric"))
	if layer, _ := whole.Layers().Get(vrf.LayerKey{Name: "green"}); len(layer.Fields) != 0 || layer.Imports != 1 || layer.Exports != 3 ||
		string(layer.Section) != `{"both_rt_list":["65000:3"],"export":{"enabled":true},"name":"green","netns":"green","rd":"65000:3"}` {
		t.Errorf("it is %s, %+v", layer.Section, layer)
	}
	some := layeredOver(t, asks("red", `{"export":{"metric":3},"table":5}`, "export.metric", "table"), asks("red", `{"export":{"enabled":true}}`, "export"))
	if layer, _ := some.Layers().Get(vrf.LayerKey{Name: "red"}); !slices.Equal(layer.Fields, []string{"export", "table"}) || layer.Imports != 0 {
		t.Errorf("it is %+v", layer)
	}
	if red := specOf(t, some, "red"); red.Export.Metric == 30 || red.Binding.Table != 5 || red.RD.String() != "65000:1" {
		t.Errorf("red is %+v", red)
	}
}

func TestWritersAreToldApartByGeneration(t *testing.T) {
	c := layeredOver(t, asks("green", green))
	for generation, taken := range map[uint64]bool{0: false, 1: true, 2: false} {
		r := asks("green", `{"rd":"65000:4"}`, "rd")
		r.Generation = &generation
		if _, err := Applying(c, c.Layers(), "f.toml", r); (err == nil) != taken || err != nil && !errors.Is(err, vrf.ErrStale) {
			t.Errorf("with generation %d: %v", generation, err)
		}
	}
	none := uint64(0)
	r := asks("blue", `{"rd":"65000:4"}`, "rd")
	if r.Generation = &none; true {
		if _, err := Applying(c, c.Layers(), "f.toml", r); err != nil {
			t.Errorf("the first layer of what the file has: %v", err)
		}
	}
	if _, _, err := Deleting(c, c.Layers(), "f.toml", vrf.DeleteRequest{Key: vrf.LayerKey{Name: "green"}, Generation: &none}); !errors.Is(err, vrf.ErrStale) {
		t.Errorf("a deletion with an old generation: %v", err)
	}
}

func TestWhatCannotBeAppliedNamesTheField(t *testing.T) {
	c := layeredOver(t)
	for _, tc := range []struct {
		r     vrf.ApplyRequest
		field string
		why   string
	}{
		{asks("green", `{"name":"blue"}`), "name", `is "blue", and the request is about VRF "green"`},
		{asks("green", `{"policies":[{"name":"x"}]}`), "policies[0].name", `write "green/x"`},
		{asks("default", `{"rd":"65000:1"}`), "rd", "means nothing for default"},
		{asks("red", `{}`, "expport"), "mask", "did you mean export?"},
		{asks("red", `{}`, "export.x.y"), "mask", `"export.x.y" is no field`},
		{asks("red", `{}`, "name"), "mask", "cannot be changed"},
		{asks("red", `[]`), "", "is a list"},
		{asks("10.0.0.2", `{"address":"10.0.0.2","vrf":"blue","peer_as":1}`), "vrf", `is a neighbour of VRF "red" already`},
	} {
		_, err := Applying(c, c.Layers(), "f.toml", tc.r)
		var faults vrf.FieldFaults
		if !errors.As(err, &faults) || faults[0].Field != tc.field || !strings.Contains(faults[0].Why, tc.why) {
			t.Errorf("%s %v: %v, want %s: %s", tc.r.Section, tc.r.Fields, err, tc.field, tc.why)
		}
	}
	if _, err := Applying(c, c.Layers(), "f.toml", asks("gone", `{}`, "rd")); !errors.Is(err, vrf.ErrUnknown) {
		t.Errorf("fields of what is not there: %v", err)
	}
}

// TestWhoMayChangeSomeFieldsIsJudgedByWhatChanges, and keeps the rest below.
func TestWhoMayChangeSomeFieldsIsJudgedByWhatChanges(t *testing.T) {
	c := layeredOver(t)
	var asked []string
	r := asks("red", `{"name":"red","rd":"65000:1","both_rt_list":["65000:1"],"table":1001,
		"import":{"enabled":true,"interface_list":["lan*"]},"export":{"enabled":false,"metric":30}}`)
	r.May = func(field string, was, value any) error {
		asked = append(asked, fmt.Sprint(field, "=", was, ",", value))
		return nil
	}
	layers, err := Applying(c, c.Layers(), "f.toml", r)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(asked, []string{"export.enabled=true,false", "import.interface_list=[eth*],[lan*]"}) {
		t.Errorf("asked was for %q", asked)
	}
	layer, _ := layers.Get(r.Key)
	if !slices.Equal(layer.Fields, []string{"export.enabled", "import.interface_list"}) {
		t.Errorf("kept is %+v", layer)
	}
	r.May = func(field string, _, _ any) error { return errors.New("not " + field) }
	if _, err := Applying(c, c.Layers(), "f.toml", r); err == nil || err.Error() != "not export.enabled" {
		t.Errorf("what may not be changed: %v", err)
	}
}

func TestDeletingUncoversWhatIsBelow(t *testing.T) {
	c := layeredOver(t, asks("green", green), asks("red", `{"rd":"65000:8"}`, "rd"), asks("10.0.0.9", `{"vrf":"green","peer_as":65001}`), asks("10.0.0.8", `{"vrf":"red","peer_as":65001}`))
	next, below, err := Deleting(c, c.Layers(), "f.toml", vrf.DeleteRequest{Key: vrf.LayerKey{Name: "green"}})
	if err != nil || below || len(next.Keys()) != 2 {
		t.Errorf("green: %v, %v, %v", next.Keys(), below, err)
	}
	next, below, err = Deleting(c, c.Layers(), "f.toml", vrf.DeleteRequest{Key: vrf.LayerKey{Name: "red"}})
	if err != nil || !below || len(next.Keys()) != 3 {
		t.Errorf("red: %v, %v, %v", next.Keys(), below, err)
	}
	if _, _, err = Deleting(c, c.Layers(), "f.toml", vrf.DeleteRequest{Key: vrf.LayerKey{Name: "blue"}}); !errors.Is(err, vrf.ErrNothingApplied) {
		t.Errorf("blue: %v", err)
	}
	var vrfs []string
	for _, l := range AppliedLayers(c, c.Layers(), "f.toml") {
		vrfs = append(vrfs, l.Key.Name+" in "+l.VRF)
	}
	if want := []string{"green in green", "red in red", "10.0.0.8 in red", "10.0.0.9 in green"}; !slices.Equal(vrfs, want) {
		t.Errorf("applied are %v", vrfs)
	}
}

func TestLayersAreKept(t *testing.T) {
	dir := t.TempDir()
	f, none, err := OpenLayers(dir)
	if err != nil || none != nil {
		t.Fatal(none, err)
	}
	want := layeredOver(t, asks("green", green), asks("red", `{"rd":"65000:8"}`, "rd"), asks("10.0.0.9", `{"vrf":"green","peer_as":65001}`)).Layers()
	if err := f.Write(want); err != nil {
		t.Fatal(err)
	}
	_, got, err := OpenLayers(dir)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read back: %+v, %v\nwant %+v", got, err, want)
	}
	file := filepath.Join(dir, layersName)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode: %v, %v", info.Mode(), err)
	}
	for _, text := range []string{"{", `{"version":2}`, `{"version":1,"vrfs":[{"name":"a"},{"name":"a"}]}`, `{"version":1,"vrfs":[{"name":"a","generation":3}]}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, _, err := OpenLayers(dir); err == nil || !strings.Contains(err.Error(), "is damaged") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestReadTenants(t *testing.T) {
	file := filepath.Join(t.TempDir(), "t.yaml")
	read := func(text string) ([]TenantSection, error) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return ReadTenants(file)
	}
	list, err := read(`vrfs:
- config: {name: green, rd: "65000:3", both-rt-list: ["65000:3"]}
netlink:
  vrfs:
  - {name: green, netns: green, import: {enabled: true, interface_list: ["*"], policy: green/in}}
  policies:
  - {name: green/in, default: accept, rules: [{action: reject, prefixes: ["10.0.0.0/8"]}]}
neighbors:
- config: {neighbor-address: 10.0.0.3, peer-as: 65003, vrf: green, netns: green}
  transport: {config: {local-address: 10.0.0.1}}
  timers: {config: {hold-time: 9}}
`)
	if err != nil || len(list) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	if s := string(list[0].Section); list[0].Key.Name != "green" || !strings.Contains(s, `"netns":"green"`) || !strings.Contains(s, `"rd":"65000:3"`) || !strings.Contains(s, `"name":"green/in"`) {
		t.Errorf("%s", s)
	}
	want := `{"address":"10.0.0.3","local_address":"10.0.0.1","more":{"timers":{"config":{"hold-time":9}}},"netns":"green","peer_as":65003,"vrf":"green"}`
	if s := string(list[1].Section); list[1].Key.Name != "10.0.0.3@green" || list[1].VRF != "green" || s != want {
		t.Errorf("%s\nwant %s", s, want)
	}
	for text, want := range map[string]string{
		"global: {config: {as: 1}}\n":           "t.yaml:1: global: is the daemon's",
		"netlink: {metric: 3}\n":                "netlink.metric: is the daemon's",
		"netlink: {vrfs: [{name: x}]}\n":        `there is no VRF "x" in this file`,
		"netlink: {policies: [{name: x/y}]}\n":  "is called after no VRF",
		"neighbors: [{config: {peer-as: 3}}]\n": "neighbor-address: is missing",
		"vrfs: [{config: {rd: \"1:1\"}}]\n":     "config.name: is missing",
		"vrfs: [\n":                             "t.yaml",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
