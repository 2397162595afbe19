package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Names of what is measured.
const (
	ours      = "vrfredist"
	exportOff = "vrfredist, export off"
	alone     = "GoBGP alone"
	bird      = "BIRD"
	frr       = "FRR"
)

// receiver is a routing daemon that runs in a router.
type receiver struct {
	*router
	name  string
	procs []*lab.Process
	api   *api                    // of GoBGP's; nil: it has none
	vty   func(string)            // FRR's vtysh, in configuration mode
	birdc func(string)            // BIRD's
	has   func(netip.Prefix) bool // whether a prefix has arrived at the receiver's end
}

func (r *receiver) pids() (pids []int) {
	for _, p := range r.procs {
		pids = append(pids, p.PID())
	}
	return pids
}

func (r *receiver) pid() int { return r.procs[0].PID() }

// start starts a process of the receiver.
func (r *receiver) start(name string, argv ...string) {
	r.procs = append(r.procs, r.ns.Start(name, argv...))
}

// stop kills the receiver, so that nothing of its end is measured.
func (r *receiver) stop() {
	for _, p := range r.procs {
		p.Kill()
	}
	r.procs = nil
}

// awaitBGP waits until the receiver takes sessions.
func (r *receiver) awaitBGP() {
	r.t.until(r.name+" listens for BGP", 30*time.Second, 5*time.Millisecond, func() bool {
		for _, p := range r.procs {
			if !p.Running() {
				r.t.Fatalf("%s ended", r.name)
			}
		}
		return listens(r.pid())
	})
}

// programs are the paths of the programs that are measured.
type programs struct {
	daemon, gobgpd string
	origins        origins
	cpuProfile     string // of the daemon; "": none is written
}

// profile are the arguments that have vrfredist write a CPU profile.
func (p programs) profile(name string) []string {
	if p.cpuProfile == "" || name != ours {
		return nil
	}
	return []string{"--cpuprofile", p.cpuProfile}
}

// profiled ends vrfredist, which then writes its profile.
func (r *receiver) profiled(file string) {
	r.procs[0].Signal(syscall.SIGTERM)
	r.t.must(r.procs[0].Wait(time.Minute))
	r.t.must(anonymous(file))
}

// receive starts a receiver by its name.
func (p programs) receive(r *router, name string, o options) *receiver {
	v := &receiver{router: r, name: name, has: func(p netip.Prefix) bool {
		there, err := r.sock.Has(p)
		r.t.must(err)
		return there
	}}
	switch language(name) {
	case ours:
		o.export = o.export && name == ours
		p.startOurs(v, o)
	case alone:
		p.startAlone(v, o)
	case bird:
		p.startBIRD(v, o)
	case frr:
		p.startFRR(v, o)
	}
	v.awaitBGP()
	if v.api != nil {
		v.api.await(r.t)
	}
	return v
}

// options are what scenarios want of a receiver.
type options struct {
	export bool     // routes into the kernel (FRR and BIRD always do)
	env    []string // of the process: GOGC=…
	args   []string // more arguments of vrfredist
	config string   // the whole configuration, in the receiver's language; "": for the sender
	daemon string   // another vrfredist than the one that is measured

	starter []string // of vrfredist: what its command line follows
}

// gobgpConfig is the part that vrfredist and gobgpd share.
func gobgpConfig(families ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[global.config]\n  as = %d\n  router-id = %q\n", as, routerAddr)
	for _, addr := range []string{"10.0.0.2", peerAddr.String(), "fd00::2"} {
		fmt.Fprintf(&b, "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = %q\n    peer-as = %d\n"+
			"  [neighbors.transport.config]\n    passive-mode = true\n", addr, as)
		for _, family := range families {
			fmt.Fprintf(&b, "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = %q\n", family)
		}
	}
	return b.String()
}

func (p programs) startOurs(r *receiver, o options) {
	socket := filepath.Join(r.lab.Dir, "api.sock")
	text := gobgpConfig("ipv4-unicast", "ipv6-unicast")
	if o.config != "" {
		text = o.config
	} else {
		text += fmt.Sprintf("[netlink.export]\n  enabled = %v\n", o.export)
	}
	file := r.lab.File("vrfredist.toml", text+fmt.Sprintf("[netlink.api]\n  listen = [%q]\n", "unix://"+socket))
	state := filepath.Join(r.lab.Dir, "state")
	r.t.must(os.MkdirAll(state, 0o755))
	daemon := p.daemon
	if o.daemon != "" {
		daemon = o.daemon
	}
	argv := append(append(slices.Clone(o.starter), "env"), append(o.env, daemon, "run", "-f", file, "--state-dir", state, "--log-level", "warn")...)
	r.start(r.name, append(argv, o.args...)...)
	r.api = newAPI(r.t, socket)
	if !o.export {
		r.has = r.api.has(r.t)
	}
}

func (p programs) startAlone(r *receiver, o options) {
	text := o.config
	if text == "" {
		text = gobgpConfig("ipv4-unicast", "ipv6-unicast")
	}
	file := r.lab.File("gobgpd.toml", text)
	socket := filepath.Join(r.lab.Dir, "gobgpd.sock")
	argv := append([]string{"env"}, append(o.env, p.gobgpd, "-f", file, "-t", "toml", "--api-hosts", "unix://"+socket, "--pprof-host", pprofAddr, "-l", "warn")...)
	r.start(r.name, argv...)
	r.api = newAPI(r.t, socket)
	r.has = r.api.has(r.t)
}
