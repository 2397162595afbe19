package netns_test

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// After a crash the routes stay, and the next start adopts them: none is lost,
// none is written again.
func TestCrashKeepsRoutes(t *testing.T) {
	t.Parallel()
	quarter := func(i int) int { return i % 4 }
	n := newUpstream(t, classified(quarter))
	n.daemon = n.rtr.Daemon(exportWhere(`community = "65001:100"`))
	want := []string{}
	for i := range 1000 {
		if quarter(i) == 0 {
			want = append(want, shown4(i), shown6(i))
		}
	}
	n.rtr.WaitOwn(lab.Main, want...)
	before := n.rtr.Own(lab.Main)

	mark := n.rtr.Mark()
	n.daemon.Kill()
	lab.Equal(t, "routes after a crash", before, n.rtr.Own(lab.Main))
	n.daemon.Start()
	waitState(t, n.daemon, "172.16.0.0/24", "installed")
	lab.WaitFor(t, "every route is BGP's again", 2*lab.Patience, func() string {
		installed := 0
		for _, r := range n.daemon.RouteStates("export") {
			if r.State == "installed" {
				installed++
			}
		}
		if installed != len(want) {
			return "installed: not all yet"
		}
		return ""
	})
	lab.Equal(t, "routes after the restart", before, n.rtr.Own(lab.Main))
	lab.Equal(t, "route messages of the crash and the restart", 0, len(n.rtr.Since(mark)))
}

// SIGTERM keeps the routes, or removes them, as on_exit says.
func TestExitKeepsOrRemoves(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, twoRoutes())
	all := []string{shown4(1), shown4(2), shown6(1), shown6(2)}
	n.daemon = n.rtr.Daemon(exportWhere())
	n.rtr.WaitOwn(lab.Main, all...)
	n.daemon.Stop()
	n.rtr.WaitOwn(lab.Main, all...)

	n.daemon.Write(strings.Replace(exportWhere(), "[netlink.export]", "[netlink]\n  on_exit = \"remove\"\n\n[netlink.export]", 1))
	n.daemon.Start()
	waitState(t, n.daemon, "172.16.1.0/24", "installed")
	n.daemon.Stop()
	n.rtr.WaitOwn(lab.Main)
}

// SIGHUP and reload apply a changed file; one with an error changes nothing.
func TestReload(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	onlyA := routerConfig + bind("vrf-a", n.a, importAll, exportAll)
	n.start(onlyA)
	n.policies(policy{name: "AB", rts: rdA + " " + rdB, hop4: via0v4, hop6: via0v6})
	n.vpn("", "65100:1", 1, "AB")
	n.a.WaitOwn(lab.Main, over(0, 1)...)
	lab.Equal(t, "routes in a tenant that is not bound", []string{}, n.b.OwnEverywhere())
	mark := n.a.Mark()

	t.Log("a VRF is added")
	n.daemon.Reload(n.both())
	n.b.WaitOwn(lab.Main, over(0, 1)...)
	n.waitAnnounced(connected(rdA, 0, 1), connected(rdB, 0, 1))

	t.Log("a file with an error changes nothing")
	n.daemon.Write(onlyA + "\n[netlink.exprot]\n  enabled = true\n")
	if out, err := n.daemon.Try("reload"); err == nil || !strings.Contains(out, "exprot") {
		t.Errorf("the reload of a wrong file: %v: %s", err, out)
	}
	n.b.WaitOwn(lab.Main, over(0, 1)...)

	t.Log("a VRF is unbound, by SIGHUP")
	n.daemon.Write(onlyA)
	n.daemon.Signal(syscall.SIGHUP)
	n.b.WaitOwn(lab.Main)
	n.waitAnnounced(connected(rdA, 0, 1))

	t.Log("a VRF is added that GoBGP did not have")
	n.daemon.Reload(strings.Replace(onlyA, "[[netlink.vrfs]]", `[[vrfs]]
  [vrfs.config]
    name = "vrf-c"
    rd = "65000:30"
    import-rt-list = ["65000:20"]
    export-rt-list = ["65000:30"]

[[netlink.vrfs]]`, 1) + bind("vrf-c", n.b, importAll, exportAll))
	n.b.WaitOwn(lab.Main, over(0, 1)...)
	n.waitAnnounced(connected(rdA, 0, 1), connected("65000:30", 0, 1))

	t.Log("and goes again")
	n.daemon.Reload(onlyA)
	n.b.WaitOwn(lab.Main)
	n.waitAnnounced(connected(rdA, 0, 1))

	lab.Equal(t, "what happened to the first tenant's routes meanwhile", 0, len(n.a.Since(mark)))
	if !n.peer.Established(rtrAddr) {
		t.Error("the session with the upstream router did not survive the reloads")
	}
}

// What was enabled or disabled while running is kept over a restart, and laid
// over the file.
func TestRunTimeChangesAreKept(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, twoRoutes())
	n.daemon = n.rtr.Daemon(globalConfig)
	n.rtr.WaitOwn(lab.Main)
	n.daemon.Do("redistribution", "enable", "export")
	all := []string{shown4(1), shown4(2), shown6(1), shown6(2)}
	n.rtr.WaitOwn(lab.Main, all...)
	n.daemon.Stop()
	n.daemon.Start()
	waitState(t, n.daemon, "172.16.1.0/24", "installed")
	n.rtr.WaitOwn(lab.Main, all...)

	n.daemon.Do("redistribution", "disable", "export")
	n.rtr.WaitOwn(lab.Main)
	n.daemon.Stop()
	n.daemon.Write(exportWhere())
	n.daemon.Start()
	_, exports := redistributions(t, n.daemon, "default")
	lab.Equal(t, "export, disabled before the restart and enabled in the file", false, exports.Enabled)
	n.rtr.WaitOwn(lab.Main)

	entries, err := os.ReadDir(n.Dir + "/state")
	if err != nil || len(entries) == 0 {
		t.Errorf("the state directory holds nothing: %v", err)
	}
}
