package daemon

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestLogNamesNeighborsByTheirAddress: whatever line names a neighbour by the alias that BGP has for
// it, in whichever way, has the neighbour's own address.
func TestLogNamesNeighborsByTheirAddress(t *testing.T) {
	alias := netip.MustParseAddr("127.1.7.5")
	inside := map[netip.Addr]rib.Neighbor{alias: {Alias: alias, Peer: netip.MustParseAddr("10.0.0.2"), Netns: "red"}}
	n := new(neighbors)
	n.inside.Store(&inside)
	var out bytes.Buffer
	log := slog.New(realNames{slog.NewTextHandler(&out, nil), n})
	for want, say := range map[string]func(){
		`msg=a neighbor=10.0.0.2 netns=red alias=127.1.7.5 reason=b`: func() { log.Warn("a", "neighbor", "127.1.7.5", "reason", "b") },
		`msg=a Key=10.0.0.2 netns=red alias=127.1.7.5`:               func() { log.Warn("a", "Key", alias) },
		`msg=a neighbor=10.0.0.2 netns=red alias=127.1.7.5 n=1`:      func() { log.With("neighbor", "127.1.7.5").Warn("a", "n", 1) },
		`msg=a g.neighbor=10.0.0.2 g.netns=red g.alias=127.1.7.5`:    func() { log.WithGroup("g").Warn("a", "neighbor", "127.1.7.5") },
		`msg=a neighbor=192.0.2.1`:                                   func() { log.Warn("a", "neighbor", "192.0.2.1") },
		`msg=a neighbor=127.1.9.9`:                                   func() { log.Warn("a", "neighbor", "127.1.9.9") },
		`msg=a address=127.1.7.5`:                                    func() { log.Warn("a", "address", "127.1.7.5") },
		`msg=a neighbor=eth0`:                                        func() { log.Warn("a", "neighbor", "eth0") },
	} {
		out.Reset()
		say()
		if !strings.HasSuffix(out.String(), want+"\n") {
			t.Errorf("%swant %s", out.String(), want)
		}
	}
}
