package gobgp3

import (
	"context"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// noMED is a policy that rejects paths with some MED.
type noMED uint32

func (noMED) Name() string   { return "no-med" }
func (noMED) String() string { return "no-med (1 rule)" }
func (j noMED) Judge(s rib.Subject, _ *rib.Hearing) rib.Ruling {
	return rib.Ruling{Attrs: s.Attrs, Rejected: s.Attrs.MED == uint32(j) && s.Unacted}
}

// withhold has the VRF judged by a policy, and returns when that is in force.
func (x *trial) withhold(j rib.Judge) {
	x.t.Helper()
	policies := make(map[string]rib.Judge)
	if j != nil {
		policies[x.vrf] = j
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := x.s.Withhold(ctx, policies); err != nil {
		x.t.Fatal(err)
	}
}

// med announces the prefix with a MED.
func (x *trial) med(from *hostile, med uint32) {
	x.t.Helper()
	x.send(from, x.update(from, x.prefix, x.hopOf(from), med))
}

// TestWithhold: neighbours are not told of a path that the policy of the VRF's export rejects,
// whenever it comes, but of the next one; and are told once the policy has it otherwise.
func TestWithhold(t *testing.T) {
	eachTrial(t, func(x *trial) {
		x.withhold(noMED(66))
		x.med(x.p, 66)
		x.hears(x.p, "the first path is rejected")
		x.med(x.q, 5)
		x.hears(x.q, "the next one", ofQ)
		x.med(x.p, 7)
		x.hears(x.p, "the better one is accepted now", ofP)
		x.med(x.p, 66)
		x.hears(x.p, "and rejected again", ofQ)
		x.withdraw(x.q)
		x.hears(x.q, "it alone is left", "-")
		x.withhold(noMED(5))
		x.hears(x.p, "another policy", ofP)
		x.withhold(noMED(66))
		x.hears(x.p, "the first one again", "-")
		x.med(x.q, 66)
		x.hears(x.q, "both are rejected")
		x.unreached(x.p)
		x.withhold(nil)
		x.hears(x.p, "no policy, and one is not reached", ofQ)
		x.unreached()
		x.hears(x.p, "all are reached", ofP)
		x.s.Unreached(x.vrf, nil)
		x.s.settled(x.t)
		x.s.holdsNothing(x.t)
	})
}

// TestWithholdFromANewSession: who comes later is not told either, nor is who asks again.
func TestWithholdFromANewSession(t *testing.T) {
	eachTrial(t, func(x *trial) {
		x.withhold(noMED(66))
		x.med(x.p, 66)
		x.med(x.q, 5)
		x.hears(x.q, "the next one", ofQ)
		before := x.r.sessions()
		x.r.cut()
		eventually(x.t, "r is back", func() bool { return x.r.sessions() > before && x.r.isUp() })
		x.hears(x.p, "a new session", ofQ)
	})
}
