package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

func (c *cli) reloadCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reload [--json]",
		Short: "Apply the configuration file as it is now",
		Long: `Has the daemon read its configuration file again and apply what changed. What
did not change is not disturbed. A file with an error changes nothing.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				r, err := client.Reload(ctx, &vrfredistv1.ReloadRequest{})
				if err != nil {
					return err
				}
				return c.printReload(r)
			})
		},
	}
	c.printsJSON(cmd)
	return cmd
}

func (c *cli) printReload(r *vrfredistv1.ReloadResponse) error {
	if c.json {
		return c.printMessage(r)
	}
	changes := r.GetChanges()
	if len(changes) == 0 {
		changes = []string{"Nothing changed: the file says what is in force."}
	}
	for _, line := range changes {
		if _, err := fmt.Fprintln(c.out, line); err != nil {
			return err
		}
	}
	return nil
}
