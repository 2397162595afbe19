package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

func TestAwaitNamespace(t *testing.T) {
	h := startHost(t)
	ns := freshName(t)
	b := rib.Binding{Netns: ns}
	changed, stop, err := h.Await(b)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for range 3 {
		drainSignal(changed)
		run(t, "ip", "netns", "add", ns)
		// The file comes first and the mount after: signals until it opens.
		openWhenSignalled(t, h, b, changed)
		run(t, "ip", "netns", "del", ns)
	}
}

func drainSignal(ch <-chan struct{}) {
	select {
	case <-ch:
	default:
	}
}

func openWhenSignalled(t *testing.T, h *Host, b rib.Binding, changed <-chan struct{}) {
	t.Helper()
	for {
		signalled(t, changed, b.String())
		c, err := h.Open(t.Context(), b, rib.ProtoOwn)
		if err == nil {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			return
		}
		if !errors.Is(err, rib.ErrAbsent) {
			t.Fatal(err)
		}
	}
}

// TestAwaitMountOnExistingFile is the second half of `ip netns add` alone: a
// bind mount, of which inotify says nothing.
func TestAwaitMountOnExistingFile(t *testing.T) {
	source := netns(t)
	h := startHost(t)
	file := filepath.Join(t.TempDir(), "tenant")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := rib.Binding{Netns: file}
	changed, stop, err := h.Await(b)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if _, err := h.Open(t.Context(), b, rib.ProtoOwn); !errors.Is(err, rib.ErrAbsent) {
		t.Fatalf("before the mount: %v", err)
	}
	run(t, "mount", "--bind", rib.NetnsDir+"/"+source, file)
	mounted := true
	t.Cleanup(func() {
		if mounted {
			run(t, "umount", file)
		}
	})
	openWhenSignalled(t, h, b, changed)
	c := open(t, h, b)
	run(t, "umount", file)
	mounted = false
	awaitGone(t, c, "netns "+file+" was removed")
}

func TestAwaitBelowDirectoriesThatAreAbsent(t *testing.T) {
	source := netns(t)
	h := startHost(t)
	dir := t.TempDir()
	b := rib.Binding{Netns: filepath.Join(dir, "a", "b", "tenant")}
	changed, stop, err := h.Await(b)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for range 3 {
		drainSignal(changed)
		if err := os.MkdirAll(filepath.Dir(b.Netns), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(rib.NetnsDir+"/"+source, b.Netns); err != nil {
			t.Fatal(err)
		}
		openWhenSignalled(t, h, b, changed)
		if err := os.RemoveAll(filepath.Join(dir, "a")); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDirectoryMovedAway: the file's own directory does not notice.
func TestDirectoryMovedAway(t *testing.T) {
	source := netns(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b", "tenant")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(rib.NetnsDir+"/"+source, path); err != nil {
		t.Fatal(err)
	}
	c := open(t, startHost(t), rib.Binding{Netns: path})
	if err := os.Rename(filepath.Join(dir, "a"), filepath.Join(dir, "z")); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, c, "netns "+path+" was removed")
}

func TestAwaitSignalsAtOnceWhatIsThere(t *testing.T) {
	ns := netns(t)
	h := startHost(t)
	for _, b := range []rib.Binding{{}, {Table: 7}, {Netns: ns}} {
		changed, stop, err := h.Await(b)
		if err != nil {
			t.Fatal(err)
		}
		signalled(t, changed, b.String())
		stop()
	}
	for _, name := range []string{"/etc/passwd", "../x"} {
		if _, _, err := h.Await(rib.Binding{Netns: name}); err == nil {
			t.Errorf("waiting for %s is possible", name)
		}
	}
}

// TestAwaitTellsOfAnotherReason is the second half of `ip netns del` alone: a file on
// which nothing is mounted goes away.
func TestAwaitTellsOfAnotherReason(t *testing.T) {
	h := startHost(t)
	file := filepath.Join(t.TempDir(), "tenant")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, b := range []rib.Binding{{Netns: file}, {Netns: file, Device: "red"}} {
		changed, stop, err := h.Await(b)
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		drainSignal(changed)
		if _, err := h.Open(t.Context(), b, rib.ProtoOwn); !errors.Is(err, rib.ErrAbsent) || !strings.Contains(err.Error(), "is not mounted") {
			t.Fatalf("of an empty file: %v", err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		signalled(t, changed, b.String())
		if _, err := h.Open(t.Context(), b, rib.ProtoOwn); !errors.Is(err, rib.ErrAbsent) || !strings.Contains(err.Error(), "is not there") {
			t.Fatalf("of no file: %v", err)
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAwaitOfTheSameAgain: a namespace that went and came before anybody looked is the
// one that was there before, and somebody may have tried in between.
func TestAwaitOfTheSameAgain(t *testing.T) {
	source := netns(t)
	dir := t.TempDir()
	b := rib.Binding{Netns: filepath.Join(dir, "tenant")}
	link := func(path string) {
		t.Helper()
		if err := os.Symlink(rib.NetnsDir+"/"+source, path); err != nil {
			t.Fatal(err)
		}
	}
	link(b.Netns)
	h := startHost(t)
	changed, stop, err := h.Await(b)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	signalled(t, changed, b.String())
	again := filepath.Join(dir, "again")
	link(again)
	if err := os.Rename(again, b.Netns); err != nil {
		t.Fatal(err)
	}
	openWhenSignalled(t, h, b, changed)
}
