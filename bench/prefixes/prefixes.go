// Package prefixes generates tables of prefixes with the mix of lengths of the
// Internet's. The same seed and number give the same table on every machine.
package prefixes

import (
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"net/netip"
	"slices"
)

// share is how much of a table has one length, in thousandths.
type share struct{ bits, permille int }

// mix4 and mix6 are the shares of the global tables as route collectors saw
// them in 2024 and 2025, rounded; lengths below a thousandth are left out. The
// first, the commonest, takes what rounding leaves. /32 of IPv4 stands for what
// a provider's own table has beside the Internet's.
var (
	mix4 = []share{
		{24, 598}, {23, 99}, {22, 109}, {21, 52}, {20, 46}, {19, 27}, {18, 14},
		{17, 9}, {16, 14}, {15, 2}, {14, 2}, {13, 1}, {12, 1}, {32, 26},
	}
	mix6 = []share{
		{48, 478}, {32, 118}, {44, 98}, {40, 84}, {36, 42}, {46, 34}, {47, 30},
		{29, 26}, {33, 20}, {45, 16}, {42, 16}, {34, 14}, {38, 12}, {43, 6}, {41, 6},
	}
)

// reserved is left out of IPv4 tables: what must not be on the Internet, and
// what the benchmarks use themselves (10.0.0.0/8, 198.18.0.0/15).
var reserved = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("192.168.0.0/16"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
}

// IPv4 returns n different prefixes in no particular order. The table has room
// for some ten million.
func IPv4(n int, seed uint64) []netip.Prefix {
	return generate(n, seed, mix4, most4, draw4)
}

func draw4(r *rand.Rand, bits int) (netip.Prefix, bool) {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], 1<<24+r.Uint32N(223<<24)) // 1.0.0.0 to 223.255.255.255
	p := netip.PrefixFrom(netip.AddrFrom4(a), bits).Masked()
	for _, no := range reserved {
		if p.Overlaps(no) {
			return p, false
		}
	}
	return p, true
}

// IPv6 returns n different prefixes of 2000::/3 in no particular order.
func IPv6(n int, seed uint64) []netip.Prefix {
	return generate(n, seed, mix6, most6, func(r *rand.Rand, bits int) (netip.Prefix, bool) {
		var a [16]byte
		binary.BigEndian.PutUint64(a[:], 1<<61+r.Uint64N(1<<61))
		return netip.PrefixFrom(netip.AddrFrom16(a), bits).Masked(), true
	})
}

// most4 and most6 are how many prefixes of a length a table has at most: three quarters of those
// that there are, because the last ones would be long in coming.
func most4(bits int) int { return 223 << (bits - 8) / 4 * 3 }
func most6(bits int) int { return 1 << (bits - 3) / 4 * 3 }

func generate(n int, seed uint64, mix []share, most func(bits int) int, draw func(*rand.Rand, int) (netip.Prefix, bool)) []netip.Prefix {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	seen := make(map[netip.Prefix]struct{}, n)
	out := make([]netip.Prefix, 0, n)
	take := func(bits, count int) {
		for count > 0 {
			p, ok := draw(r, bits)
			if _, twice := seen[p]; twice || !ok {
				continue
			}
			seen[p] = struct{}{}
			out = append(out, p)
			count--
		}
	}
	for _, s := range mix[1:] {
		take(s.bits, min(n*s.permille/1000, most(s.bits)))
	}
	take(mix[0].bits, n-len(out)) // the commonest length, and the rest
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// Runs splits a table into runs of nine prefixes, which share their path attributes: their
// AS path is yielded with them.
func Runs(table []netip.Prefix) iter.Seq2[[3]uint32, []netip.Prefix] {
	return func(yield func([3]uint32, []netip.Prefix) bool) {
		origin := uint32(0)
		for run := range slices.Chunk(table, 9) {
			origin++
			if !yield([3]uint32{64600 + origin%20, 1000 + origin%5000, 100_000 + origin}, run) {
				return
			}
		}
	}
}
