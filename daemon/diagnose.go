package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"os"
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
	// VXLANDevices says whether the kernel makes VXLAN devices.
	VXLANDevices(ctx context.Context) (rib.Answer, error)
	// NumberOf is the kernel's number, in one namespace, of another.
	NumberOf(ctx context.Context, in, of string) (int32, error)
	// Rivals are other daemons that own tables of ours.
	Rivals() []rib.Rival
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
	// systemd says which process it started; its other variables are inherited.
	started := os.Getenv("SYSTEMD_EXEC_PID") == strconv.Itoa(os.Getpid())
	facts.Host = doctor.ReadHost(os.DirFS("/"), "", started)
	return doctor.Judge(facts), nil
}

// surveysAtOnce bounds how many namespaces are looked at beside each other.
const surveysAtOnce = 4

// gather reads what there is to judge of a configuration and of the kernel.
func gather(ctx context.Context, host surveyed, cfg *config.Config, specs []vrf.Spec) (doctor.Facts, error) {
	f := doctor.Facts{
		Specs: specs, Neighbors: cfg.Neighbors, Bound: cfg.Bound, BGPPort: cfg.BGPPort,
		ManageSysctls: cfg.ManageSysctls, Open: cfg.Open, Deaf: cfg.Deaf, Spaces: make(map[string]doctor.Space),
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
		if f.Carriage, err = gatherCore(ctx, host, cfg, names); err != nil {
			return f, err
		}
	}
	var mu sync.Mutex // guards f.Spaces
	var all errgroup.Group
	all.SetLimit(surveysAtOnce)
	for name := range names {
		all.Go(func() error {
			survey, err := host.Survey(ctx, name, protocol, doctor.Settings())
			mu.Lock()
			defer mu.Unlock()
			f.Spaces[name] = doctor.Space{Survey: survey, Err: err}
			return nil
		})
	}
	_ = all.Wait() // its functions return none
	return f, ctx.Err()
}

// gatherCore reads how packets get to other PEs from some namespaces.
func gatherCore(ctx context.Context, host surveyed, cfg *config.Config, names map[string]struct{}) (c doctor.Carriage, err error) {
	c = doctor.Carriage{Core: cfg.Core, Interfaces: cfg.CoreInterfaces, EVPN: cfg.EVPN, Numbers: make(map[string]int32)}
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
