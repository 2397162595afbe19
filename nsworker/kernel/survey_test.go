package kernel

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

func TestSurveyOfANamespace(t *testing.T) {
	ns := lab(t)
	ip(t, ns, "addr add 198.51.100.53/32 dev lo")
	ip(t, ns, "addr add 2001:db8:5::53/128 dev lo")
	ip(t, ns, "link set lo up")
	ip(t, ns, "route add 198.51.100.53/32 dev lo")
	ip(t, ns, "-6 route add 2001:db8:6::/64 dev lo table 77")
	run(t, "ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv4.conf.v0.rp_filter=2")
	ip(t, ns, "route add 10.1.0.0/16 via 192.0.2.2 proto 179 metric 20")
	ip(t, ns, "route add 10.2.0.0/16 via 192.0.2.2 proto 179 metric 20 table 77")
	ip(t, ns, "nexthop add id 5 via 192.0.2.2 dev v0")
	ip(t, ns, "route add 10.3.0.0/16 nhid 5 proto 179 metric 20 table 77")
	ip(t, ns, "-6 route add 2001:db8:a::/48 via 2001:db8::2 proto 179 metric 20 table 77")
	ip(t, ns, "route add 10.4.0.0/16 via 192.0.2.2 proto static table 78")
	ip(t, ns, "route add unreachable default metric 4278198272 table 1001")
	ip(t, ns, "-6 route add blackhole default metric 4278198272 table 1002")
	ip(t, ns, "route add default via 192.0.2.2 table 1003")
	before := everything(t, ns)

	sv, err := startHost(t).Survey(t.Context(), ns, rib.ProtoOwn, []string{"ipv4/ip_forward", "ipv4/conf/*/rp_filter", "ipv4/not_there"})
	if err != nil {
		t.Fatal(err)
	}
	if want := map[uint32]int{254: 1, 77: 3}; !maps.Equal(sv.Own, want) {
		t.Errorf("our routes are %v, want %v", sv.Own, want)
	}
	// The kernel has IPv6 routes of its own out of lo, for ::1 and for each address there.
	if v4, v6 := sv.Looped[254], sv.Looped[77]; !slices.Contains(v4, netip.MustParsePrefix("198.51.100.53/32")) || !slices.Equal(v6, prefixesOf("2001:db8:6::/64")) {
		t.Errorf("out of lo lead %v", sv.Looped)
	}
	if want := map[uint32]rib.Guard{1001: {rib.IPv4: true}, 1002: {rib.IPv6: true}}; !maps.Equal(sv.Guarded, want) {
		t.Errorf("guarded are %v, want %v", sv.Guarded, want)
	}
	if v, there := sv.Settings["ipv4/not_there"]; there || sv.Settings["ipv4/ip_forward"] != "1" || sv.Settings["ipv4/conf/v0/rp_filter"] != "2" {
		t.Errorf("the settings are %v (%q)", sv.Settings, v)
	}
	if k, ok := sv.Links.ByName("v0"); !ok || len(k.Addrs) != 2 {
		t.Errorf("the links are %v", sv.Links)
	}
	if id := identify(rib.NetnsDir + "/" + ns); sv.Dev != id.dev || sv.Inode != id.inode {
		t.Errorf("the namespace is %d:%d, want %v", sv.Dev, sv.Inode, id)
	}
	if after := everything(t, ns); after != before {
		t.Errorf("it was\n%s\nand is\n%s", before, after)
	}
	if _, err := startHost(t).Survey(t.Context(), "vr-not-there", rib.ProtoOwn, nil); !errors.Is(err, rib.ErrAbsent) {
		t.Errorf("a namespace that is not there: %v", err)
	}
}

func prefixesOf(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// everything is what a namespace holds, as `ip` shows it.
func everything(t *testing.T, ns string) string {
	t.Helper()
	return ip(t, ns, "route show table all") + ip(t, ns, "-6 route show table all") + ip(t, ns, "nexthop") + ip(t, ns, "link") + ip(t, ns, "rule")
}

// TestFeatures holds what is found against what `ip` can do.
func TestFeatures(t *testing.T) {
	ns := netns(t)
	ip(t, ns, "link set lo up")
	h := startHost(t)
	links := func() string { return run(t, "ip", "-o", "link") + run(t, "ip", "nexthop") }
	before := links()
	f, err := h.Features(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	can := func(words string) rib.Answer {
		return answer(exec.Command("ip", append([]string{"-n", ns}, strings.Fields(words)...)...).Run() == nil)
	}
	want := rib.Features{
		VRFDevices:     can("link add v type vrf table 10"),
		NexthopObjects: can("nexthop add id 1 blackhole"),
		StrictChecking: rib.Yes, // every kernel since 4.20
	}
	if f != want {
		t.Errorf("found %+v, want %+v", f, want)
	}
	if after := links(); after != before {
		t.Errorf("the host had\n%s\nand has\n%s", before, after)
	}
	var here, own unix.Stat_t
	if err := errors.Join(unix.Stat("/proc/self/ns/net", &here), unix.Fstat(int(h.own.file.Fd()), &own)); err != nil || here.Ino != own.Ino {
		t.Errorf("the process is in another namespace now: %d, was %d (%v)", here.Ino, own.Ino, err)
	}
}

// TestFeaturesWithoutRights looks as a user without any right does.
func TestFeaturesWithoutRights(t *testing.T) {
	if os.Getenv("VRFREDIST_TEST_NOBODY") != "" {
		f, err := NewHost(quietLog).Features(t.Context())
		fmt.Println("found", f.NexthopObjects, f.StrictChecking, f.ThrowAwayFailed != nil, err)
		caps, err := Capabilities()
		fmt.Println("capabilities", caps, err)
		return
	}
	needRoot(t)
	cmd := exec.Command("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--bounding-set=-all", "/proc/self/fd/3", "-test.run=^TestFeaturesWithoutRights$")
	binary, err := os.Open(os.Args[0]) // its folder is root's alone
	if err != nil {
		t.Fatal(err)
	}
	defer binary.Close()
	cmd.ExtraFiles, cmd.Env, cmd.Dir = []*os.File{binary}, append(os.Environ(), "VRFREDIST_TEST_NOBODY=1"), "/"
	out, err := cmd.CombinedOutput()
	want := fmt.Sprintf("found %d %d true <nil>\ncapabilities 0 <nil>\n", rib.Yes, rib.Yes)
	if err != nil || !strings.Contains(string(out), want) {
		t.Errorf("%v: %s\nwant %s", err, out, want)
	}
}

// TestNumberOf: a namespace's number in another one is that which a VXLAN device shows that was made
// there and moved here; in itself it has none.
func TestNumberOf(t *testing.T) {
	core, tenant, other := netns(t), netns(t), netns(t)
	ip(t, core, "link add vx9 type vxlan id 9 local 192.0.2.1 dstport 4789 nolearning")
	ip(t, core, "link set vx9 netns "+tenant)
	h := startHost(t)
	sv, err := h.Survey(t.Context(), tenant, rib.ProtoOwn, nil)
	if err != nil {
		t.Fatal(err)
	}
	k, is := sv.Links.ByName("vx9")
	if !is || k.VXLAN.VNI != 9 || k.MTU == 0 {
		t.Fatalf("the device is shown as %+v", k)
	}
	for _, tc := range []struct {
		in, of string
		want   int32
	}{{tenant, core, k.VXLAN.Underlay}, {tenant, tenant, rib.NoNumber}, {tenant, other, rib.NoNumber}} {
		if got, err := h.NumberOf(t.Context(), tc.in, tc.of); err != nil || got != tc.want {
			t.Errorf("in %s, %s has the number %d (%v), want %d", tc.in, tc.of, got, err, tc.want)
		}
	}
	if _, err := h.NumberOf(t.Context(), tenant, "vr-not-there"); !errors.Is(err, rib.ErrAbsent) {
		t.Errorf("of a namespace that is not there: %v", err)
	}
}

// TestVXLANDevices holds what is found against what `ip` can do, and leaves nothing behind.
func TestVXLANDevices(t *testing.T) {
	ns := netns(t)
	want := answer(exec.Command("ip", "-n", ns, "link", "add", "v", "type", "vxlan", "id", "1", "dstport", "4789").Run() == nil)
	before := run(t, "ip", "-o", "link")
	if got, err := startHost(t).VXLANDevices(t.Context()); err != nil || got != want {
		t.Errorf("found %v (%v), want %v", got, err, want)
	}
	if after := run(t, "ip", "-o", "link"); after != before {
		t.Errorf("the host had\n%s\nand has\n%s", before, after)
	}
}
