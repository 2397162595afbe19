package kernel

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

const table = 1001 // over 255, so that RTA_TABLE is what counts

var namespaces atomic.Int32

// needRoot skips where namespaces cannot be made.
func needRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("making network namespaces needs root")
	}
}

// freshName returns a name that no other namespace has, and removes what is
// under it in the end.
func freshName(t testing.TB) string {
	t.Helper()
	needRoot(t)
	name := fmt.Sprintf("vrt%d-%d", os.Getpid(), namespaces.Add(1))
	t.Cleanup(func() {
		if _, err := os.Stat(rib.NetnsDir + "/" + name); err == nil {
			run(t, "ip", "netns", "del", name)
		}
	})
	return name
}

// netns makes a namespace.
func netns(t testing.TB) string {
	t.Helper()
	name := freshName(t)
	run(t, "ip", "netns", "add", name)
	return name
}

// lab makes a namespace with two veth pairs, both ends in it: v0 has
// 192.0.2.1/24 and 2001:db8::1/64, w0 198.51.100.1/24 and 2001:db8:1::1/64.
func lab(t testing.TB) string {
	t.Helper()
	ns := netns(t)
	ip(t, ns, "link set lo up")
	for i, v := range []string{"v", "w"} {
		ip(t, ns, fmt.Sprintf("link add %s0 type veth peer name %s1", v, v))
		for _, end := range []string{"0", "1"} {
			// Link-local addresses would come when duplicate detection is done.
			ip(t, ns, fmt.Sprintf("link set %s%s addrgenmode none", v, end))
		}
		ip(t, ns, fmt.Sprintf("link set %s0 up", v))
		ip(t, ns, fmt.Sprintf("link set %s1 up", v))
		ip(t, ns, fmt.Sprintf("addr add %s dev %s0", []string{"192.0.2.1/24", "198.51.100.1/24"}[i], v))
		ip(t, ns, fmt.Sprintf("addr add %s dev %s0 nodad", []string{"2001:db8::1/64", "2001:db8:1::1/64"}[i], v))
	}
	carrier(t, ns, 4)
	return ns
}

// carrier waits until so many links of a namespace are up. The kernel says that a link has carrier, and
// sends packets by it, some time after it has: a test that begins before would take the one for its own
// doing, and the first packet would be lost.
func carrier(t testing.TB, ns string, links int) {
	t.Helper()
	deadline := time.Now().Add(soon)
	for strings.Count(ip(t, ns, "-o link show"), "state UP") < links {
		if time.Now().After(deadline) {
			t.Fatalf("the links of %s are not up:\n%s", ns, ip(t, ns, "-o link show"))
		}
	}
}

func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// ip runs `ip -n ns line`.
func ip(t testing.TB, ns, line string) string {
	t.Helper()
	return run(t, "ip", append([]string{"-n", ns}, strings.Fields(line)...)...)
}

// ipRoutes is what `ip route show` says of a table, one route a line, without
// what only decorates: iproute2 reads the kernel independently of this package.
func ipRoutes(t testing.TB, ns, family string, table int) []string {
	t.Helper()
	out, err := exec.Command("ip", "-n", ns, family, "-j", "route", "show", "table", fmt.Sprint(table)).Output()
	if err != nil {
		return nil // the table does not exist
	}
	var routes []struct {
		Type, Dst, Gateway, Dev, Protocol string
		Metric                            uint32
		Flags                             []string
		Via                               struct{ Host string }
		Prefsrc                           string
		Nexthops                          []struct {
			Gateway, Dev string
			Weight       int
			Via          struct{ Host string }
		}
	}
	if err := json.Unmarshal(out, &routes); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var lines []string
	for _, r := range routes {
		f := []string{r.Dst}
		add := func(name, v string) {
			if v != "" {
				f = append(f, name, v)
			}
		}
		if r.Type != "" && r.Type != "unicast" {
			f = append([]string{r.Type}, f...)
			r.Dev = "" // of IPv6 reject routes, which have lo
		}
		add("via", r.Gateway+r.Via.Host)
		add("dev", r.Dev)
		for _, n := range r.Nexthops {
			add("nexthop", n.Gateway+n.Via.Host)
			f = append(f, n.Dev, fmt.Sprint(n.Weight))
		}
		add("proto", r.Protocol)
		add("metric", fmt.Sprint(r.Metric))
		add("src", r.Prefsrc)
		if slices.Contains(r.Flags, "onlink") {
			f = append(f, "onlink")
		}
		lines = append(lines, strings.Join(f, " "))
	}
	return lines
}

func wantRoutes(t testing.TB, ns, family string, table int, want ...string) {
	t.Helper()
	got := ipRoutes(t, ns, family, table)
	if !slices.Equal(got, want) {
		t.Fatalf("ip %s route show table %d:\n  %s\nwant:\n  %s", family, table,
			strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

var quietLog = slog.New(slog.DiscardHandler)

// startHost returns a running Host, which is stopped and joined at the end.
func startHost(t testing.TB) *Host {
	t.Helper()
	h := NewHost(quietLog)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- h.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return h
}

// open opens b with protocol 179, and closes it at the end.
func open(t testing.TB, h *Host, b rib.Binding) *Conn {
	t.Helper()
	c, err := h.Open(t.Context(), b, rib.ProtoOwn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// reading is a table with its routes as a slice.
type reading struct {
	rib.Table
	Routes []rib.Route
}

func read(t testing.TB, c *Conn, beside ...uint32) reading {
	t.Helper()
	table := readList(t, c, beside...)
	return reading{table, slices.Collect(table.Routes.Values())}
}

func readList(t testing.TB, c *Conn, beside ...uint32) rib.Table {
	t.Helper()
	table, err := c.Read(t.Context(), beside...)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// apply makes changes and fails on any error.
func apply(t testing.TB, c *Conn, changes ...rib.Change) {
	t.Helper()
	errs, err := c.Apply(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range errs {
		if err != nil {
			t.Fatalf("%v %v: %v", changes[i].Op, changes[i].Route, err)
		}
	}
}

const soon = 5 * time.Second

// await waits for events until match says that they hold what is looked for,
// and returns all of them.
func awaitEvents(t testing.TB, c *Conn, what string, match func(rib.KernelEvents) bool) []rib.KernelEvents {
	t.Helper()
	deadline := time.After(soon)
	var seen []rib.KernelEvents
	for {
		select {
		case <-c.Ready():
			e := c.Events()
			seen = append(seen, e)
			if match(e) {
				return seen
			}
		case <-deadline:
			t.Fatalf("no %s within %v; there were %+v", what, soon, seen)
		}
	}
}

// nothingLeft fails where h still has a monitor, or looks at a path.
func nothingLeft(t testing.TB, h *Host) {
	t.Helper()
	h.monitors.mu.Lock()
	defer h.monitors.mu.Unlock()
	h.paths.mu.Lock()
	defer h.paths.mu.Unlock()
	if len(h.monitors.all)+len(h.paths.at) > 0 {
		t.Errorf("left: %d monitors, %d paths", len(h.monitors.all), len(h.paths.at))
	}
}

func awaitResync(t testing.TB, c *Conn, reason rib.ResyncReason) {
	t.Helper()
	awaitEvents(t, c, "resync for "+reason.String(), func(e rib.KernelEvents) bool { return e.Resync && e.Reason == reason })
}

func awaitCame(t testing.TB, c *Conn, reason rib.ResyncReason) {
	t.Helper()
	awaitEvents(t, c, "that came: "+reason.String(), func(e rib.KernelEvents) bool { return e.Came && e.Reason == reason && !e.Resync })
}

// quiet fails where there are events. It makes one of its own to know that all
// before it have arrived: a foreign route in the same table.
func quiet(t testing.TB, c *Conn, ns string) {
	t.Helper()
	marker := netip.MustParsePrefix("203.0.113.113/32")
	ip(t, ns, fmt.Sprintf("route add blackhole %v table %d", marker, c.Where().Table))
	awaitEvents(t, c, "marker", func(e rib.KernelEvents) bool {
		if e.Resync || e.Came || e.Gone {
			t.Fatalf("unexpected %+v", e)
		}
		for _, r := range e.Routes {
			if r.Route.Prefix != marker {
				t.Fatalf("unexpected %+v", r)
			}
		}
		return len(e.Routes) > 0
	})
	ip(t, ns, fmt.Sprintf("route del blackhole %v table %d", marker, c.Where().Table))
	awaitEvents(t, c, "marker's end", func(e rib.KernelEvents) bool { return len(e.Routes) > 0 })
}

func signalled(t testing.TB, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(soon):
		t.Fatalf("no signal within %v: %s", soon, what)
	}
}

// ifindex returns the index of a link of a reading.
func ifindex(t testing.TB, tb reading, name string) int {
	t.Helper()
	k, ok := tb.Links.ByName(name)
	if !ok {
		t.Fatalf("no link %s in %+v", name, tb.Links)
	}
	return k.Index
}

// route returns a unicast route of ours through hops.
func route(prefix string, hops ...rib.Hop) rib.Route {
	r := rib.Route{
		Prefix: netip.MustParsePrefix(prefix), Metric: 20, Protocol: rib.ProtoOwn,
		Kind: rib.KindUnicast, Hops: hops,
	}
	if len(hops) == 0 {
		r.Kind = rib.KindBlackhole
	}
	return r
}

func via(gateway string) rib.Hop { return rib.Hop{Gateway: netip.MustParseAddr(gateway)} }
