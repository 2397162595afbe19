package nsworker

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// prompter is BGP as a rehearsal has it: what is announced goes nowhere.
type prompter struct{ announced []rib.Announcement }

func (p *prompter) Feed(string) (*rib.Feed, error) { return nil, errors.New("a rehearsal has no feed") }

func (p *prompter) Candidates(context.Context, string, netip.Prefix) ([]rib.Path, error) {
	return nil, nil
}

func (p *prompter) Refused(string, netip.Prefix) []rib.Refusal { return nil }

func (p *prompter) Offers(context.Context, string, netip.Prefix) ([]rib.Offer, error) {
	return nil, nil
}

func (p *prompter) Deaf(string, bool) {}

func (p *prompter) Confirmed(string, bool, []rib.Confirmation) {}

func (p *prompter) Unreached(string, map[rib.PathNexthop]struct{}) {}

func (p *prompter) Announced(string) []rib.Announcement { return p.announced }

func (p *prompter) Announce(_ context.Context, _ string, changes []rib.AnnounceChange) error {
	at := make(map[netip.Prefix]rib.AnnounceChange, len(changes))
	for _, c := range changes {
		at[c.Prefix] = c
	}
	next := slices.DeleteFunc(slices.Clone(p.announced), func(a rib.Announcement) bool { _, changed := at[a.Prefix]; return changed })
	for _, c := range changes {
		if !c.Withdraw {
			next = append(next, c.Announcement)
		}
	}
	p.announced = next
	return nil
}
