package nsworker

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/speakertest"
)

// TestWorkersOnASpeaker has two workers on a speaker with route targets, instead of a feed
// for each: what one VRF imports leaks into the other, a path comes to those whose targets
// it meets, and what is left of an earlier run goes with the last End-of-RIB.
func TestWorkersOnASpeaker(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		const redRT, otherRT = rib.RT(10), rib.RT(99)
		pe := speaker.Neighbour{Address: "192.0.2.254", Families: []speaker.Family{{Of: rib.IPv4, VPN: true}}}
		s := speakertest.New([]speaker.VRF{
			{Name: "red", RD: 1, ImportRTs: []rib.RT{redRT}, ExportRTs: []rib.RT{redRT}},
			{Name: "blue", RD: 2, ImportRTs: []rib.RT{redRT}},
		}, pe)
		l.speaker = s
		blue := spec("blue")
		blue.Binding = rib.Binding{Netns: "red", Table: 1001}
		blue.NexthopObjects, blue.Import.Enabled = false, false
		other := l.kernel.add(blue.Binding, table.where.Inode)
		other.set(left("10.9.0.0/16"))
		table.set(via("10.5.0.0/16", "192.0.2.7", 2, rib.ProtoStatic, 0))
		red := spec("red")
		red.Import.Protocols = []uint8{rib.ProtoStatic}
		l.start(red)
		l.start(blue)

		path := bgpPath("10.1.0.0/16", "192.0.2.9", rd(100), func(p *rib.Path) { p.Attrs.RTs = []rib.RT{redRT} })
		foreign := bgpPath("10.2.0.0/16", "192.0.2.9", rd(100), func(p *rib.Path) { p.Attrs.RTs = []rib.RT{otherRT} })
		s.Learn(path, foreign)
		synctest.Wait()
		const leak = "10.5.0.0/16 via 192.0.2.7 dev eth0 proto vrfredist metric 20 onlink"
		const stale = "10.9.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20"
		const taken = "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20"
		l.table(red.Binding, taken, "10.5.0.0/16 via 192.0.2.7 dev eth0 proto static")
		l.table(blue.Binding, taken, leak, stale)
		s.EndOfRIB(speaker.Marker{Neighbour: pe.Address, Family: pe.Families[0]})
		synctest.Wait()
		l.table(blue.Binding, taken, leak)

		s.Withdraw(speaker.Destination{RD: path.RD, Prefix: path.Prefix})
		table.del(rib.Key{Prefix: via("10.5.0.0/16", "192.0.2.7", 2, rib.ProtoStatic, 0).Prefix})
		synctest.Wait()
		l.table(red.Binding)
		l.table(blue.Binding)
		if got := s.Announced("red"); len(got) != 0 {
			t.Errorf("announced still: %v", got)
		}
		if left := slices.DeleteFunc(l.kernel.writes, func(w string) bool { return !strings.Contains(w, "10.2.0.0/16") }); len(left) > 0 {
			t.Errorf("a path of other targets was written: %q", left)
		}
	})
}
