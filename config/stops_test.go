package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
)

// TestStops: who is disabled is the same for whoever opens the directory next, and what cannot be
// read enables nobody.
func TestStops(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	open := func() *Stops {
		t.Helper()
		s, err := OpenStops(dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s, at := open(), time.Date(2026, 5, 1, 12, 0, 0, 123, time.UTC)
	change := func(to map[string]*rib.Disabled) {
		t.Helper()
		if err := s.Change(to); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s.All(), open().All()); d != "" {
			t.Errorf("the next to open it finds another (-have +found)\n%s", d)
		}
	}
	if len(s.All()) != 0 {
		t.Errorf("where nothing is kept: %v", s.All())
	}
	one := rib.Disabled{By: "uid 0", Reason: "new cable", Since: at}
	two := rib.Disabled{Since: at, Due: at.Add(time.Hour)}
	change(map[string]*rib.Disabled{"192.0.2.1": &one, "eth0": &two})
	if d := cmp.Diff(map[string]rib.Disabled{"192.0.2.1": one, "eth0": two}, s.All()); d != "" {
		t.Errorf("what is kept (-want +got)\n%s", d)
	}
	change(map[string]*rib.Disabled{"192.0.2.1": nil, "nobody": nil})
	if _, is := s.All()["192.0.2.1"]; is || len(s.All()) != 1 {
		t.Errorf("after one was forgotten: %v", s.All())
	}
	left := func(stays bool) {
		t.Helper()
		if err := s.Left([]string{"eth0", "nobody"}); err != nil {
			t.Fatal(err)
		}
		if _, is := open().All()["eth0"]; is != stays {
			t.Errorf("who left the configuration is kept: %v, not %v", is, stays)
		}
	}
	first, second := s.Hold(), s.Hold()
	left(true)
	first()
	first()
	left(true)
	second()
	left(false)

	file := filepath.Join(dir, stopsName)
	for text, word := range map[string]string{"{": "damaged", `{"version": 2}`: "version 2"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenStops(dir); err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), "remove it to enable them all") {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // a file in its place
		t.Fatal(err)
	}
	before := s.All()
	if err := s.Change(map[string]*rib.Disabled{"eth1": &one}); err == nil || len(s.All()) != len(before) {
		t.Errorf("what cannot be written: %v, %v", err, s.All())
	}
}
