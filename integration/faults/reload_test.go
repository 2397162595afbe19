package faults_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// redVRF imports what is in a table of its own.
const redVRF = `
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
[[netlink.vrfs]]
  name = "red"
  table = 1001
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["eth2"]
`

// halfway goes some steps before it fails: red and a neighbour go, alpha comes, and
// with them another metric would; but blue cannot, where somebody has made a VRF of
// that name with the gobgp program.
const halfway = `
[[vrfs]]
  [vrfs.config]
    name = "alpha"
    rd = "65000:3"
    both-rt-list = ["65000:3"]
[[vrfs]]
  [vrfs.config]
    name = "blue"
    rd = "65000:2"
    both-rt-list = ["65000:2"]
[[netlink.vrfs]]
  name = "alpha"
  table = 1003
  [netlink.vrfs.export]
    enabled = true
`

// A file that BGP refuses half way leaves the old configuration wholly in force.
func TestFault39ReloadFailsHalfWay(t *testing.T) {
	lab.Need(t, "gobgp")
	const n = 1000
	w := newNetwork(t, n)
	w.rtr.Batch("route add 203.0.113.128/26 dev eth2 proto static table 1001")
	w.foreign = w.oracle.Foreign()
	good := exporting() + redVRF
	w.daemon = w.rtr.Daemon(good)
	w.wait(all(n), all(routes6))
	w.gobgp("vrf", "add", "blue", "rd", "65000:77", "rt", "both", "65000:77")
	before, mark := w.inForce(), w.rtr.Mark()
	for _, want := range []string{"neighbours: 10.0.0.2 2001:db8::2", "VRFs of GoBGP: blue red", "VRFs: default ready, red ready", "203.0.113.128/26"} {
		if !strings.Contains(before, want) {
			t.Fatalf("before the reload %q is not so: this proves nothing: %s", want, before)
		}
	}

	four, _, _ := strings.Cut(globalConfig, "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = \"2001:db8::2\"")
	bad := four + "[netlink.export]\n  enabled = true\n  metric = 77\n" + halfway
	for range 2 { // the way back leads to where the next one begins
		w.daemon.Write(bad)
		out, err := w.daemon.Try("reload")
		if err == nil || !strings.Contains(out, `"blue"`) || !strings.Contains(out, "the old configuration is in force again") || strings.Contains(out, "restart vrfredist") {
			t.Errorf("a reload that cannot be: %v: %s", err, out)
		}
		w.wait(all(n), all(routes6))
		lab.WaitEqual(t, "what is in force", before, w.inForce)
	}
	for _, e := range w.rtr.Since(mark) {
		// The IPv6 neighbour went, and its routes with it until it was back.
		if e.Prefix.Addr().Is4() {
			t.Errorf("what the refused file would not have lost was touched: %v", e)
		}
	}
	// What the file wanted can be had once nobody is in its way.
	w.gobgp("vrf", "del", "blue")
	w.daemon.Do("reload")
	lab.WaitFor(t, "the file is in force", limit(), func() string {
		now := w.inForce()
		if strings.Contains(now, "neighbours: 10.0.0.2\n") && strings.Contains(now, "VRFs of GoBGP: alpha blue\n") {
			return ""
		}
		return now
	})
	w.daemon.Reload(good)
	w.wait(all(n), all(routes6))
	measured(t, "a file that failed at its second VRF, after a neighbour and a VRF had gone and one had come, twice: refused; sessions, neighbours, VRFs, announcements and routes as before, IPv4 ones untouched")
}

func (w *network) gobgp(args ...string) string {
	w.T.Helper()
	out, err := w.daemon.GoBGP(args...)
	if err != nil {
		w.T.Fatalf("gobgp %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return out
}

// inForce is what is configured, as the stock gobgp and the daemon tell it.
func (w *network) inForce() string {
	w.T.Helper()
	column := func(text string) string {
		var names []string
		for _, line := range strings.Split(strings.TrimSpace(text), "\n")[1:] {
			if fields := strings.Fields(line); len(fields) > 0 {
				names = append(names, fields[0])
			}
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	var out struct {
		Vrfs []struct{ Name, State string }
	}
	w.daemon.JSON(&out, "vrf")
	var vrfs []string
	for _, v := range out.Vrfs {
		vrfs = append(vrfs, v.Name+" "+v.State)
	}
	return "neighbours: " + column(w.gobgp("neighbor")) +
		"\nVRFs of GoBGP: " + column(w.gobgp("vrf")) +
		"\nVRFs: " + strings.Join(vrfs, ", ") +
		"\nannounced by red: " + strings.Join(announcedBy(w.daemon, "red"), " ") + "\n"
}

// announcedBy are the routes that a VRF imports, and so announces.
func announcedBy(d *lab.Daemon, name string) (list []string) {
	out, err := d.Try("route", "import", "--vrf", name)
	if err != nil {
		return []string{err.Error()}
	}
	for _, line := range strings.Split(out, "\n") {
		if fields := strings.Fields(line); len(fields) > 0 && strings.Contains(fields[0], "/") {
			list = append(list, fields[0])
		}
	}
	return list
}
