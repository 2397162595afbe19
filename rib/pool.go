package rib

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Pool has which numbers VRFs have by which other PEs address them: labels, or functions of SIDs.
// A VRF keeps its number, and gets it again when it comes back. A number that was let go rests:
// as long as a peer may still use what it was told of it, no other VRF gets it. It knows no clock,
// and is not safe for concurrent use.
type Pool struct {
	held    map[string]uint32 // by the name of the VRF
	of      map[uint32]string // the same by the number
	resting map[uint32]Rested // also after their time, so that who comes back finds its own
	passed  map[uint32]bool   // nobody gets one of these
}

// Rested is a number that a VRF has let go.
type Rested struct {
	Number uint32    `json:"number"`
	Name   string    `json:"name"` // of the VRF
	Until  time.Time `json:"until"`
}

// PoolState is a Pool as it is kept over restarts.
type PoolState struct {
	Held    map[string]uint32 `json:"held,omitempty"`
	Resting []Rested          `json:"resting,omitempty"` // by number
}

// Claim is that a VRF needs a number.
type Claim struct {
	Name   string
	Number uint32 // the one that is configured; 0: any that is free
}

// Grant is what a VRF gets for its Claim.
type Grant struct {
	Number uint32 // 0: none. With By or Until beside it: another one than was claimed, meanwhile
	// By is the VRF whose the claimed number is, or was; "": it is not about one number.
	By string
	// Until is when what is claimed can be had; zero: not by waiting, or it was granted.
	Until time.Time
}

// Waits tells whether it is not what was claimed.
func (g Grant) Waits() bool { return g.Number == 0 || g.By != "" || !g.Until.IsZero() }

// NewPool returns the pool of a state; its error says that the state contradicts itself.
func NewPool(s PoolState) (*Pool, error) {
	p := &Pool{held: make(map[string]uint32, len(s.Held)), of: make(map[uint32]string, len(s.Held)), resting: make(map[uint32]Rested, len(s.Resting))}
	for _, name := range slices.Sorted(maps.Keys(s.Held)) {
		n := s.Held[name]
		if other, taken := p.of[n]; taken || n == 0 || name == "" {
			return nil, fmt.Errorf("%d is the number of VRF %q and of VRF %q", n, other, name)
		}
		p.held[name], p.of[n] = n, name
	}
	for _, r := range s.Resting {
		if name, taken := p.of[r.Number]; taken || r.Number == 0 || r.Name == "" {
			return nil, fmt.Errorf("%d is the number of VRF %q, and has been let go by VRF %q", r.Number, name, r.Name)
		}
		if _, twice := p.resting[r.Number]; twice {
			return nil, fmt.Errorf("%d has been let go twice", r.Number)
		}
		p.resting[r.Number] = r
	}
	return p, nil
}

// State is p as it is kept.
func (p *Pool) State() PoolState {
	s := PoolState{Held: maps.Clone(p.held), Resting: slices.Collect(maps.Values(p.resting))}
	slices.SortFunc(s.Resting, func(a, b Rested) int { return cmp.Compare(a.Number, b.Number) })
	return s
}

// Equal tells whether two states are the same.
func (s PoolState) Equal(other PoolState) bool {
	return maps.Equal(s.Held, other.Held) && slices.EqualFunc(s.Resting, other.Resting, func(a, b Rested) bool {
		return a.Number == b.Number && a.Name == b.Name && a.Until.Equal(b.Until)
	})
}

// Of is the number of a VRF; 0: it has none.
func (p *Pool) Of(name string) uint32 { return p.held[name] }

// Adopt gives a VRF that has none a number that it is known to have had, unless another has it, or
// it rests.
func (p *Pool) Adopt(name string, number uint32, now time.Time) bool {
	if p.held[name] != 0 || number == 0 || p.of[number] != "" || p.barred(name, number, now) {
		return false
	}
	p.take(name, number)
	return true
}

// Rest has a number that nobody holds rest.
func (p *Pool) Rest(r Rested) {
	if was, is := p.resting[r.Number]; p.of[r.Number] != "" || is && was.Until.After(r.Until) {
		return
	}
	p.resting[r.Number] = r
}

// RestOn has a number that was let go rest until a time, where that is later than it would by more than
// so much.
func (p *Pool) RestOn(number uint32, until time.Time, more time.Duration) {
	if r, is := p.resting[number]; is && until.Sub(r.Until) > more {
		r.Until = until
		p.resting[number] = r
	}
}

// Pass has numbers passed over, which are in use elsewhere: nobody gets one who does not hold it.
func (p *Pool) Pass(numbers map[uint32]bool) { p.passed = numbers }

// Drop takes a VRF's number, which rests until a time.
func (p *Pool) Drop(name string, until time.Time) {
	if p.held[name] != 0 {
		(&assignment{Pool: p, until: until}).letGo(name)
	}
}

// Assign makes claims, at most one of each VRF, all there are: what the others hold is let go, and
// rests for a time. Numbers that are not configured are from first to last; both are 0 where there
// are none.
func (p *Pool) Assign(now time.Time, rest time.Duration, first, last uint32, claims []Claim) map[string]Grant {
	claims = slices.SortedFunc(slices.Values(claims), func(a, b Claim) int { return cmp.Compare(a.Name, b.Name) })
	a := assignment{Pool: p, now: now, until: now.Add(rest), first: first, last: last, fixed: make(map[uint32]bool), out: make(map[string]Grant, len(claims))}
	maps.Copy(a.fixed, p.passed)
	claimed := make(map[string]bool, len(claims))
	for _, c := range claims {
		claimed[c.Name] = true
		if c.Number != 0 {
			a.fixed[c.Number] = true
		}
	}
	for name := range maps.Clone(p.held) {
		if !claimed[name] {
			a.letGo(name)
		}
	}
	for _, c := range claims {
		if c.Number != 0 {
			a.out[c.Name] = a.grantFixed(c)
		}
	}
	for _, c := range claims { // who has its own first: others choose from what is left
		if n := p.held[c.Name]; c.Number == 0 && n != 0 && (n < first || n > last) {
			a.letGo(c.Name)
		}
	}
	a.next = first
	for _, own := range []bool{true, false} {
		for _, c := range claims {
			if _, done := a.out[c.Name]; !done && (!own || a.again(c.Name)) {
				a.out[c.Name] = a.grantAny(c.Name)
			}
		}
	}
	return a.out
}

// assignment is one Assign.
type assignment struct {
	*Pool
	now, until  time.Time // until is when what is let go now may be another's
	first, last uint32
	next        uint32          // the lowest that may be free
	fixed       map[uint32]bool // the numbers that are configured for somebody
	out         map[string]Grant
}

// letGo takes a VRF's number.
func (a *assignment) letGo(name string) {
	n := a.held[name]
	delete(a.held, name)
	delete(a.of, n)
	a.resting[n] = Rested{n, name, a.until}
}

// take gives a VRF a number.
func (p *Pool) take(name string, n uint32) {
	p.held[name], p.of[n] = n, name
	delete(p.resting, n)
}

// barred tells whether a number rests for all but the one that let it go, which is not name.
func (p *Pool) barred(name string, n uint32, now time.Time) bool {
	r, rests := p.resting[n]
	return rests && r.Name != name && r.Until.After(now)
}

// grantFixed grants a VRF the number that is configured, if that can be had.
func (a *assignment) grantFixed(c Claim) Grant {
	if a.held[c.Name] == c.Number {
		return Grant{Number: c.Number}
	}
	if by := a.of[c.Number]; by != "" {
		return Grant{Number: a.held[c.Name], By: by}
	}
	if a.barred(c.Name, c.Number, a.now) {
		r := a.resting[c.Number]
		return Grant{Number: a.held[c.Name], By: r.Name, Until: r.Until}
	}
	if a.held[c.Name] != 0 {
		a.letGo(c.Name)
	}
	a.take(c.Name, c.Number)
	return Grant{Number: c.Number}
}

// again gives a VRF the number that it has, or had, if it can.
func (a *assignment) again(name string) bool {
	if a.held[name] != 0 {
		return true
	}
	was := uint32(0)
	for n, r := range a.resting {
		if r.Name == name && a.first <= n && n <= a.last && !a.fixed[n] && (was == 0 || n < was) {
			was = n
		}
	}
	if was == 0 {
		return false
	}
	a.take(name, was)
	return true
}

// grantAny grants a VRF the number that it has, or the lowest that is free.
func (a *assignment) grantAny(name string) Grant {
	if n := a.held[name]; n != 0 {
		return Grant{Number: n}
	}
	for n := a.next; n != 0 && n <= a.last; n++ {
		if a.of[n] == "" && !a.fixed[n] && !a.barred(name, n, a.now) {
			a.take(name, n)
			a.next = n + 1
			return Grant{Number: n}
		}
	}
	return Grant{Until: a.soonest()}
}

// soonest is when the first number that rests can be had; zero: none rests.
func (a *assignment) soonest() (soon time.Time) {
	for n, r := range a.resting {
		if a.first <= n && n <= a.last && !a.fixed[n] && r.Until.After(a.now) && (soon.IsZero() || r.Until.Before(soon)) {
			soon = r.Until
		}
	}
	return soon
}
