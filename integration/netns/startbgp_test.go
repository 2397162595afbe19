package netns_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestStartBgp: with a file without [global.config] the daemon waits, and its VRFs with it, until a
// client starts BGP: in a way that can be had, and once. A reload keeps that, and a restart waits again,
// until the file says it.
func TestStartBgp(t *testing.T) {
	t.Parallel()
	const theirs = "192.0.2.2"
	l := newLab(t, bird)
	f := &fallen{lab: l, name: "red", inside: true, rtr: l.Namespace("rtr"), far: l.Namespace("far"), at: l.Namespace("red")}
	l.Subnet(f.at, "up0", f.far, "eth0", "192.0.2.1/24")
	f.peer = f.far.BIRD(fmt.Sprintf(birdOfDown, 65001, 65000, ""))
	whole := f.config(theirs, 65001, "192.0.2.1")
	_, without, _ := strings.Cut(whole, "router-id = \"10.255.0.1\"\n")
	f.d = f.rtr.Daemon(without)
	says := func(what, out string, words ...string) {
		t.Helper()
		for _, word := range words {
			if !strings.Contains(strings.Join(strings.Fields(out), " "), word) {
				t.Errorf("%s does not say %q:\n%s", what, word, out)
			}
		}
	}
	waits := func() {
		t.Helper()
		says("vrf", f.d.Do("vrf"), "red pending", "BGP waits for StartBgp")
		says("vrf red", f.d.Do("vrf", "red"), "pending", "gobgp global as 65000")
		for _, args := range [][]string{{"neighbor"}, {"reload"}, {"explain", "10.0.0.0/8"}} {
			out, err := f.d.Try(args...)
			if says(args[0], out, "[global.config]", "StartBgp"); err == nil {
				t.Errorf("%s is answered", args[0])
			}
		}
		f.at.WaitOwn(lab.Main)
	}
	waits()
	says("check", f.d.Do("check", "-f", f.d.File()), "global.config", "waits until a client of the API starts BGP")
	starts := func(args ...string) (string, error) {
		return f.d.GoBGP(append([]string{"global"}, args...)...)
	}
	for _, wrong := range []struct{ as, id, word string }{
		{"23456", "10.255.0.1", "AS 23456 is reserved"}, {"65000", "0.0.0.0", "router-id"},
	} {
		out, err := starts("as", wrong.as, "router-id", wrong.id)
		if says("a start that cannot be had", out, wrong.word); err == nil {
			t.Errorf("BGP is started as AS %s with router ID %s", wrong.as, wrong.id)
		}
	}
	waits()
	if out, err := starts("as", "65000", "router-id", "10.255.0.1"); err != nil {
		t.Fatalf("it is not started: %v\n%s", err, out)
	}
	f.up(t)
	out, err := starts("as", "65009", "router-id", "10.255.0.9")
	if says("a second start", out, "AS 65000", "10.255.0.1", "uid 0", "restart vrfredist"); err == nil {
		t.Error("BGP is started twice")
	}
	says("config", f.d.Do("config"), "as = 65000 # run time", `router-id = "10.255.0.1" # run time`)

	f.d.Reload(without + "\n# the same\n")
	f.d.Reload(strings.Replace(without, "hold-time = 9", "hold-time = 12", 1))
	f.up(t)
	if out, err := f.d.Try("plan", "-f", f.d.File()); err != nil {
		t.Errorf("plan: %v\n%s", err, out)
	}

	f.d.Kill()
	f.d.Start()
	says("vrf", f.d.Do("vrf"), "red pending")
	f.d.Write(whole)
	f.d.Signal(syscall.SIGHUP)
	f.up(t)
	out, err = starts("as", "65000", "router-id", "10.255.0.1")
	if says("a start beside the file's", out, "by [global.config] of the file"); err == nil {
		t.Error("BGP is started beside the file")
	}
}
