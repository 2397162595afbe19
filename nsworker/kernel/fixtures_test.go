package kernel

import (
	"errors"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

func TestUnreachable(t *testing.T) {
	ns, h := lab(t), startHost(t)
	f, in := h.Fixtures(), rib.Binding{Netns: ns}
	c := open(t, h, rib.Binding{Netns: ns, Table: table})
	locator := rib.Unreachable{Table: 254, Prefix: netip.MustParsePrefix("fd00:1:0:1::/64")}
	all := append(rib.Defaults(table), locator)
	for range 2 { // what is there already is no error
		for _, u := range all {
			if err := f.AddUnreachable(t.Context(), in, u, rib.ProtoOwn); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantRoutes(t, ns, "-4", table, "unreachable default proto 179 metric 4278198272")
	wantRoutes(t, ns, "-6", table, "unreachable default proto 179 metric 4278198272")
	if shown := ip(t, ns, "-6 route show fd00:1:0:1::/64"); !strings.Contains(shown, "unreachable fd00:1:0:1::/64 dev lo proto 179 metric 4278198272") {
		t.Errorf("ip shows %s", shown)
	}
	for _, r := range read(t, c).Routes {
		if r.Own(rib.ProtoOwn) || r.Protocol != rib.ProtoOwn {
			t.Errorf("%+v is a worker's", r)
		}
	}
	for range 2 { // nor is that what is to be removed is not there
		for _, u := range all {
			if err := f.RemoveUnreachable(t.Context(), in, u, rib.ProtoOwn); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantRoutes(t, ns, "-4", table)
	wantRoutes(t, ns, "-6", table)
}

// TestUnreachableOfOthers: one that discards packets too will do, and is left; another is an error.
func TestUnreachableOfOthers(t *testing.T) {
	ns, h := lab(t), startHost(t)
	f, in := h.Fixtures(), rib.Binding{Netns: ns}
	for i, line := range []string{"blackhole default", "prohibit default", "unreachable default", "default via 192.0.2.2"} {
		line += " metric 4278198272 table 1001 proto static"
		ip(t, ns, "route add "+line)
		u := rib.Defaults(table)[0]
		err := f.AddUnreachable(t.Context(), in, u, rib.ProtoOwn)
		if (err != nil) != (i == 3) || err != nil && !strings.Contains(err.Error(), "by which packets leave: remove it") {
			t.Errorf("%s: %v", line, err)
		}
		if err := f.RemoveUnreachable(t.Context(), in, u, rib.ProtoOwn); err != nil {
			t.Error(err)
		}
		if len(ipRoutes(t, ns, "-4", table)) != 1 {
			t.Errorf("%s is gone", line)
		}
		ip(t, ns, "route del "+line)
	}
	gone := rib.Binding{Netns: "not-there"}
	if err := f.AddUnreachable(t.Context(), gone, rib.Defaults(7)[0], 179); !errors.Is(err, rib.ErrAbsent) {
		t.Error(err)
	}
	if err := f.RemoveUnreachable(t.Context(), gone, rib.Defaults(7)[0], 179); err != nil {
		t.Error(err)
	}
}

func TestRules(t *testing.T) {
	ns, h := lab(t), startHost(t)
	f, in := h.Fixtures(), rib.Binding{Netns: ns}
	r := rib.Rule{Link: "v0", Table: 3001, Pref: 500}
	before := ip(t, ns, "rule show") + ip(t, ns, "-6 rule show")
	for range 2 {
		if err := f.AddRule(t.Context(), in, r, rib.ProtoOwn); err != nil {
			t.Fatal(err)
		}
	}
	for _, family := range []string{"-4", "-6"} {
		if shown := ip(t, ns, family+" -d rule show"); strings.Count(shown, "500:\tfrom all iif v0 lookup 3001 proto 179") != 1 {
			t.Errorf("ip shows:\n%s", shown)
		}
	}
	list, err := f.Rules(t.Context(), in)
	if err != nil || len(list) != 2 || list[0] != (rib.StandingRule{Rule: r, Protocol: 179}) || list[1] != (rib.StandingRule{Rule: r, Protocol: 179, IPv6: true}) {
		t.Errorf("%+v, %v", list, err)
	}
	for range 2 {
		if err := f.RemoveRule(t.Context(), in, r, rib.ProtoOwn); err != nil {
			t.Fatal(err)
		}
	}
	if after := ip(t, ns, "rule show") + ip(t, ns, "-6 rule show"); after != before {
		t.Errorf("left:\n%s", after)
	}
	for _, bad := range []rib.Rule{{Link: "v0", Table: 3001}, {Link: "v0", Pref: 5}, {Table: 3001, Pref: 5}} {
		if err := f.AddRule(t.Context(), in, bad, rib.ProtoOwn); err == nil {
			t.Errorf("%v was added", bad)
		}
	}
}

// TestRulesOfOthers: one that does the same will do, and is left; one that is before ours and leads
// elsewhere is an error; others are of no interest.
func TestRulesOfOthers(t *testing.T) {
	r := rib.Rule{Link: "v0", Table: 3001, Pref: 500}
	for line, want := range map[string]string{
		"pref 500 iif v0 lookup 3001":                         "adopted",
		"pref 500 iif v0 lookup 3001 proto static":            "adopted",
		"pref 400 iif v0 lookup 3002":                         "is before it",
		"pref 600 iif v0 lookup 3002":                         "beside",
		"pref 500 iif w0 lookup 3001":                         "beside",
		"pref 400 iif v0 fwmark 1 lookup 3002":                "beside",
		"pref 500 iif v0 fwmark 1 lookup 3001":                "beside",
		"pref 400 not iif v0 lookup 3002":                     "beside",
		"pref 400 iif v0 blackhole":                           "beside",
		"pref 400 iif v0 lookup main suppress_prefixlength 0": "beside",
	} {
		t.Run(line, func(t *testing.T) {
			ns, h := lab(t), startHost(t)
			f, in := h.Fixtures(), rib.Binding{Netns: ns}
			ip(t, ns, "rule add "+line)
			ip(t, ns, "-6 rule add "+line)
			before := ip(t, ns, "rule show") + ip(t, ns, "-6 rule show")
			err := f.AddRule(t.Context(), in, r, rib.ProtoOwn)
			if (err != nil) != (want == "is before it") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%v", err)
			}
			after := ip(t, ns, "rule show") + ip(t, ns, "-6 rule show")
			if added := after != before; added != (want == "beside") {
				t.Errorf("there is\n%s\nbefore:\n%s", after, before)
			}
			if err := f.RemoveRule(t.Context(), in, r, rib.ProtoOwn); err != nil {
				t.Error(err)
			}
			if after := ip(t, ns, "rule show") + ip(t, ns, "-6 rule show"); after != before {
				t.Errorf("it was touched:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

// redToBe is the second VRF device of VRF red.
var redToBe = rib.VRFDevice{Name: "sr-red", Table: 2001, MTU: 1436, Alias: "vrfredist:red"}

// wantVRF fails where the device is not d, up, with a table that ends.
func wantVRF(t testing.TB, ns string, d rib.VRFDevice) {
	t.Helper()
	shown := ip(t, ns, "-d link show "+d.Name)
	for _, want := range []string{"UP", "mtu 1436", "vrf table 2001", "alias vrfredist:red"} {
		if !strings.Contains(shown, want) {
			t.Errorf("without %q:\n%s", want, shown)
		}
	}
	wantRoutes(t, ns, "-4", int(d.Table), "unreachable default proto 179 metric 4278198272")
	wantRoutes(t, ns, "-6", int(d.Table), "unreachable default proto 179 metric 4278198272")
}

func TestMakeVRF(t *testing.T) {
	need.VRF(t)
	ns, h := lab(t), startHost(t)
	f, in, d := h.Fixtures(), rib.Binding{Netns: ns}, redToBe
	ip(t, ns, "link add "+temporaryVRF(d.Table)+" type vrf table 2001") // was left by a daemon that was killed
	make := func() {
		t.Helper()
		if err := f.MakeVRF(t.Context(), in, d, rib.ProtoOwn); err != nil {
			t.Fatal(err)
		}
		wantVRF(t, ns, d)
	}
	make()
	c := open(t, h, rib.Binding{Netns: ns, Table: table})
	read(t, c)
	make()
	quiet(t, c, ns) // nothing was changed
	for _, line := range []string{"link set sr-red down", "link set sr-red mtu 1500", "route del unreachable default table 2001", "-6 route del unreachable default table 2001"} {
		ip(t, ns, line)
		make()
	}
	ip(t, ns, "link add else type vrf table 2002")
	d.Table = 2002
	if err := f.MakeVRF(t.Context(), in, d, rib.ProtoOwn); err == nil || !strings.Contains(err.Error(), "the VRF device else has the table 2002") {
		t.Errorf("%v", err)
	}
	ip(t, ns, "link del else")
	d.Table = 2001
	make()
	if err := f.RemoveVRF(t.Context(), in, rib.VRFDevice{Name: "sr-red", Alias: "vrfredist:blue", Table: 2001}, rib.ProtoOwn); err != nil {
		t.Error(err)
	}
	wantVRF(t, ns, d)
	for range 2 {
		if err := f.RemoveVRF(t.Context(), in, d, rib.ProtoOwn); err != nil {
			t.Fatal(err)
		}
	}
	if left := ip(t, ns, "-o link show type vrf"); left != "" {
		t.Errorf("left: %s", left)
	}
	wantRoutes(t, ns, "-4", 2001)
	wantRoutes(t, ns, "-6", 2001)
}

// TestVRFDevicesOfOthersAreLeft: what has not our alias is not touched, whatever its name.
func TestVRFDevicesOfOthersAreLeft(t *testing.T) {
	need.VRF(t)
	for _, tt := range []struct{ make, alias, want string }{
		{"link add sr-red type vrf table 2001", "", "an interface of that name is there already"},
		{"link add sr-red type vrf table 2001", "vrfredist:blue", "an interface of that name is there already"},
		{"link add sr-red type veth peer name sr-peer", "vrfredist:red", "an interface of that name is there already"},
		{"link add mine type vrf table 2001", "", "the VRF device mine has the table 2001"},
		{"link add " + temporaryVRF(2001) + " type veth peer name sr-peer", "", "is in the way: remove it"},
	} {
		t.Run(tt.make+" "+tt.alias, func(t *testing.T) {
			ns, h := lab(t), startHost(t)
			ip(t, ns, tt.make)
			if tt.alias != "" {
				ip(t, ns, "link set sr-red alias "+tt.alias)
			}
			before := ipLinks(t, ns, "-d link show")
			f, in := h.Fixtures(), rib.Binding{Netns: ns}
			if err := f.MakeVRF(t.Context(), in, redToBe, rib.ProtoOwn); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
			if err := f.RemoveVRF(t.Context(), in, redToBe, rib.ProtoOwn); err != nil {
				t.Error(err)
			}
			if after := ipLinks(t, ns, "-d link show"); after != before {
				t.Errorf("it is touched:\n%s\nbefore:\n%s", after, before)
			}
		})
	}
}

func TestVRFDevicesThatCannotBe(t *testing.T) {
	ns, h := lab(t), startHost(t)
	for want, d := range map[string]rib.VRFDevice{
		"no name of an interface": {Name: "sr/red", Table: 7, Alias: "x"}, "it has no alias": {Name: "sr-red", Table: 7},
		"254 is no table": {Name: "sr-red", Table: 254, Alias: "x"}, "0 is no table": {Name: "sr-red", Alias: "x"},
	} {
		if err := h.Fixtures().MakeVRF(t.Context(), rib.Binding{Netns: ns}, d, rib.ProtoOwn); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	if !need.HasVRF() {
		err := h.Fixtures().MakeVRF(t.Context(), rib.Binding{Netns: ns}, redToBe, rib.ProtoOwn)
		if err == nil || !strings.Contains(err.Error(), "modprobe vrf") {
			t.Errorf("%v", err)
		}
	}
}

// TestCoreFeatures holds them against what `ip` can do here.
func TestCoreFeatures(t *testing.T) {
	needRoot(t)
	f, err := NewHost(quietLog).CoreFeatures(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	yes := answer
	if f.MPLS != yes(need.HasMPLS()) || f.Labels != yes(need.HasMPLS()) {
		t.Errorf("MPLS: %+v", f)
	}
	if has := need.HasSRv6(); f.SRv6 != yes(has) || !has && f.Reduced != rib.No {
		t.Errorf("SRv6: %+v", f)
	}
	t.Logf("%+v", f)
	t.Run("SRv6", func(t *testing.T) {
		need.SRv6(t)
		_, reduced := ipTry(lab(t), "-6 route add 2001:db8:99::2 encap seg6 mode encap.red segs 2001:db8:9::1 dev v0")
		if reduced == nil && f.Reduced != rib.Yes {
			t.Errorf("reduced: %+v, and ip can", f)
		}
		if need.HasVRF() && (f.DT4 != rib.Yes || f.DT46 != rib.Yes) { // every kernel that the tests run on is newer
			t.Errorf("DT4 and DT46: %+v", f)
		}
	})
}

// ipTry is ip where it may fail.
func ipTry(ns, line string) (string, error) {
	out, err := exec.Command("ip", append([]string{"-n", ns}, strings.Fields(line)...)...).CombinedOutput()
	return string(out), err
}
