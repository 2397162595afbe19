package rib_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

func TestMartian(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"0.0.0.0/8": "this network", "0.0.0.0/32": "this network", "0.1.0.0/16": "this network",
		"127.0.0.0/8": "loopback", "127.0.0.1/32": "loopback", "127.128.0.0/9": "loopback",
		"224.0.0.0/4": "multicast", "239.255.255.255/32": "multicast", "224.0.0.0/5": "multicast",
		"240.0.0.0/4": "reserved", "255.255.255.255/32": "reserved", "248.0.0.0/5": "reserved",
		"224.0.0.0/3": "multicast and reserved",
		"::/128":      "unspecified", "::1/128": "loopback", "::/127": "unspecified address and loopback",
		"::ffff:0:0/96": "IPv4-mapped", "::ffff:10.0.0.0/104": "IPv4-mapped", "::ffff:10.0.0.1/128": "IPv4-mapped",
		"fe80::/10": "link-local", "fe80::/64": "link-local", "febf::1/128": "link-local",
		"ff00::/8": "multicast", "ff02::5/128": "multicast", "ff0e::/16": "multicast",
		// Shorter than a range, they have other addresses too.
		"0.0.0.0/0": "", "0.0.0.0/7": "", "126.0.0.0/7": "", "128.0.0.0/1": "", "192.0.0.0/2": "",
		"::/0": "", "::/96": "", "::/126": "", "::fffe:0:0/95": "", "fe00::/9": "", "fe80::/9": "", "fe00::/7": "",
		// Neighbours of a range.
		"1.0.0.0/8": "", "126.255.0.0/16": "", "128.0.0.0/16": "", "223.255.255.255/32": "", "169.254.0.0/16": "",
		"::2/128": "", "::fffe:0:0/96": "", "0:0:0:0:1::/80": "", "fec0::/10": "", "fc00::/7": "", "64:ff9b::/96": "",
	} {
		name, is := rib.Martian(netip.MustParsePrefix(prefix))
		if is != (want != "") || !strings.Contains(name, want) {
			t.Errorf("%s: %q, %v; want %q", prefix, name, is, want)
		}
	}
	// The length says what it holds, not bits behind it.
	if _, is := rib.Martian(netip.MustParsePrefix("127.0.0.1/0")); is {
		t.Error("127.0.0.1/0 is the default route")
	}
}

func TestMartianBut(t *testing.T) {
	t.Parallel()
	accept := []netip.Prefix{netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("::ffff:0:0/96")}
	for prefix, want := range map[string]bool{
		"240.0.0.0/4": false, "240.1.0.0/16": false,
		"224.0.0.0/3": true, "127.0.0.0/8": true,
		"::ffff:0:0/96": true, "::ffff:10.0.0.0/104": true, // GoBGP falls over them
		"10.0.0.0/8": false,
	} {
		if _, is := rib.MartianBut(accept, netip.MustParsePrefix(prefix)); is != want {
			t.Errorf("%s: %v, want %v", prefix, is, want)
		}
	}
}
