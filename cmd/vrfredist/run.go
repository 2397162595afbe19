package main

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/vrfredist/vrfredist/daemon"
	"github.com/vrfredist/vrfredist/vrf"
)

// runCommands has the command run.
type runCommands struct{ *cli }

// runOptions are the flags of `vrfredist run`.
type runOptions struct {
	daemon.Options
	LogLevel   string // debug, info, warn, error
	LogFormat  string // text, json
	CPUProfile string // "": none
	PProf      string
}

func (c runCommands) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run -f FILE [FLAG...]",
		Short: "Run the daemon",
		Long: `Runs the daemon in the foreground until SIGTERM or SIGINT. SIGHUP reads the
configuration file again, as "vrfredist reload" does. SIGUSR1 has the log say everything, at the level
debug, and once more has it back at that of --log-level; "vrfredist log-level" sets any.`,
		Example:               "  vrfredist run -f /etc/vrfredist/vrfredist.toml",
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return served(o.PProf, func() error {
				return profiled(o.CPUProfile, func() error { return o.run(cmd.Context()) })
			})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.File, "file", "f", "", "configuration `FILE`: TOML, YAML or JSON")
	f.StringVar(&o.StateDir, "state-dir", "/var/lib/vrfredist", "`DIRECTORY` that keeps what is enabled and disabled at run time")
	f.StringSliceVar(&o.Listen, "api-listen", nil, "`ADDRESS` to serve the API on, instead of the file's: unix:///PATH or HOST:PORT")
	f.BoolVarP(&o.GracefulRestart, "graceful-restart", "r", false, "tell the neighbours that this is a graceful restart")
	f.StringVar(&o.LogLevel, "log-level", "info", "least `LEVEL` that is logged: debug, info, warn or error")
	f.StringVar(&o.LogFormat, "log-format", "text", "`FORMAT` of the log: text or json")
	f.StringVar(&o.CPUProfile, "cpuprofile", "", "`FILE` for a CPU profile of the whole run")
	f.StringVar(&o.PProf, "pprof", "", "`ADDRESS` to serve Go's profiles on, by HTTP, to whoever reaches it")
	for _, name := range []string{"cpuprofile", "pprof"} {
		if err := f.MarkHidden(name); err != nil {
			panic(err) // the flag is there: it was made a line before
		}
	}
	return cmd
}

// run runs the daemon until it is told to end.
func (o runOptions) run(ctx context.Context) (err error) {
	if o.Log, o.Level, err = newLogger(o.LogLevel, o.LogFormat); err != nil {
		return err
	}
	b := thisBuild()
	o.Build = daemon.Build{Version: b.Version, Revision: b.Revision, GoBGP: b.GoBGP, Go: b.Go}
	return daemon.Run(ctx, o.Options)
}

func (o runOptions) check(cmd *cobra.Command) error {
	if o.File == "" {
		return misused(cmd, "the configuration file is missing: name it with -f FILE")
	}
	for _, name := range []string{"api", "tls-ca", "tls-cert", "tls-key", "tls-name"} {
		if cmd.Flags().Changed(name) {
			return misused(cmd, "--%s says how other commands reach a daemon; where the daemon listens, and with which certificates, say listen and tls under [netlink.api] of the file, and --api-listen in place of the former", name)
		}
	}
	for _, f := range []struct {
		flag, value string
		allowed     []string
	}{
		{"--log-level", o.LogLevel, []string{"debug", "info", "warn", "error"}},
		{"--log-format", o.LogFormat, []string{"text", "json"}},
	} {
		if !slices.Contains(f.allowed, f.value) {
			return misused(cmd, "%s %q: write %s", f.flag, f.value, vrf.Enumerate(f.allowed, "or"))
		}
	}
	if o.StateDir == "" {
		return misused(cmd, "--state-dir is empty: name a directory")
	}
	return nil
}
