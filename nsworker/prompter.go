package nsworker

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// prompter is BGP as a rehearsal has it: what it is told goes nowhere, and is kept.
type prompter struct {
	announced []rib.Announcement
	unreached map[rib.PathNexthop]struct{}
	confirmed map[netip.Prefix]struct{}
	chose     func([]rib.Choice) // nil: nobody asks
}

func (p *prompter) Feed(string) (*rib.Feed, error) { return nil, errors.New("a rehearsal has no feed") }

func (p *prompter) Candidates(context.Context, string, netip.Prefix) ([]rib.Path, error) {
	return nil, nil
}

func (p *prompter) Refused(string, netip.Prefix) []rib.Refusal { return nil }

func (p *prompter) Offers(context.Context, string, netip.Prefix) ([]rib.Offer, error) {
	return nil, nil
}

func (p *prompter) Takes(string, rib.Carried, func()) {}

func (p *prompter) Chose(_ string, list []rib.Choice) {
	if p.chose != nil {
		p.chose(list)
	}
}

func (p *prompter) Telling(string, netip.Prefix) (rib.Telling, error) { return rib.Telling{}, nil }

func (p *prompter) Confirmed(_ string, whole bool, changes []rib.Confirmation) {
	if whole || p.confirmed == nil {
		p.confirmed = make(map[netip.Prefix]struct{}, len(changes))
	}
	for _, c := range changes {
		if c.Is {
			p.confirmed[c.Prefix] = struct{}{}
		} else {
			delete(p.confirmed, c.Prefix)
		}
	}
}

func (p *prompter) Unreached(_ string, of map[rib.PathNexthop]struct{}) { p.unreached = of }

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
