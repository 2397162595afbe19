package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3"
)

// serveGoBGP names the configuration in the environment of a process that is
// to be the BGP server: a process may have one GoBGP, whose own data races
// would fail a test with the race detector besides.
const serveGoBGP = "RELAY_TEST_GOBGP"

// serve is that process: the embedded GoBGP as the daemon has it, until the
// standard input ends.
func serve(file string) int {
	err := func() error {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		s, err := gobgp3.New(gobgp3.Options{
			Config: text, Listen: []string{"unix://" + file + ".sock"},
			Logger: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			io.Copy(io.Discard, os.Stdin)
			cancel()
		}()
		return s.Run(ctx)
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// gobgp is such a process, in the daemon's namespace.
type gobgp struct {
	t      testing.TB
	addr   netip.AddrPort // where it takes sessions
	socket string
}

func startGoBGP(l *lab.Lab, vrfs, neighbors []any) gobgp {
	t := l.T
	t.Helper()
	port := freePort(t)
	text, err := json.Marshal(obj{
		"global": obj{"config": obj{
			"as": 65000, "router-id": "192.0.2.1", "port": port, "local-address-list": []any{"127.0.0.1"},
		}},
		"vrfs": vrfs, "neighbors": neighbors,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := l.File("gobgp", string(text))
	log := new(logBuffer)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), serveGoBGP+"="+file)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil && !strings.Contains(log.String(), "DATA RACE") {
			t.Errorf("GoBGP ended with %v", err)
		}
		if t.Failed() {
			t.Logf("GoBGP logged:\n%s", log.String())
		}
	})
	g := gobgp{t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port), file + ".sock"}
	lab.WaitFor(t, "GoBGP has started", lab.Patience, func() string {
		if out, err := g.try("global"); err != nil {
			return out
		}
		return ""
	})
	return g
}

func freePort(t testing.TB) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port()
}

// try runs the stock command line.
func (g gobgp) try(args ...string) (string, error) {
	out, err := exec.Command("gobgp", append([]string{"--target", "unix://" + g.socket}, args...)...).CombinedOutput()
	return string(out), err
}

func family(prefix string) string {
	if netip.MustParsePrefix(prefix).Addr().Is4() {
		return "ipv4"
	}
	return "ipv6"
}

// paths returns the nexthops of what a VRF has for a prefix.
func (g gobgp) paths(vrf, prefix string) []string {
	g.t.Helper()
	out, err := g.try("vrf", vrf, "rib", "-a", family(prefix), "-j")
	if err != nil {
		g.t.Fatalf("the routes of VRF %s: %v: %s", vrf, err, out)
	}
	var table map[string][]struct {
		Attrs []struct {
			Nexthop string `json:"nexthop"`
		} `json:"attrs"`
	}
	if err := json.Unmarshal([]byte(out), &table); err != nil {
		g.t.Fatalf("read the routes of VRF %s: %v: %s", vrf, err, out)
	}
	hops := []string{}
	for nlri, paths := range table {
		if nlri != prefix && !strings.HasSuffix(nlri, ":"+prefix) {
			continue
		}
		for _, p := range paths {
			for _, a := range p.Attrs {
				if a.Nexthop != "" {
					hops = append(hops, a.Nexthop)
				}
			}
		}
	}
	return hops
}

// announce originates prefixes in a VRF, with ourselves as the nexthop.
func (g gobgp) announce(vrf string, prefixes ...string) {
	g.t.Helper()
	for _, p := range prefixes {
		if out, err := g.try("vrf", vrf, "rib", "add", p, "-a", family(p)); err != nil {
			g.t.Fatalf("announce %s in VRF %s: %v: %s", p, vrf, err, out)
		}
	}
}
