package operator_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const (
	route1 = "172.20.1.0/24 via 192.168.1.2 dev lan0 metric 20"
	route2 = "172.20.2.0/24 via 192.168.1.2 dev lan0 metric 20"
)

func TestResync(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.vpn("add", "172.20.1.0/24", "65100:1", "65000:10", "192.168.1.2")
	s.vpn("add", "172.20.2.0/24", "65100:1", "65000:10", "192.168.1.2")
	s.red.WaitOwn(lab.Main, route1, route2)

	s.red.IP("route", "del", "172.20.1.0/24", "proto", "179")
	s.red.IP("route", "add", "172.20.7.0/24", "via", "192.168.1.2", "proto", "179", "metric", "20")
	var answer struct {
		Repairs []struct {
			VRF                                      string
			Own, Foreign, Missing, Strange, Unmended int
			Error                                    string
		}
	}
	s.daemon.JSON(&answer, "resync", "--vrf", "red")
	// Whoever came first, the kernel's word or the resync, the table is right now.
	lab.Equal(t, "the table after the resync", []string{route1, route2}, s.red.Own(lab.Main))
	if r := answer.Repairs; len(r) != 1 || r[0].VRF != "red" || r[0].Own != 2 || r[0].Foreign == 0 || r[0].Unmended != 0 {
		t.Errorf("the resync answered %+v", r)
	}
	if out := s.daemon.Do("resync", "--vrf", "red"); !strings.Contains(out, "VRF red: 2 routes of ours") || !strings.Contains(out, "nothing differed") {
		t.Errorf("a second resync: %s", out)
	}

	out, err := s.daemon.Try("resync")
	if err == nil || !strings.Contains(out, "VRF red: 2 routes") || !strings.Contains(out, "not-there") {
		t.Errorf("a resync of all, of which one has no namespace: %v: %s", err, out)
	}
}
