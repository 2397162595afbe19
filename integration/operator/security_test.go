package operator_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Nobody has these in /etc/passwd: a user who may open the socket, and has the
// role of VRF red.
const (
	socketGID = "31000"
	redUID    = "31001"
)

const roles = `
[netlink.api.tls]
  certificate = "DIR/server.pem"
  key = "DIR/server.key"
  client_ca = "DIR/ca.pem"
[[netlink.api.roles]]
  role = "vrf:red"
  users = [31001]
  certificates = ["noc.tenant-a.example"]
`

// guideCertificates runs the commands of docs/SECURITY.md in a directory.
func guideCertificates(t *testing.T, dir string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(page), "```sh\numask")
	block, _, closed := strings.Cut("umask"+block, "```")
	if !found || !closed {
		t.Fatal("docs/SECURITY.md has no commands for certificates")
	}
	cmd := exec.Command("sh", "-ec", block)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("the commands of docs/SECURITY.md: %v: %s", err, out)
	}
}

// TestTenantsOperator: with real users and the certificates of the guide, an
// operator of red has red, and learns nothing of blue.
func TestTenantsOperator(t *testing.T) {
	t.Parallel()
	s := newSiteWithoutDaemon(t)
	guideCertificates(t, s.Dir)
	for _, dir := range []string{s.Dir, filepath.Dir(run.Daemon)} { // the other user comes by
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	config := strings.ReplaceAll(siteConfig, "RED", s.red.Name)
	withRoles := config + strings.ReplaceAll(roles, "DIR", s.Dir)
	s.daemon = s.rtr.Daemon(withRoles)
	s.daemon.Stop()
	s.rtr.IP("link", "set", "lo", "up")
	s.daemon.Start("--api-listen", s.daemon.Target()+",127.0.0.1:50051")
	socket := strings.TrimPrefix(s.daemon.Target(), "unix://")
	if err := os.Chown(socket, -1, 31000); err != nil {
		t.Fatal(err)
	}
	asUser := func(args ...string) (string, error) {
		argv := append([]string{"--reuid", redUID, "--regid", redUID, "--groups", socketGID, "--"}, args...)
		out, err := exec.Command("setpriv", argv...).CombinedOutput()
		return string(out), err
	}
	ways := map[string]func(args ...string) (string, error){
		"user": func(args ...string) (string, error) {
			return asUser(append([]string{run.Daemon, "--api", s.daemon.Target()}, args...)...)
		},
		"certificate": func(args ...string) (string, error) {
			argv := append([]string{"netns", "exec", s.rtr.Name, run.Daemon, "--api", "127.0.0.1:50051", "--tls-ca", s.Dir + "/ca.pem",
				"--tls-cert", s.Dir + "/noc.tenant-a.example.pem", "--tls-key", s.Dir + "/noc.tenant-a.example.key"}, args...)
			out, err := exec.Command("ip", argv...).CombinedOutput()
			return string(out), err
		},
	}
	for name, as := range ways {
		for line, want := range map[string]string{
			"vrf":                           "red",
			"vrf red":                       "red",
			"route export --vrf red":        "",
			"explain 10.9.0.0/16 --vrf red": "neither BGP nor the kernel table",
			"redistribution disable import --vrf red": "",
			"resync": "red",
		} {
			if out, err := as(strings.Fields(line)...); err != nil || !strings.Contains(out, want) || strings.Contains(out, "blue") || strings.Contains(out, "not-there") {
				t.Errorf("%s: %s: %v: %s", name, line, err, out)
			}
		}
		for line, want := range map[string]string{
			"vrf blue":                       "does not cover the VRF that was asked for",
			"vrf green":                      "does not cover the VRF that was asked for",
			"explain 10.9.0.0/16 --vrf blue": "does not cover the VRF that was asked for",
			"redistribution disable export --vrf blue": "does not cover the VRF that was asked for",
			"reload": "needs the role admin",
			"doctor": "needs the role admin or read",
		} {
			if out, err := as(strings.Fields(line)...); err == nil || !strings.Contains(out, want) || strings.Contains(out, "not-there") {
				t.Errorf("%s: %s: %v: %s", name, line, err, out)
			}
		}
	}
	if out, err := asUser("gobgp", "--target", s.daemon.Target(), "global"); err == nil || !strings.Contains(out, "needs the role admin") {
		t.Errorf("GoBGP's own API as a tenant: %v: %s", err, out)
	}
	rolesChange(t, s, ways["user"], withRoles)
}

// rolesChange takes the user's role away by a reload, while a monitor runs.
func rolesChange(t *testing.T, s *site, asUser func(...string) (string, error), config string) {
	t.Helper()
	s.daemon.Write(strings.ReplaceAll(config, redUID, "31002"))
	if out := s.daemon.Do("reload"); !strings.Contains(out, "netlink.api.roles changed") {
		t.Errorf("the reload says: %s", out)
	}
	if out, err := asUser("vrf"); err == nil || !strings.Contains(out, "uid "+redUID+" has no role") {
		t.Errorf("after its role was taken away: %v: %s", err, out)
	}
	if err := os.Truncate(s.Dir+"/server.pem", 0); err != nil {
		t.Fatal(err)
	}
	if out, err := s.daemon.Try("reload"); err == nil || !strings.Contains(out, "server.pem") && !strings.Contains(out, "do not make a pair") {
		t.Errorf("a reload with a broken certificate: %v: %s", err, out)
	}
	lab.WaitEqual(t, "the daemon goes on", nil, func() error { _, err := s.daemon.Try("vrf"); return err })
}
