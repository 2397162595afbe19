package operator_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// finding is what `doctor --json` says of one thing.
type finding struct{ Level, Check, Subject, What, Why, Mend string }

// examined is what it prints.
type examined struct {
	Daemon, Broken bool
	Findings       []finding
}

func (e examined) find(check, subject string) (finding, bool) {
	i := slices.IndexFunc(e.Findings, func(f finding) bool { return f.Check == check && f.Subject == subject })
	if i < 0 {
		return finding{}, false
	}
	return e.Findings[i], true
}

// doctor runs `vrfredist doctor` in a namespace, and holds its exit status
// against what it prints.
func doctor(t *testing.T, n *lab.Namespace, args ...string) examined {
	t.Helper()
	p := n.Start("doctor", append([]string{run.Daemon, "doctor", "--json"}, args...)...)
	err := p.Wait(lab.Patience)
	var e examined
	if bad := json.NewDecoder(strings.NewReader(p.Output())).Decode(&e); bad != nil {
		t.Fatalf("doctor %v: %v, %v: %s", args, err, bad, p.Output())
	}
	if (err != nil) != e.Broken {
		t.Errorf("doctor %v: the exit status is %v, and broken is %v", args, err, e.Broken)
	}
	return e
}

// paste runs a command that the doctor gave, as root in a namespace, with a
// systemctl that has nothing to do.
func paste(t *testing.T, n *lab.Namespace, dir, command string) {
	t.Helper()
	p := n.Start("shell", "sh", "-ec", "PATH="+dir+":$PATH; "+command)
	if err := p.Wait(lab.Patience); err != nil {
		t.Errorf("%s: %v: %s", command, err, p.Output())
	}
}

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

	before := doctor(t, rtr, args...)
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
		f, ok := before.find(w.check, w.subject)
		if !ok || f.Level != w.level || f.Mend == "" {
			t.Errorf("%s %s %s: found %+v", w.level, w.check, w.subject, f)
			continue
		}
		if w.check != "protocol-number" { // last: the others speak of the number that is configured
			paste(t, rtr, bin, f.Mend)
		}
	}
	if before.Daemon || !before.Broken {
		t.Errorf("no daemon runs, and something is broken: %+v", before)
	}
	middle := doctor(t, rtr, args...)
	for _, w := range wanted[1:] {
		if f, ok := middle.find(w.check, w.subject); ok {
			t.Errorf("after its command there still is: %+v", f)
		}
	}
	number, _ := middle.find("protocol-number", "12")
	paste(t, rtr, bin, number.Mend)
	if after := doctor(t, rtr, args...); after.Broken {
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
		e := doctor(t, s.host, args...) // another namespace than the daemon's
		if !e.Daemon || e.Broken {
			t.Errorf("%v: %+v", args, e)
		}
		if f, ok := e.find("namespace", "not-there"); !ok || f.Level != "risk" || !strings.Contains(f.What, `VRF "blue"`) {
			t.Errorf("%v: the namespace that is not there: %+v", args, f)
		}
		if f, ok := e.find("gobgp", "CVE-2026-41643"); !ok || f.Level != "risk" {
			t.Errorf("%v: nobody restarts the daemon: %+v", args, f)
		}
		for i, f := range e.Findings {
			if slices.ContainsFunc(e.Findings[:i], func(o finding) bool { return o.Check == f.Check && o.Subject == f.Subject }) {
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
	e := doctor(t, s.rtr, "--api", d.Target())
	f, ok := e.find("capabilities", "CAP_SYS_ADMIN")
	if !ok || f.Level != "broken" || f.What != "The daemon lacks CAP_SYS_ADMIN." || !e.Broken {
		t.Errorf("found %+v", e.Findings)
	}
	if f, ok := e.find("namespace", s.red.Name); !ok || f.Level != "broken" || !strings.Contains(f.Why, "CAP_SYS_ADMIN") {
		t.Errorf("the namespace that it may not enter: %+v", f)
	}
}
