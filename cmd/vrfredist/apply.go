package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vrfredist/vrfredist/api/client"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/vrf"
)

// applyCommands has the command apply.
type applyCommands struct{ *cli }

func (c applyCommands) applyCommand() *cobra.Command {
	var from string
	var f tenantFlags
	var prune bool
	cmd := &cobra.Command{
		Use:   "apply -f DIR [--owner NAME [--prune]] [--dry-run]",
		Short: "Have the VRFs and neighbours of a folder, beside the file",
		Long: `Makes each VRF and neighbour of a file, or of all files of a folder that end in
.toml, .yaml, .yml or .json, as the files say. They have the syntax of the
configuration file, and of its sections vrfs, neighbors, netlink.vrfs and
netlink.policies alone. What is so already is left alone: the same once more
changes nothing. With --owner what is applied is marked, and with --prune what
has that mark and is in no file any more is removed.`,
		Example:               "  vrfredist apply -f tenants/ --owner ansible --prune",
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case from == "":
				return misused(cmd, "the folder is missing: name it with -f DIR")
			case prune && f.owner == "":
				return misused(cmd, "--prune removes what one owner applied: name it with --owner NAME")
			}
			tenants, err := readTenants(from)
			if err != nil {
				return err
			}
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				a := &application{cli: c.cli, client: client, flags: f}
				return a.all(ctx, tenants, prune)
			})
		},
	}
	cmd.Flags().StringVarP(&from, "file", "f", "", "`DIR` with files of tenants, or one such file")
	cmd.Flags().BoolVar(&prune, "prune", false, "remove what the owner applied before, and is in no file now")
	f.add(cmd)
	return cmd
}

// readTenants reads the files of a folder, or one file: VRFs first, and then neighbours.
func readTenants(from string) ([]config.TenantSection, error) {
	var files []string
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != from:
			return filepath.SkipDir
		case path == from && !d.IsDir(), slices.Contains([]string{".toml", ".yaml", ".yml", ".json"}, filepath.Ext(path)):
			files = append(files, path)
		}
		return nil
	})
	var at *fs.PathError
	if errors.As(err, &at) && errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%s is not there: name a folder of files, or a file", at.Path)
	}
	var all []config.TenantSection
	first := make(map[vrf.LayerKey]string)
	for _, file := range files {
		list, bad := config.ReadTenants(file)
		err = errors.Join(err, bad)
		for _, t := range list {
			where := fmt.Sprintf("%s:%d", file, t.Line)
			if other := first[t.Key]; other != "" {
				err = errors.Join(err, fmt.Errorf("%s: %s is in %s too; remove one", where, t.Key, other))
			}
			first[t.Key] = where
		}
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b config.TenantSection) int {
		switch {
		case a.Key.Neighbor == b.Key.Neighbor:
			return 0
		case b.Key.Neighbor:
			return -1
		}
		return 1
	})
	return all, err
}

// application applies tenants one after the other.
type application struct {
	*cli
	client vrfredistv1.RedistributionClient
	flags  tenantFlags
	before map[vrf.LayerKey]*vrfredistv1.Applied
}

// all removes what is in no file any more, and applies the rest. Where one cannot be applied the
// others are all the same.
func (a *application) all(ctx context.Context, tenants []config.TenantSection, prune bool) error {
	list, err := a.client.ListApplied(ctx, &vrfredistv1.ListAppliedRequest{})
	if err != nil {
		return err
	}
	a.before = make(map[vrf.LayerKey]*vrfredistv1.Applied)
	for _, is := range list.GetApplied() {
		a.before[keyOf(is)] = is
	}
	var failed error
	if prune {
		failed = a.prune(ctx, list.GetApplied(), tenants)
	}
	for _, t := range tenants {
		if err := a.one(ctx, t); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", tenantName(t.Key), a.explain(err)))
		}
	}
	return failed
}

func keyOf(is *vrfredistv1.Applied) vrf.LayerKey {
	if is.GetNeighbor() != "" {
		return vrf.NeighborKey(is.GetNeighbor(), is.GetNetns())
	}
	return vrf.LayerKey{Name: is.GetVrf()}
}

// prune removes neighbours before VRFs.
func (a *application) prune(ctx context.Context, applied []*vrfredistv1.Applied, tenants []config.TenantSection) (failed error) {
	for _, is := range slices.Backward(applied) {
		key := keyOf(is)
		if is.GetOwner() != a.flags.owner || slices.ContainsFunc(tenants, func(t config.TenantSection) bool { return t.Key == key }) {
			continue
		}
		said := "removed"
		if a.flags.dryRun {
			said = "would be removed"
		} else if err := a.remove(ctx, is); err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", tenantName(key), a.explain(err)))
			continue
		}
		if _, err := fmt.Fprintf(a.out, "%s: %s\n", tenantName(key), said); err != nil {
			return err
		}
	}
	return failed
}

func (a *application) remove(ctx context.Context, is *vrfredistv1.Applied) error {
	ctx, cancel := once(ctx)
	defer cancel()
	if is.GetNeighbor() != "" {
		r, err := a.client.DeleteNeighbor(ctx, &vrfredistv1.DeleteNeighborRequest{Address: is.GetNeighbor(), Vrf: is.GetVrf(), Netns: is.GetNetns(), Generation: &is.Generation})
		if err != nil {
			return err
		}
		return unfinished(r.GetGone(), r.GetReason(), "it")
	}
	r, err := a.client.DeleteVrf(ctx, &vrfredistv1.DeleteVrfRequest{Vrf: is.GetVrf(), Generation: &is.Generation})
	if err != nil {
		return err
	}
	return unfinished(r.GetGone(), r.GetReason(), "it")
}

// one applies a VRF or a neighbour, and says what came of it.
func (a *application) one(ctx context.Context, t config.TenantSection) error {
	ctx, cancel := once(ctx)
	defer cancel()
	var generation uint64
	var plan []*vrfredistv1.PlanItem
	if t.Key.Neighbor {
		spec, err := client.NeighborOf(t.Section)
		if err != nil {
			return err
		}
		r, err := a.client.ApplyNeighbor(ctx, &vrfredistv1.ApplyNeighborRequest{Neighbor: spec, Owner: a.flags.owner, DryRun: a.flags.dryRun})
		if err != nil {
			return err
		}
		generation, plan = r.GetGeneration(), r.GetPlan()
	} else {
		spec, err := client.VRFOf(t.Section)
		if err != nil {
			return err
		}
		r, err := a.client.ApplyVrf(ctx, &vrfredistv1.ApplyVrfRequest{Vrf: spec, Owner: a.flags.owner, DryRun: a.flags.dryRun})
		if err != nil {
			return err
		}
		generation, plan = r.GetGeneration(), r.GetPlan()
	}
	if a.flags.dryRun {
		if _, err := fmt.Fprintf(a.out, "%s:\n", tenantName(t.Key)); err != nil {
			return err
		}
		return printPlan(a.out, items(plan))
	}
	said := "applied"
	switch was := a.before[t.Key]; {
	case was.GetGeneration() == generation && was != nil:
		said = "unchanged"
	case was != nil:
		said = "changed"
	}
	_, err := fmt.Fprintf(a.out, "%s: %s\n", tenantName(t.Key), said)
	return err
}
