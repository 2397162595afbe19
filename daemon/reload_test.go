package daemon

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// reloading is a stage on which a reload changes everything.
func reloading(t *testing.T) *stage {
	t.Helper()
	s := newStage(t, text(t, "old", []string{"a", "a/2", "b"}, "127.1.0.1"))
	s.file = text(t, "new", []string{"a", "a/3", "c"}, "127.1.0.2")
	return s
}

var (
	forth = []string{"read the file", "run a", "BGP gets new", "mirrors a/3", "relay gets 127.1.0.2", "run a a/3 c"}
	// back by the step that failed, counted from the workers that leave
	back = []string{"relay gets 127.1.0.1", "mirrors a/2", "BGP gets old", "run a a/2 b"}
)

func TestReload(t *testing.T) {
	s := reloading(t)
	changes, until, err := s.changer.Reload(t.Context(), 0)
	if err != nil || !until.IsZero() || s.inForce() != "new" {
		t.Fatalf("%v, until %v; %s is in force", err, until, s.inForce())
	}
	s.wants(t, forth...)
	want := []string{
		"BGP has new", `VRF "a/3": redistribution starts (netns a-3)`, `VRF "c": redistribution starts (netns c)`,
		`VRF "a/2": redistribution ends`, `VRF "b": redistribution ends`,
	}
	if !slices.Equal(changes, want) {
		t.Errorf("it tells of %q, want %q", changes, want)
	}
}

// TestReloadOfAdvertisedLinks: router advertisements are sent on the links of the
// configuration in force, also where a later step of a reload fails.
func TestReloadOfAdvertisedLinks(t *testing.T) {
	s := reloading(t)
	s.changer.force.config().Advertise = []string{"eth0"}
	s.file.Advertise = []string{"eth1"}
	s.file.API.TLS = &config.TLS{Certificate: []byte("no PEM"), Key: []byte("no PEM")}
	if _, _, err := s.changer.Reload(t.Context(), 0); err == nil || !slices.Equal(s.adverts.links, []string{"eth0"}) {
		t.Errorf("%v: after a reload that failed they are sent on %q", err, s.adverts.links)
	}
	s.file.API.TLS = nil
	if _, _, err := s.changer.Reload(t.Context(), 0); err != nil || !slices.Equal(s.adverts.links, []string{"eth1"}) {
		t.Errorf("%v: after a reload they are sent on %q", err, s.adverts.links)
	}
}

// TestEachStepOfAReloadFails: the old configuration is in force again, and the error
// says what failed.
func TestEachStepOfAReloadFails(t *testing.T) {
	const again = "; the old configuration is in force again"
	badTLS := &config.TLS{Certificate: []byte("no PEM"), Key: []byte("no PEM")}
	for _, tc := range []struct {
		fails  string
		tls    *config.TLS
		says   string
		undone int // of back
	}{
		{"run a", nil, "end the VRFs that left the file: no run a", 1},
		{"BGP gets new", nil, "apply the file to BGP: no BGP gets new", 2},
		{"mirrors a/3", nil, "no mirrors a/3", 3},
		{"relay gets 127.1.0.2", nil, "no relay gets 127.1.0.2", 4},
		{"", badTLS, "netlink.api.tls: ", 4},
	} {
		s := reloading(t)
		s.refuse(tc.fails)
		s.file.API.TLS = tc.tls
		changes, _, err := s.changer.Reload(t.Context(), 0)
		if err == nil || !strings.HasPrefix(err.Error(), tc.says) || !strings.HasSuffix(err.Error(), again) || changes != nil {
			t.Errorf("%q fails: %v, with the changes %q", tc.fails, err, changes)
		}
		if s.inForce() != "old" {
			t.Errorf("%q fails: %s is in force", tc.fails, s.inForce())
		}
		done := forth[:tc.undone+1]
		if tc.tls != nil {
			done = forth[:5]
		}
		s.wants(t, slices.Concat(done, back[4-tc.undone:])...)
	}
}

// TestAReloadThatCannotBeTakenBack says what is not as it was, and puts the rest back.
func TestAReloadThatCannotBeTakenBack(t *testing.T) {
	for fails, says := range map[string]string{
		"BGP gets old":         "except that BGP refused a part of it: no BGP gets old; restart vrfredist",
		"mirrors a/2":          "except for what goes to secondary tables of a VRF: no mirrors a/2; restart vrfredist",
		"relay gets 127.1.0.1": "except for the neighbours inside namespaces: no relay gets 127.1.0.1; restart vrfredist",
		"run a a/2 b":          "except that VRFs could not be started: no run a a/2 b; restart vrfredist",
	} {
		s := reloading(t)
		s.refuse("relay gets 127.1.0.2", fails)
		_, _, err := s.changer.Reload(t.Context(), 0)
		if want := "no relay gets 127.1.0.2; the old configuration is in force again, " + says; err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
		s.wants(t, slices.Concat(forth[:5], back)...)
		if s.inForce() != "old" {
			t.Errorf("%s is in force", s.inForce())
		}
	}
}

// TestAWorkerThatDoesNotStart leaves the file in force: it is tried again by itself.
func TestAWorkerThatDoesNotStart(t *testing.T) {
	s := reloading(t)
	s.refuse("run a a/3 c")
	_, _, err := s.changer.Reload(t.Context(), 0)
	if want := "the file is in force, but not all went well: no run a a/3 c"; err == nil || err.Error() != want || s.inForce() != "new" {
		t.Errorf("%v\nwant %s; %s is in force", err, want, s.inForce())
	}
	s.wants(t, forth...)
}

func TestAFileWithAnErrorChangesNothing(t *testing.T) {
	s := reloading(t)
	s.refuse("read the file")
	if _, _, err := s.changer.Reload(t.Context(), 0); err == nil || err.Error() != "no read the file" {
		t.Error(err)
	}
	s.wants(t, "read the file")
}

func TestSpecChanges(t *testing.T) {
	spec := func(name, netns string, metric uint32) vrf.Spec {
		return vrf.Spec{Name: name, Binding: rib.Binding{Netns: netns}, Export: rib.ExportPolicy{Metric: metric}}
	}
	before := []vrf.Spec{spec("gone", "x", 1), spec("moved", "x", 1), spec("other", "x", 1), spec("same", "x", 1)}
	after := []vrf.Spec{spec("moved", "y", 1), spec("new", "x", 1), spec("other", "x", 2), spec("same", "x", 1)}
	want := []string{
		`VRF "moved": moved from netns x to netns y`, `VRF "new": redistribution starts (netns x)`,
		`VRF "other": redistribution changed`, `VRF "gone": redistribution ends`,
	}
	if got := specChanges(before, after); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestRedistribute: what is enabled at run time is kept, laid over the file, and waited for.
func TestRedistribute(t *testing.T) {
	cfg := text(t, "old", []string{"a", "a/2"})
	cfg.Others = []vrf.Spec{{Name: "idle"}}
	s := newStage(t, cfg)
	enable := func(s *vrf.Spec) { s.Import.Enabled, s.Import.Interfaces = true, []string{"eth0"} }
	if err := s.changer.Redistribute(t.Context(), "nobody", vrf.Import, enable); !errors.Is(err, api.ErrUnknownVRF) {
		t.Errorf("an unknown VRF: %v", err)
	}
	if err := s.changer.Redistribute(t.Context(), "a/2", vrf.Import, enable); err == nil || !strings.Contains(err.Error(), `enable import for VRF "a"`) {
		t.Errorf("a secondary table: %v", err)
	}
	s.wants(t)
	if err := s.changer.Redistribute(t.Context(), "idle", vrf.Import, enable); err != nil {
		t.Error(err)
	}
	s.wants(t, "run a a/2 idle", "wait for those that leave")
	again, err := config.OpenOverlay(s.dir)
	if err != nil || len(again.Apply(nil, cfg.Others)) != 1 {
		t.Errorf("the next start does not know of it: %v", err)
	}
}

// TestRestore asks BGP only where something of the VRF differs.
func TestRestore(t *testing.T) {
	s := newStage(t, text(t, "old", nil))
	for name, want := range map[string]int{"": 1, "red": 0} {
		if got, err := s.changer.Restore(t.Context(), name); err != nil || len(got) != want {
			t.Errorf("VRF %q: %q, %v", name, got, err)
		}
	}
	s.bgp.drift = append(s.bgp.drift, driftOf("red"))
	for name, want := range map[string]int{"blue": 0, "red": 1} {
		if got, err := s.changer.Restore(t.Context(), name); err != nil || len(got) != want {
			t.Errorf("VRF %q of which BGP has another: %q, %v", name, got, err)
		}
	}
	s.refuse("BGP is put right")
	if _, err := s.changer.Restore(t.Context(), ""); err == nil || err.Error() != "put BGP right: no BGP is put right" {
		t.Error(err)
	}
}

// policyOf is a policy that accepts everything.
type policyOf string

func (p policyOf) Name() string                                 { return string(p) }
func (p policyOf) String() string                               { return string(p) }
func (policyOf) Judge(s rib.Subject, _ *rib.Hearing) rib.Ruling { return rib.Ruling{Attrs: s.Attrs} }

// TestReloadWithholds: BGP knows by which policies neighbours are not told before it has new
// sessions, whichever of the VRFs has one and means that, and the old ones where a later step
// fails.
func TestReloadWithholds(t *testing.T) {
	s := reloading(t)
	has := func(p rib.ExportPolicy) rib.ExportPolicy { p.Enabled, p.Policy = true, policyOf("p"); return p }
	old := s.changer.force.config()
	for i := range old.VRFs {
		old.VRFs[i].Export = has(old.VRFs[i].Export)
	}
	s.file.VRFs[0].Export = has(s.file.VRFs[0].Export)
	s.file.VRFs[1].Export = has(s.file.VRFs[1].Export)
	s.file.VRFs[1].Export.AdvertiseRejected = true
	s.refuse("BGP gets new")
	if _, _, err := s.changer.Reload(t.Context(), 0); err == nil {
		t.Error("a reload that BGP refuses came through")
	}
	s.wants(t, "read the file", "run a", "withhold by the policies of 1 VRFs", "BGP gets new", "BGP gets old", "withhold by the policies of 2 VRFs", "run a a/2 b")
}
