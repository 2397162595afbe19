package netns_test

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/otlp"
)

// TestARouteIsTraced: a collector on the loopback of the daemon's namespace hears of a route, from
// BGP to the kernel, where the environment names it.
func TestARouteIsTraced(t *testing.T) {
	lab.NeedRoot(t)
	lab.Need(t, "ip", "gobgp")
	l := lab.New(t, run)
	rtr, host := l.Namespace("rtr"), l.Namespace("host")
	rtr.IP("link", "set", "lo", "up")
	l.Subnet(rtr, "lan0", host, "eth0", "192.168.1.1/24")
	collector := new(otlp.Receiver)
	if err := rtr.Enter(func() error {
		at, err := net.Listen("tcp", "127.0.0.1:4318")
		if err == nil {
			t.Cleanup(collector.ListenHTTP(at))
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
	d := rtr.Daemon(`
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[netlink.export]
  enabled = true
`)
	lab.WaitFor(t, "VRF default is ready", lab.Patience, func() string {
		if out, err := d.Try("vrf", "default"); err != nil || !strings.Contains(out, "ready") {
			return out
		}
		return ""
	})
	if out, err := d.GoBGP("global", "rib", "add", "172.30.1.0/24", "nexthop", "192.168.1.2"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	rtr.WaitOwn(lab.Main, "172.30.1.0/24 via 192.168.1.2 dev lan0 metric 20")
	lab.WaitFor(t, "a trace of the route", lab.Patience, func() string {
		spans := make(map[string]otlp.Span)
		for _, s := range collector.Spans() {
			spans[s.Name] = s
		}
		root, kernel := spans["route"], spans["kernel"]
		if len(spans) != 4 || root.Attributes["prefix"] != "172.30.1.0/24" || root.Attributes["outcome"] != "added" || kernel.Trace != root.Trace ||
			kernel.Attributes["route"] != "172.30.1.0/24 via 192.168.1.2 dev lan0 proto vrfredist metric 20" || root.Resource["service.name"] != "vrfredist" {
			return fmt.Sprintf("the collector has %v", collector.Spans())
		}
		return ""
	})
}
