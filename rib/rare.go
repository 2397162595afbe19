package rib

import "net/netip"

// Rare is what few paths have, so that the others do without the room for it. It is immutable
// once it is handed on.
type Rare struct {
	// Segments are those of an AS path that is not one sequence, confederations among them;
	// none: ASPath is one.
	Segments []ASSegment
	// Extended are the extended communities beside the route targets.
	Extended []ExtCommunity
	Kernel   *KernelTerms // nil: no policy set any
}

// SegmentKind is the type of an AS path segment, with the numbers of RFC 4271 section 4.3 and
// RFC 5065 section 3.
type SegmentKind uint8

// The segments of an AS path.
const (
	ASSet          SegmentKind = 1
	ASSequence     SegmentKind = 2
	ConfedSequence SegmentKind = 3
	ConfedSet      SegmentKind = 4
)

// ASSegment is a part of an AS path.
type ASSegment struct {
	Kind SegmentKind
	ASes []uint32
}

// KernelTerms are what a policy set of the route that a path becomes in the kernel's table.
// They concern this VRF alone, and are told to nobody.
type KernelTerms struct {
	Metric  uint32               // 0: the VRF's
	PrefSrc [Families]netip.Addr // invalid: the VRF's
	// Weight is the path's share among those that are used with it; 0: none was set.
	Weight uint32
	// ByBandwidth: the weight is the path's bandwidth. Where another path of the set has none,
	// nothing is known of their proportion, and all count the same.
	ByBandwidth bool
}

// KernelTerms are those of the path: the zero ones where no policy set any.
func (a *Attrs) KernelTerms() KernelTerms {
	if a.Rare == nil || a.Rare.Kernel == nil {
		return KernelTerms{}
	}
	return *a.Rare.Kernel
}

// Extended are the extended communities of the path that are no route targets.
func (a *Attrs) Extended() []ExtCommunity {
	if a.Rare == nil {
		return nil
	}
	return a.Rare.Extended
}

// Segments yields those of the AS path, in their order.
func (a *Attrs) Segments(yield func(ASSegment) bool) {
	if a.Rare == nil || len(a.Rare.Segments) == 0 {
		if len(a.ASPath) > 0 {
			yield(ASSegment{ASSequence, a.ASPath})
		}
		return
	}
	for _, s := range a.Rare.Segments {
		if !yield(s) {
			return
		}
	}
}

// Weights writes the share of each of the paths that are used together over buf, between 1 and
// MaxWeight. It is empty where all count the same.
func Weights(buf []uint16, chosen []Path) []uint16 {
	buf = buf[:0]
	var most uint32
	bandwidth, missing, same := false, false, true
	for i := range chosen {
		k := chosen[i].Attrs.KernelTerms()
		most = max(most, k.Weight)
		bandwidth = bandwidth || k.ByBandwidth
		missing = missing || k.Weight == 0
		same = same && k.Weight == chosen[0].Attrs.KernelTerms().Weight
	}
	if len(chosen) < 2 || same || bandwidth && missing {
		return buf
	}
	for i := range chosen {
		w := uint64(max(1, chosen[i].Attrs.KernelTerms().Weight))
		if most > MaxWeight {
			w = max(1, w*MaxWeight/uint64(most))
		}
		buf = append(buf, uint16(w))
	}
	return buf
}

// confined is r without what it says of another VRF.
func (r *Rare) confined() *Rare {
	if r == nil || len(r.Extended) == 0 {
		return r
	}
	c := *r
	c.Extended = nil
	return &c
}
