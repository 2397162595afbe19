package operator_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const (
	oldFilter = `community_list = ["65000:1"]`
	newFilter = `community_list = ["65000:2"]`
)

// waiting is a site of which a reload with another filter waits to be confirmed:
// route2 is in the table in place of route1.
func waiting(t *testing.T, confirm string) *site {
	t.Helper()
	s := newSite(t, "")
	s.vpn("add", "172.20.1.0/24", "65100:1", "65000:10", "192.168.1.2")
	s.vpn("add", "172.20.2.0/24", "65100:1", "65000:10", "192.168.1.2", "community", "65000:2")
	s.daemon.Do(strings.Fields("redistribution enable import lan0 --vrf red")...)
	s.red.WaitOwn(lab.Main, route1)
	s.daemon.Write(s.filtered(newFilter))
	out := s.daemon.Do("reload", "--confirm", confirm)
	if !strings.Contains(out, "unless `vrfredist confirm` is run") {
		t.Errorf("the reload does not say what is to be done:\n%s", out)
	}
	s.red.WaitOwn(lab.Main, route2)
	return s
}

// filtered is the site's configuration with another export filter.
func (s *site) filtered(filter string) string {
	return strings.Replace(strings.ReplaceAll(siteConfig, "RED", s.red.Name), oldFilter, filter, 1)
}

func (s *site) overlay() string {
	s.T.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "state", "redistribution.json"))
	if err != nil {
		s.T.Fatal(err)
	}
	return string(text)
}

// says waits until a command prints this.
func (s *site) says(want string, args ...string) {
	s.T.Helper()
	lab.WaitFor(s.T, strings.Join(args, " ")+" says "+want, lab.Patience, func() string {
		out, err := s.daemon.Try(args...)
		if err != nil || !strings.Contains(out, want) {
			return out
		}
		return ""
	})
}

// Unless it is confirmed, a reload is undone: to the letter, and for the next
// start too.
func TestReloadIsRolledBack(t *testing.T) {
	t.Parallel()
	s := waiting(t, "12s")
	before := s.overlay()
	s.says("comes back in", "vrf")
	s.says("comes back in", "vrf", "red")
	if out, err := s.daemon.Try("reload"); err == nil || !strings.Contains(out, "waits to be confirmed") {
		t.Errorf("a reload meanwhile: %v: %s", err, out)
	}
	s.daemon.Signal(syscall.SIGHUP)
	s.daemon.Do(strings.Fields("redistribution disable export --vrf red")...)
	s.red.WaitOwn(lab.Main, route1)
	lab.Equal(t, "what is enabled at run time", before, s.overlay())
	s.says("was not confirmed in time", "vrf")
	if out := s.daemon.Output(); !strings.Contains(out, "the reload failed") || !strings.Contains(out, "nobody confirmed the reload") {
		t.Error("the log does not tell of the SIGHUP that was refused, and of the rollback")
	}
	if out, err := s.daemon.Try("confirm"); err == nil || !strings.Contains(out, "nobody confirmed it in time") {
		t.Errorf("a confirmation that comes too late: %v: %s", err, out)
	}

	t.Log("what is set now stays, over the next start too")
	s.daemon.Do(strings.Fields("redistribution enable import lan* --vrf red")...)
	after := s.overlay()
	s.daemon.Stop()
	s.daemon.Start()
	s.says("was not confirmed in time", "vrf")
	lab.Equal(t, "what is enabled at run time, after the next start", after, s.overlay())

	t.Log("the file comes into force when it is asked for")
	s.daemon.Do("reload")
	if out := s.daemon.Do("vrf"); strings.Contains(out, "confirmed") {
		t.Errorf("a reload without --confirm leaves doubt:\n%s", out)
	}
	s.vpn("add", "172.20.2.0/24", "65100:1", "65000:10", "192.168.1.2", "community", "65000:2")
	s.red.WaitOwn(lab.Main, route2)
}

func TestReloadIsConfirmed(t *testing.T) {
	t.Parallel()
	s := waiting(t, "1h")
	s.daemon.Do("confirm")
	if out := s.daemon.Do("vrf"); strings.Contains(out, "confirm") {
		t.Errorf("after the confirmation there is doubt:\n%s", out)
	}
	s.daemon.Stop()
	s.daemon.Start()
	s.vpn("add", "172.20.2.0/24", "65100:1", "65000:10", "192.168.1.2", "community", "65000:2")
	s.red.WaitOwn(lab.Main, route2)
	if out, err := s.daemon.Try("confirm"); err == nil || !strings.Contains(out, "no reload waits") {
		t.Errorf("a second confirmation: %v: %s", err, out)
	}
}

// A daemon that is killed while it waits comes up with what was confirmed.
func TestReloadIsNotConfirmedByACrash(t *testing.T) {
	t.Parallel()
	s := waiting(t, "1h")
	before := s.overlay()
	s.daemon.Do(strings.Fields("redistribution disable import --vrf red")...)
	s.daemon.Kill()
	s.daemon.Start()
	lab.Equal(t, "what is enabled at run time", before, s.overlay())
	if out := s.daemon.Output(); !strings.Contains(out, "the file was never confirmed") {
		t.Errorf("the start does not say that it has not the file's configuration:\n%s", out)
	}
	s.vpn("add", "172.20.1.0/24", "65100:1", "65000:10", "192.168.1.2")
	s.vpn("add", "172.20.2.0/24", "65100:1", "65000:10", "192.168.1.2", "community", "65000:2")
	s.red.WaitOwn(lab.Main, route1)

	t.Log("the file that was put right is one to start with again")
	s.daemon.Write(s.filtered(oldFilter))
	s.daemon.Stop()
	s.daemon.Start()
	if out := s.daemon.Do("vrf"); strings.Contains(out, "confirm") {
		t.Errorf("with the file that was confirmed there is doubt:\n%s", out)
	}
}

// A file that cannot be applied leaves nothing behind, with --confirm too.
func TestReloadWithConfirmFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.daemon.Write(s.filtered("max_paths = 0"))
	if out, err := s.daemon.Try("reload", "--confirm", "1h"); err == nil {
		t.Errorf("a file with an error was applied: %s", out)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, "state", "confirmed.json")); !os.IsNotExist(err) {
		t.Errorf("something is kept of it: %v", err)
	}
	s.daemon.Write(s.filtered(newFilter))
	s.daemon.Do("reload")
}
