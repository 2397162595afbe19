package operator_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestDoctorsCommandsMend breaks much at once before the daemon runs, pastes
// every command that doctor gives, and looks again.
func TestDoctorsCommandsMend(t *testing.T) {
	s := newSiteWithoutDaemon(t)
	rtr, red := s.rtr, s.red
	red.Trust()                 // the commands delete routes, and no daemon runs
	gone := s.Namespace("gone") // whose name is removed with the test, should it come again
	gone.Delete()
	absent := gone.Name

	rtr.Sysctl("ipv4.ip_forward", "1")
	for name, value := range map[string]string{
		"ipv4.ip_forward": "0", "ipv6.conf.all.forwarding": "0", "ipv4.conf.all.rp_filter": "1",
		"ipv4.nexthop_compat_mode": "1", "ipv6.route.skip_notify_on_dev_down": "1",
	} {
		red.Sysctl(name, value)
	}
	red.IP("nexthop", "add", "id", "5", "via", "192.168.1.2", "dev", "lan0", "proto", "12")
	red.Batch("route add 10.7.0.0/16 nhid 5 proto 12 metric 20 table 77", "route add blackhole 10.8.0.0/16 proto 12 table 77",
		"route add 10.9.0.0/16 via 192.168.1.2 proto static table 77")
	red.IP("-6", "route", "add", "2001:db8:7::/48", "via", "2001:db8:1::2", "proto", "12", "metric", "20", "table", "77")
	root := filepath.Join(s.Dir, "root")
	for name, text := range map[string]string{
		"proc/17/comm": "bird\n", "proc/18/comm": "systemd-network\n",
		"etc/systemd/networkd.conf": "[Network]\nManageForeignRoutes=yes\n",
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		s.File(filepath.Join("root", name), text)
	}
	bin := filepath.Join(s.Dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	s.File("bin/systemctl", "#!/bin/sh\n")
	if err := os.Chmod(filepath.Join(bin, "systemctl"), 0o755); err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("RED", red.Name, "not-there", absent).Replace(siteConfig) + "[netlink]\n  route_protocol = 12\n"
	args := []string{"-f", s.File("doctor.toml", config), "--root", root, "--api", "unix://" + filepath.Join(s.Dir, "none.sock")}

	before := rtr.Doctor(args...)
	wanted := []struct{ level, check, subject string }{
		{"broken", "protocol-number", "12"},
		{"risk", "protocol-routes", red.Name + ", table 77"},
		{"risk", "namespace", absent},
		{"risk", "networkd", "systemd-networkd"},
		{"risk", "forwarding", red.Name},
		{"risk", "forwarding-ipv6", red.Name},
		{"risk", "rp-filter", red.Name},
		{"advice", "nexthop-compat-mode", red.Name},
		{"advice", "skip-notify-ipv6", red.Name},
	}
	for _, w := range wanted {
		f, ok := before.Find(w.check, w.subject)
		if !ok || f.Level != w.level || f.Mend == "" {
			t.Errorf("%s %s %s: found %+v", w.level, w.check, w.subject, f)
			continue
		}
		if w.check != "protocol-number" { // last: the others speak of the number that is configured
			rtr.Paste(f, bin)
		}
	}
	if before.Daemon || !before.Broken {
		t.Errorf("no daemon runs, and something is broken: %+v", before)
	}
	middle := rtr.Doctor(args...)
	for _, w := range wanted[1:] {
		if f, ok := middle.Find(w.check, w.subject); ok {
			t.Errorf("after its command there still is: %+v", f)
		}
	}
	number, _ := middle.Find("protocol-number", "12")
	rtr.Paste(number, bin)
	if after := rtr.Doctor(args...); after.Broken {
		t.Errorf("after all commands something is broken: %+v", after.Findings)
	}
	if left := red.IP("route", "show", "table", "77"); !strings.Contains(left, "10.9.0.0/16") || strings.Count(left, "\n") != 1 {
		t.Errorf("the foreign route alone should be in table 77:\n%s", left)
	}
}

// TestDoctorAsksTheDaemon: a daemon that runs is asked what it may do and how
// its VRFs fare, with -f and without.
func TestDoctorAsksTheDaemon(t *testing.T) {
	s := newSite(t, "")
	for _, args := range [][]string{{"--api", s.daemon.Target()}, {"--api", s.daemon.Target(), "-f", filepath.Join(s.Dir, "vrfredist.toml")}} {
		e := s.host.Doctor(args...) // another namespace than the daemon's
		if !e.Daemon || e.Broken {
			t.Errorf("%v: %+v", args, e)
		}
		if f, ok := e.Find("namespace", "not-there"); !ok || f.Level != "risk" || !strings.Contains(f.What, `VRF "blue"`) {
			t.Errorf("%v: the namespace that is not there: %+v", args, f)
		}
		if f, ok := e.Find("restart", ""); !ok || f.Level != "risk" {
			t.Errorf("%v: nobody restarts the daemon: %+v", args, f)
		}
		for i, f := range e.Findings {
			if slices.ContainsFunc(e.Findings[:i], func(o lab.Finding) bool { return o.Check == f.Check && o.Subject == f.Subject }) {
				t.Errorf("%v: said twice: %+v", args, f)
			}
		}
	}
}

// TestDoctorOnADaemonWithoutRights: what the daemon lacks is said, though who
// asks has it.
func TestDoctorOnADaemonWithoutRights(t *testing.T) {
	s := newSiteWithoutDaemon(t)
	d := s.rtr.DaemonAs([]string{"setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"}, strings.ReplaceAll(siteConfig, "RED", s.red.Name))
	e := s.rtr.Doctor("--api", d.Target())
	f, ok := e.Find("capabilities", "CAP_SYS_ADMIN")
	if !ok || f.Level != "broken" || f.What != "The daemon lacks CAP_SYS_ADMIN." || !e.Broken {
		t.Errorf("found %+v", e.Findings)
	}
	if f, ok := e.Find("namespace", s.red.Name); !ok || f.Level != "broken" || !strings.Contains(f.Why, "CAP_SYS_ADMIN") {
		t.Errorf("the namespace that it may not enter: %+v", f)
	}
}
