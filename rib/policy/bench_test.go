package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// fullTable is a table with the mix of lengths of the Internet's, five prefixes to an UPDATE.
func fullTable(n int) []rib.Path {
	r := rand.New(rand.NewPCG(1, 1))
	lengths := []int{24, 24, 24, 24, 24, 24, 23, 22, 22, 22, 21, 20, 20, 19, 18, 16, 16}
	via := &rib.Via{Nexthop: netip.MustParseAddr("192.0.2.9"), Peer: netip.MustParseAddr("192.0.2.2"), PeerAS: 65001}
	tags := &rib.Tags{}
	out := make([]rib.Path, n)
	for i := range out {
		addr := r.Uint32()
		out[i].Prefix = netip.PrefixFrom(netip.AddrFrom4([4]byte{1 + byte(addr>>24)%220, byte(addr >> 16), byte(addr >> 8), byte(addr)}), lengths[r.IntN(len(lengths))]).Masked()
		if i%5 > 0 {
			out[i].Attrs = out[i-1].Attrs
			continue
		}
		a := &rib.Attrs{Via: via, Tags: tags, LocalPref: 100, ASPath: []uint32{65001, 1 + r.Uint32N(400000), 1 + r.Uint32N(400000)}, ASPathLen: 3}
		if i%3 == 0 {
			a.Tags = &rib.Tags{Communities: []rib.Community{rib.Community(r.Uint32()), rib.Community(r.Uint32())}}
		}
		out[i].Attrs = a
	}
	return out
}

// thousand are 1,000 prefixes with all that is inside them, as an operator's list of a customer.
func thousand() (out []Prefix) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 1000 {
		addr := r.Uint32()
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte{1 + byte(addr>>24)%220, byte(addr >> 16), byte(addr >> 8), 0}), 12+r.IntN(13)).Masked()
		out = append(out, Prefix{p, p.Bits(), 24})
	}
	return out
}

// BenchmarkFullTable judges a full table, path by path.
func BenchmarkFullTable(b *testing.B) {
	paths := fullTable(1_000_000)
	for _, bc := range []struct {
		name string
		rule Rule
	}{
		{"prefixes", Rule{When: Conditions{Prefixes: thousand()}, Action: Reject}},
		{"prefixes and a change of the others", Rule{Unless: Conditions{Prefixes: thousand()}, Set: Changes{LocalPref: new(uint32(200)), Metric: 50}, Action: Accept}},
		{"regular expression", Rule{When: Conditions{ASPath: parsed(ParseASPath, "_6500[2-9]_")}, Action: Reject}},
		{"origin", Rule{When: Conditions{ASPath: parsed(ParseASPath, "_65002$")}, Action: Reject}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			p := Compile(Definition{Name: bc.name, Default: Accept, Rules: []Rule{bc.rule}})
			b.ReportAllocs()
			rejected, i := 0, 0
			for b.Loop() {
				s := rib.Subject{Prefix: paths[i].Prefix, Attrs: paths[i].Attrs, VRF: "red"}
				if p.Judge(s, nil).Rejected {
					rejected++
				}
				i = (i + 1) % len(paths)
			}
		})
	}
}

// BenchmarkDecide is the whole decision of a worker for a prefix with one path, without and with
// a policy.
func BenchmarkDecide(b *testing.B) {
	paths := fullTable(1_000_000)
	policies := map[string]rib.Judge{
		"no policy":           nil,
		"1,000 prefixes":      Compile(Definition{Name: "d", Default: Accept, Rules: []Rule{{When: Conditions{Prefixes: thousand()}, Action: Reject}}}),
		"and a metric of all": Compile(Definition{Name: "m", Default: Accept, Rules: []Rule{{When: Conditions{Prefixes: thousand()}, Action: Reject}, {Set: Changes{Metric: 50}, Action: Accept}}}),
	}
	for _, name := range []string{"no policy", "1,000 prefixes", "and a metric of all"} {
		b.Run(name, func(b *testing.B) {
			x := rib.NewExporting("red", "red", rib.ExportPolicy{Enabled: true, Metric: 20, Policy: policies[name]})
			own := rib.OwnPrefixesOf(rib.View{}, nil)
			room, judged := make([]rib.Path, 0, 8), make([]rib.Path, 0, 8)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				c := rib.Candidates{Prefix: paths[i].Prefix, Paths: paths[i : i+1], Own: own, Room: room, Judged: judged}
				rib.Decide(x, &c, nil)
				i = (i + 1) % len(paths)
			}
		})
	}
}

// BenchmarkPrefixSet looks up in sets of different sizes.
func BenchmarkPrefixSet(b *testing.B) {
	paths := fullTable(100_000)
	for _, n := range []int{10, 1000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			set := new(prefixSet)
			for i := range n {
				set.add(Prefix{paths[i].Prefix, paths[i].Prefix.Bits(), 24})
			}
			i := 0
			for b.Loop() {
				set.has(paths[i].Prefix)
				i = (i + 7) % len(paths)
			}
		})
	}
}
