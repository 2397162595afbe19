package operator_test

import (
	"bufio"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// The monitor tells of states and of routes as they come and go.
func TestMonitor(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	cmd := exec.Command(run.Daemon, "--api", s.daemon.Target(), "monitor", "--vrf", "red", "--prefix", "172.20.0.0/15")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100)
	go func() {
		defer close(lines)
		for scan := bufio.NewScanner(out); scan.Scan(); {
			lines <- scan.Text()
		}
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		for range lines {
		}
		_ = cmd.Wait() // it ends by the signal
	})
	says := func(want string) {
		t.Helper()
		late := time.After(lab.Patience)
		for {
			select {
			case line, ok := <-lines:
				if !ok {
					t.Fatalf("the monitor ended before it said %q", want)
				}
				if strings.Contains(line, want) {
					return
				}
			case <-late:
				t.Fatalf("the monitor does not say %q", want)
			}
		}
	}
	says("red: ready")
	s.vpn("add", "172.20.1.0/24", "65100:1", "65000:10", "192.168.1.2")
	says("red: + 172.20.1.0/24 via 192.168.1.2 dev lan0 proto vrfredist metric 20")
	s.vpn("add", "172.20.2.0/24", "65100:1", "65000:10", "10.99.0.1")
	says("red: unresolved 172.20.2.0/24 (nexthop 10.99.0.1 is unresolved: no route in this VRF covers it)")
	says("ready -> degraded (1 unresolved)")
	s.vpn("del", "172.20.1.0/24", "65100:1", "65000:10", "192.168.1.2")
	says("red: - 172.20.1.0/24")
	s.red.Delete()
	says("degraded -> pending")
}
