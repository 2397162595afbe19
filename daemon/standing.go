package daemon

import (
	"context"
	"errors"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker/core"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// standingKernel is the kernel as far as its labels and SIDs are looked at before anything runs.
type standingKernel interface {
	CoreFeatures(ctx context.Context) (rib.CoreFeatures, error)
	Survey(ctx context.Context, netns string, protocol uint8, settings []string) (rib.Survey, error)
	// Entrances opens the labels and SIDs of a namespace.
	Entrances(ctx context.Context, in rib.Binding, protocol uint8) (core.Entrances, error)
}

// standing are our labels and SIDs that the kernel has, and the VRFs that they lead to.
func standing(ctx context.Context, host standingKernel, cfg *config.Config) (list []config.Standing, err error) {
	spaces := map[string]bool{cfg.Core.Netns: true}
	protocol := rib.ProtoOwn
	for i := range cfg.VRFs {
		s := &cfg.VRFs[i]
		protocol = s.Protocol
		if s.Carriage.SRv6.Link != "" {
			spaces[s.Binding.Netns] = true
		}
	}
	for netns := range spaces {
		there, one := entrancesIn(ctx, host, netns, protocol)
		if errors.Is(one, rib.ErrAbsent) {
			continue // and nothing stands in it
		}
		survey, two := host.Survey(ctx, netns, protocol, nil)
		if err = errors.Join(err, one, two); one != nil || two != nil {
			continue
		}
		for _, e := range there {
			if e.Protocol == protocol && e.Does != rib.Forward {
				list = append(list, config.Standing{
					VRF: leadsTo(cfg.VRFs, netns, cfg.Core.Netns, survey.Links[e.Ifindex]), Label: e.Label, SID: e.SID, Six: e.Does == rib.DT6,
				})
			}
		}
	}
	return list, err
}

func entrancesIn(ctx context.Context, host standingKernel, netns string, protocol uint8) (list []rib.StandingEntrance, err error) {
	e, err := host.Entrances(ctx, rib.Binding{Netns: netns}, protocol)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	return e.Read(ctx)
}

// leadsTo is the VRF that packets get into by an interface: its VRF device, the core's end of its
// link, or in its own namespace any; "": none.
func leadsTo(specs []vrf.Spec, netns, inCore string, by rib.Link) string {
	for i := range specs {
		s := &specs[i]
		is := &s.Carriage
		switch {
		case s.VRF != "" || by.Name == "":
		case is.SRv6.Link != "":
			if rib.SameNetns(netns, s.Binding.Netns) {
				return s.Name
			}
		case !rib.SameNetns(netns, inCore):
		case is.Through.Link == by.Name, s.Binding.Device == by.Name && rib.SameNetns(s.Binding.Netns, netns):
			return s.Name
		}
	}
	return ""
}
