package policy

import (
	"math"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/vrfredist/vrfredist/rib"
)

// changer makes the changes of one rule, once for all subjects with the same attributes. It is
// safe for concurrent use.
type changer struct {
	set   *Changes
	only4 bool // the rule is about IPv4 prefixes alone

	last atomic.Pointer[copied] // mostly the next subject has the same attributes

	mu         sync.Mutex
	young, old map[like]*rib.Attrs // guarded by mu; two generations, see remember
	vias       map[rib.Via]*rib.Via
}

// like is what subjects have in common that are changed alike.
type like struct {
	attrs  *rib.Attrs
	as     uint32
	family rib.Family
}

type copied struct {
	like
	to *rib.Attrs
}

// The bounds of what is remembered: of a full table the attributes of the last UPDATEs, and all
// nexthops of all neighbours.
const (
	mostChanged = 4096
	mostVias    = 8192
)

// change returns the attributes of s as the rule leaves them: those of s where they are that
// already.
func (c *changer) change(s *rib.Subject) *rib.Attrs {
	l := like{attrs: s.Attrs}
	if c.set.Prepend > 0 {
		l.as = s.AS
	}
	if c.set.Nexthop.Addr.IsValid() {
		l.family = rib.FamilyOf(s.Prefix)
	}
	if known := c.last.Load(); known != nil && known.like == l {
		return known.to
	}
	c.mu.Lock()
	to := c.recall(l)
	if to == nil {
		to = c.made(l)
		c.remember(l, to)
	}
	c.mu.Unlock()
	c.last.Store(&copied{l, to})
	return to
}

// recall returns what was made before, nil where it is not known. The caller has locked.
func (c *changer) recall(l like) *rib.Attrs {
	if to := c.young[l]; to != nil {
		return to
	}
	to := c.old[l]
	if to != nil {
		c.remember(l, to)
	}
	return to
}

// remember keeps a changed copy: when the young generation is full it becomes the old one, and
// what is still used moves over. The caller has locked.
func (c *changer) remember(l like, to *rib.Attrs) {
	if c.young == nil || len(c.young) >= mostChanged {
		c.old, c.young = c.young, make(map[like]*rib.Attrs)
	}
	c.young[l] = to
}

// made makes the changes to a copy. The caller has locked.
func (c *changer) made(l like) *rib.Attrs {
	a := *l.attrs
	differs := c.setNumbers(&a)
	differs = c.prepend(&a, l.as) || differs
	differs = c.retag(&a) || differs
	differs = c.redirect(&a, l.family) || differs
	differs = c.setKernel(&a) || differs
	if !differs {
		return l.attrs
	}
	return &a
}

func (c *changer) setNumbers(a *rib.Attrs) (differs bool) {
	if v := c.set.LocalPref; v != nil && *v != a.LocalPref {
		a.LocalPref, differs = *v, true
	}
	if v := c.set.MED; v != nil && *v != a.MED {
		a.MED, differs = *v, true
	}
	return differs
}

// prepend makes the AS path longer, by as or else by its own first AS: so it stays a path of the
// same neighbouring AS, and MED is compared as before.
func (c *changer) prepend(a *rib.Attrs, as uint32) bool {
	n := int(c.set.Prepend)
	if as == 0 {
		as = firstAS(a)
	}
	if n == 0 || as == 0 {
		return false
	}
	more := slices.Repeat([]uint32{as}, n)
	a.ASPath = slices.Concat(more, a.ASPath)
	a.ASPathLen += int32(n)
	if a.Rare != nil && len(a.Rare.Segments) > 0 {
		r := *a.Rare
		if first := r.Segments[0]; first.Kind == rib.ASSequence {
			r.Segments = slices.Clone(r.Segments)
			r.Segments[0].ASes = slices.Concat(more, first.ASes)
		} else {
			r.Segments = slices.Concat([]rib.ASSegment{{Kind: rib.ASSequence, ASes: more}}, r.Segments)
		}
		a.Rare = &r
	}
	return true
}

// firstAS is the first of the AS path; 0: it begins with a set, or is empty.
func firstAS(a *rib.Attrs) (as uint32) {
	a.Segments(func(s rib.ASSegment) bool {
		if s.Kind == rib.ASSequence && len(s.ASes) > 0 {
			as = s.ASes[0]
		}
		return s.Kind == rib.ConfedSequence || s.Kind == rib.ConfedSet
	})
	return as
}

func (c *changer) retag(a *rib.Attrs) bool {
	communities, some := c.set.Communities.applied(a.Communities)
	large, others := c.set.Large.applied(a.Large)
	if !some && !others {
		return false
	}
	a.Tags = &rib.Tags{RTs: a.RTs, Communities: communities, Large: large}
	// GoBGP's decoder sees LLGR_STALE in the communities; so does who changes them.
	if some {
		a.Stale = slices.Contains(communities, rib.CommunityLLGRStale)
	}
	return true
}

// applied is a list with the changes made, and whether there were any.
func (c *CommunityChanges[T]) applied(list []T) ([]T, bool) {
	if !c.any() {
		return list, false
	}
	out := slices.Clone(list)
	if c.Replace {
		out = slices.Clone(c.Set)
	}
	out = slices.DeleteFunc(out, func(v T) bool { return slices.Contains(c.Remove, v) })
	for _, v := range c.Add {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out, !slices.Equal(out, list)
}

// redirect sets another nexthop, where it is of the prefix's family, or the rule means it for
// the other one.
func (c *changer) redirect(a *rib.Attrs, f rib.Family) bool {
	to := c.set.Nexthop.Addr
	if !to.IsValid() || to.Is4() != (f == rib.IPv4) && (to.Is4() || !c.only4) {
		return false
	}
	if a.Nexthop == to && !a.LinkLocal.IsValid() {
		return false
	}
	via := *a.Via
	via.Nexthop, via.LinkLocal = to, netip.Addr{}
	known := c.vias[via]
	if known == nil {
		if c.vias == nil || len(c.vias) >= mostVias {
			c.vias = make(map[rib.Via]*rib.Via) // those in use stay so
		}
		known = &via
		c.vias[via] = known
	}
	a.Via = known
	return true
}

// setKernel sets what concerns the route in the kernel alone.
func (c *changer) setKernel(a *rib.Attrs) bool {
	k := a.KernelTerms()
	if v := c.set.Metric; v > 0 {
		k.Metric = v
	}
	for f, v := range c.set.PrefSrc {
		if v.IsValid() {
			k.PrefSrc[f] = v
		}
	}
	if v := c.set.Weight; v > 0 {
		k.Weight, k.ByBandwidth = v, false
	}
	if c.set.WeightBandwidth {
		if w := bandwidthWeight(a); w > 0 {
			k.Weight, k.ByBandwidth = w, true
		}
	}
	if k == a.KernelTerms() {
		return false
	}
	kept := k
	r := rib.Rare{Kernel: &kept}
	if a.Rare != nil {
		r.Segments, r.Extended = a.Rare.Segments, a.Rare.Extended
	}
	a.Rare = &r
	return true
}

// bandwidthWeight is the link bandwidth of a path in megabits a second, at least 1; 0: it says
// none.
func bandwidthWeight(a *rib.Attrs) uint32 {
	for _, e := range a.Extended() {
		bytes, is := e.Bandwidth()
		if !is || !(bytes > 0) { // NaN is not either
			continue
		}
		return uint32(min(max(float64(bytes)*8/1e6, 1), math.MaxUint32))
	}
	return 0
}
