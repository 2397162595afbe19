package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/doctor"
	"github.com/vrfredist/vrfredist/nsworker/kernel"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Examine says what stands in the way of a daemon that would run cfg, whose file is
// file, on this host. It needs no daemon. The host's files are read below root.
func Examine(ctx context.Context, file string, cfg *config.Config, root string) ([]doctor.Finding, error) {
	facts, err := gather(ctx, kernel.NewHost(slog.New(slog.DiscardHandler)), cfg, cfg.VRFs)
	if err != nil {
		return nil, err
	}
	facts.File = file
	facts.Host = doctor.ReadHost(os.DirFS(root), strings.TrimSuffix(root, "/"), false)
	return doctor.Judge(facts), nil
}

// surveyed is the kernel of this host, as far as the doctor looks at it.
type surveyed interface {
	// Features says what the kernel can do.
	Features(ctx context.Context) (rib.Features, error)
	// Survey looks at a namespace: its routes of protocol, its devices and settings.
	Survey(ctx context.Context, netns string, protocol uint8, settings []string) (rib.Survey, error)
	// Rivals are other daemons that own tables of ours.
	Rivals() []rib.Rival
	surveyedCore
}

// surveyedCore is the same of how packets get to other PEs.
type surveyedCore interface {
	// VXLANDevices says whether the kernel makes VXLAN devices.
	VXLANDevices(ctx context.Context) (rib.Answer, error)
	// CoreFeatures says what the kernel can do for MPLS and SRv6.
	CoreFeatures(ctx context.Context) (rib.CoreFeatures, error)
	// NumberOf is the kernel's number, in one namespace, of another.
	NumberOf(ctx context.Context, in, of string) (int32, error)
	// Reached says where packets for SIDs of a block lead that come in by interfaces of a namespace.
	Reached(ctx context.Context, netns string, protocol uint8, block netip.Prefix) ([]rib.SIDReached, error)
}

// examiner looks for what stands in the way of a daemon that runs. It is a part of the
// api.Backend.
type examiner struct {
	file  string
	host  surveyed
	force *inForce
	vrfs  *vrfs
	boxes mailboxes
}

// Diagnose implements api.Backend.
func (e *examiner) Diagnose(ctx context.Context) ([]doctor.Finding, error) {
	facts, err := gather(ctx, e.host, e.force.config(), e.force.specs())
	if err != nil {
		return nil, err
	}
	facts.File, facts.Running, facts.States = e.file, true, e.vrfs.List()
	facts.Rivals, facts.Drift, facts.Limits = e.host.Rivals(), driftFindings(e.vrfs.bgp), e.boxes.Limits()
	if e.vrfs.sessions != nil {
		facts.Sessions = e.vrfs.sessions()
	}
	facts.Policies = e.vrfs.Policies()
	if e.vrfs.leftOut != nil {
		facts.LeftOut = e.vrfs.leftOut()
	}
	if facts.ByDefault, err = byDefault(ctx, e.vrfs, facts.States); err != nil {
		return nil, err
	}
	facts.Host = doctor.ReadHost(os.DirFS("/"), "", bySystemd())
	return doctor.Judge(facts), nil
}

// bySystemd tells whether systemd started this process. It says which one that is; its other variables
// are inherited.
func bySystemd() bool { return os.Getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(os.Getpid()) }

// surveysAtOnce bounds how many namespaces are looked at beside each other.
const surveysAtOnce = 4

// gather reads what there is to judge of a configuration and of the kernel.
func gather(ctx context.Context, host surveyed, cfg *config.Config, specs []vrf.Spec) (doctor.Facts, error) {
	f := doctor.Facts{
		Specs: specs, Neighbors: cfg.Neighbors, Bound: cfg.Bound, BGPPort: cfg.BGPPort,
		ManageSysctls: cfg.ManageSysctls, Open: cfg.Open, Deaf: cfg.Deaf, Spaces: make(map[string]doctor.Space),
	}
	for _, n := range cfg.Notes {
		if n.Hint {
			at := config.Error{File: n.File, Line: n.Line, Layer: n.Layer, Key: n.Key}
			f.Hints = append(f.Hints, doctor.Hint{At: strings.TrimSuffix(at.Error(), ": "), What: n.Message})
		}
	}
	var err error
	if f.Capabilities, err = kernel.Capabilities(); err != nil {
		return f, err
	}
	if f.Features, err = host.Features(ctx); err != nil {
		return f, fmt.Errorf("find out what the kernel can: %w", err)
	}
	protocol := rib.ProtoOwn
	names := map[string]struct{}{"": {}}
	carried := false
	for _, s := range specs {
		protocol = s.Protocol
		names[s.Binding.Netns] = struct{}{}
		carried = carried || s.Carriage.Kind != 0
	}
	if carried {
		names[cfg.Core.Netns] = struct{}{}
		if f.Carriage, err = gatherCore(ctx, host, cfg, names, protocol); err != nil {
			return f, err
		}
	}
	f.Spaces = survey(ctx, host, names, protocol, doctor.Settings())
	return f, ctx.Err()
}

// surveyor looks at namespaces.
type surveyor interface {
	Survey(ctx context.Context, netns string, protocol uint8, settings []string) (rib.Survey, error)
}

// survey looks at some namespaces.
func survey(ctx context.Context, host surveyor, names map[string]struct{}, protocol uint8, settings []string) map[string]doctor.Space {
	var mu sync.Mutex // guards spaces
	spaces := make(map[string]doctor.Space, len(names))
	var all errgroup.Group
	all.SetLimit(surveysAtOnce)
	for name := range names {
		all.Go(func() error {
			survey, err := host.Survey(ctx, name, protocol, settings)
			mu.Lock()
			defer mu.Unlock()
			spaces[name] = doctor.Space{Survey: survey, Err: err}
			return nil
		})
	}
	_ = all.Wait() // its functions return none
	return spaces
}

// mostWaiting bounds how many routes of a VRF are looked at for why they wait.
const mostWaiting = 1000

// routesOf lists the routes of a VRF: vrfs.
type routesOf interface {
	Routes(ctx context.Context, name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error
}

// byDefault counts, by VRF, the routes that wait because a default route alone leads to their
// nexthops.
func byDefault(ctx context.Context, of routesOf, states []vrf.Status) (map[string]int, error) {
	counts := make(map[string]int)
	for i := range states {
		name, looked := states[i].Spec.Name, 0
		if states[i].Counts.Total().Unresolved == 0 {
			continue
		}
		q := vrf.RouteQuery{Direction: vrf.Export, States: []rib.State{rib.Unresolved}}
		err := of.Routes(ctx, name, q, func(r rib.RouteStatus) bool {
			if r.State == rib.Unresolved {
				looked++
				if strings.Contains(r.Reason, rib.OnlyByDefault) {
					counts[name]++
				}
			}
			return looked < mostWaiting
		})
		if err != nil && !errors.Is(err, vrf.ErrUnknown) {
			return nil, fmt.Errorf("look at the routes of VRF %q that wait: %w", name, err)
		}
	}
	return counts, nil
}

// gatherCore reads how packets get to other PEs from some namespaces.
func gatherCore(ctx context.Context, host surveyedCore, cfg *config.Config, names map[string]struct{}, protocol uint8) (c doctor.Carriage, err error) {
	c = doctor.Carriage{
		Core: cfg.Core, Interfaces: cfg.CoreInterfaces, EVPN: cfg.EVPN, VPN: cfg.VPN, Labels: cfg.Labels, Numbers: make(map[string]int32),
	}
	// Only where it is asked for: the kernel loads modules to answer.
	if slices.ContainsFunc(cfg.VRFs, func(s vrf.Spec) bool { return s.Carriage.Kind == rib.EncapMPLS || s.Carriage.Kind == rib.EncapSRv6 }) {
		if c.Features, err = host.CoreFeatures(ctx); err != nil {
			return c, fmt.Errorf("find out what the kernel can do for MPLS and SRv6: %w", err)
		}
	}
	if block := blockOf(cfg.VRFs); block.IsValid() {
		// Of a core that is not there, or cannot be looked at, the survey says it.
		c.Reached, _ = host.Reached(ctx, cfg.Core.Netns, protocol, block)
	}
	if c.VXLAN, err = host.VXLANDevices(ctx); err != nil {
		return c, fmt.Errorf("find out whether the kernel makes VXLAN devices: %w", err)
	}
	for name := range names {
		number, err := host.NumberOf(ctx, name, cfg.Core.Netns)
		if err != nil {
			number = rib.NoNumber // the survey says of a namespace why it cannot be looked at
		}
		c.Numbers[name] = number
	}
	return c, nil
}

// blockOf is what the SIDs of all routers of the domain are in; invalid: no VRF has SRv6.
func blockOf(specs []vrf.Spec) netip.Prefix {
	for i := range specs {
		if is := &specs[i].Carriage; is.Kind == rib.EncapSRv6 {
			return netip.PrefixFrom(is.SRv6.Locator.Addr(), int(is.SRv6.BlockBits)).Masked()
		}
	}
	return netip.Prefix{}
}
