package booted_test

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

func installed(s *service, _ *network) {
	s.do("dpkg", "--install", s.deb)
	if out, err := s.try("systemctl", "is-enabled", unit); err == nil || strings.TrimSpace(out) != "disabled" {
		s.Errorf("after the installation the service is %q: its configuration is a sample", out)
	}
	if out, err := s.try("systemctl", "is-active", unit); err == nil {
		s.Errorf("after the installation the service is %q", out)
	}
	lab.Equal(s.T, "who may read the configuration", []string{"750 root:vrfredist /etc/vrfredist", "640 root:vrfredist " + config},
		[]string{s.owned("/etc/vrfredist"), s.owned(config)})
	if out := s.do("getent", "passwd", "vrfredist"); !strings.HasSuffix(out, ":/var/lib/vrfredist:/usr/sbin/nologin\n") {
		s.Errorf("the user is %q", out)
	}
	if out := s.do("systemd-analyze", "verify", "--man=no", unit); out != "" {
		s.Errorf("systemd says of the unit:\n%s", out)
	}
	s.do("vrfredist", "check", "-f", config)
}

func firstStart(s *service, _ *network) {
	s.do("systemctl", "enable", "--now", unit)
	s.ready()
	if out := s.do("systemctl", "is-enabled", unit); strings.TrimSpace(out) != "enabled" {
		s.Errorf("the service is %q", out)
	}
	lab.Equal(s.T, "what systemd was told", "no VRFs", s.property("StatusText"))
	lab.Equal(s.T, "who runs, and who may speak to it", []string{
		"750 vrfredist:vrfredist /run/vrfredist", "660 vrfredist:vrfredist " + socket, "750 vrfredist:vrfredist " + stateDir,
	}, []string{s.owned("/run/vrfredist"), s.owned(socket), s.owned(stateDir)})
}

// rights are what the kernel lets the daemon do.
func (s *service) rights() map[string]string {
	s.Helper()
	status, err := os.ReadFile("/proc/" + s.pid() + "/status")
	if err != nil {
		s.Fatal(err)
	}
	rights := map[string]string{}
	for line := range strings.Lines(string(status)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if strings.HasPrefix(key, "Cap") || key == "NoNewPrivs" || key == "Seccomp" {
			rights[key] = strings.TrimSpace(value)
		}
	}
	return rights
}

const (
	netAdmin       = 1 << 12
	netBindService = 1 << 10
	sysAdmin       = 1 << 21
)

// granted are the rights of a daemon with these capabilities, and no others.
func granted(capabilities int) map[string]string {
	mask := fmt.Sprintf("%016x", capabilities)
	return map[string]string{"CapInh": mask, "CapPrm": mask, "CapEff": mask, "CapBnd": mask, "CapAmb": mask, "NoNewPrivs": "1", "Seccomp": "2"}
}

// exposed rates how far the service is locked in; at most tenths, of 100.
func (s *service) exposed(tenths string) {
	s.Helper()
	out, err := s.try("systemd-analyze", "security", "--no-pager", "--threshold="+tenths, unit)
	if err != nil {
		s.Errorf("%v: more exposed than %s tenths:\n%s", err, tenths, out)
	}
	_, score, _ := strings.Cut(out, "→ ")
	s.Log(strings.TrimSpace(score))
}

func locked(s *service, _ *network) {
	lab.Equal(s.T, "the daemon's rights", granted(netAdmin|netBindService), s.rights())
	s.exposed("21")
	// As the daemon sees it: its own directories and the network's settings are
	// all that it may write.
	lab.Equal(s.T, "what of the file system may be written", []string{"/proc/sys/net", "/run/vrfredist", "/tmp", stateDir, "/var/tmp"}, s.writable())
}

// writable lists which of the places that matter the daemon may write, by the
// mounts of its namespace.
func (s *service) writable() []string {
	s.Helper()
	out, err := os.ReadFile("/proc/" + s.pid() + "/mountinfo")
	if err != nil {
		s.Fatal(err)
	}
	writable := []string{}
	for _, place := range []string{"/etc", "/home", "/proc/sys/kernel", "/proc/sys/net", "/root", "/run/vrfredist", "/sys", "/tmp", "/usr", stateDir, "/var/log", "/var/tmp"} {
		at, options := "", ""
		for line := range strings.Lines(string(out)) {
			if f := strings.Fields(line); len(f) > 5 && len(f[4]) >= len(at) && (place == f[4] || f[4] == "/" || strings.HasPrefix(place, f[4]+"/")) {
				at, options = f[4], f[5]
			}
		}
		if !strings.HasPrefix(options, "ro") {
			writable = append(writable, place)
		}
	}
	return writable
}

// device: without the drop-in a VRF device's tenant is served, and one in a
// namespace holds nothing up and says what it lacks.
func device(s *service, n *network) {
	n.arrive()
	n.late.Delete()
	s.configure(tenants("manage_sysctls = true\n"))
	s.do("systemctl", "restart", unit)
	s.ready()
	s.becomes("red", "ready")
	n.waitRed(s.T, 20)
	if v := s.vrf("green"); v.State != "failed" || !strings.Contains(v.Reason, "CAP_SYS_ADMIN") {
		s.Errorf("without the drop-in: %+v", v)
	}
	if out := s.do("sysctl", "-n", "net.ipv4.tcp_l3mdev_accept"); out != "1\n" {
		s.Errorf("manage_sysctls: net.ipv4.tcp_l3mdev_accept is %q", out)
	}
	if status := s.property("StatusText"); !strings.Contains(status, "failed (green") {
		s.Errorf("systemd was told %q", status)
	}
}

// namespaces: the drop-in, as docs/SERVICE.md has it.
func namespaces(s *service, n *network) {
	s.do("install", "-D", "-m", "0644", "/usr/share/vrfredist/netns.conf", dropIns+"/netns.conf")
	s.do("systemctl", "daemon-reload")
	s.do("systemctl", "restart", unit)
	s.ready()
	lab.Equal(s.T, "the daemon's rights", granted(netAdmin|netBindService|sysAdmin), s.rights())
	s.exposed("24")
	for _, name := range []string{"red", "green"} {
		if v := s.vrf(name); v.State != "ready" {
			s.Errorf("the service was said to be ready, and %s was not: %+v", name, v)
		}
	}
	n.waitRed(s.T, 20)
	waitTenant(s.T, n.green, 2)

	s.Log("a namespace that comes while the service runs")
	s.becomes("late", "pending")
	n.arrive()
	s.becomes("late", "ready")
	waitTenant(s.T, n.late, 3)
	lab.WaitEqual(s.T, "what systemd is told", "3 VRFs: 3 ready", func() string { return s.property("StatusText") })
}

// since returns what the service's journal has from a moment on.
func (s *service) since(moment time.Time) string {
	s.Helper()
	return s.do("journalctl", "--no-pager", "--unit="+unit, fmt.Sprintf("--since=@%d", moment.Unix()))
}

func reload(s *service, n *network) {
	pid := s.pid()
	s.configure(tenants("manage_sysctls = true\nmetric = 30\n"))
	s.do("systemctl", "reload", unit)
	n.waitRed(s.T, 30)

	began := time.Now()
	s.configure(tenants("manage_sysctls = true\nmetric = \"thirty\"\n"))
	if out, err := s.try("systemctl", "reload", unit); err == nil {
		s.Errorf("a file with an error was reloaded: %s", out)
	}
	lab.Equal(s.T, "the reload's result", "exit-code", s.property("ReloadResult"))
	if journal := s.since(began); !strings.Contains(journal, config+":") || !strings.Contains(journal, "metric") {
		s.Errorf("the journal does not name the error's file and line:\n%s", journal)
	}
	s.ready()
	n.waitRed(s.T, 30)

	s.configure(tenants("manage_sysctls = true\n"))
	s.do("systemctl", "reload", unit)
	n.waitRed(s.T, 20)
	lab.Equal(s.T, "the daemon's process id", pid, s.pid())
}
