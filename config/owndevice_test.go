package config

import (
	"reflect"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// madeFile is a file with VRFs a and b, whose sections of [[netlink.vrfs]] are given.
func madeFile(manage bool, a, b string) string {
	s := "[global.config]\nas = 65000\nrouter-id = \"10.0.0.1\"\n"
	for _, n := range []string{"a", "b"} {
		s += "[[vrfs]]\n[vrfs.config]\nname = \"" + n + "\"\nrd = \"65000:" + string(n[0]-'a'+'1') + "\"\n"
	}
	if manage {
		s += "[netlink]\nmanage_devices = true\n"
	}
	for n, section := range []string{a, b} {
		if section != "" {
			s += "[[netlink.vrfs]]\nname = \"" + string(rune('a'+n)) + "\"\n" + section
		}
	}
	return s
}

func TestOwnDevices(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		manage bool
		a, b   string
		want   string // of an error; "": none
	}{
		{"as it is meant", true, "device = \"blue\"\ntable = 10\ninterfaces = [\"lan1\"]\n", "device = \"green\"\ntable = 11\ninterfaces = [\"lan2\"]\n", ""},
		{"another namespace", true, "device = \"blue\"\ntable = 10\ninterfaces = [\"lan1\"]\n", "netns = \"x\"\ndevice = \"blue\"\ntable = 10\ninterfaces = [\"lan1\"]\n", ""},
		{"others' beside it", true, "device = \"blue\"\ntable = 10\n", "device = \"green\"\n", ""},
		{"not turned on", false, "device = \"blue\"\ntable = 10\n", "", ":15: netlink.vrfs[0].table: device and table exclude each other"},
		{"interfaces, not turned on", false, "device = \"blue\"\ninterfaces = [\"lan1\"]\n", "", ":15: netlink.vrfs[0].interfaces: means nothing without manage_devices = true"},
		{"interfaces of others' device", true, "device = \"blue\"\ninterfaces = [\"lan1\"]\n", "", ":17: netlink.vrfs[0].interfaces: needs the VRF device that they are put into"},
		{"interfaces of a table", true, "table = 10\ninterfaces = [\"lan1\"]\n", "", ":17: netlink.vrfs[0].interfaces: needs the VRF device"},
		{"no interface", true, "device = \"blue\"\ntable = 10\ninterfaces = [\"a/b\"]\n", "", `:18: netlink.vrfs[0].interfaces[0]: "a/b" is not an interface name`},
		{"a name of the kernel's", true, "device = \"blue%d\"\ntable = 10\n", "", ":16: netlink.vrfs[0].device: \"blue%d\" is no name with which a device can be made"},
		{"one table", true, "device = \"blue\"\ntable = 10\n", "device = \"green\"\ntable = 10\n", ":21: netlink.vrfs[1].table: 10 is the table of VRF \"a\" too, on line 15"},
		{"the table of another", true, "table = 10\n", "device = \"green\"\ntable = 10\n", ":20: netlink.vrfs[1].table: 10 is the table of VRF \"a\" too, on line 15"},
		{"one interface", true, "device = \"blue\"\ntable = 10\ninterfaces = [\"lan1\"]\n", "device = \"green\"\ntable = 11\ninterfaces = [\"lan1\"]\n", ":23: netlink.vrfs[1].interfaces: has \"lan1\", which VRF \"a\" has too, on line 15"},
		{"twice", true, "device = \"blue\"\ntable = 10\ninterfaces = [\"lan1\", \"lan1\"]\n", "", ":18: netlink.vrfs[0].interfaces: has \"lan1\" twice"},
		{"a device in another", true, "device = \"blue\"\ntable = 10\ninterfaces = [\"green\"]\n", "device = \"green\"\n", ":18: netlink.vrfs[0].interfaces: has \"green\", which is the VRF device of VRF \"b\", on line 20"},
		{"itself", true, "device = \"blue\"\ntable = 10\ninterfaces = [\"blue\"]\n", "", "which is the VRF device of VRF \"a\""},
		{"its table imported twice", true, "device = \"blue\"\ntable = 10\n[netlink.vrfs.import]\nenabled = true\ninterface_list = [\"*\"]\ntables = [10]\n", "", "has 10, which is the VRF's own table"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("f.toml", []byte(madeFile(tt.manage, tt.a, tt.b)), fakeBGP())
			switch {
			case tt.want == "" && err != nil, tt.want != "" && err == nil:
				t.Errorf("%v", err)
			case err != nil && !strings.Contains(err.Error(), tt.want):
				t.Errorf("%v\nwant %s", err, tt.want)
			}
		})
	}
}

// TestOwnDeviceOfAVRF: what is made is in the Spec, and the binding has no table.
func TestOwnDeviceOfAVRF(t *testing.T) {
	t.Parallel()
	c, err := Parse("f.toml", []byte(madeFile(true, "netns = \"x\"\ndevice = \"blue\"\ntable = 10\ninterfaces = [\"lan1\", \"lan2\"]\n", "")), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	s := c.VRFs[0]
	if s.Binding != (rib.Binding{Netns: "x", Device: "blue"}) || !reflect.DeepEqual(s.Makes, rib.OwnDevice{Table: 10, Interfaces: []string{"lan1", "lan2"}}) {
		t.Errorf("%+v, %+v", s.Binding, s.Makes)
	}
	if c, err = Parse("f.toml", []byte(madeFile(true, "device = \"blue\"\n", "")), fakeBGP()); err != nil || c.VRFs[0].Makes.Made() || len(c.Notes) != 1 || !strings.Contains(c.Notes[0].Message, "makes nothing yet") {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestOwnDevicesOfTenants: each namespace that matches has its device.
func TestOwnDevicesOfTenants(t *testing.T) {
	t.Parallel()
	section := `rd = "65000:{id}"
ids = "1000-1999"
device = "blue"
table = "{id}"
interfaces = ["lan1"]
`
	head := "[global.config]\nas = 65000\nrouter-id = \"10.0.0.1\"\n[netlink]\nmanage_devices = true\n[[netlink.templates]]\nname = \"t\"\n"
	for more, want := range map[string]string{
		"netns = \"tenant-*\"\n" + section:                                                                             "",
		strings.Replace("netns = \"tenant-*\"\n"+section, "blue", "blue*", 1):                                          "is a pattern, and beside netns it names the VRF device",
		"netns = \"tenant-*\"\n" + section + "[[netlink.templates.neighbors]]\naddress = \"first\"\npeer_as = 65001\n": "cannot be had of tenants that are VRF devices inside namespaces",
		"device = \"vrf-*\"\nrd = \"65000:{id}\"\nids = \"1-2\"\ninterfaces = [\"lan1\"]\n":                            "means nothing for VRF devices that others make",
	} {
		_, err := Parse("f.toml", []byte(head+more), fakeBGP())
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestOwnDevicesAreKept over a crash, and told apart by their tables.
func TestOwnDevicesAreKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c, err := OpenCarried(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := vrf.Spec{Name: "a", Binding: rib.Binding{Netns: "x", Device: "blue"}, Makes: rib.OwnDevice{Table: 10, Interfaces: []string{"lan1"}}, Protocol: 179}
	other := s
	other.Makes.Table = 11
	if err := c.Keep([]vrf.Spec{s, other, {Name: "plain", Protocol: 179}}); err != nil {
		t.Fatal(err)
	}
	again, err := OpenCarried(dir)
	if err != nil {
		t.Fatal(err)
	}
	kept := again.Specs()
	if len(kept) != 2 || !SameCarried(&kept[0], &s) || !SameCarried(&kept[1], &other) || SameCarried(&s, &other) {
		t.Errorf("%+v", kept)
	}
}
