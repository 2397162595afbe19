package netns_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
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
	whole += "\n[netlink.metrics]\n  listen = \"127.0.0.1:9179\"\n  status_page = true\n"
	_, without, _ := strings.Cut(whole, "router-id = \"10.255.0.1\"\n")
	f.d = f.rtr.Daemon(without)
	says := func(what, out string, words ...string) {
		t.Helper()
		saysAll(t, what, out, words...)
	}
	waits := func() {
		t.Helper()
		f.waits(theirs)
	}
	waits()
	watch := f.rtr.Start("vrfredist monitor", f.lab.Run.Daemon, "--api", f.d.Target(), "monitor")
	lab.WaitFor(t, "monitor says that BGP waits", lab.Patience, func() string {
		if out := watch.Output(); !strings.Contains(out, "red: pending (BGP waits for StartBgp") {
			return out
		}
		return ""
	})
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
	says("the metrics", fetched(t, f.rtr, "metrics"), `vrfredist_vrf_state{netns="`+f.at.Name+`",state="pending",vrf="red"} 0`,
		`vrfredist_neighbor_up{as="65001",neighbor="`+theirs+`",netns="`+f.at.Name+`",vrf="red"} 1`)
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

func saysAll(t testing.TB, what, out string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), word) {
			t.Errorf("%s does not say %q:\n%s", what, word, out)
		}
	}
}

// waits holds what is said while BGP waits for a client: nothing that is not so, and what is to be done.
func (f *fallen) waits(peer string) {
	t := f.lab.T
	t.Helper()
	saysAll(t, "vrf", f.d.Do("vrf"), "red pending", "BGP waits for StartBgp")
	saysAll(t, "vrf red", f.d.Do("vrf", "red"), "pending", "gobgp global as 65000")
	saysAll(t, "neighbor", f.d.Do("neighbor"), peer+" ", "65001 red", "pending", "BGP waits for StartBgp")
	if out := f.d.Do("doctor"); strings.Count(out, "StartBgp") != 1 || strings.Contains(out, peer+" of VRF") {
		t.Errorf("doctor does not say once that BGP waits, and nothing of the neighbour's session:\n%s", out)
	}
	if out := f.d.Do("config"); strings.Contains(out, "[global") {
		t.Errorf("config says what nobody has said:\n%s", out)
	}
	saysAll(t, "the metrics", fetched(t, f.rtr, "metrics"), `vrfredist_vrf_state{netns="`+f.at.Name+`",state="pending",vrf="red"} 1`,
		`vrfredist_neighbor_state{as="65001",neighbor="`+peer+`",netns="`+f.at.Name+`",state="pending",vrf="red"} 1`, "vrfredist_build_info{")
	saysAll(t, "the page", fetched(t, f.rtr, "status/"), "<!doctype html>")
	for _, args := range [][]string{{"reload"}, {"explain", "10.0.0.0/8"}} {
		out, err := f.d.Try(args...)
		if saysAll(t, args[0], out, "[global.config]", "StartBgp"); err == nil {
			t.Errorf("%s is answered", args[0])
		}
	}
	f.at.WaitOwn(lab.Main)
}

// fetched is a page of the daemon's metrics.
func fetched(t testing.TB, in *lab.Namespace, path string) string {
	t.Helper()
	client := http.Client{Timeout: lab.Patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(_ context.Context, network, addr string) (conn net.Conn, err error) {
			err = in.Enter(func() error {
				conn, err = net.Dial(network, addr)
				return err
			})
			return conn, err
		},
	}}
	r, err := client.Get("http://127.0.0.1:9179/" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v: %s", r.Status, err, text)
	}
	return string(text)
}
