package faults_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A socket that a crash left is replaced. A second instance is refused with the
// first one's process id, on the same socket; on another one it finds the BGP port
// taken. Neither touches a route.
func TestFault38SecondInstance(t *testing.T) {
	n := 1000
	w := installed(t, n)
	w.daemon.Kill()
	socket := filepath.Join(w.Dir, "api.sock")
	if info, err := os.Lstat(socket); err != nil || info.Mode().Type() != os.ModeSocket {
		t.Fatalf("the crash left no socket: %v: this proves nothing", err)
	}
	mark := w.rtr.Mark()
	w.daemon.Start()
	w.wait(all(n), all(routes6))
	const crashes = 3
	for range crashes - 1 {
		w.daemon.Kill()
		w.daemon.Start()
	}
	w.noLitter()

	config := filepath.Join(w.Dir, "vrfredist.toml")
	second := func(name string, more ...string) string {
		state := filepath.Join(w.Dir, name)
		argv := append([]string{run.Daemon, "run", "-f", config, "--state-dir", state}, more...)
		p := w.rtr.Start(name, append([]string{"env", "TMPDIR=" + w.daemon.Temp}, argv...)...)
		if err := p.Wait(lab.Patience); err == nil || strings.Contains(err.Error(), "still runs") {
			t.Errorf("%s: a second instance was not refused: %v", name, err)
		}
		return p.Output()
	}
	out := second("on the same socket")
	if want := fmt.Sprintf("pid %d", w.daemon.PID()); !strings.Contains(out, want) || !strings.Contains(out, socket) {
		t.Errorf("the refusal names neither %q nor the socket: %s", want, out)
	}
	other := second("on another socket", "--api-listen", "unix://"+filepath.Join(w.Dir, "other.sock"))
	if !strings.Contains(other, "179") {
		t.Errorf("the refusal does not name the BGP port: %s", other)
	}
	w.wait(all(n), all(routes6))
	lab.Equal(t, "what happened to our routes in all this", 0, len(w.rtr.Since(mark)))
	w.noLitter() // and the first instance's own is still there
	measured(t, "stale socket replaced; nothing piled up in %d crashes; second instance refused: %s", crashes, lastLine(out))
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// A file with an error, and one that BGP cannot apply, leave the old configuration
// wholly in force.
func TestFault39BadReload(t *testing.T) {
	n := 1000
	w := installed(t, n)
	mark := w.rtr.Mark()
	good := exporting()
	for _, bad := range []struct{ name, config, says string }{
		{"an unknown key", good + "\n[netlink.exprot]\n  enabled = true\n", "exprot"},
		{"no TOML", good + "\n[netlink.import\n", ""},
		{"another AS, which GoBGP cannot change, beside a metric that could",
			strings.Replace(strings.Replace(good, "as = 65000", "as = 65009", 1), "[netlink.export]", "[netlink.export]\n  metric = 77", 1), "restart"},
		{"a VRF with a table that is the kernel's own", good + `
[[vrfs]]
  [vrfs.config]
    name = "x"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
[[netlink.vrfs]]
  name = "x"
  table = 255
`, "255"},
	} {
		w.daemon.Write(bad.config)
		out, err := w.daemon.Try("reload")
		if err == nil || !strings.Contains(out, bad.says) {
			t.Errorf("%s: %v: %s", bad.name, err, out)
		}
		w.wait(all(n), all(routes6))
		if v, err := w.status("x"); err == nil {
			t.Errorf("%s: the VRF of the refused file is there: %v", bad.name, v)
		}
	}
	if strings.Count(w.bird.Show("show protocols"), "Established") != 2 {
		t.Error("the sessions did not stay")
	}
	lab.Equal(t, "what happened to our routes in all this", 0, len(w.rtr.Since(mark)))
	// A crash now starts from the file as it should be.
	w.daemon.Write(good)
	w.daemon.Do("reload")
	w.wait(all(n), all(routes6))
	lab.Equal(t, "what happened to our routes after the reload of the same", 0, len(w.rtr.Since(mark)))
	measured(t, "4 bad files refused, routes and sessions untouched")
}

// The daemon has no descriptor left for another VRF: that is said, and the running
// ones go on.
func TestFault34DescriptorsAtTheirLimit(t *testing.T) {
	n := 1000
	w := installed(t, n)
	tenant := w.Namespace("tenant")
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", w.daemon.PID()))
	if err != nil {
		t.Fatal(err)
	}
	// A VRF in a namespace of its own takes more than these: sockets to watch, to
	// read and to write. The reload itself needs one for a moment.
	var before unix.Rlimit
	if err := unix.Prlimit(w.daemon.PID(), unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	most := unix.Rlimit{Cur: uint64(len(entries)) + 2, Max: before.Max}
	if err := unix.Prlimit(w.daemon.PID(), unix.RLIMIT_NOFILE, &most, nil); err != nil {
		t.Fatal(err)
	}
	config := exporting() + fmt.Sprintf(`
[[vrfs]]
  [vrfs.config]
    name = "tenant"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
[[netlink.vrfs]]
  name = "tenant"
  netns = %q
  [netlink.vrfs.export]
    enabled = true
`, tenant.Name)
	w.daemon.Write(config)
	w.daemon.Signal(unix.SIGHUP)
	lab.WaitFor(t, "the want of descriptors is said", limit(), func() string {
		if out := w.daemon.Output(); !strings.Contains(out, "too many open files") {
			return "it is not"
		}
		return ""
	})
	w.resend(all(n)[10:], all(routes6)) // the running one goes on
	w.oracle.Wait(lab.Main, model(all(n)[10:], all(routes6)), limit())

	most.Cur = before.Cur
	if err := unix.Prlimit(w.daemon.PID(), unix.RLIMIT_NOFILE, &most, nil); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	lab.WaitFor(t, "the tenant recovers by itself", limit(), func() string {
		v, err := w.status("tenant")
		if err != nil {
			return err.Error()
		}
		if v.GetState() != "ready" {
			return v.GetState() + ": " + v.GetReason()
		}
		return ""
	})
	w.wait(all(n)[10:], all(routes6))
	measured(t, "said %q; the running VRF went on; the other came up by itself %s after there was room", "too many open files", round(time.Since(began)))
}
