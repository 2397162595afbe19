package faults_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// lethalPeer is a neighbour with AS numbers of two bytes, which opens the session.
const lethalPeer = `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.3"
    peer-as = 65300
  [neighbors.transport.config]
    passive-mode = true
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
`

// lethal is an UPDATE with AS4_PATH before AS_PATH, and that last, which GoBGP v3 does
// not survive (CVE-2026-41643).
func lethal(s raw.Speaker) []byte {
	return raw.Update(nil, slices.Concat(raw.Origin, raw.NextHop(s.Nexthop), raw.Attr(raw.Transitive, 17, raw.Segment(2, s.AS)...),
		raw.Attr(raw.WellKnown, 2, 2, 1, byte(s.AS>>8), byte(s.AS))), raw.NLRI(s.Prefix))
}

// The best known UPDATE that kills GoBGP v3 does not any more. One that is not known
// would end the daemon as its runtime ends it here: the routes stay, and the next start
// adopts them, as the service manager's would.
func TestFault05LethalUpdate(t *testing.T) {
	w := newNetwork(t, routes)
	w.up.Address("eth0", "10.0.0.3/24")
	w.daemon = w.rtr.Daemon(exporting() + lethalPeer)
	w.wait(all(routes), all(routes6))
	mark, s := w.rtr.Mark(), w.sample()

	peer := raw.Speaker{AS: 65300, ID: netip.MustParseAddr("10.0.0.3"), Nexthop: netip.MustParseAddr("10.0.1.2"), Prefix: "19.0.0.0/24"}
	d := &door{kind: &kind{}, enter: w.up.Enter, local: peer.ID, remote: netip.MustParseAddr("10.0.0.1")}
	session, err := d.open()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if err := session.Establish(peer.OpenOf(nil)); err != nil {
		t.Fatal(err)
	}
	if err := session.Send(lethal(peer)); err != nil {
		t.Fatal(err)
	}
	w.waitModel(append(model(all(routes), all(routes6)), peer.Prefix+" via 10.0.1.2 dev eth1 metric 20"))
	if err := session.Send(peer.Withdraw(peer.Prefix)); err != nil {
		t.Fatal(err)
	}
	w.wait(all(routes), all(routes6))
	own := len(w.rtr.Since(mark)) // that route's

	w.daemon.Signal(unix.SIGABRT)
	if err := w.daemon.Wait(lab.Patience); err == nil || strings.Contains(err.Error(), "still runs") {
		t.Fatalf("the daemon did not die: %v: this proves nothing", err)
	}
	if out := w.daemon.Output(); !strings.Contains(out, "goroutine ") {
		t.Errorf("the daemon ended, and not in a crash: %s", lastLine(out))
	}
	w.daemon.Start()
	w.wait(all(routes), all(routes6))
	s.finish()
	lab.Equal(t, "the fewest routes that any sample saw", routes+routes6, s.least)
	lab.Equal(t, "routes that were written or deleted after the crash", own, len(w.rtr.Since(mark)))
	measured(t, "the update is borne; after a crash %d of %d routes at the worst of %d samples; adopted, 0 writes", s.least, routes+routes6, s.samples)
}
