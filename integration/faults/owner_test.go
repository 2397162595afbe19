package faults_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// other is a second daemon, which has everything of its own but the tables.
type other struct {
	*lab.Process
	t      *testing.T
	target string
}

// rival starts a second daemon beside that of w, in process and mount namespaces of
// its own. It has no neighbours, so that it would sweep what is in its tables.
func (w *network) rival(t *testing.T) *other {
	t.Helper()
	target := "unix://" + filepath.Join(w.Dir, "second.sock")
	config := w.File("second.toml", fmt.Sprintf("[global.config]\nas = 65000\nrouter-id = \"10.0.0.9\"\nport = -1\n%s[netlink.api]\nlisten = [%q]\n", twoTables, target))
	return &other{w.rtr.Start("the second daemon", "unshare", "-mpf", "--kill-child", "env", "TMPDIR="+w.daemon.Temp,
		run.Daemon, "run", "-f", config, "--state-dir", filepath.Join(w.Dir, "second")), t, target}
}

// twoTables are the main table, and one by its number.
const twoTables = `
[[vrfs]]
  [vrfs.config]
    name = "numbered"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
[[netlink.vrfs]]
  name = "default"
  [netlink.vrfs.export]
    enabled = true
[[netlink.vrfs]]
  name = "numbered"
  table = 1001
  [netlink.vrfs.export]
    enabled = true
`

// vrf is what the daemon says of a VRF.
func (o *other) vrf(name string) string {
	out, err := exec.Command(run.Daemon, "--api", o.target, "vrf", name).CombinedOutput()
	if err != nil {
		return err.Error()
	}
	return string(out)
}

func (o *other) wait(vrf string, words ...string) time.Duration {
	o.t.Helper()
	began := time.Now()
	lab.WaitFor(o.t, "the second daemon's VRF "+vrf, limit(), func() string {
		said := strings.Join(strings.Fields(o.vrf(vrf)), " ")
		for _, word := range words {
			if !strings.Contains(said, word) {
				return fmt.Sprintf("lacks %q: %s", word, said)
			}
		}
		return ""
	})
	return time.Since(began)
}

// says waits until its doctor says all of these words, and a warning in its log the first.
func (o *other) says(words ...string) {
	o.t.Helper()
	lab.WaitFor(o.t, "the second daemon's doctor", limit(), func() string {
		out, _ := exec.Command(run.Daemon, "--api", o.target, "doctor").CombinedOutput() // it ends with 1 where something is broken
		for _, word := range words {
			if !strings.Contains(string(out), word) {
				return fmt.Sprintf("lacks %q: %s", word, out)
			}
		}
		return ""
	})
	lab.WaitFor(o.t, "the second daemon's log", limit(), func() string {
		for line := range strings.Lines(o.Output()) {
			if strings.Contains(line, "level=WARN") && strings.Contains(line, "vrf=default") && strings.Contains(line, words[0]) {
				return ""
			}
		}
		return o.Output()
	})
}

// A second daemon on one's tables waits, touches nothing, and says for whom; it has
// them at once when the first is killed, and then the first waits for it.
func TestFault49TwoDaemons(t *testing.T) {
	n := 1000
	w := newNetwork(t, n)
	w.daemon = w.rtr.Daemon(globalConfig + twoTables)
	w.wait(all(n), all(routes6))
	w.rtr.Batch("route add 198.18.0.0/24 dev eth1 table 1001 proto 179") // what a sweep would take
	waitStatus(t, w.daemon, "numbered", "ready, without the stranger", func(v *vrfredistv1.Vrf) bool {
		out, _ := w.rtr.TryIP("route", "show", "table", "1001")
		return v.GetState() == "ready" && !strings.Contains(out, "198.18.0.0")
	})
	mark := w.rtr.Mark()
	second := w.rival(t)
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	first := []string{"pending", fmt.Sprintf("pid %d", w.daemon.PID()), "on host " + host, "configuration " + filepath.Join(w.Dir, "vrfredist.toml")}
	second.wait("default", first...)
	second.wait("numbered", append(first, "table 1001")...)
	second.says(append(first[1:], "broken:", "end that one, or take the VRF out of one of the two configurations")...)
	w.daemon.Do("reload") // which gives up nothing
	w.wait(all(n), all(routes6))
	lab.Equal(t, "what happened to the first one's routes", 0, len(w.rtr.Since(mark)))
	second.wait("default", first...)

	w.daemon.Kill()
	took := second.wait("default", "ready")
	second.wait("numbered", "ready")

	w.daemon.Start()
	waitStatus(t, w.daemon, "default", "pending", func(v *vrfredistv1.Vrf) bool {
		return v.GetState() == "pending" && strings.Contains(v.GetReason(), filepath.Join(w.Dir, "second.toml"))
	})
	if err := syscall.Kill(-second.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	w.wait(all(n), all(routes6))
	promised(t, "second daemon pending by the first one's pid, host and configuration, no route touched; tables taken over after SIGKILL", took, time.Second)
}
