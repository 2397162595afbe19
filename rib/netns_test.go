package rib

import "testing"

func TestNetnsFile(t *testing.T) {
	t.Parallel()
	for netns, want := range map[string]string{
		"": "", "a": "/run/netns/a", "/run/netns/a": "/run/netns/a", "/proc/7/ns/net": "/proc/7/ns/net", "/var/run/netns/a": "/var/run/netns/a",
	} {
		if got := NetnsFile(netns); got != want {
			t.Errorf("%q is %q, want %q", netns, got, want)
		}
	}
}

// TestSpellingsOfANamespace: names, paths, and paths by way of a link.
func TestSpellingsOfANamespace(t *testing.T) {
	t.Parallel()
	spellings := [][]string{
		{""},
		{"a", "/run/netns/a", "/var/run/netns/a", "/run/netns//a", "/run/netns/./a", "/var/run/netns/b/../a"},
		{"b", "/run/netns/b"},
		{"/srv/a", "/srv//a"},
		{"/var/a"}, // only /var/run is a link
		{"/a"},
		{"/proc/7/ns/net"},
	}
	for i, same := range spellings {
		for j, others := range spellings {
			for _, a := range same {
				for _, b := range others {
					if got := SameNetns(a, b); got != (i == j) {
						t.Errorf("%q and %q are the same: %v", a, b, got)
					}
					one, two := Binding{Netns: a, Table: 7}.Canonical(), Binding{Netns: b, Table: 7}.Canonical()
					if (one == two) != (i == j) {
						t.Errorf("the bindings %v and %v", one, two)
					}
				}
			}
		}
	}
}

func TestNetnsText(t *testing.T) {
	t.Parallel()
	for netns, want := range map[string]string{"": "the daemon's own namespace", "a": "netns a", "/srv/a": "netns /srv/a"} {
		if got := NetnsText(netns); got != want {
			t.Errorf("%q is called %q, want %q", netns, got, want)
		}
	}
}
