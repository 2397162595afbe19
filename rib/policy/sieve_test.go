package policy

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestMayReject: a policy that says that it rejects nothing accepts all that it is asked, as the
// neighbours' judge it is none; and random ones say so now and then.
func TestMayReject(t *testing.T) {
	r := rand.New(rand.NewPCG(18, 1))
	none := 0
	for range 3000 {
		d := randomPolicy(r)
		p := Compile(d)
		if got := rib.Rejecting(p); (got == nil) == p.MayReject() || got != nil && got != rib.Judge(p) {
			t.Fatalf("it may reject something: %v, and neighbours are told by %v:\n%s", p.MayReject(), got, p.Text())
		}
		if p.MayReject() {
			continue
		}
		none++
		for range 20 {
			if s := randomSubject(r, nil); p.Judge(s, nil).Rejected {
				t.Fatalf("it rejects %v, and says that it rejects nothing:\n%s", s.Prefix, p.Text())
			}
		}
	}
	if none == 0 {
		t.Error("no policy says that it rejects nothing")
	}
	if rib.Rejecting(nil) != nil {
		t.Error("no judge has become one")
	}
}

// TestMayAccept: a policy that says that it rejects every path for a prefix accepts none; and says
// so where prefixes alone decide.
func TestMayAccept(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 9))
	never, always := 0, 0
	for range 3000 {
		p := Compile(randomPolicy(r))
		for range 20 {
			s := randomSubject(r, nil)
			if s.Route != nil {
				continue
			}
			may := p.MayAccept(s.Prefix)
			if !may {
				never++
			}
			rejected, known := p.OfPrefix(s.Prefix)
			if known && !rejected {
				always++
			}
			if is := p.Judge(s, nil).Rejected; !is && !may || known && rejected != is {
				t.Fatalf("it rejects %v: %v, and says that it may accept it: %v, and of all paths for it: %v, %v:\n%s", s.Prefix, is, may, rejected, known, p.Text())
			}
		}
	}
	if never == 0 || always == 0 {
		t.Errorf("policies said %d times that they reject all, and %d times that they accept all", never, always)
	}
	one, _ := ParsePrefix("10.0.0.0/8 le 16")
	p := Compile(Definition{Name: "one", Default: Reject, Rules: []Rule{
		{When: Conditions{Prefixes: []Prefix{one}, Communities: []rib.Community{7}}, Action: Reject},
		{When: Conditions{Prefixes: []Prefix{one}, Families: []rib.Family{rib.IPv4}}, Action: Accept},
	}})
	for prefix, want := range map[string]bool{"10.1.0.0/16": true, "10.1.1.0/24": false, "2001:db8::/32": false} {
		if got := p.MayAccept(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("%s: %v, want %v", prefix, got, want)
		}
	}
}
