package policy

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestMayAccept: a policy that says that it rejects every path for a prefix accepts none; and says
// so where prefixes alone decide.
func TestMayAccept(t *testing.T) {
	r := rand.New(rand.NewPCG(14, 9))
	never := 0
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
			if accepted := !p.Judge(s, nil).Rejected; accepted && !may {
				t.Fatalf("it accepts %v, and says that it cannot:\n%s", s.Prefix, p.Text())
			}
		}
	}
	if never == 0 {
		t.Error("no policy ever said so")
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
