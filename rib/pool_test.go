package rib

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// assigned is what an Assign gives, in short: "a 16 b -" where b has none.
func assigned(grants map[string]Grant) string {
	s := ""
	for _, name := range slices.Sorted(maps.Keys(grants)) {
		g := grants[name]
		s += fmt.Sprintf(" %s %d", name, g.Number)
		if g.By != "" {
			s += "<" + g.By
		}
		if !g.Until.IsZero() {
			s += "@" + g.Until.Format("04:05")
		}
	}
	return s
}

// claims makes claims of "a", or "a=16" where the number is configured.
func claims(list ...string) (all []Claim) {
	for _, s := range list {
		c := Claim{Name: s[:1]}
		if len(s) > 1 {
			_, _ = fmt.Sscanf(s[2:], "%d", &c.Number)
		}
		all = append(all, c)
	}
	return all
}

func TestPool(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type step struct {
		at          int // minutes
		first, last uint32
		claims      []Claim
		want        string
	}
	for name, steps := range map[string][]step{
		"the lowest that is free": {
			{0, 16, 19, claims("b", "a"), " a 16 b 17"},
			{1, 16, 19, claims("b", "c", "a"), " a 16 b 17 c 18"},
		},
		"in another order": {{0, 16, 19, claims("a", "b"), " a 16 b 17"}},
		"a configured one is nobody else's": {
			{0, 16, 19, claims("a", "b=16"), " a 17 b 16"},
			{1, 16, 19, claims("a=17", "b"), " a 17 b 16"},
		},
		"what was let go rests": {
			{0, 16, 17, claims("a", "b"), " a 16 b 17"},
			{1, 16, 17, claims("b"), " b 17"},
			{2, 16, 17, claims("b", "c"), " b 17 c 0@11:00"},
			{10, 16, 17, claims("b", "c"), " b 17 c 0@11:00"},
			{11, 16, 17, claims("b", "c"), " b 17 c 16"},
		},
		"who comes back has its own": {
			{0, 16, 19, claims("a", "b"), " a 16 b 17"},
			{1, 16, 19, claims("b"), " b 17"},
			{2, 16, 19, claims("0", "a", "b"), " 0 18 a 16 b 17"},
			{3, 16, 19, claims("0", "a"), " 0 18 a 16"},
			{60, 16, 19, claims("b", "0", "c", "a"), " 0 18 a 16 b 17 c 19"},
		},
		"one that rests is configured for another": {
			{0, 16, 19, claims("a"), " a 16"},
			{1, 16, 19, claims("b=16"), " b 0<a@11:00"},
			{2, 16, 19, claims("a", "b=16"), " a 17 b 0<a@11:00"},
			{11, 16, 19, claims("a", "b=16"), " a 17 b 16"},
		},
		"one that another has is configured": {
			{0, 16, 19, claims("a", "b"), " a 16 b 17"},
			{1, 16, 19, claims("a", "b=16"), " a 16 b 17<a"},
			{2, 16, 19, claims("a=18", "b=16"), " a 18 b 17<a@12:00"},
			{12, 16, 19, claims("a=18", "b=16"), " a 18 b 16"},
			{13, 16, 19, claims("a", "c"), " a 18 c 19"},
		},
		"another range": {
			{0, 16, 19, claims("a", "b"), " a 16 b 17"},
			{1, 17, 20, claims("a", "b"), " a 18 b 17"},
			{2, 16, 20, claims("a", "b", "c"), " a 18 b 17 c 19"},
		},
		"no range": {{0, 0, 0, claims("a", "b=99"), " a 0 b 99"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewPool(PoolState{})
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range steps {
				got := assigned(p.Assign(start.Add(time.Duration(s.at)*time.Minute), 10*time.Minute, s.first, s.last, s.claims))
				if got != s.want {
					t.Errorf("step %d: it gives%s, want%s", i+1, got, s.want)
				}
			}
		})
	}
}

// TestPoolAdopts: a number that the kernel has for a VRF is taken where nobody else has it.
func TestPoolAdopts(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	p, err := NewPool(PoolState{Held: map[string]uint32{"a": 16}, Resting: []Rested{{17, "b", now.Add(time.Minute)}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		number uint32
		want   bool
	}{{"a", 18, false}, {"c", 16, false}, {"c", 17, false}, {"c", 0, false}, {"b", 17, true}, {"c", 18, true}} {
		if got := p.Adopt(tc.name, tc.number, now); got != tc.want {
			t.Errorf("%s adopts %d: %t", tc.name, tc.number, got)
		}
	}
	p.Rest(Rested{19, "gone", now.Add(time.Hour)})
	p.Rest(Rested{19, "gone", now.Add(time.Minute)})
	p.Rest(Rested{16, "gone", now.Add(time.Hour)})
	if got := assigned(p.Assign(now, time.Minute, 16, 20, claims("a", "b", "c", "d"))); got != " a 16 b 17 c 18 d 20" {
		t.Errorf("it gives%s", got)
	}
}

func TestDamagedPools(t *testing.T) {
	for _, s := range []PoolState{
		{Held: map[string]uint32{"a": 16, "b": 16}},
		{Held: map[string]uint32{"a": 0}},
		{Held: map[string]uint32{"": 16}},
		{Held: map[string]uint32{"a": 16}, Resting: []Rested{{Number: 16, Name: "b"}}},
		{Resting: []Rested{{Number: 16, Name: "b"}, {Number: 16, Name: "c"}}},
		{Resting: []Rested{{Number: 0, Name: "b"}}},
	} {
		if _, err := NewPool(s); err == nil {
			t.Errorf("%+v is taken", s)
		}
	}
}

// oracle knows nothing of how numbers are chosen: of each, who had it last, and until when.
type oracle struct {
	last  map[uint32]string
	until map[uint32]time.Time // zero: it is held
}

// check holds what an Assign gave against what was before.
func (o *oracle) check(t *testing.T, now time.Time, rest time.Duration, first, last uint32, list []Claim, grants map[string]Grant) {
	t.Helper()
	has := make(map[uint32]string)
	for _, c := range list {
		g, answered := grants[c.Name]
		switch {
		case !answered:
			t.Fatalf("%s has no answer", c.Name)
		case g.Number == 0 && !g.Waits():
			t.Fatalf("%s has nothing, and waits for nothing", c.Name)
		case !g.Waits() && c.Number != 0 && g.Number != c.Number:
			t.Fatalf("%s has %d, and %d is configured", c.Name, g.Number, c.Number)
		case g.Number != 0 && c.Number == 0 && (g.Number < first || g.Number > last):
			t.Fatalf("%s has %d, which is outside", c.Name, g.Number)
		case !g.Until.IsZero() && !g.Until.After(now):
			t.Fatalf("%s waits for what has passed", c.Name)
		}
		if g.Number == 0 {
			continue
		}
		if other, twice := has[g.Number]; twice {
			t.Fatalf("%d is that of %s and of %s", g.Number, other, c.Name)
		}
		has[g.Number] = c.Name
		if before := o.last[g.Number]; before != "" && before != c.Name && (o.until[g.Number].IsZero() || o.until[g.Number].After(now)) {
			t.Fatalf("%s has %d, which was %s's until %v, now %v", c.Name, g.Number, before, o.until[g.Number], now)
		}
	}
	for n, name := range o.last {
		if o.until[n].IsZero() && has[n] != name {
			o.until[n] = now.Add(rest)
		}
	}
	for n, name := range has {
		o.last[n], o.until[n] = name, time.Time{}
	}
}

// TestPoolWalk: whatever is claimed, in whatever order, over restarts, with other ranges and times:
// a number is never two VRFs', and never another's before it has rested; who claims the same has
// the same.
func TestPoolWalk(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 16))
		now, rest := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), 10*time.Minute
		first, last := uint32(16), uint32(22)
		p, err := NewPool(PoolState{})
		if err != nil {
			t.Fatal(err)
		}
		o := oracle{make(map[uint32]string), make(map[uint32]time.Time)}
		for range 150 {
			now = now.Add(time.Duration(r.IntN(400)) * time.Second)
			if r.IntN(20) == 0 {
				first = 16 + r.Uint32N(3)
				last = first + r.Uint32N(8)
			}
			var list []Claim
			configured := make(map[uint32]bool)
			for _, i := range r.Perm(10) {
				c := Claim{Name: string(rune('a' + i))}
				if n := 14 + r.Uint32N(14); r.IntN(4) == 0 && !configured[n] {
					c.Number, configured[n] = n, true
				}
				if r.IntN(3) > 0 {
					list = append(list, c)
				}
			}
			grants := p.Assign(now, rest, first, last, list)
			o.check(t, now, rest, first, last, list, grants)
			p = restarted(t, p)
			slices.Reverse(list)
			if again := p.Assign(now, rest, first, last, list); !maps.Equal(numbersOf(again), numbersOf(grants)) {
				t.Fatalf("seed %d: the same claims give%s and then%s", seed, assigned(grants), assigned(again))
			}
		}
	}
}

func numbersOf(grants map[string]Grant) map[string]uint32 {
	m := make(map[string]uint32)
	for name, g := range grants {
		m[name] = g.Number
	}
	return m
}

// restarted is a pool as the next start finds it.
func restarted(t *testing.T, p *Pool) *Pool {
	t.Helper()
	text, err := json.Marshal(p.State())
	if err != nil {
		t.Fatal(err)
	}
	var s PoolState
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	if !s.Equal(p.State()) {
		t.Fatal("what is kept is not what was")
	}
	next, err := NewPool(s)
	if err != nil {
		t.Fatal(err)
	}
	return next
}
