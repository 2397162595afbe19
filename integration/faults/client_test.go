package faults_test

import (
	"strings"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// idleVRF is in BGP alone: nothing is redistributed for it.
const idleVRF = `
[[vrfs]]
  [vrfs.config]
    name = "idle"
    rd = "65000:9"
    both-rt-list = ["65000:9"]
`

// putRight is how soon what another client did is to be seen, or put right.
const putRight = 10 * time.Second

// Another client of the API, the stock gobgp, takes away what the configuration says:
// it is refused, or is seen and told with who did it, and is put right.
func TestFault48AnotherClientOfTheAPI(t *testing.T) {
	lab.Need(t, "gobgp")
	const n = 1000
	w := newNetwork(t, n)
	w.rtr.Batch("route add 203.0.113.128/26 dev eth2 proto static table 1001", "route add 2001:db8:1004::/48 dev eth2 proto static table 1001")
	w.foreign = w.oracle.Foreign()
	w.daemon = w.rtr.Daemon(exporting() + redVRF + idleVRF)
	w.wait(all(n), all(routes6))
	before := w.inForce()

	mark := w.rtr.Mark()
	for _, call := range []struct{ says, args string }{
		{`VRF "red" is of vrfredist's configuration`, "vrf del red"},
		{"restart vrfredist", "global as 65009 router-id 192.0.2.9"},
		{"systemctl stop vrfredist", "global del all"},
	} {
		if out, err := w.daemon.GoBGP(strings.Fields(call.args)...); err == nil || !strings.Contains(out, call.says) {
			t.Errorf("gobgp %s: %v: %s; want it refused with %q", call.args, err, out, call.says)
		}
	}
	lab.Equal(t, "what is in force after what was refused", before, w.inForce())

	began := time.Now()
	for _, args := range []string{"global rib del all", "global rib del all -a ipv6", "global rib del all -a vpnv4", "global rib del all -a vpnv6"} {
		w.gobgp(strings.Fields(args)...)
	}
	back := func() string {
		four, six := w.gobgp("global", "rib", "-a", "vpnv4"), w.gobgp("global", "rib", "-a", "vpnv6")
		if strings.Contains(four, "203.0.113.128/26") && strings.Contains(six, "2001:db8:1004::/48") {
			return ""
		}
		return four + six
	}
	lab.WaitFor(t, "the announcements are back", limit(), back)
	promised(t, "announcements that were deleted are back", time.Since(began), putRight)
	lab.Equal(t, "what happened to our routes so far", 0, len(w.rtr.Since(mark)))

	began = time.Now()
	w.gobgp("neighbor", "del", "10.0.0.2")
	w.gobgp("vrf", "del", "idle")
	w.gobgp("vrf", "add", "guest", "rd", "65000:77", "rt", "both", "65000:77")
	w.waitStatus("default", "degraded, and who did it", func(v *vrfredistv1.Vrf) bool {
		return v.GetState() == "degraded" && strings.Contains(v.GetReason(), "10.0.0.2: BGP has it no more: deleted by uid 0 (gobgp, pid ")
	})
	promised(t, "a deleted neighbour is told", time.Since(began), putRight)
	config := "-f=" + w.Dir + "/vrfredist.toml"
	const who = "BGP has it no more: deleted by uid 0 (gobgp, pid "
	for command, says := range map[string]string{
		"neighbor 10.0.0.2": who, "plan " + config: who, "doctor": `VRF "idle": ` + who,
	} {
		out, _ := w.daemon.Try(strings.Fields(command)...) // doctor fails where something is broken
		if !strings.Contains(out, says) {
			t.Errorf("vrfredist %s does not say %q: %s", command, says, out)
		}
	}
	if said := strings.Count(w.daemon.Output(), "BGP is not as the configuration says"); said != 2 {
		t.Errorf("the log tells %d times what differs, want 2: once for each", said)
	}

	began = time.Now()
	out := w.daemon.Do("reload")
	for _, want := range []string{"neighbour 10.0.0.2 added", "VRF idle added"} {
		if !strings.Contains(out, want) {
			t.Errorf("a reload of the unchanged file does not say %q: %s", want, out)
		}
	}
	w.wait(all(n), all(routes6))
	promised(t, "a reload of the unchanged file brought all back", time.Since(began), putRight)
	lab.Equal(t, "what is in force", strings.Replace(before, "VRFs of GoBGP: ", "VRFs of GoBGP: guest ", 1), w.inForce())
	mark = w.rtr.Mark()
	if out := w.daemon.Do("reload"); !strings.Contains(out, "Nothing changed") {
		t.Errorf("a reload where nothing differs: %s", out)
	}
	lab.Equal(t, "what happened to our routes in it", 0, len(w.rtr.Since(mark)))
}
