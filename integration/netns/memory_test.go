package netns_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/bench/prefixes"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestSmallContainer: a table that takes twice as much memory where there is plenty lives in a control
// group that is little larger than what it needs, as a full table does in one of 1 GB; it comes, comes
// again as after a refresh, goes, and comes by another session.
func TestSmallContainer(t *testing.T) {
	const table, most = 250_000, 320 << 20 // a quarter of a full table, with a quarter of a gigabyte and the program
	if missing != "" {
		t.Skip(missing)
	}
	own := plainRun(t)
	l := lab.New(t, own)
	group, err := lab.NewMemoryGroup(t, most)
	if err != nil {
		t.Skipf("no container is to be had here: %v", err)
	}
	rtr, home := l.Namespace("rtr"), l.Namespace("home")
	l.Subnet(rtr, "eth0", home, "eth0", "10.0.0.1/24")
	d := rtr.DaemonAs(group.Starter(), `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-as = 65001
  [neighbors.transport.config]
    passive-mode = true
[netlink.export]
  enabled = true
`)
	c := peer.Config{Local: netip.MustParseAddr("10.0.0.2"), Remote: netip.MustParseAddr("10.0.0.1"), AS: 65001}
	var stream bytes.Buffer
	if err := peer.WriteStream(&stream, prefixes.IPv4(table, 1), peer.Origin{AS: 65001, Nexthop: c.Local}); err != nil {
		t.Fatal(err)
	}
	session := func() *peer.Peer {
		var p *peer.Peer
		lab.WaitFor(t, "a session", 3*lab.Patience, func() string { // BGP takes none for a while after one that broke
			var err error
			if p, err = peer.Dial(home.Enter, c); err != nil {
				return err.Error()
			}
			return ""
		})
		if err := peer.Play(p, bytes.NewReader(stream.Bytes())); err != nil {
			t.Fatalf("send the table: %v", err)
		}
		return p
	}
	awaitInstalled := func(want int) {
		t.Helper()
		lab.WaitFor(t, fmt.Sprintf("%d routes are installed", want), 6*lab.Patience, func() string {
			var v struct{ Counts struct{ Installed int } }
			if d.JSON(&v, "vrf", "default"); v.Counts.Installed != want {
				return fmt.Sprintf("%d are installed", v.Counts.Installed)
			}
			return ""
		})
	}
	first := session()
	awaitInstalled(table)
	if err := peer.Play(first, bytes.NewReader(stream.Bytes())); err != nil { // a refresh
		t.Fatalf("send the table again: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	awaitInstalled(0)
	second := session()
	awaitInstalled(table)
	t.Logf("at most %d of %d bytes", group.Peak(), most)
	if n, err := group.Killed(); err != nil || n != 0 {
		t.Errorf("the kernel killed %d times for want of memory; %v", n, err)
	}
	if err := errors.Join(second.Close(), own.Judge()); err != nil {
		t.Fatal(err)
	}
}

// plainRun is of a program that is built without the race detector, which needs many times the memory.
func plainRun(t *testing.T) *lab.Run {
	t.Helper()
	own := &lab.Run{Protocol: run.Protocol, Daemon: run.Daemon}
	if os.Getenv(lab.DaemonEnv) == "" {
		own.Daemon = filepath.Join(t.TempDir(), "vrfredist")
		build := exec.Command("go", "build", "-pgo=off", "-o", own.Daemon, "github.com/vrfredist/vrfredist/cmd/vrfredist")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build vrfredist: %v\n%s", err, out)
		}
	}
	return own
}
