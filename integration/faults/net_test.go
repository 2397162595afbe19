package faults_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// network is a router with the daemon and a BIRD beside it. The sessions run over
// eth0; BIRD's nexthops are on eth1, so that a link can fail under the routes and
// leave the sessions alone. eth2 is a second way.
//
//	rtr  eth0 10.0.0.1  2001:db8::1    ── up eth0 .2  (the sessions)
//	     eth1 10.0.1.1  2001:db8:1::1  ── up eth1 .2  (the nexthops)
//	     eth2 10.0.2.1  2001:db8:2::1  ── up eth2 .2
type network struct {
	*lab.Lab
	rtr, up *lab.Namespace
	bird    *lab.BIRD
	daemon  *lab.Daemon
	oracle  *oracle.Oracle
	foreign oracle.Foreign
}

// routes6 is the number of BIRD's IPv6 routes, whatever that of the IPv4 ones.
const routes6 = 200

// newNetwork builds the network, with foreign routes and n IPv4 routes and routes6
// IPv6 ones at BIRD, without the daemon.
func newNetwork(t *testing.T, n int) *network {
	t.Helper()
	l := newLab(t, "bird", "birdc")
	w := &network{Lab: l, rtr: l.Namespace("rtr"), up: l.Namespace("up")}
	w.rtr.Sysctl("ipv6.conf.all.keep_addr_on_down", "1")
	for i := range 3 {
		w.wire(i)
	}
	w.rtr.Batch(foreignRoutes...)
	w.oracle = oracle.New(t, w.rtr, run.Protocol)
	w.foreign = w.oracle.Foreign()
	w.send(all(n), all(routes6))
	w.bird = w.up.BIRD(birdConfig)
	return w
}

// wire joins the namespaces by their eth<i>.
func (w *network) wire(i int) {
	dev := fmt.Sprintf("eth%d", i)
	net6 := fmt.Sprintf("2001:db8:%x::", i)
	if i == 0 {
		net6 = "2001:db8::"
	}
	w.Subnet(w.rtr, dev, w.up, dev, fmt.Sprintf("10.0.%d.1/24", i), net6+"1/64")
}

// foreignRoutes are what must stay as it is: routes beside ours with another metric
// or in another table, and one on a nexthop object of another program.
var foreignRoutes = []string{
	"nexthop add id 7777 via 10.0.0.9 dev eth0 proto static",
	"route add 20.0.1.0/24 via 10.0.0.9 dev eth0 proto static metric 50 src 10.0.0.1",
	"route add 20.0.2.0/24 nhid 7777 proto bird metric 60",
	"route add unreachable 20.0.3.0/24 proto static metric 20 table 1234",
	"route add blackhole 198.18.0.0/15 proto static metric 4000",
	"route add 203.0.113.0/24 proto 42 metric 20 nexthop via 10.0.0.8 dev eth0 weight 3 nexthop via 10.0.0.9 dev eth0 weight 5",
	"route add 2001:db8:1001::/48 via 2001:db8::9 dev eth0 proto static metric 50",
	"route add unreachable 2001:db8:1002::/48 proto bird metric 60",
	"route add blackhole 2001:db8:1003::/48 proto static metric 20 table 1234",
}

const birdConfig = `
router id 10.0.0.2;
log stderr all;
protocol device {}
protocol static four { ipv4;
include "four.conf";
}
protocol static six { ipv6;
include "six.conf";
}
template bgp peering {
  strict bind on;
  local as 65100;
  connect retry time 1;
  error wait time 1, 2;
  hold time 30;
}
protocol bgp v4 from peering {
  neighbor 10.0.0.1 as 65000;
  source address 10.0.0.2;
  ipv4 { import none; export where proto = "four"; next hop keep; };
}
protocol bgp v6 from peering {
  neighbor 2001:db8::1 as 65000;
  source address 2001:db8::2;
  ipv6 { import none; export where proto = "six"; next hop keep; };
}
`

// all are the numbers of the first n routes.
func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// Prefix and nexthop of the route that BIRD sends as number i.
func prefix4(i int) string { return fmt.Sprintf("%d.%d.%d.0/24", 20+i>>16, i>>8&255, i&255) }
func prefix6(i int) string { return fmt.Sprintf("2001:db8:%x::/48", 0x1000+i) }

// send writes the routes that BIRD sends from its next start or configuration on.
func (w *network) send(four, six []int) {
	w.T.Helper()
	var six6 strings.Builder
	for _, i := range six {
		fmt.Fprintf(&six6, "route %s via 2001:db8::2 { bgp_next_hop = 2001:db8:1::2; };\n", prefix6(i))
	}
	w.File("four.conf", birdRoutes4(four))
	w.File("six.conf", six6.String())
}

func birdRoutes4(four []int) string {
	var b strings.Builder
	for _, i := range four {
		fmt.Fprintf(&b, "route %s via 10.0.0.2 { bgp_next_hop = 10.0.1.2; };\n", prefix4(i))
	}
	return b.String()
}

// resend has BIRD send these routes instead of what it sends.
func (w *network) resend(four, six []int) {
	w.T.Helper()
	w.send(four, six)
	w.bird.Reconfigure(birdConfig)
}

// model is what the kernel shows of these routes.
func model(four, six []int) []string { return modelBy("1", "eth1", four, six) }

// modelBy is the model by another link.
func modelBy(subnet, dev string, four, six []int) []string {
	lines := make([]string, 0, len(four)+len(six))
	for _, i := range four {
		lines = append(lines, fmt.Sprintf("%s via 10.0.%s.2 dev %s metric 20", prefix4(i), subnet, dev))
	}
	for _, i := range six {
		lines = append(lines, fmt.Sprintf("%s via 2001:db8:%s::2 dev %s metric 20", prefix6(i), subnet, dev))
	}
	return lines
}

const globalConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-as = 65100
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 30
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"

[[neighbors]]
  [neighbors.config]
    neighbor-address = "2001:db8::2"
    peer-as = 65100
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 30
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv6-unicast"
`

// exporting is the configuration that exports the global RIB into main, with more
// lines of [netlink], and after one that is empty of [netlink.export].
func exporting(lines ...string) string {
	var netlink, export []string
	netlink = lines
	for i, l := range lines {
		if l == "" {
			netlink, export = lines[:i], lines[i+1:]
			break
		}
	}
	return globalConfig + "\n[netlink]\n  " + strings.Join(netlink, "\n  ") +
		"\n[netlink.export]\n  enabled = true\n  " + strings.Join(export, "\n  ") + "\n"
}

// installed starts a network with n routes, and waits until they are installed.
func installed(t *testing.T, n int, lines ...string) *network {
	t.Helper()
	w := newNetwork(t, n)
	w.daemon = w.rtr.Daemon(exporting(lines...))
	w.wait(all(n), all(routes6))
	return w
}

// wait waits until exactly these routes are installed, the daemon says so, and
// everything else is what it was. It returns how long the first took.
func (w *network) wait(four, six []int) time.Duration {
	w.T.Helper()
	return w.waitModel(model(four, six))
}

func (w *network) waitModel(want []string) time.Duration {
	w.T.Helper()
	took := w.oracle.Wait(lab.Main, want, limit())
	w.atRest(len(want))
	return took
}

// exact waits until the daemon's routes are the model, and returns how long after
// began that was seen first: the look that saw it began then, and reading a whole table
// takes its time.
func (w *network) exact(began time.Time, want []string) time.Duration {
	w.T.Helper()
	so := time.Since(began)
	return so + w.oracle.Wait(lab.Main, want, limit())
}

// atRest waits until the daemon says that it is where the kernel is, and holds
// what is not the daemon's against what it was.
func (w *network) atRest(n int) {
	w.T.Helper()
	w.waitStatus("default", fmt.Sprintf("%d installed, none stale", n), func(v *vrfredistv1.Vrf) bool {
		return int(v.GetCounts().GetInstalled()) == n && v.GetCounts().GetStale() == 0
	})
	lab.Equal(w.T, "the daemon's routes in other tables", []string{}, w.oracle.Elsewhere(lab.Main))
	w.oracle.WaitForeign(w.foreign)
}

// status is what the daemon says of a VRF.
func (w *network) status(name string) (*vrfredistv1.Vrf, error) {
	return statusOf(w.daemon, name)
}

func statusOf(d *lab.Daemon, name string) (*vrfredistv1.Vrf, error) {
	conn, err := grpc.NewClient(d.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), lab.Patience)
	defer cancel()
	answer, err := vrfredistv1.NewRedistributionClient(conn).GetVrf(ctx, &vrfredistv1.GetVrfRequest{Vrf: name})
	return answer.GetVrf(), err
}

func (w *network) waitStatus(name, what string, ok func(*vrfredistv1.Vrf) bool) time.Duration {
	w.T.Helper()
	return waitStatus(w.T, w.daemon, name, what, ok)
}

// waitStatus waits until what the daemon says of a VRF satisfies ok, and returns
// how long that took.
func waitStatus(t testing.TB, d *lab.Daemon, name, what string, ok func(*vrfredistv1.Vrf) bool) time.Duration {
	t.Helper()
	began := time.Now()
	lab.WaitFor(t, name+": "+what, limit(), func() string {
		v, err := statusOf(d, name)
		if err != nil {
			return err.Error()
		}
		if !ok(v) {
			return fmt.Sprintf("it is %s (%s): %v", v.GetState(), v.GetReason(), v.GetCounts())
		}
		return ""
	})
	return time.Since(began)
}

// sampler counts the daemon's routes ten times a second until it is stopped.
type sampler struct {
	stop chan struct{}
	done chan struct{}
	// Read them after finish.
	least, most, samples int
}

// sample starts to count, on an oracle of its own.
func (w *network) sample() *sampler {
	w.T.Helper()
	o := oracle.New(w.T, w.rtr, run.Protocol)
	s := &sampler{stop: make(chan struct{}), done: make(chan struct{}), least: 1 << 30}
	go func() {
		defer close(s.done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			n := o.Count()
			s.least, s.most, s.samples = min(s.least, n), max(s.most, n), s.samples+1
			select {
			case <-s.stop:
				return
			case <-tick.C:
			}
		}
	}()
	w.T.Cleanup(s.finish)
	return s
}

// finish ends the counting.
func (s *sampler) finish() {
	select {
	case <-s.stop:
	default:
		close(s.stop)
	}
	<-s.done
}
