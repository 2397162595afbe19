package kernel

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestWatchLinks: a link that loses its carrier, is set down or goes is told of with the
// addresses that it had, and one that comes back too.
func TestWatchLinks(t *testing.T) {
	ns := lab(t)
	var mu sync.Mutex
	last := make(map[string]rib.LinkFate) // guarded by mu; by name
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- hostIn(t, ns).WatchLinks(ctx, "", func(l rib.LinkFate) {
			mu.Lock()
			defer mu.Unlock()
			last[l.Name] = l
		})
	}()
	of := func(name string) (l rib.LinkFate, told bool) {
		mu.Lock()
		defer mu.Unlock()
		l, told = last[name]
		return l, told
	}
	is := func(name, reason string, with ...string) {
		t.Helper()
		waitUntil(t, name+": "+reason, func() bool {
			l, told := of(name)
			for _, p := range with {
				told = told && slices.Contains(l.Addrs, netip.MustParsePrefix(p))
			}
			return told && l.Reason == reason
		})
	}
	// It may not watch yet: the first word is waited for.
	waitUntil(t, "it watches", func() bool {
		ip(t, ns, "link set v1 down")
		ip(t, ns, "link set v1 up")
		_, told := of("v0")
		return told
	})
	is("v0", "")
	ip(t, ns, "link set v1 down")
	is("v0", "the carrier of v0 is gone", "2001:db8::1/64")
	is("v1", "the interface v1 is down")
	ip(t, ns, "link set v1 up")
	is("v0", "")
	ip(t, ns, "link set v0 down")
	is("v0", "the interface v0 is down", "2001:db8::1/64") // which the kernel has taken by then
	ip(t, ns, "link add d0 type veth peer name d0p")
	ip(t, ns, "link set d0p up")
	ip(t, ns, "addr add 203.0.113.1/24 dev d0")
	ip(t, ns, "link set d0 up")
	is("d0", "")
	ip(t, ns, "link del d0")
	waitUntil(t, "d0 is deleted", func() bool {
		l, _ := of("d0")
		return l.Reason != "" && slices.Contains(l.Addrs, netip.MustParsePrefix("203.0.113.1/24"))
	})
	cancel()
	if err := <-done; err != nil {
		t.Errorf("it ends with %v", err)
	}
	if err := hostIn(t, ns).WatchLinks(t.Context(), "none-of-that-name", nil); err == nil {
		t.Error("a namespace that is not there is watched")
	}
}

// TestLinkWatchAfterALoss: what changed while events were lost is told of then.
func TestLinkWatchAfterALoss(t *testing.T) {
	ns := lab(t)
	space, err := openNamespace(ns)
	if err != nil {
		t.Fatal(err)
	}
	defer space.close()
	var told []string
	w := newLinkWatch(func(l rib.LinkFate) { told = append(told, l.Name+": "+l.Reason) })
	if err := w.open(space); err != nil {
		t.Fatal(err)
	}
	defer w.close()
	if w.links, err = w.query.dumpLinks(t.Context()); err != nil {
		t.Fatal(err)
	}
	ip(t, ns, "link add d1 type veth peer name d1p")
	ip(t, ns, "link set d1p up")
	ip(t, ns, "link set d1 up")
	ip(t, ns, "link set v0 down")
	waitUntil(t, "d1 has its carrier", func() bool { return strings.Contains(ip(t, ns, "link show dev d1"), "LOWER_UP") })
	if err := w.readAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(told)
	if !slices.Contains(told, "d1: ") || !slices.Contains(told, "v0: the interface v0 is down") {
		t.Errorf("it tells of %q", told)
	}
}

// TestOwnSix: the IPv6 address of the link that has an IPv4 one, that may be used.
func TestOwnSix(t *testing.T) {
	ns := lab(t)
	for _, line := range []string{
		"addr add 203.0.113.1/24 dev v1", "addr add 203.0.113.9/24 dev w0",
		"addr add 2001:db8:f::2/64 dev v1 nodad", "addr add 2001:db8:f::1/64 dev v1 nodad",
	} {
		ip(t, ns, line)
	}
	for name, tc := range map[string]struct{ local, bound, want string }{
		"of its link":          {"203.0.113.1", "", "2001:db8:f::1"},
		"bound to it":          {"203.0.113.1", "v1", "2001:db8:f::1"},
		"bound to another":     {"203.0.113.1", "w0", ""},
		"on no link":           {"203.0.113.2", "", ""},
		"another link":         {"203.0.113.9", "", "2001:db8:1::1"},
		"of another namespace": {"192.0.2.1", "nowhere", ""},
	} {
		got, err := hostIn(t, ns).OwnSix(t.Context(), "", netip.MustParseAddr(tc.local), tc.bound)
		if err != nil || tc.want == "" && got.IsValid() || tc.want != "" && got.String() != tc.want {
			t.Errorf("%s: %v, %v, want %q", name, got, err, tc.want)
		}
	}
	if _, err := hostIn(t, ns).OwnSix(t.Context(), "none-of-that-name", netip.MustParseAddr("192.0.2.1"), ""); err == nil {
		t.Error("a namespace that is not there has an address")
	}
}
