package booted_test

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// as runs vrfredist as a user of the host, with the user's groups.
func (s *service) as(user string, args ...string) (string, error) {
	group := strings.TrimSpace(s.do("id", "--group", user))
	return s.try(append([]string{"setpriv", "--reuid=" + user, "--regid=" + group, "--init-groups", "vrfredist"}, args...)...)
}

// operator: who is in the socket's group reaches it, and with roles has what
// they give; who is not does not reach it.
func operator(s *service, _ *network) {
	for _, user := range []string{"vralice", "vrbob"} {
		s.do("useradd", "--system", "--user-group", "--no-create-home", user)
	}
	s.do("usermod", "-aG", "vrfredist", "vralice")
	if out, err := s.as("vralice", "vrf"); err != nil || !strings.Contains(out, "green") {
		s.Errorf("without roles, one of the group: %v: %s", err, out)
	}
	if out, err := s.as("vrbob", "vrf"); err == nil || !strings.Contains(out, "may not speak to vrfredist") {
		s.Errorf("one who is not of the group: %v: %s", err, out)
	}

	s.configure(tenants("manage_sysctls = true\n") + "[[netlink.api.roles]]\n  role = \"vrf:red\"\n  groups = [\"vralice\"]\n")
	s.do("systemctl", "reload", unit)
	wait(s.T, "the tenant's operator sees one VRF", func() string {
		if out, err := s.as("vralice", "vrf"); err != nil || !strings.Contains(out, "red") || strings.Contains(out, "green") {
			return fmt.Sprintf("%v: %s", err, out)
		}
		return ""
	})
	if out, err := s.as("vralice", "reload"); err == nil {
		s.Errorf("a tenant's operator may reload: %s", out)
	}
	s.do("vrfredist", "resync") // root is always admin
	s.configure(tenants("manage_sysctls = true\n"))
	s.do("systemctl", "reload", unit)
}

// broken: however the daemon ends, systemd starts it again, and the kernel's
// routes stay meanwhile.
func broken(s *service, n *network) {
	const watchdog = 10 * time.Second
	// The unit's minute is long for a test; three times in this the daemon says
	// that it lives.
	if err := os.WriteFile(dropIns+"/watchdog.conf", []byte(fmt.Sprintf("[Service]\nWatchdogSec=%d\n", int(watchdog.Seconds()))), 0o644); err != nil {
		s.Fatal(err)
	}
	s.do("systemctl", "daemon-reload")
	s.do("systemctl", "restart", unit)
	s.becomes("red", "ready")
	n.waitRed(s.T, 20)

	d := n.watchDeletions(s.T)
	for _, end := range []struct{ how, signal, journal string }{
		{"killed", "KILL", "status=9/KILL"},
		{"ended as a panic ends it", "ABRT", "status=2"}, // Go's runtime ends with 2 on both
		{"stopped, so that it hangs", "STOP", "Watchdog timeout"},
	} {
		s.Log(end.how)
		began, pid := time.Now(), s.pid()
		restarts, err := strconv.Atoi(s.property("NRestarts"))
		if err != nil {
			s.Fatal(err)
		}
		s.do("kill", "-"+end.signal, pid)
		wait(s.T, "systemd starts it again", func() string {
			if got := s.property("NRestarts"); got != strconv.Itoa(restarts+1) {
				return fmt.Sprintf("it is %s/%s, after %s restarts", s.property("ActiveState"), s.property("SubState"), got)
			}
			if got := s.property("ActiveState"); got != "active" {
				return "it is " + got
			}
			return ""
		})
		if got := s.pid(); got == pid {
			s.Errorf("the process is the same, %s", got)
		}
		if journal := s.since(began); !strings.Contains(journal, end.journal) {
			s.Errorf("the journal does not say %q:\n%s", end.journal, journal)
		}
		s.becomes("red", "ready")
		s.becomes("late", "ready")
		n.waitRed(s.T, 20)
		waitTenant(s.T, n.late, 3)
	}
	if deleted := d.of(prefix); len(deleted) > 0 {
		s.Errorf("routes went meanwhile: %v", deleted)
	}
	if err := os.Remove(dropIns + "/watchdog.conf"); err != nil {
		s.Fatal(err)
	}
	s.do("systemctl", "daemon-reload")
}

// upgraded: a package over this one restarts a service that runs, and keeps a
// configuration that was changed.
func upgraded(s *service, n *network) {
	d := n.watchDeletions(s.T)
	before, pid := mustRead(s, config), s.pid()
	s.do("dpkg", "--force-confold", "--install", s.deb)
	s.ready()
	if s.pid() == pid {
		s.Error("the old program runs after an upgrade")
	}
	lab.Equal(s.T, "the configuration", before, mustRead(s, config))
	s.becomes("red", "ready")
	n.waitRed(s.T, 20)
	if deleted := d.of(prefix); len(deleted) > 0 {
		s.Errorf("routes went meanwhile: %v", deleted)
	}
}

func mustRead(s *service, path string) string {
	s.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		s.Fatal(err)
	}
	return string(b)
}

// stopped: the routes stay or go as on_exit says, in time.
func stopped(s *service, n *network) {
	s.stop()
	n.waitRed(s.T, 20)
	waitTenant(s.T, n.green, 2)

	s.configure(tenants("on_exit = \"remove\"\n"))
	s.do("systemctl", "start", "multi-user.target") // as the boot does: the service is enabled
	s.ready()
	s.becomes("green", "ready")
	s.becomes("late", "ready")
	s.stop()
	lab.Equal(s.T, "routes after a stop that removes", []string{"", "", ""},
		[]string{n.red(), n.green.IP("route", "show", "proto", "179"), n.late.IP("route", "show", "proto", "179")})
}

// stop stops the service, and holds it to the time that the unit gives it.
func (s *service) stop() {
	s.Helper()
	began := time.Now()
	s.do("systemctl", "stop", unit)
	const limit = 30 * time.Second // TimeoutStopSec
	if took := time.Since(began); took > limit {
		s.Errorf("it took %v to stop", took)
	}
	lab.Equal(s.T, "how it ended", "success inactive", s.property("Result")+" "+s.property("ActiveState"))
	s.absent(socket, "/run/vrfredist")
}

// removed: the service ends with its program; what the administrator wrote stays.
func removed(s *service, n *network) {
	s.configure(tenants(""))
	s.do("systemctl", "start", unit)
	n.waitRed(s.T, 20)
	pid := s.pid()
	s.do("dpkg", "--remove", "vrfredist")
	s.absent("/proc/"+pid, unitFile, "/usr/bin/vrfredist", "/etc/systemd/system/multi-user.target.wants/"+unit, "/run/vrfredist")
	lab.Equal(s.T, "the unit", "not-found inactive", s.property("LoadState")+" "+s.property("ActiveState"))
	n.waitRed(s.T, 20)
	lab.Equal(s.T, "the configuration", tenants(""), mustRead(s, config))
	if _, err := os.Stat(stateDir); err != nil {
		s.Error(err)
	}
}

func purged(s *service, _ *network) {
	s.do("dpkg", "--purge", "vrfredist")
	s.absent("/etc/vrfredist", stateDir, dropIns, "/etc/default/vrfredist", "/etc/iproute2/rt_protos.d/vrfredist.conf", "/usr/share/vrfredist")
	for _, database := range []string{"passwd", "group"} {
		if out, err := exec.Command("getent", database, "vrfredist").Output(); err == nil {
			s.Errorf("left in %s: %s", database, out)
		}
	}
	if out, err := s.try("systemctl", "list-units", "--all", "--no-legend", "--plain", "vrfredist*"); err != nil || strings.TrimSpace(out) != "" {
		s.Errorf("systemd has still (%v): %s", err, out)
	}
	if out, err := s.try("dpkg", "--status", "vrfredist"); err == nil {
		s.Errorf("dpkg has still: %s", out)
	}
}
