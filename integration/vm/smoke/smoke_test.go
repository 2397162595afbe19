// Package smoke_test shows that the kernel it runs on has what the tests with
// VRF devices need. It is the first thing to run in a new virtual machine.
package smoke_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/vm/need"
)

func ip(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("ip %s: %v: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out)
}

// namespace makes a named namespace that is deleted when the test ends.
func namespace(t *testing.T, role string) string {
	t.Helper()
	name := fmt.Sprintf("vrsmoke%d-%s", os.Getpid(), role)
	ip(t, "netns", "add", name)
	t.Cleanup(func() { ip(t, "netns", "del", name) })
	ip(t, "-n", name, "link", "set", "lo", "up")
	return name
}

// route is what `ip -j route` says of one.
type route struct {
	Type, Dst, Dev, Protocol string
	Metric                   uint32
}

func routes(t *testing.T, ns string, args ...string) []route {
	t.Helper()
	out := ip(t, append([]string{"-n", ns, "-d", "-j", "route", "show"}, args...)...)
	var all []route
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("read the routes %v: %v: %s", args, err, out)
	}
	return all
}

func find(t *testing.T, all []route, dst string) route {
	t.Helper()
	for _, r := range all {
		if r.Dst == dst {
			return r
		}
	}
	t.Fatalf("no route to %s among %+v", dst, all)
	return route{}
}

func TestVRFDeviceInANamespace(t *testing.T) {
	need.VRF(t)
	for _, table := range []string{"10", "70000", "4294967000"} {
		t.Run("table "+table, func(t *testing.T) {
			ns := namespace(t, table)
			ip(t, "-n", ns, "link", "add", "red", "type", "vrf", "table", table)
			ip(t, "-n", ns, "link", "set", "red", "up")
			ip(t, "-n", ns, "link", "add", "lan", "type", "dummy")
			ip(t, "-n", ns, "link", "set", "lan", "master", "red", "up")
			ip(t, "-n", ns, "addr", "add", "192.0.2.1/24", "dev", "lan")

			if show := ip(t, "-n", ns, "-d", "link", "show", "red"); !strings.Contains(show, "vrf table "+table+" ") {
				t.Errorf("the device is not of table %s: %s", table, show)
			}
			connected := find(t, routes(t, ns, "table", table), "192.0.2.0/24")
			if connected.Dev != "lan" || connected.Protocol != "kernel" {
				t.Errorf("the connected route in table %s is %+v", table, connected)
			}
			if left := routes(t, ns); len(left) != 0 {
				t.Errorf("the main table holds %+v, which belong into the VRF's", left)
			}
		})
	}
}

func TestTenantsKeepTheSamePrefixApart(t *testing.T) {
	need.VRF(t)
	ns := namespace(t, "rtr")
	for i, tenant := range []string{"red", "blue"} {
		table := fmt.Sprint(1000 + i)
		ip(t, "-n", ns, "link", "add", tenant, "type", "vrf", "table", table)
		ip(t, "-n", ns, "link", "set", tenant, "up")
		ip(t, "-n", ns, "route", "add", "10.0.0.0/8", "dev", tenant, "table", table, "metric", fmt.Sprint(20+i), "proto", "179")
		ip(t, "-n", ns, "route", "add", "unreachable", "default", "table", table, "metric", "4278198272")
	}
	for i, table := range []string{"1000", "1001"} {
		all := routes(t, ns, "table", table)
		if got := find(t, all, "10.0.0.0/8"); got.Metric != uint32(20+i) {
			t.Errorf("table %s: 10.0.0.0/8 is %+v", table, got)
		}
		if got := find(t, all, "default"); got.Type != "unreachable" || got.Metric != 4278198272 {
			t.Errorf("table %s: the default is %+v", table, got)
		}
	}
}

func TestPacketsFlowInAVRF(t *testing.T) {
	need.VRF(t)
	rtr, host := namespace(t, "rtr"), namespace(t, "host")
	ip(t, "link", "add", "lan", "netns", rtr, "type", "veth", "peer", "name", "eth0", "netns", host)
	ip(t, "-n", rtr, "link", "add", "red", "type", "vrf", "table", "300")
	ip(t, "-n", rtr, "link", "set", "red", "up")
	ip(t, "-n", rtr, "link", "set", "lan", "master", "red", "up")
	ip(t, "-n", rtr, "addr", "add", "192.0.2.1/24", "dev", "lan")
	ip(t, "-n", host, "link", "set", "eth0", "up")
	ip(t, "-n", host, "addr", "add", "192.0.2.2/24", "dev", "eth0")

	listener := inside(t, host, func() (net.Listener, error) { return net.Listen("tcp", "192.0.2.2:0") })
	defer listener.Close()
	bound := net.Dialer{Timeout: 10 * time.Second, Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) { failed = unix.BindToDevice(int(fd), "red") })
		return errors.Join(err, failed)
	}}
	conn := inside(t, rtr, func() (net.Conn, error) { return bound.Dial("tcp", listener.Addr().String()) })
	conn.Close()

	inside(t, rtr, func() (any, error) {
		conn, err := net.DialTimeout("tcp", listener.Addr().String(), 10*time.Second)
		if err == nil {
			conn.Close()
		}
		if !errors.Is(err, unix.ENETUNREACH) {
			t.Errorf("a socket that is not bound to the VRF got %v, not that the network is unreachable", err)
		}
		return nil, nil
	})
}

// inside calls do in a thread that is in the namespace.
func inside[T any](t *testing.T, ns string, do func() (T, error)) T {
	t.Helper()
	var got T
	done := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine, so that no other
		// finds itself in the namespace.
		runtime.LockOSThread()
		done <- func() error {
			f, err := os.Open(filepath.Join("/run/netns", ns))
			if err != nil {
				return err
			}
			defer f.Close()
			if err := unix.Setns(int(f.Fd()), unix.CLONE_NEWNET); err != nil {
				return err
			}
			got, err = do()
			return err
		}()
	}()
	if err := <-done; err != nil {
		t.Fatalf("in %s: %v", ns, err)
	}
	return got
}

// The other kinds of device and route that tests make.
func TestKernelHasTheRest(t *testing.T) {
	need.VRF(t)
	ns := namespace(t, "rest")
	for _, args := range [][]string{
		{"dum0", "type", "dummy"},
		{"br0", "type", "bridge"},
		{"vx0", "type", "vxlan", "id", "7", "dstport", "4789"},
		{"va", "type", "veth", "peer", "name", "vb"},
		{"vlan7", "link", "va", "type", "vlan", "id", "7"},
		{"mac0", "link", "va", "type", "macvlan"},
	} {
		ip(t, append([]string{"-n", ns, "link", "add"}, args...)...)
	}
	ip(t, "-n", ns, "link", "set", "dum0", "up")
	ip(t, "-n", ns, "addr", "add", "192.0.2.1/24", "dev", "dum0")
	ip(t, "-n", ns, "nexthop", "add", "id", "9", "via", "192.0.2.9", "dev", "dum0")
	ip(t, "-n", ns, "route", "add", "198.51.100.0/24", "nhid", "9")
	ip(t, "-n", ns, "route", "add", "203.0.113.0/24", "encap", "mpls", "100", "via", "192.0.2.9")
	// Not as JSON, where the label is a second "dst" in the same object.
	if got := ip(t, "-n", ns, "route", "show", "203.0.113.0/24"); !strings.Contains(got, "encap mpls  100 via 192.0.2.9") {
		t.Errorf("the labelled route is %q", got)
	}
}
