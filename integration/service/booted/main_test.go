// Package booted_test installs the Debian package where systemd has booted, runs
// the service as an administrator does, breaks it, and removes the package: in a
// virtual machine, by `make test-booted`, and nowhere else.
package booted_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// packageEnv names the package that is installed: there is no compiler here.
const packageEnv = "VRFREDIST_TEST_DEB"

const (
	unit     = "vrfredist.service"
	config   = "/etc/vrfredist/vrfredist.toml"
	socket   = "/run/vrfredist/vrfredist.sock"
	stateDir = "/var/lib/vrfredist"
	dropIns  = "/etc/systemd/system/vrfredist.service.d"
	unitFile = "/usr/lib/systemd/system/vrfredist.service"
)

// patience is for an emulated processor that others use too.
const patience = 60 * time.Second

// wait waits until check returns "". Each look starts a program, which takes a
// good part of a second here.
func wait(t *testing.T, what string, check func() string) {
	t.Helper()
	lab.WaitEvery(t, what, 500*time.Millisecond, patience, check)
}

// TestService is the life of an installation. Each step builds on those before.
func TestService(t *testing.T) {
	need.Systemd(t)
	s := &service{T: t, deb: os.Getenv(packageEnv)}
	if s.deb == "" {
		t.Fatalf("%s names no package: `make test-booted` builds one", packageEnv)
	}
	s.prepare()
	n := newNetwork(t)
	for _, step := range []struct {
		name string
		do   func(*service, *network)
	}{
		{"the package is installed", installed},
		{"the first start", firstStart},
		{"what is locked", locked},
		{"a VRF device", device},
		{"namespaces", namespaces},
		{"reload", reload},
		{"the tenant's operator", operator},
		{"it is killed, panics, and hangs", broken},
		{"an upgrade", upgraded},
		{"stop", stopped},
		{"the package is removed", removed},
		{"the package is purged", purged},
	} {
		began := time.Now()
		if !t.Run(step.name, func(t *testing.T) { do(t, s, n, step.do) }) {
			break
		}
		t.Logf("%s: %.1f s", step.name, time.Since(began).Seconds())
	}
}

// do has a step speak for the subtest that it is.
func do(t *testing.T, s *service, n *network, step func(*service, *network)) {
	outer := s.T
	s.T = t
	defer func() {
		s.T = outer
		if t.Failed() {
			t.Logf("the journal:\n%s", s.journal())
		}
	}()
	step(s, n)
}

// journal is what systemd and the daemon said, without the stack of a process
// that was ended.
func (s *service) journal() string {
	out, err := s.try("journalctl", "--no-pager", "--boot", "--output=short-monotonic", "--identifier=systemd", "--identifier=vrfredist")
	if err != nil {
		return fmt.Sprintf("journalctl: %v: %s", err, out)
	}
	var said []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, " systemd[1]: ") || strings.Contains(line, " level=") || strings.Contains(line, config) || strings.Contains(line, "]: vrfredist: ") {
			said = append(said, line)
		}
	}
	return strings.Join(said[max(0, len(said)-100):], "")
}

// service is the installed one, as an administrator handles it.
type service struct {
	*testing.T
	deb string
}

// prepare gives the host's files, which this machine sees and does not change,
// the state that the test begins with. dpkg knows of what the package depends on
// and of nothing else: it would read what it has of each of the host's packages,
// and have man-db read every manual again, which takes minutes here.
func (s *service) prepare() {
	s.Helper()
	if _, err := s.try("dpkg", "--status", "vrfredist"); err == nil {
		s.do("dpkg", "--purge", "vrfredist")
	}
	needs := strings.FieldsFunc(s.do("dpkg-deb", "--field", s.deb, "Depends"), func(r rune) bool { return r == ',' || r == ' ' || r == '\n' })
	status := s.do(append([]string{"dpkg-query", "--status"}, needs...)...)
	// Images of containers have one that forbids every start of a service.
	if err := os.Remove("/usr/sbin/policy-rc.d"); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.Fatal(err)
	}
	const database = "/var/lib/dpkg"
	s.do("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", database)
	files := map[string]string{"status": status, "available": "", "info/format": "1\n", "triggers/File": ""}
	for _, name := range needs {
		files["info/"+name+".list"] = ""
	}
	for name, text := range files {
		path := filepath.Join(database, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			s.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(database, "updates"), 0o755); err != nil {
		s.Fatal(err)
	}
}

// try runs a program and returns what it prints, on both outputs.
func (s *service) try(argv ...string) (string, error) {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	return string(out), err
}

// do is try, and fails the test where the program fails.
func (s *service) do(argv ...string) string {
	s.Helper()
	out, err := s.try(argv...)
	if err != nil {
		s.Fatalf("%s: %v: %s", strings.Join(argv, " "), err, out)
	}
	return out
}

// property is what systemd knows of the unit.
func (s *service) property(name string) string {
	s.Helper()
	return strings.TrimSpace(s.do("systemctl", "show", "--value", "--property="+name, unit))
}

// pid is that of the daemon.
func (s *service) pid() string {
	s.Helper()
	pid := s.property("MainPID")
	if pid == "0" {
		s.Fatal("the service has no process")
	}
	return pid
}

// ready fails the test where systemd does not count the service as started.
func (s *service) ready() {
	s.Helper()
	if out, err := s.try("systemctl", "is-active", unit); err != nil {
		s.Fatalf("the service is %s", out)
	}
}

// configure writes the configuration, and leaves its owner and mode alone.
func (s *service) configure(text string) {
	s.Helper()
	if err := os.WriteFile(config, []byte(text), 0o640); err != nil {
		s.Fatal(err)
	}
}

// vrf is what `vrfredist vrf --json` says of one VRF.
type vrf struct{ Name, State, Reason string }

func (s *service) vrf(name string) vrf {
	s.Helper()
	var list struct{ Vrfs []vrf }
	if out := s.do("vrfredist", "vrf", "--json"); json.Unmarshal([]byte(out), &list) != nil {
		s.Fatalf("vrfredist vrf --json: %s", out)
	}
	for _, v := range list.Vrfs {
		if v.Name == name {
			return v
		}
	}
	return vrf{}
}

// becomes waits for a VRF's state.
func (s *service) becomes(name, state string) {
	s.Helper()
	wait(s.T, name+" becomes "+state, func() string {
		if v := s.vrf(name); v.State != state {
			return fmt.Sprintf("%+v", v)
		}
		return ""
	})
}

// owned is a path with its mode, owner and group, as `stat` has them.
func (s *service) owned(path string) string {
	s.Helper()
	return strings.TrimSpace(s.do("stat", "--format=%a %U:%G %n", path))
}

// absent fails the test where something is left.
func (s *service) absent(paths ...string) {
	s.Helper()
	for _, path := range paths {
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			s.Errorf("%s is left (%v)", path, err)
		}
	}
}
