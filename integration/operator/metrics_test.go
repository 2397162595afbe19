package operator_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// scrape asks for the metrics inside the daemon's namespace.
func (s *site) scrape() (string, error) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, addr string) (conn net.Conn, err error) {
			err = s.rtr.Enter(func() error {
				conn, err = net.Dial(network, addr)
				return err
			})
			return conn, err
		},
	}}
	r, err := client.Get("http://127.0.0.1:9179/metrics")
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", r.Status, text)
	}
	return string(text), err
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	s := newSite(t, "\n[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"10.9.9.9\"\n    peer-as = 65009\n"+
		"\n[netlink.metrics]\n  listen = \":9179\"\n  gobgp = true\n")
	s.vpn("add", "172.20.1.0/24", "65100:1", "65000:10", "192.168.1.2")
	s.vpn("add", "172.20.2.0/24", "65100:1", "65000:10", "10.99.0.1")
	s.red.WaitOwn(lab.Main, route1)
	red := `netns="` + s.red.Name + `"`
	want := func(lines ...string) {
		t.Helper()
		lab.WaitFor(t, "the metrics", lab.Patience, func() string {
			text, err := s.scrape()
			if err != nil {
				return err.Error()
			}
			for _, line := range lines {
				if !strings.Contains(text, line) {
					return "no " + line + " in:\n" + text
				}
			}
			return ""
		})
	}
	want(
		`vrfredist_vrf_state{`+red+`,state="degraded",vrf="red"} 1`,
		`vrfredist_vrf_state{netns="not-there",state="pending",vrf="blue"} 1`,
		`vrfredist_routes{direction="export",family="ipv4",`+red+`,state="installed",vrf="red"} 1`,
		`vrfredist_routes{direction="export",family="ipv4",`+red+`,state="unresolved",vrf="red"} 1`,
		`vrfredist_route_writes_total{family="ipv4",`+red+`,operation="add",vrf="red"} 1`,
		`vrfredist_resyncs_total{`+red+`,reason="start",vrf="red"} 1`,
		`vrfredist_export_latency_seconds_count{family="ipv4",`+red+`,vrf="red"} 1`,
		`bgp_peer_state{admin_state="UP",peer="10.9.9.9",session_state="`, // GoBGP's own
	)
	s.red.IP("route", "del", "172.20.1.0/24", "proto", "179")
	want(
		`vrfredist_drift_found_total{family="ipv4",kind="missing",`+red+`,vrf="red"} 1`,
		`vrfredist_drift_repaired_total{family="ipv4",kind="missing",`+red+`,vrf="red"} 1`,
		`vrfredist_export_latency_seconds_count{family="ipv4",`+red+`,vrf="red"} 1`,
	)
	s.daemon.Do("resync", "--vrf", "red")
	want(`vrfredist_resyncs_total{` + red + `,reason="asked",vrf="red"} 1`)
}
