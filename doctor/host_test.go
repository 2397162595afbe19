package doctor

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func TestNetworkdFiles(t *testing.T) {
	const no = "[Network]\nManageForeignRoutes = off\nManageForeignNextHops=no\n"
	link := &fstest.MapFile{Mode: fs.ModeSymlink, Data: []byte("/usr/lib/systemd/system/systemd-networkd.service")}
	for name, tc := range map[string]struct {
		files                 fstest.MapFS
		enabled, routes, hops bool
	}{
		"nothing":         {fstest.MapFS{}, false, false, false},
		"enabled":         {fstest.MapFS{"etc/systemd/system/multi-user.target.wants/systemd-networkd.service": link}, true, false, false},
		"the main file":   {fstest.MapFS{"etc/systemd/networkd.conf": file("#\n" + no)}, false, true, true},
		"another section": {fstest.MapFS{"etc/systemd/networkd.conf": file("[DHCPv4]\nManageForeignRoutes=no\n; [Network]\n")}, false, false, false},
		"a main file hides the vendor's": {fstest.MapFS{
			"usr/lib/systemd/networkd.conf": file(no), "etc/systemd/networkd.conf": file("[Network]\n")}, false, false, false},
		"a drop-in": {fstest.MapFS{"run/systemd/networkd.conf.d/a.conf": file(no)}, false, true, true},
		"drop-ins in the order of their names": {fstest.MapFS{
			"etc/systemd/networkd.conf.d/10.conf": file(no), "usr/lib/systemd/networkd.conf.d/20.conf": file("[Network]\nManageForeignRoutes=1\n")}, false, false, true},
		"of one name, the one in /etc": {fstest.MapFS{
			"etc/systemd/networkd.conf.d/10.conf": file(no), "usr/lib/systemd/networkd.conf.d/10.conf": file("[Network]\nManageForeignRoutes=1\n")}, false, true, true},
		"routes alone": {fstest.MapFS{"etc/systemd/networkd.conf": file("[Network]\nManageForeignRoutes=false\n")}, false, true, false},
	} {
		got := ReadHost(tc.files, "", false).Networkd
		if got.Enabled != tc.enabled || got.KeepsRoutes != tc.routes || got.KeepsNexthops != tc.hops {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestHostFiles(t *testing.T) {
	h := ReadHost(fstest.MapFS{
		"proc/70/comm":                             file("zebra\n"),
		"proc/7/comm":                              file("zebra\n"),
		"proc/self/comm":                           file("doctor\n"),
		"proc/300/comm":                            file("systemd-network\n"),
		"usr/share/iproute2/rt_protos":             file("# reserved\n186 bgp\n0xb3\tother # ours?\n999 many\nx y\n"),
		"etc/iproute2/rt_protos.d/vrfredist.conf":  file("179 vrfredist\n"),
		"usr/lib/systemd/system/vrfredist.service": file(""),
		"etc/systemd/system/multi-user.target.wants/vrfredist.service": file(""),
	}, "/host", true)
	want := Host{
		Networkd:  Networkd{Runs: true, DropIns: "/host/etc/systemd/networkd.conf.d"},
		Unit:      Unit{Installed: true, Enabled: true, Started: true},
		Processes: map[string]int{"zebra": 7, "systemd-network": 300},
		Protocols: map[uint8]string{186: "bgp", 179: "vrfredist"},
	}
	if d := cmp.Diff(want, h); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}
