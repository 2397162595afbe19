package devices_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const doctorConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
  port = -1
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.168.1.2"
    peer-as = 65101
    vrf = "red"
  [neighbors.transport.config]
    bind-interface = "red"
`

const doctorVRF = `
[[vrfs]]
  [vrfs.config]
    name = "NAME"
    rd = "65000:NUMBER"
    both-rt-list = ["65000:NUMBER"]
[[netlink.vrfs]]
  name = "NAME"
  device = "NAME"
  [netlink.vrfs.export]
    enabled = true
`

// TestDoctorMendsVRFDevices sets devices up wrongly, pastes every command that
// doctor gives, and looks again: before the daemon runs, and while it does.
func TestDoctorMendsVRFDevices(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	rtr := l.Namespace("rtr")
	rtr.Trust() // the commands write routes
	rtr.VRF("red", 1010)
	rtr.VRF("blue", 1010)                                         // one table for two
	rtr.IP("link", "add", "gray", "type", "vrf", "table", "1012") // down
	rtr.IP("link", "add", "brown", "type", "dummy")               // no VRF device
	for i, master := range []string{"red", "blue"} {
		dev := []string{"lan0", "lan1"}[i]
		rtr.Batch("link add "+dev+" type dummy", "link set "+dev+" master "+master+" up", "addr add 192.168.1.1/24 dev "+dev)
	}
	rtr.Sysctl("ipv4.ip_forward", "1")
	config := doctorConfig
	for i, name := range []string{"red", "blue", "green", "gray", "brown"} {
		config += strings.NewReplacer("NAME", name, "NUMBER", string(rune('1'+i))).Replace(doctorVRF)
	}
	args := []string{"-f", l.File("doctor.toml", config), "--root", l.Dir, "--api", "unix://" + filepath.Join(l.Dir, "none.sock")}

	e := rtr.Doctor(args...)
	for _, w := range []struct{ level, check, subject string }{
		{"broken", "shared-table", "1010"},
		{"broken", "tcp-l3mdev-accept", ""},
		{"broken", "device", "gray"},
		{"risk", "device", "green"},
	} {
		f, ok := e.Find(w.check, w.subject)
		if !ok || f.Level != w.level {
			t.Errorf("%v: found %+v", w, f)
			continue
		}
		rtr.Paste(f, "")
	}
	if f, ok := e.Find("device", "brown"); !ok || f.Level != "broken" || f.Mend != "" {
		t.Errorf("an interface that is no VRF device: %+v", f)
	}
	if out := rtr.IP("-o", "link", "show", "master", "blue"); !strings.Contains(out, "lan1") {
		t.Errorf("blue was made again without its interface:\n%s", out)
	}
	rtr.IP("link", "del", "brown")

	e = rtr.Doctor(args...)
	for _, name := range []string{"red", "blue", "green", "gray"} {
		if f, ok := e.Find("vrf-default", name); !ok || f.Level != "risk" {
			t.Errorf("no default behind %s: %+v", name, f)
		} else {
			rtr.Paste(f, "")
		}
	}
	if f, ok := e.Find("vrf-strict-mode", ""); !ok || f.Level != "advice" {
		t.Errorf("strict mode: %+v", f)
	} else {
		rtr.Paste(f, "")
	}

	d := rtr.Daemon(strings.ReplaceAll(config, strings.NewReplacer("NAME", "brown", "NUMBER", "5").Replace(doctorVRF), ""))
	lab.WaitEqual(t, "what is left", nil, func() []lab.Finding {
		var left []lab.Finding
		for _, f := range rtr.Doctor("--api", d.Target()).Findings {
			if !slices.Contains([]string{"restart", "password", "nexthop-compat-mode", "session"}, f.Check) {
				left = append(left, f)
			}
		}
		return left
	})
}
