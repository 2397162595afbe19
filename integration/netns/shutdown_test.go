package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// drains changes whether the two neighbours of a fork mark what they announce with GRACEFUL_SHUTDOWN.
func (f *fork) drains(first, second bool) {
	f.T.Helper()
	text := forkBIRD(1, true)
	if first {
		text = strings.NewReplacer(`export where proto = "sfour";`, `export filter { if proto != "sfour" then reject; bgp_community.add((65535,0)); accept; };`,
			`export where proto = "ssix";`, `export filter { if proto != "ssix" then reject; bgp_community.add((65535,0)); accept; };`).Replace(text)
	}
	f.bird.Reconfigure(text)
	f.frr.Configure("router bgp 65002", map[bool]string{false: "no ", true: ""}[second]+"bgp graceful-shutdown")
}

// TestNeighborsThatShutDown: what a neighbour marks with GRACEFUL_SHUTDOWN is the last choice, in the
// table and for whom it is told (RFC 8326), in one word of explain, and not any more when it is not
// marked.
func TestNeighborsThatShutDown(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(map[bool]string{false: "in the daemon's namespace", true: "in another one"}[inside], func(t *testing.T) {
			t.Parallel()
			f, vrf := newFork(t, inside), "default"
			if inside {
				vrf = "red"
			}
			f.goes(1)
			f.settled(vrf)
			f.drains(true, false)
			f.goes(2)
			for _, prefix := range []string{"10.9.0.0/16", "2001:db8:99::/48"} {
				if said := f.daemon.Do("explain", prefix, "--vrf", vrf); !strings.Contains(said, "behind by local preference") || !strings.Contains(said, "local preference 0 (GRACEFUL_SHUTDOWN, RFC 8326)") {
					t.Errorf("it explains:\n%s", said)
				}
			}
			if said := f.daemon.Do("neighbor", "10.0.1.2"); !strings.Contains(said, "Shuts down") || !strings.Contains(said, "established for") {
				t.Errorf("of the neighbour is said:\n%s", said)
			}
			lab.WaitFor(t, "the log has a line for each session", lab.Patience, func() string {
				n := 0
				for line := range strings.Lines(f.daemon.Output()) {
					if strings.Contains(line, "about to shut down") && (strings.Contains(line, "neighbor=10.0.1.2") || strings.Contains(line, "neighbor=2001:db8:1::2")) {
						n++
					}
				}
				if n != 2 {
					return fmt.Sprintf("%d lines in\n%s", n, f.daemon.Output())
				}
				return ""
			})
			f.drains(true, true) // both: as if nobody did
			f.goes(1)
			f.drains(false, true)
			f.goes(1)
			f.drains(true, false)
			f.goes(2)
			f.drains(false, false)
			f.goes(1)
		})
	}
}

// TestDisabledOverARestart: who was disabled stays so, however the daemon ended, with who did it and
// why; a graceful shutdown goes on; the level of the log is that of the start.
func TestDisabledOverARestart(t *testing.T) {
	const theirs = "192.0.2.2"
	inBoth(t, func(t *testing.T, f *fallen) {
		f.peer = f.far.BIRD(fmt.Sprintf(birdOfDown, 65001, 65000, ""))
		f.lab.Link(f.at, "lan0", f.far, "lan0")
		f.at.Address("lan0", "10.77.0.1/24")
		f.d = f.rtr.Daemon(f.config(theirs, 65001, "192.0.2.1"))
		f.up(t)
		again := func() {
			t.Helper()
			f.d.Kill()
			f.d.Start()
		}
		f.d.Do("log-level", "debug")
		f.d.Do("neighbor", theirs, "disable", "--reason", "new cable")
		for range 2 {
			again()
			lab.WaitFor(t, "it is disabled as before", lab.Patience, func() string {
				out, _ := f.d.Try("neighbor", theirs)
				if !strings.Contains(out, "disabled by") || !strings.Contains(out, "new cable") || !strings.Contains(out, "neighbor "+theirs+" enable") {
					return out
				}
				return ""
			})
		}
		if out := f.d.Do("log-level"); !strings.Contains(out, "info") {
			t.Errorf("the level of the log is %s", out)
		}
		if out := f.d.Do("vrf", f.name); strings.Contains(out, "no session with") {
			t.Errorf("that somebody wants it so is no problem:\n%s", out)
		}
		if out := f.peer.Show("show protocols dut"); strings.Contains(out, "Established") {
			t.Errorf("BIRD has a session:\n%s", out)
		}
		lab.WaitFor(t, "the log says it", lab.Patience, func() string {
			if out := f.d.Output(); !strings.Contains(out, "stays disabled") || strings.Contains(out, "stays disabled, as it was before vrfredist ended\" neighbor=127.") {
				return out
			}
			return ""
		})
		f.d.Reload(f.config(theirs, 65001, "192.0.2.1") + "\n# the same\n")
		f.d.Do("neighbor", theirs, "enable")
		f.up(t)
		again()
		f.up(t)

		t.Log("a graceful shutdown is under way")
		community := func(want bool) {
			t.Helper()
			lab.WaitFor(t, "what it hears", 2*lab.Patience, func() string {
				got := f.peer.Path("10.77.0.0/24", "as_path") + " " + f.peer.Path("10.77.0.0/24", "community")
				if !strings.Contains(got, "65000") || strings.Contains(got, "65535") != want {
					return "path and communities: " + got
				}
				return ""
			})
		}
		community(false)
		f.d.Do("neighbor", theirs, "disable", "--graceful", "--wait", "30m")
		community(true)
		again()
		f.up(t)
		community(true)
		if out := f.d.Do("neighbor", theirs); !strings.Contains(out, "graceful shutdown is under way") {
			t.Errorf("the neighbour:\n%s", out)
		}
		f.d.Do("neighbor", theirs, "enable")
		community(false)
		again()
		f.up(t)
		community(false)
	})
}

// TestRollbackLeavesWhoWasDisabled: a reload that is not confirmed brings nobody up whom somebody
// disabled, be it before, and the reload took the neighbour out, or while it waited.
func TestRollbackLeavesWhoWasDisabled(t *testing.T) {
	const theirs = "192.0.2.2"
	inBoth(t, func(t *testing.T, f *fallen) {
		f.peer = f.far.BIRD(fmt.Sprintf(birdOfDown, 65001, 65000, ""))
		before := f.config(theirs, 65001, "192.0.2.1")
		f.d = f.rtr.Daemon(before)
		f.up(t)
		disabled := func(reason string) {
			t.Helper()
			lab.WaitFor(t, "it is disabled, with its reason", 2*lab.Patience, func() string {
				if out, _ := f.d.Try("neighbor", theirs); !strings.Contains(out, "disabled by") || !strings.Contains(out, reason) {
					return out
				}
				return ""
			})
		}
		rollsBack := func() {
			t.Helper()
			lab.WaitFor(t, "it is rolled back", 2*lab.Patience, func() string {
				out := f.d.Do("vrf")
				if strings.Contains(out, "was not confirmed in time") {
					return ""
				}
				return out
			})
		}
		from, rest, _ := strings.Cut(before, "[[neighbors]]")
		_, rest, _ = strings.Cut(rest, "[[netlink.vrfs]]")
		without := from + "[[netlink.vrfs]]" + rest

		f.d.Do("neighbor", theirs, "disable", "--reason", "new cable")
		disabled("new cable")
		f.d.Write(without)
		f.d.Do("reload", "--confirm", "5s")
		lab.WaitFor(t, "it is gone", lab.Patience, func() string {
			if out, err := f.d.Try("neighbor", theirs); err == nil {
				return out
			}
			return ""
		})
		rollsBack()
		disabled("new cable")
		f.d.Do("neighbor", theirs, "enable")
		f.up(t)

		t.Log("who is disabled meanwhile stays so, also where the reload had changed the neighbour")
		f.d.Write(strings.Replace(before, "hold-time = 9", "hold-time = 12", 1))
		f.d.Do("reload", "--confirm", "10s")
		f.d.Do("neighbor", theirs, "disable", "--reason", "meanwhile")
		rollsBack()
		disabled("meanwhile")
		if out := f.peer.Show("show protocols dut"); strings.Contains(out, "Established") {
			t.Errorf("BIRD has a session:\n%s", out)
		}

		t.Log("who leaves the file for good is forgotten")
		f.d.Write(without)
		f.d.Do("reload")
		lab.WaitFor(t, "nothing is kept of it", lab.Patience, func() string {
			if kept := f.d.Kept("disabled.json"); strings.Contains(kept, theirs) || strings.Contains(kept, "meanwhile") {
				return kept
			}
			return ""
		})
		f.d.Reload(before)
		f.up(t)
	})
}

// TestDisabledGuestOverARestart: a dynamic neighbour that somebody disabled has no session, however
// often it dials and however the daemon ended, and is listed with the reason, until it is enabled.
func TestDisabledGuestOverARestart(t *testing.T) {
	t.Parallel()
	const theirs = "192.0.2.2"
	l := newLab(t, bird)
	rtr, far := l.Namespace("rtr"), l.Namespace("far")
	l.Subnet(rtr, "eth0", far, "eth0", "192.0.2.1/24")
	peer := far.BIRD(fmt.Sprintf(birdOfDown, 65001, 65000, ""))
	d := rtr.Daemon(`
[global.config]
  as = 65000
  router-id = "10.255.0.1"
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "guests"
    peer-as = 65001
[[dynamic-neighbors]]
  [dynamic-neighbors.config]
    prefix = "192.0.2.0/24"
    peer-group = "guests"
` + defaultTable)
	up := func() {
		t.Helper()
		rtr.WaitOwn(lab.Main, "10.2.0.0/16 via 192.0.2.2 dev eth0 metric 20", "10.3.0.0/16 via 192.0.2.2 dev eth0 metric 20")
	}
	staysAway := func() {
		t.Helper()
		d.Do("log-level", "debug")
		from := len(d.Output())
		lab.WaitFor(t, "it dials in again, and is disabled", 3*lab.Patience, func() string {
			out, _ := d.Try("neighbor", theirs)
			dials := strings.Contains(d.Output()[from:], "New connection for non admin-state-up peer")
			if !dials || !strings.Contains(out, "disabled by") || !strings.Contains(out, "new cable") || !strings.Contains(out, "dynamic") {
				return fmt.Sprintf("it dialled: %v\n%s", dials, out)
			}
			return ""
		})
		if out := peer.Show("show protocols dut"); strings.Contains(out, "Established") {
			t.Errorf("BIRD has a session:\n%s", out)
		}
		rtr.WaitOwn(lab.Main)
		if out := d.Do("vrf", "default"); strings.Contains(out, "no session with") {
			t.Errorf("that somebody wants it so is no problem:\n%s", out)
		}
	}
	up()
	d.Do("neighbor", theirs, "disable", "--reason", "new cable")
	staysAway()
	for range 2 {
		d.Kill()
		d.Start()
		staysAway()
	}
	d.Do("neighbor", theirs, "enable")
	up()
	d.Kill()
	d.Start()
	up()
}
