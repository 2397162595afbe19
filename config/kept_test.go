package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/vrf"
)

func TestKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "state")
	if k, err := ReadKept(dir); k != nil || err != nil {
		t.Fatalf("where nothing is kept: %v, %v", k, err)
	}
	want := Kept{File: "/etc/a.toml", Text: []byte("a \x00 b"), Overlay: []byte("{}")}
	if err := want.Write(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, keptName)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a file that may hold secrets: %v, %v", info.Mode(), err)
	}
	got, err := ReadKept(dir)
	want.Version = keptVersion
	if d := cmp.Diff(&want, got); err != nil || d != "" {
		t.Errorf("what is kept: %v (-want +got)\n%s", err, d)
	}
	if err := os.WriteFile(filepath.Join(dir, keptName), []byte(`{"version": 2}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKept(dir); err == nil || !strings.Contains(err.Error(), "version 2") || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("of another version: %v", err)
	}
	for range 2 {
		if err := RemoveKept(dir); err != nil {
			t.Error(err)
		}
	}
}

// What was set at run time comes back as it was, in the file too.
func TestOverlayRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o, err := OpenOverlay(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Set("a", vrf.Import, Redistribution{Enabled: true, Interfaces: []string{"eth0"}}); err != nil {
		t.Fatal(err)
	}
	before, err := o.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if err := o.Set(name, vrf.Import, Redistribution{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.Restore([]byte("{")); err == nil {
		t.Error("nonsense was restored")
	}
	if err := o.Restore(before); err != nil {
		t.Fatal(err)
	}
	again, err := OpenOverlay(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []*Overlay{o, again} {
		if now, err := o.Snapshot(); err != nil || string(now) != string(before) {
			t.Errorf("after Restore: %v\n%s\nwant\n%s", err, now, before)
		}
	}
}
