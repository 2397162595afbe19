package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// reloadCommands has the commands reload and confirm.
type reloadCommands struct{ *cli }

func (c reloadCommands) reloadCommand() *cobra.Command {
	var within string
	var confirm time.Duration // within, where it is given
	cmd := &cobra.Command{
		Use:   "reload [--confirm TIME] [--json]",
		Short: "Apply the configuration file as it is now",
		Long: `Has the daemon read its configuration file again and apply what changed. What
did not change is not disturbed. A file with an error changes nothing.

With --confirm, the configuration from before comes back by itself after that
time, unless "vrfredist confirm" is run: also where the change has cut off who
made it. It comes back exactly, with what was enabled and disabled at run time
then. Until it is confirmed no other reload is taken, and a daemon that is
restarted starts with the configuration from before. The file itself is left as
it is.`,
		Example: `  vrfredist plan -f /etc/vrfredist/vrfredist.toml
  vrfredist reload --confirm 2m
  vrfredist confirm`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("confirm") {
				var err error
				if confirm, err = time.ParseDuration(within); err != nil || confirm < time.Second || confirm%time.Second != 0 {
					return misused(cmd, "--confirm %q: write whole seconds or minutes, as in 90s or 2m", within)
				}
			}
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				r, err := client.Reload(ctx, &vrfredistv1.ReloadRequest{ConfirmSeconds: uint32(min(confirm/time.Second, math.MaxUint32))})
				if err != nil {
					return err
				}
				return c.printReload(r, confirm)
			})
		},
	}
	cmd.Flags().StringVar(&within, "confirm", "", "go back after `TIME` (90s, 2m) unless \"vrfredist confirm\" is run")
	c.printsJSON(cmd)
	return cmd
}

func (c reloadCommands) printReload(r *vrfredistv1.ReloadResponse, confirm time.Duration) error {
	if c.json {
		return c.printMessage(r)
	}
	lines := r.GetChanges()
	if len(lines) == 0 {
		lines = []string{"Nothing changed: the file says what is in force."}
	}
	if at := r.GetRollbackUnix(); at != 0 {
		lines = append(lines, fmt.Sprintf("The configuration from before comes back in %s, at %s, unless `vrfredist confirm` is run.",
			vrf.Span(confirm), time.Unix(at, 0).UTC().Format(time.RFC3339)))
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(c.out, line); err != nil {
			return err
		}
	}
	return nil
}

func (c reloadCommands) confirmCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "confirm [--json]",
		Short: "Keep what \"reload --confirm\" brought",
		Long: `Keeps the configuration that "vrfredist reload --confirm" brought into force. It
fails where no reload waits to be confirmed.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				r, err := client.Confirm(ctx, &vrfredistv1.ConfirmRequest{})
				if err != nil {
					return err
				}
				if c.json {
					return c.printMessage(r)
				}
				_, err = fmt.Fprintln(c.out, "The reload is confirmed, and stays.")
				return err
			})
		},
	}
	c.printsJSON(cmd)
	return cmd
}
