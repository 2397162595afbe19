package operator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// carriedConfig is a VRF in a namespace whose packets are to be carried by a device that somebody
// makes.
const carriedConfig = `
[global.config]
  as = 65000
  router-id = "10.255.0.1"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.255.0.2"
    peer-as = 65000
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l2vpn-evpn"
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:10"
    both-rt-list = ["65000:10"]
[netlink.core]
  source = "10.255.0.1"
  interfaces = ["up*"]
[[netlink.vrfs]]
  name = "red"
  netns = "RED"
  encap = "vxlan"
  vni = 100
  router_mac = "02:00:00:00:01:01"
  [netlink.vrfs.export]
    enabled = true
`

// TestDoctorsCommandsMendCarriage breaks one thing after the other of what carries a VRF's packets:
// the finding's command mends each, so that nothing is found any more.
func TestDoctorsCommandsMendCarriage(t *testing.T) {
	s := newSiteWithoutDaemon(t)
	rtr, red := s.rtr, s.red
	s.Link(rtr, "up0", s.Namespace("core2"), "eth0")
	bin := filepath.Join(s.Dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"-f", s.File("carried.toml", strings.ReplaceAll(carriedConfig, "RED", red.Name)), "--api", "unix://" + filepath.Join(s.Dir, "none.sock")}
	red.Sysctl("ipv4.conf.all.rp_filter", "0")
	red.Sysctl("ipv4.conf.default.rp_filter", "0")
	set := func(words string) func() {
		return func() { red.IP(append([]string{"link", "set", "vx100"}, strings.Fields(words)...)...) }
	}
	anew := func(n interface{ IP(...string) string }, words string) func() {
		return func() {
			red.IP("link", "del", "vx100")
			n.IP(strings.Fields("link add vx100 type vxlan " + words)...)
			if n != any(red) {
				rtr.IP("link", "set", "vx100", "netns", red.Name)
			}
			red.IP(strings.Fields("link set vx100 address 02:00:00:00:01:01 addrgenmode none mtu 1450 up")...)
		}
	}
	const right = "id 100 local 10.255.0.1 dstport 4789 nolearning"
	for _, tc := range []struct {
		name, check, subject string
		breaks               func()
	}{
		{"no source", "core-source", "10.255.0.1", func() {}},
		{"no device", "vxlan-device", "red", func() {}},
		{"down", "vxlan-device", "red", set("down")},
		{"MAC", "vxlan-device", "red", set("address 02:00:00:00:01:09")},
		{"local", "vxlan-device", "red", set("type vxlan local 10.255.0.9")},
		{"learning", "vxlan-learning", "red", set("type vxlan learning")},
		{"MTU", "vxlan-mtu", "red", set("mtu 1500")},
		{"VNI", "vxlan-device", "red", anew(rtr, strings.Replace(right, "100", "7", 1))},
		{"port", "vxlan-device", "red", anew(rtr, strings.Replace(right, "4789", "8472", 1))},
		{"many VNIs", "vxlan-device", "red", anew(rtr, "external dstport 4789")},
		{"underlay", "vxlan-underlay", "red", anew(red, right)},
		{"left in the core", "vxlan-device", "red", func() {
			red.IP("link", "del", "vx100")
			rtr.IP(strings.Fields("link add vx100 type vxlan " + right)...)
		}},
		{"rp_filter", "vxlan-rp-filter", "red", func() { red.Sysctl("ipv4.conf.vx100.rp_filter", "2") }},
		{"IPv6", "vxlan-ipv6", "red", func() { red.Sysctl("ipv6.conf.vx100.disable_ipv6", "1") }},
	} {
		tc.breaks()
		found, is := rtr.Doctor(args...).Find(tc.check, tc.subject)
		if !is || found.Mend == "" {
			t.Fatalf("%s: found %+v", tc.name, rtr.Doctor(args...).Findings)
		}
		rtr.Paste(found, bin)
		if again, is := rtr.Doctor(args...).Find(tc.check, tc.subject); is {
			t.Errorf("%s: after %s there still is %+v", tc.name, found.Mend, again)
		}
	}
	for _, f := range rtr.Doctor(args...).Findings {
		if strings.HasPrefix(f.Check, "vxlan-") || strings.HasPrefix(f.Check, "core-") || f.Check == "evpn-family" {
			t.Errorf("in the end there still is %+v", f)
		}
	}
}
