package faults_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// gracefulBIRD and gracefulConfig agree on graceful restart (RFC 4724).
var gracefulBIRD = strings.Replace(birdConfig, "  hold time 30;\n", "  hold time 30;\n  graceful restart on;\n  graceful restart time 60;\n", 1)

func gracefulConfig() string {
	c := strings.ReplaceAll(exporting(), "  [neighbors.timers.config]", "  [neighbors.graceful-restart.config]\n    enabled = true\n    restart-time = 60\n  [neighbors.timers.config]")
	for _, f := range []string{"ipv4-unicast", "ipv6-unicast"} {
		name := "      afi-safi-name = \"" + f + "\"\n"
		c = strings.Replace(c, name, name+"    [neighbors.afi-safis.mp-graceful-restart.config]\n      enabled = true\n", 1)
	}
	return c
}

// A peer with graceful restart is killed and comes back with fewer routes: all are
// held meanwhile, and what it no longer sends is swept.
func TestFault09GracefulPeerRestarts(t *testing.T) {
	const gone = 100
	w := newNetwork(t, routes)
	w.bird.Reconfigure(gracefulBIRD)
	w.daemon = w.rtr.Daemon(gracefulConfig())
	w.wait(all(routes), all(routes6))
	mark, s := w.rtr.Mark(), w.sample()
	w.bird.Kill()
	w.send(all(routes)[gone:], all(routes6)[gone:])
	config := filepath.Join(w.Dir, "bird-up.conf") // as Reconfigure has left it
	// -R: it recovers, and says so in its OPEN.
	began := time.Now()
	w.up.Start("bird again", lab.Peer(t, "bird", "-R", "-f", "-c", config, "-s", filepath.Join(w.Dir, "again.ctl"))...)
	w.oracle.Wait(lab.Main, model(all(routes)[gone:], all(routes6)[gone:]), limit())
	took := time.Since(began)
	s.finish()
	w.atRest(routes + routes6 - 2*gone)
	if s.least < routes+routes6-2*gone {
		t.Errorf("%d of %d routes at the worst moment: they were not held", s.least, routes+routes6)
	}
	swept := 0
	for _, e := range w.rtr.Since(mark) {
		if !e.Deleted {
			t.Errorf("%v was written again", e.Prefix)
		}
		swept++
	}
	lab.Equal(t, "routes that were swept", 2*gone, swept)
	measured(t, "all held through %d samples, none written again, %d swept %s after the peer's restart", s.samples, swept, round(took))
}
