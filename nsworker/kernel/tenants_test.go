package kernel

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// seen returns a tenant by its name.
func seen(t *testing.T, n Tenants, name string, paths ...string) (is rib.Tenant, there bool) {
	t.Helper()
	list, err := n.List(t.Context(), paths)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(x rib.Tenant) bool { return x.Name == name })
	if i < 0 {
		return is, false
	}
	return list[i], true
}

func TestTenantsThatAreThere(t *testing.T) {
	ns := netns(t)
	n := Tenants{OwnNamespaces()}
	is, there := seen(t, n, ns)
	if id := identify(rib.NetnsFile(ns)); !there || is.Dev != id.dev || is.Inode != id.inode || is.Own || is.Device {
		t.Errorf("%s is %+v", ns, is)
	}
	// The daemon's own by another name, and a file that is no namespace.
	own, plain := rib.NetnsFile(ns+"-own"), rib.NetnsFile(ns+"-plain")
	for _, file := range []string{own, plain} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(file) })
	}
	if err := unix.Mount("/proc/self/ns/net", own, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(own, unix.MNT_DETACH) })
	if is, there := seen(t, n, ns+"-own"); !there || !is.Own {
		t.Errorf("the daemon's own is %+v", is)
	}
	if is, there := seen(t, n, ns+"-plain"); there {
		t.Errorf("a plain file is %+v", is)
	}
	link := filepath.Join(t.TempDir(), "path")
	if err := os.Symlink(rib.NetnsFile(ns), link); err != nil {
		t.Fatal(err)
	}
	if by, there := seen(t, n, link, link); !there || by.Inode != is.Inode {
		t.Errorf("by a path it is %+v", by)
	}
}

func TestTenantsAreWatched(t *testing.T) {
	needRoot(t)
	n := Tenants{OwnNamespaces()}
	changed, done := make(chan struct{}, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- n.Watch(ctx, changed) }()
	await := func(what string, holds func() bool) {
		t.Helper()
		late := time.After(soon)
		for !holds() {
			select {
			case <-changed:
			case err := <-done:
				t.Fatalf("the watch ended: %v", err)
			case <-late:
				t.Fatalf("nothing was said of %s", what)
			}
		}
	}
	ns := netns(t)
	await("a namespace that came", func() bool { _, is := seen(t, n, ns); return is })
	run(t, "ip", "netns", "del", ns)
	await("a namespace that went", func() bool { _, is := seen(t, n, ns); return !is })
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAddressesOfATenant(t *testing.T) {
	ns := lab(t)
	n := Tenants{OwnNamespaces()}
	is, _ := seen(t, n, ns)
	of := func() []netip.Prefix {
		t.Helper()
		list, err := n.Addresses(t.Context(), is)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	before := of()
	if !slices.Contains(before, netip.MustParsePrefix("192.0.2.1/24")) || slices.ContainsFunc(before, func(p netip.Prefix) bool { return p.Addr().IsLinkLocalUnicast() || p.Addr().IsLoopback() }) {
		t.Errorf("the addresses are %v", before)
	}
	changed, done := make(chan struct{}, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		done <- n.WatchAddresses(ctx, is, func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		})
	}()
	run(t, "ip", "-n", ns, "addr", "add", "203.0.113.7/24", "dev", "w0")
	late := time.After(soon)
	for !slices.Contains(of(), netip.MustParsePrefix("203.0.113.7/24")) || !cmp.Equal(before[0], of()[0], cmpopts.EquateComparable(netip.Prefix{})) {
		select {
		case <-changed:
		case <-late:
			t.Fatalf("the addresses are %v", of())
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
