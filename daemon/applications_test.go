package daemon

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

const tenantsFile = `[global.config]
as = 65000
router-id = "192.0.2.1"
[[vrfs]]
  [vrfs.config]
  name = "red"
  rd = "65000:1"
  both-rt-list = ["65000:1"]
[netlink]
[[netlink.vrfs]]
  name = "red"
  table = 1001
  [netlink.vrfs.export]
  enabled = true
`

// layeredStage is a stage with a file over which layers can be applied.
func layeredStage(t *testing.T) (*stage, *applications) {
	t.Helper()
	judge := bgpPart(nil)
	cfg, err := config.ParseUnder("f.toml", []byte(tenantsFile), nil, judge)
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, cfg)
	layers, err := openLayering(Options{File: "f.toml", StateDir: s.dir}, judge)
	if err != nil {
		t.Fatal(err)
	}
	s.changer.layers = layers
	s.changer.load = func(l *config.Layers) (*config.Config, error) {
		return config.ParseUnder("f.toml", []byte(tenantsFile), l, judge)
	}
	return s, &applications{changer: s.changer, layers: layers, turns: newTurns(s.changer)}
}

func toApply(name, section string, fields ...string) vrf.ApplyRequest {
	key := vrf.LayerKey{Name: name, Neighbor: strings.ContainsAny(name, ":.")}
	return vrf.ApplyRequest{Key: key, Section: []byte(section), Fields: fields}
}

const greenVRF = `{"name":"green","rd":"65000:3","both_rt_list":["65000:3"],"netns":"green","export":{"enabled":true}}`

// running are the VRFs that are in force.
func (s *stage) running() (names []string) {
	for _, spec := range s.changer.force.specs() {
		names = append(names, spec.Name)
	}
	return names
}

// applied returns the file of what was applied; nil: there is none.
func (s *stage) applied(t *testing.T) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "applied.json"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return data
}

func TestApplyIsInForceAndKept(t *testing.T) {
	s, a := layeredStage(t)
	generation, err := a.Apply(t.Context(), toApply("green", greenVRF))
	if err != nil || generation != 1 || !slices.Equal(s.running(), []string{"green", "red"}) {
		t.Fatalf("%v: generation %d, %v run", err, generation, s.running())
	}
	if calls := s.take(); len(calls) != 5 || calls[4] != "run green red" || !strings.Contains(calls[1], `"name":"green"`) {
		t.Errorf("what was done: %q", calls)
	}
	if generation, err := a.Apply(t.Context(), toApply("green", greenVRF)); err != nil || generation != 1 {
		t.Errorf("once more: %v, %d", err, generation)
	}
	s.wants(t)
	again, err := openLayering(Options{File: "f.toml", StateDir: s.dir}, bgpPart(nil))
	if err != nil || again.layers().Len() != 1 || again.layers().At() != 1 {
		t.Errorf("the next start has %+v, %v", again.layers(), err)
	}
	if below, err := a.Delete(t.Context(), vrf.DeleteRequest{Key: vrf.LayerKey{Name: "green"}}); err != nil || below || !slices.Equal(s.running(), []string{"red"}) {
		t.Errorf("deleted: %v, %v; %v run", below, err, s.running())
	}
	if _, err := a.Delete(t.Context(), vrf.DeleteRequest{Key: vrf.LayerKey{Name: "green"}}); !errors.Is(err, vrf.ErrNothingApplied) {
		t.Errorf("deleted once more: %v", err)
	}
}

// TestApplyWhollyOrNotAtAll: whichever step fails, what is in force and what the next start has is
// as before; and at no call is it anything but the whole of the one or of the other.
func TestApplyWhollyOrNotAtAll(t *testing.T) {
	s, a := layeredStage(t)
	if _, err := a.Apply(t.Context(), toApply("green", greenVRF)); err != nil {
		t.Fatal(err)
	}
	s.take()
	running := s.running()
	bad := toApply("blue", strings.ReplaceAll(strings.ReplaceAll(greenVRF, "green", "blue"), "65000:3", "65000:4"))
	if _, err := a.Apply(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	steps := s.take()
	if _, err := a.Delete(t.Context(), vrf.DeleteRequest{Key: bad.Key}); err != nil {
		t.Fatal(err)
	}
	before := s.applied(t)
	s.take()
	for _, step := range steps[:4] {
		s.refuse(step)
		if _, err := a.Apply(t.Context(), bad); err == nil {
			t.Fatalf("%s failed, and the request did not", step)
		}
		if !slices.Equal(s.running(), running) || !bytes.Equal(s.applied(t), before) {
			t.Errorf("after %s failed %v run, and kept is %s", step, s.running(), s.applied(t))
		}
	}
}

func TestApplyRefusesByField(t *testing.T) {
	s, a := layeredStage(t)
	for name, tc := range map[string]struct {
		r     vrf.ApplyRequest
		field string
		why   string
	}{
		"an RD that the file has":   {toApply("green", strings.Replace(greenVRF, "65000:3", "65000:1", 1)), "rd", `65000:1 is the RD of VRF "red" too`},
		"a table that the file has": {toApply("green", `{"rd":"65000:3","both_rt_list":["65000:3"],"table":1001,"export":{"enabled":true}}`), "name", `would use the table of VRF "red"`},
		"what GoBGP refuses":        {toApply("10.0.0.2", `{"address":"10.0.0.2","peer_as":65001,"vrf":"red","more":{"timers":{"config":{"hold-time":"x"}}}}`), "more.timers.config.hold-time", ""},
		"an unknown key":            {toApply("green", strings.Replace(greenVRF, "netns", "netnss", 1)), "netnss", "did you mean netns?"},
	} {
		_, err := a.Apply(t.Context(), tc.r)
		var faults vrf.FieldFaults
		if !errors.As(err, &faults) || !slices.ContainsFunc(faults, func(f vrf.FieldFault) bool { return f.Field == tc.field && strings.Contains(f.Why, tc.why) }) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.wants(t)
	if s.applied(t) != nil {
		t.Errorf("kept is %s", s.applied(t))
	}
}

// TestWhatIsAppliedOutlivesARollback of a reload of the file.
func TestWhatIsAppliedOutlivesARollback(t *testing.T) {
	s, a := layeredStage(t)
	if _, _, err := s.changer.Reload(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Apply(t.Context(), toApply("green", greenVRF)); err != nil {
		t.Fatal(err)
	}
	if err := s.changer.rollBackTo(t.Context(), s.changer.confirm.pending.Load()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.running(), []string{"green", "red"}) {
		t.Errorf("%v run", s.running())
	}
}

// TestApplyEndsAnEarlierEnable, and a later one holds.
func TestApplyEndsAnEarlierEnable(t *testing.T) {
	s, a := layeredStage(t)
	disable := func() {
		t.Helper()
		if err := s.changer.Redistribute(t.Context(), "red", vrf.Export, func(s *vrf.Spec) { s.Export.Enabled = false }); err != nil {
			t.Fatal(err)
		}
	}
	exports := func() bool { red, _ := s.changer.force.spec("red"); return red.Export.Enabled }
	disable()
	if _, err := a.Apply(t.Context(), toApply("red", `{"export":{"metric":9}}`, "export.metric")); err != nil || !exports() {
		t.Errorf("%v; red exports: %v", err, exports())
	}
	disable()
	if exports() {
		t.Error("what was disabled later does not hold")
	}
	if _, err := a.Delete(t.Context(), vrf.DeleteRequest{Key: vrf.LayerKey{Name: "red"}}); err != nil || exports() {
		t.Errorf("%v; red exports: %v", err, exports())
	}
}

// TestAStartWithWhatContradictsTheFile has that failed, with the reason, and runs all else; it
// comes into force when there is room for it.
func TestAStartWithWhatContradictsTheFile(t *testing.T) {
	s, a := layeredStage(t)
	for _, r := range []vrf.ApplyRequest{toApply("green", greenVRF), toApply("blue", `{"rd":"65000:4","both_rt_list":["65000:4"],"netns":"blue","export":{"enabled":true}}`)} {
		if _, err := a.Apply(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(t.TempDir(), "f.toml")
	other := strings.Replace(tenantsFile, `"65000:1"`, `"65000:3"`, 1)
	if err := os.WriteFile(file, []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	o := Options{File: file, StateDir: s.dir}
	layers, err := openLayering(o, bgpPart(nil))
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := startConfig(o, bgpPart(nil), s.changer.force.overlay, layers, s.changer.log)
	if err != nil {
		t.Fatal(err)
	}
	next := newStage(t, cfg)
	next.changer.layers = layers
	v := &vrfs{fakeRunning{}, next.changer.force, next.bgp, new(vrf.Tap), nil, func() []vrf.Status { return layers.absent(next.changer.force.config()) }, func() []vrf.Layer { return layers.leftOut(next.changer.force.config()) }, nil}
	list := v.List()
	if len(list) != 1 || list[0].Spec.Name != "green" || list[0].State != vrf.Failed || !strings.Contains(list[0].Reason, `65000:3 is the RD of VRF "red" too`) {
		t.Errorf("failed are %+v", list)
	}
	if st, is := v.Get("green"); !is || st.State != vrf.Failed {
		t.Errorf("green is %+v", st)
	}
	below := lacking(vrf.Status{Spec: vrf.Spec{Name: "green"}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}}, v.leftOut())
	if below.State != vrf.Degraded || !strings.Contains(below.Reason, `what was applied over the API to VRF "green" is left out: `) {
		t.Errorf("where the file has a VRF green it is %+v", below)
	}
	if st := lacking(vrf.Status{Spec: vrf.Spec{Name: "red"}, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready}}, v.leftOut()); st.State != vrf.Ready {
		t.Errorf("red is %+v", st)
	}
	if !slices.Equal(next.running(), []string{"blue", "red"}) {
		t.Errorf("%v run", next.running())
	}
	b := &applications{changer: next.changer, layers: layers, turns: newTurns(next.changer)}
	if _, err := b.Apply(t.Context(), toApply("red", `{"rd":"65000:9"}`, "rd")); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(next.running(), []string{"blue", "green", "red"}) || len(v.List()) != 0 {
		t.Errorf("%v run, and %d failed", next.running(), len(v.List()))
	}
}
