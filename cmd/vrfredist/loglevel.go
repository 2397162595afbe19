package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// logCommands has the command log-level.
type logCommands struct{ *cli }

// logLevels are the levels of the daemon's log.
var logLevels = []string{"debug", "info", "warn", "error"}

func (c logCommands) levelCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "log-level [LEVEL]",
		Short: "Show the least level of what the daemon logs, or set it",
		Long: `Shows the least level of what the running daemon logs, or sets it until the daemon ends:
debug, info, warn or error. The next start has that of its --log-level again. SIGUSR1 to the
daemon sets debug, and once more the level that it was started with.`,
		DisableFlagsInUseLine: true,
		ValidArgs:             logLevels,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return misused(cmd, "%q is too much: name one level, or none", args[1])
			case len(args) == 1 && !slices.Contains(logLevels, args[0]):
				return misused(cmd, "%q is no level: write %s", args[0], vrf.Enumerate(logLevels, "or"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				if len(args) == 0 {
					r, err := client.GetLogLevel(ctx, &vrfredistv1.GetLogLevelRequest{})
					if err != nil {
						return err
					}
					_, err = fmt.Fprintln(c.out, r.GetLevel())
					return err
				}
				r, err := client.SetLogLevel(ctx, &vrfredistv1.SetLogLevelRequest{Level: strings.Join(args, "")})
				if err != nil {
					return err
				}
				_, err = fmt.Fprintf(c.out, "the daemon logs at the level %s, and did at %s\n", args[0], r.GetWas())
				return err
			})
		},
	}
}
