package daemon

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/api"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// waiting runs act on a stage where a reload from "old" to "new" waits a minute to be
// confirmed, in a bubble of fake time. Since then VRF a was disabled.
func waiting(t *testing.T, act func(t *testing.T, s *stage)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, text(t, "old", []string{"a", "b"}))
		s.file = text(t, "new", []string{"a", "c"})
		ctx, end := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); s.changer.heed(ctx, signals{}) }()
		defer func() { end(); <-ended }()
		if _, until, err := s.changer.Reload(t.Context(), time.Minute); err != nil || !until.Equal(time.Now().Add(time.Minute)) {
			t.Fatalf("until %v: %v", until, err)
		}
		if err := s.changer.Redistribute(t.Context(), "a", vrf.Export, func(s *vrf.Spec) { s.Export.Enabled = false }); err != nil {
			t.Fatal(err)
		}
		s.take()
		act(t, s)
	})
}

// kept returns what a start would find; nil: nothing.
func (s *stage) kept(t *testing.T) *config.Kept {
	t.Helper()
	k, err := config.ReadKept(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// enabled tells whether VRF a exports now.
func (s *stage) enabled() bool {
	a, _ := s.changer.force.spec("a")
	return a.Export.Enabled
}

func TestConfirmedInTime(t *testing.T) {
	waiting(t, func(t *testing.T, s *stage) {
		if k := s.kept(t); k == nil || string(k.Text) != "old" || k.Overlay == nil || k.File != "f.toml" {
			t.Errorf("while it waits a start finds %+v", k)
		}
		if s.holds.Load() != 1 {
			t.Errorf("while it waits there are %d holds on who may come back", s.holds.Load())
		}
		if u, is := s.changer.Unconfirmed(); !is || !u.Until.Equal(time.Now().Add(time.Minute)) {
			t.Errorf("it waits: %v, until %v", is, u.Until)
		}
		if _, _, err := s.changer.Reload(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "a reload waits to be confirmed, for another 1m0s") {
			t.Errorf("another reload: %v", err)
		}
		if err := s.changer.Confirm(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.changer.Confirm(t.Context()); !errors.Is(err, api.ErrNothingToConfirm) {
			t.Errorf("confirmed twice: %v", err)
		}
		time.Sleep(time.Hour) // of the bubble's clock
		synctest.Wait()
		s.wants(t)
		if _, is := s.changer.Unconfirmed(); is || s.inForce() != "new" || s.enabled() || s.kept(t) != nil {
			t.Errorf("%s is in force, in unconfirmed: %v", s.inForce(), is)
		}
		if s.holds.Load() != 0 {
			t.Errorf("after that there are %d holds", s.holds.Load())
		}
	})
}

func TestNotConfirmedInTime(t *testing.T) {
	waiting(t, func(t *testing.T, s *stage) {
		time.Sleep(time.Minute)
		synctest.Wait()
		s.wants(t, "run a", "BGP gets old", "mirrors ", "relay gets ", "run a b")
		if s.holds.Load() != 0 {
			t.Errorf("after the rollback there are %d holds on who may come back", s.holds.Load())
		}
		if u, is := s.changer.Unconfirmed(); !is || !u.Until.IsZero() || s.inForce() != "old" || !s.enabled() {
			t.Errorf("%s is in force, a is enabled: %v, in unconfirmed: %v until %v", s.inForce(), s.enabled(), is, u.Until)
		}
		if k := s.kept(t); k == nil || string(k.Text) != "old" || k.Overlay != nil {
			t.Errorf("a start finds %+v", k)
		}
		if err := s.changer.Confirm(t.Context()); !errors.Is(err, api.ErrNothingToConfirm) || !strings.Contains(err.Error(), "was undone") {
			t.Errorf("confirmed too late: %v", err)
		}
		if _, _, err := s.changer.Reload(t.Context(), 0); err != nil {
			t.Error(err)
		}
		if _, is := s.changer.Unconfirmed(); is || s.inForce() != "new" || s.kept(t) != nil {
			t.Errorf("after another reload %s is in force, in unconfirmed: %v", s.inForce(), is)
		}
	})
}

// TestARollbackThatFails is tried again, and leaves what was set at run time alone until
// then.
func TestARollbackThatFails(t *testing.T) {
	waiting(t, func(t *testing.T, s *stage) {
		s.refuse("BGP gets old")
		time.Sleep(time.Minute)
		synctest.Wait()
		s.wants(t, "run a", "BGP gets old", "BGP gets new", "run a c")
		if u, is := s.changer.Unconfirmed(); !is || u.Until.IsZero() || s.inForce() != "new" || s.enabled() {
			t.Errorf("%s is in force, a is enabled: %v, in unconfirmed: %v until %v", s.inForce(), s.enabled(), is, u.Until)
		}
		if s.holds.Load() != 1 {
			t.Errorf("a rollback is to come, and there are %d holds on who may come back", s.holds.Load())
		}
		s.refuse()
		time.Sleep(rollbackAgain)
		synctest.Wait()
		if s.inForce() != "old" || !s.enabled() {
			t.Errorf("%s is in force, a is enabled: %v", s.inForce(), s.enabled())
		}
		if u, is := s.changer.Unconfirmed(); !is || !u.Until.IsZero() {
			t.Errorf("in unconfirmed: %v until %v", is, u.Until)
		}
	})
}

// TestAReloadToBeConfirmedThatFails leaves nothing to go back to.
func TestAReloadToBeConfirmedThatFails(t *testing.T) {
	s := newStage(t, text(t, "old", []string{"a"}))
	s.file = text(t, "new", []string{"a"})
	s.refuse("BGP gets new")
	if _, _, err := s.changer.Reload(t.Context(), time.Minute); err == nil || !strings.Contains(err.Error(), "in force again") {
		t.Error(err)
	}
	if _, is := s.changer.Unconfirmed(); is || s.kept(t) != nil || s.holds.Load() != 0 {
		t.Error("it waits to be confirmed")
	}
}

// TestAReloadToBeConfirmedThatHalfFails comes to its end too.
func TestAReloadToBeConfirmedThatHalfFails(t *testing.T) {
	s := newStage(t, text(t, "old", []string{"a"}))
	s.file = text(t, "new", []string{"b"})
	s.refuse("run b")
	_, until, err := s.changer.Reload(t.Context(), time.Minute)
	if err == nil || !strings.HasSuffix(err.Error(), "unless `vrfredist confirm` is run, the configuration from before comes back in 1m0s") || until.IsZero() {
		t.Errorf("until %v: %v", until, err)
	}
	if _, is := s.changer.Unconfirmed(); !is || s.kept(t) == nil {
		t.Error("it does not wait to be confirmed")
	}
}

// TestNothingIsReloadedThatCannotBeKept: without a way back no way forth.
func TestNothingIsReloadedThatCannotBeKept(t *testing.T) {
	s := newStage(t, text(t, "old", []string{"a"}))
	s.file = text(t, "new", []string{"a"})
	s.changer.confirm.stateDir = filepath.Join(s.dir, "file", "below")
	if err := os.WriteFile(filepath.Join(s.dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.changer.Reload(t.Context(), time.Minute); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
		t.Error(err)
	}
	s.wants(t, "read the file")
}

// schema is as much of GoBGP's as the files of these tests need.
var schema = config.BGP{
	Schema: map[string]any{"global": map[string]any{"config": map[string]any{"as": nil, "router-id": nil}}},
	Check:  func([]byte) error { return nil },
}

// TestTheStartAfterAnUnconfirmedReload has the configuration from before.
func TestTheStartAfterAnUnconfirmedReload(t *testing.T) {
	const router = "router-id = \"192.0.2.1\"\n"
	const old, now = "[global.config]\nas = 65000\n" + router, "[global.config]\nas = 65001\n" + router
	for name, tc := range map[string]struct {
		kept        *config.Kept
		file        string
		want        string
		unconfirmed bool
		stays       bool // what is kept
	}{
		"nothing is kept":      {nil, now, "65001", false, false},
		"of another file":      {&config.Kept{File: "other.toml", Text: []byte(old)}, now, "65001", false, true},
		"it was not confirmed": {&config.Kept{File: "FILE", Text: []byte(old), Overlay: []byte(`{"version": 1, "vrfs": {}}`)}, now, "65000", true, true},
		"the file went back":   {&config.Kept{File: "FILE", Text: []byte(old)}, old, "65000", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := Options{File: filepath.Join(dir, "f.toml"), StateDir: dir}
			if err := os.WriteFile(o.File, []byte(tc.file), 0o600); err != nil {
				t.Fatal(err)
			}
			if tc.kept != nil {
				if tc.kept.File == "FILE" {
					tc.kept.File = o.File
				}
				if err := tc.kept.Write(dir); err != nil {
					t.Fatal(err)
				}
			}
			overlay, err := config.OpenOverlay(dir)
			if err != nil {
				t.Fatal(err)
			}
			layers, err := openLayering(o, schema)
			if err != nil {
				t.Fatal(err)
			}
			cfg, found, err := startConfig(o, schema, overlay, layers, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(string(cfg.BGP), tc.want) || (found != nil) != tc.unconfirmed || found != nil && found.old != cfg {
				t.Errorf("it starts with %s, in unconfirmed: %+v", cfg.BGP, found)
			}
			k, err := config.ReadKept(dir)
			if err != nil || (k != nil) != tc.stays || k != nil && k.Overlay != nil {
				t.Errorf("the next start finds %+v, %v", k, err)
			}
		})
	}
}

// TestTheStateGoesWithTheLastRoutes: where every VRF leaves nothing, nor does the daemon.
func TestTheStateGoesWithTheLastRoutes(t *testing.T) {
	for name, tc := range map[string]struct {
		exit        []vrf.OnExit
		why         error
		unconfirmed *unconfirmed
		goes        bool
	}{
		"told to end":              {[]vrf.OnExit{vrf.Remove, vrf.Remove}, vrf.ErrExit, nil, true},
		"one keeps its routes":     {[]vrf.OnExit{vrf.Remove, vrf.Keep}, vrf.ErrExit, nil, false},
		"it failed":                {[]vrf.OnExit{vrf.Remove}, errors.New("lost"), nil, false},
		"no VRF":                   {nil, vrf.ErrExit, nil, false},
		"it waits to be confirmed": {[]vrf.OnExit{vrf.Remove}, vrf.ErrExit, &unconfirmed{until: time.Now().Add(time.Hour)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := text(t, "x", []string{"a", "b"}[:len(tc.exit)])
			for i, e := range tc.exit {
				cfg.VRFs[i].OnExit = e
			}
			s := newStage(t, cfg)
			if err := s.changer.force.overlay.Set("a", vrf.Export, config.Redistribution{Enabled: true}); err != nil {
				t.Fatal(err)
			}
			s.changer.confirm.pending.Store(tc.unconfirmed)
			if err := endState(tc.why, s.changer.force, s.changer.confirm); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(filepath.Join(s.dir, "redistribution.json")); errors.Is(err, os.ErrNotExist) != tc.goes {
				t.Errorf("what was set at run time: %v", err)
			}
		})
	}
}
