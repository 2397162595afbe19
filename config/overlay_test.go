package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

func openOverlay(t *testing.T, dir string) *Overlay {
	t.Helper()
	o, err := OpenOverlay(dir)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func set(t *testing.T, o *Overlay, name string, d vrf.Direction, r Redistribution) {
	t.Helper()
	if err := o.Set(name, d, r); err != nil {
		t.Fatal(err)
	}
}

// overlaySpecs are VRFs of a file: two to run, and one that only GoBGP has.
func overlaySpecs() (run, others []vrf.Spec) {
	file := func(name string) vrf.Spec {
		return vrf.Spec{
			Name:   name,
			Import: rib.ImportPolicy{Enabled: true, Interfaces: []string{"file0"}, Protocols: []uint8{4}, AllowDefault: true},
			Export: rib.ExportPolicy{Enabled: true, Community: []rib.Community{1}, CommunityList: []rib.Community{2}, Metric: 33, MaxRoutes: 5, MaxPaths: 2},
		}
	}
	other := vrf.Spec{Name: "b", Binding: rib.Binding{Device: "b"}, Export: rib.ExportPolicy{Metric: 33, MaxRoutes: 5, MaxPaths: 1}}
	return []vrf.Spec{file("a"), file("c")}, []vrf.Spec{other}
}

func TestOverlayRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state") // is not there yet
	o := openOverlay(t, dir)
	run, others := overlaySpecs()
	if diff := cmp.Diff(run, o.Apply(run, others), compareAddrs); diff != "" {
		t.Errorf("an empty overlay changes something (-want +got):\n%s", diff)
	}

	set(t, o, "a", vrf.Import, Redistribution{Enabled: true, Interfaces: []string{"eth0", "eth[1-3]", "vlan*"}})
	set(t, o, "a", vrf.Export, Redistribution{})
	set(t, o, "b", vrf.Export, Redistribution{
		Enabled: true, Community: []rib.Community{rib.CommunityNoExport},
		CommunityList:    []rib.Community{65001<<16 | 100, 7, 0, 0xffffffff},
		LargeCommunities: []rib.LargeCommunity{{Global: 65001, Local1: 1, Local2: 100}, {Global: 4294967295}},
	})
	set(t, o, "c", vrf.Import, Redistribution{})
	set(t, o, "c", vrf.Export, Redistribution{Enabled: true})
	set(t, o, "gone", vrf.Export, Redistribution{Enabled: true})

	wantRun, wantOthers := overlaySpecs()
	a, b, c := wantRun[0], wantOthers[0], wantRun[1]
	a.Import.Interfaces, a.Export.Enabled = []string{"eth0", "eth[1-3]", "vlan*"}, false
	b.Export.Enabled, b.Export.Community = true, []rib.Community{rib.CommunityNoExport}
	b.Export.CommunityList = []rib.Community{65001<<16 | 100, 7, 0, 0xffffffff}
	b.Export.LargeCommunities = []rib.LargeCommunity{{Global: 65001, Local1: 1, Local2: 100}, {Global: 4294967295}}
	c.Import.Enabled, c.Export.Community, c.Export.CommunityList = false, nil, nil
	want := []vrf.Spec{a, b, c}

	for name, o := range map[string]*Overlay{"as set": o, "as read back": openOverlay(t, dir)} {
		if diff := cmp.Diff(want, o.Apply(run, others), compareAddrs); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff([]string{"gone"}, o.Orphans(run, others)); diff != "" {
			t.Errorf("%s, orphans (-want +got):\n%s", name, diff)
		}
	}
	line := func(vrf, direction string) string {
		return fmt.Sprintf("VRF %q: its %s is as it was set at run time, and not as the file has it; `vrfredist redistribution` shows and changes that", vrf, direction)
	}
	hidden := []string{line("a", "export"), line("a", "import"), line("b", "export"), line("c", "export"), line("c", "import")}
	if diff := cmp.Diff(hidden, o.Hidden(&Config{VRFs: run, Others: others})); diff != "" {
		t.Errorf("what of the file is hidden (-want +got):\n%s", diff)
	}
	if got := o.Hidden(&Config{VRFs: want}); len(got) > 0 {
		t.Errorf("of a file that says the same, %v is hidden", got)
	}
	unchangedRun, unchangedOthers := overlaySpecs()
	if diff := cmp.Diff([][]vrf.Spec{unchangedRun, unchangedOthers}, [][]vrf.Spec{run, others}, compareAddrs); diff != "" {
		t.Errorf("Apply changed its arguments (-want +got):\n%s", diff)
	}

	// What is turned off again leaves.
	set(t, o, "b", vrf.Export, Redistribution{})
	if got := specNames(openOverlay(t, dir).Apply(run, others)); !cmp.Equal(got, []string{"a", "c"}) {
		t.Errorf("with b off again, %v run", got)
	}
}

func TestOverlayFile(t *testing.T) {
	dir := t.TempDir()
	o := openOverlay(t, dir)
	set(t, o, "a", vrf.Export, Redistribution{Enabled: true, CommunityList: []rib.Community{65001<<16 | 100}})
	set(t, o, "a", vrf.Import, Redistribution{})
	file := filepath.Join(dir, "redistribution.json")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "version": 1,
  "vrfs": {
    "a": {
      "import": {
        "enabled": false
      },
      "export": {
        "enabled": true,
        "community_list": [
          "65001:100"
        ]
      }
    }
  }
}
`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o640 {
		t.Errorf("the file has mode %04o, want 0640", info.Mode().Perm())
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("%d files are in the directory (%v), want 1: a temporary one is left", len(entries), err)
	}
}

// TestOverlayAfterCrash: a crash while writing leaves a part under another name.
func TestOverlayAfterCrash(t *testing.T) {
	dir := t.TempDir()
	set(t, openOverlay(t, dir), "a", vrf.Export, Redistribution{Enabled: true})
	part := filepath.Join(dir, ".redistribution.json4711")
	if err := os.WriteFile(part, []byte(`{"version": 1, "vr`), 0o600); err != nil {
		t.Fatal(err)
	}
	o := openOverlay(t, dir)
	if got := o.Apply(nil, []vrf.Spec{{Name: "a"}}); len(got) != 1 || !got[0].Export.Enabled {
		t.Errorf("what was set before the crash is lost: %+v", got)
	}
	set(t, o, "a", vrf.Export, Redistribution{})
	if got := openOverlay(t, dir).Apply(nil, []vrf.Spec{{Name: "a"}}); len(got) != 0 {
		t.Errorf("what was set after the crash is lost: %+v", got)
	}
}

// TestOverlayFailedWrite: what could not be kept is not in force either.
func TestOverlayFailedWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	o := openOverlay(t, dir)
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file where the directory must be
		t.Fatal(err)
	}
	err := o.Set("a", vrf.Export, Redistribution{Enabled: true})
	if err == nil || !strings.Contains(err.Error(), `VRF "a": keeping what was set at run time: `) {
		t.Errorf("the error is %v", err)
	}
	if got := o.Apply(nil, []vrf.Spec{{Name: "a"}}); len(got) != 0 {
		t.Errorf("it is in force: %+v", got)
	}
}

func TestOverlayMalformed(t *testing.T) {
	const damaged = "FILE, which holds what was enabled at run time, is damaged: %s; correct it, or remove it to go back to the configuration file"
	for data, reason := range map[string]string{
		``:                           "EOF",
		`{"version": 1, "vr`:         "unexpected EOF",
		`{"version": 2}`:             "it has version 2, and this program reads version 1",
		`{"version": 1} {}`:          "something follows its end",
		`{"version": 1, "vrf": {}}`:  `json: unknown field "vrf"`,
		`{"version": 1, "vrfs": []}`: "json: cannot unmarshal array into Go struct field overlayFile.vrfs of type map[string]config.overlayVRFs",
		`{"version": 1, "vrfs": {"a": {"import": {"enabled": true}}}}`:                                             `import of VRF "a": an import needs interfaces; name them, or "*" for all`,
		`{"version": 1, "vrfs": {"a": {"import": {"enabled": true, "interface_list": ["["]}}}}`:                    `import of VRF "a": "[" is not a pattern; write an interface name with *, ? or a closed [a-z], such as "eth[0-3]"`,
		`{"version": 1, "vrfs": {"a": {"export": {"enabled": true, "community": "65001:"}}}}`:                      `export of VRF "a": community "65001:": there is no number after the colon; write AS:NUMBER, as in 65001:100`,
		`{"version": 1, "vrfs": {"a": {"export": {"enabled": true, "interface_list": ["*"]}}}}`:                    `export of VRF "a": interfaces choose what is imported; remove them from the export`,
		`{"version": 1, "vrfs": {"a": {"import": {"enabled": false, "large_community_list": ["1:2:3"]}}}}`:         `import of VRF "a": communities choose what is exported; remove them from the import`,
		`{"version": 1, "vrfs": {"a": {"export": {"enabled": true, "large_community_list": ["4294967296:1:1"]}}}}`: `export of VRF "a": large community "4294967296:1:1": "4294967296" is not a number from 0 to 4294967295; write AS:NUMBER:NUMBER, as in 65001:1:100`,
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "redistribution.json")
		if err := os.WriteFile(file, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := OpenOverlay(dir)
		want := fmt.Sprintf(strings.Replace(damaged, "FILE", file, 1), reason)
		if err == nil || err.Error() != want {
			t.Errorf("%s\ngot  %v\nwant %v", data, err, want)
		}
	}
}

func TestOverlayRefuses(t *testing.T) {
	o := openOverlay(t, t.TempDir())
	for want, set := range map[string]func() error{
		`VRF "a": an import needs interfaces; name them, or "*" for all`: func() error {
			return o.Set("a", vrf.Import, Redistribution{Enabled: true})
		},
		`VRF "a": community holds one; put more of them into the list`: func() error {
			return o.Set("a", vrf.Export, Redistribution{Enabled: true, Community: []rib.Community{1, 2}})
		},
		`VRF "a": direction 0 is neither import nor export`: func() error {
			return o.Set("a", 0, Redistribution{})
		},
	} {
		if err := set(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestOverlayConcurrent(t *testing.T) {
	dir := t.TempDir()
	o := openOverlay(t, dir)
	var others []vrf.Spec
	var all sync.WaitGroup
	for i := range 8 {
		name := fmt.Sprintf("vrf%d", i)
		others = append(others, vrf.Spec{Name: name})
		all.Go(func() {
			if err := o.Set(name, vrf.Export, Redistribution{Enabled: true}); err != nil {
				t.Error(err)
			}
			o.Apply(nil, []vrf.Spec{{Name: name}})
		})
	}
	all.Wait()
	if got := openOverlay(t, dir).Apply(nil, others); len(got) != len(others) {
		t.Errorf("%d of %d entries were kept", len(got), len(others))
	}
}

func TestOverlayIsRemoved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	o := openOverlay(t, dir)
	set(t, o, "a", vrf.Export, Redistribution{})
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := o.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Errorf("what is not the overlay's went with it: %v", err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing
		if err := o.Remove(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory is left: %v", err)
	}
}

// A crash in the middle of a write leaves a file that nobody reads: the next start
// removes it, unless it is so young that somebody may be writing it.
func TestHalfWrittenFilesGo(t *testing.T) {
	dir := t.TempDir()
	long := time.Now().Add(-time.Hour)
	for name, when := range map[string]time.Time{
		"." + overlayName + "123": long, "." + keptName + "456": long,
		"." + overlayName + "789": time.Now(), keptName + "5": long, ".other1": long,
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(file, []byte("{"), 0o600), os.Chtimes(file, when, when)); err != nil {
			t.Fatal(err)
		}
	}
	openOverlay(t, dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if d := cmp.Diff([]string{".other1", "." + overlayName + "789", keptName + "5"}, left); d != "" {
		t.Error(d)
	}
}

// TestALayerEndsWhatWasEnabledBefore, and nothing that is enabled after it; what it ended does not
// come back with its own end.
func TestALayerEndsWhatWasEnabledBefore(t *testing.T) {
	o, err := OpenOverlay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	set := func(r Redistribution) {
		t.Helper()
		if err := o.Set("red", vrf.Export, r); err != nil {
			t.Fatal(err)
		}
	}
	metric := func(c *Config) (enabled bool) {
		t.Helper()
		for _, s := range o.Over(c) {
			enabled = enabled || s.Name == "red" && s.Export.Enabled
		}
		return enabled
	}
	before := layeredOver(t)
	set(Redistribution{Enabled: false})
	if metric(before) {
		t.Fatal("it was not disabled")
	}
	other := layeredOver(t, asks("red", `{"table":7}`, "table"))
	if metric(other) {
		t.Error("a layer that says nothing of the export ended it")
	}
	after := layeredOver(t, asks("red", `{"export":{"metric":7}}`, "export.metric"))
	if !metric(after) {
		t.Error("it was not ended")
	}
	set(Redistribution{Enabled: false, Over: after.Layers().Generation})
	if metric(after) {
		t.Error("what was disabled later does not hold")
	}
	set(Redistribution{Enabled: false})
	if err := o.End(after.Layers()); err != nil {
		t.Fatal(err)
	}
	if !metric(before) {
		t.Error("it came back when the layer went")
	}
}
