package nexthop

import (
	"math"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// shared are the hops of those nexthops of a want that are reached as well as reach, each with
// its share of its nexthop's weight. A hop by which several of them are reached has the sum.
func (w *Want) shared(reach rib.Reach) (hops []rib.Hop) {
	whole := uint64(1) // so that each nexthop's weight can be divided among its hops
	for _, way := range w.Ways {
		if way.Reach == reach {
			whole = lcm(whole, sumOf(way.Hops))
		}
	}
	var parts []uint64
	for i, way := range w.Ways {
		if way.Reach != reach {
			continue
		}
		sum := sumOf(way.Hops)
		for _, h := range way.Hops {
			part := uint64(w.Weights[i]) * uint64(max(h.Weight, 1)) * whole / sum
			if at := slices.IndexFunc(hops, h.SameWay); at >= 0 {
				parts[at] += part
				continue
			}
			hops, parts = append(hops, h), append(parts, part)
		}
	}
	scale(hops, parts)
	return hops
}

// scale gives hops their parts of a whole as weights that the kernel takes.
func scale(hops []rib.Hop, parts []uint64) {
	most := uint64(rib.MaxWeight)
	for _, p := range parts {
		most = max(most, p)
	}
	for i, p := range parts {
		hops[i].Weight = uint16(max(1, math.Round(float64(p)*rib.MaxWeight/float64(most))))
	}
}

func sumOf(hops []rib.Hop) (sum uint64) {
	for _, h := range hops {
		sum += uint64(max(h.Weight, 1))
	}
	return max(sum, 1)
}

// lcm is the least common multiple, as far as weights can be told apart by it.
func lcm(a, b uint64) uint64 {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	if m := a / x * b; m <= math.MaxUint16 {
		return m
	}
	return math.MaxUint16
}
