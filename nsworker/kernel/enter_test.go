package kernel

import (
	"errors"
	"io/fs"
	"os"
	"runtime"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

func TestSysctlIsOfItsNamespace(t *testing.T) {
	a, b := netns(t), netns(t)
	h := startHost(t)
	const name = "ipv4.nexthop_compat_mode"
	if err := h.SetSysctl(a, name, "0"); err != nil {
		t.Fatal(err)
	}
	for ns, want := range map[string]string{a: "0", b: "1"} {
		if got, err := h.Sysctl(ns, name); err != nil || got != want {
			t.Errorf("net.%s in %s is %q (%v), want %q", name, ns, got, err, want)
		}
	}
	if _, err := h.Sysctl(a, "ipv4.no_such_setting"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a setting that is not there: %v", err)
	}
	if _, err := h.Sysctl("vr-not-there", name); !errors.Is(err, rib.ErrAbsent) {
		t.Errorf("a namespace that is not there: %v", err)
	}
}

// TestNamespaceIsClosedWhileItIsEntered: whoever enters it is inside, or is told that it is closed.
func TestNamespaceIsClosedWhileItIsEntered(t *testing.T) {
	name := netns(t)
	h := startHost(t)
	for range 50 {
		ns, err := openNamespace(name)
		if err != nil {
			t.Fatal(err)
		}
		began, done := make(chan struct{}), make(chan error)
		go func() {
			err := h.within(ns, func() error { return nil })
			close(began)
			for err == nil {
				err = h.within(ns, func() error { return nil })
			}
			done <- err
		}()
		<-began
		ns.close()
		if err := <-done; !errors.Is(err, os.ErrClosed) {
			t.Fatalf("entered a closed namespace: %v, want %v", err, os.ErrClosed)
		}
	}
}

// TestInNetnsLeavesNoThreadBehind calls it often and looks whether a thread that
// entered the namespace serves anybody else.
func TestInNetnsLeavesNoThreadBehind(t *testing.T) {
	ns := netns(t)
	h := startHost(t)
	own, err := os.Readlink("/proc/thread-self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		var inside string
		if err := h.InNetns(ns, func() error { inside, err = os.Readlink("/proc/thread-self/ns/net"); return err }); err != nil {
			t.Fatal(err)
		}
		if inside == own {
			t.Fatal("f ran in the daemon's own namespace")
		}
	}
	for range 50 {
		done := make(chan string)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			link, err := os.Readlink("/proc/thread-self/ns/net")
			if err != nil {
				t.Error(err)
			}
			done <- link
		}()
		if got := <-done; got != own {
			t.Fatalf("another goroutine runs in %s, not in %s", got, own)
		}
	}
}
