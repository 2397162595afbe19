package main

import (
	"strings"

	"github.com/spf13/cobra"
)

func newRoot(c *cli) *cobra.Command {
	root := group(&cobra.Command{
		Use:   "vrfredist",
		Short: "Redistribute routes between a host's VRFs and BGP",
		Long: `vrfredist redistributes routes between the kernel tables of a host's VRFs and
network namespaces, and BGP. "vrfredist run" is the daemon, with GoBGP inside;
the other commands ask it and change it while it runs, at the address of --api
or of the environment's VRFREDIST_API.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRun: func(*cobra.Command, []string) {
			c.started = true
		},
	},
		runCommands{c}.runCommand(), checkCommands{c}.checkCommand(), planCommands{c}.planCommand(),
		reloadCommands{c}.reloadCommand(), reloadCommands{c}.confirmCommand(), applyCommands{c}.applyCommand(),
		redistributionCommands{c}.redistributionCommand(), vrfCommands{c}.vrfCommand(), neighborCommands{c}.neighborCommand(), policyCommands{c}.policyCommand(), configCommands{c}.configCommand(),
		monitorCommands{c}.monitorCommand(), routeCommands{c}.routeCommand(), explainCommands{c}.explainCommand(),
		resyncCommands{c}.resyncCommand(), doctorCommands{c}.doctorCommand(), logCommands{c}.levelCommand(), versionCommands{c}.versionCommand())
	root.Version = thisBuild().String() // which makes the flag --version
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{cmd, err} })
	root.SetUsageTemplate(usageTemplate)
	root.PersistentFlags().StringVar(&c.api, "api", "",
		"`ADDRESS` of the daemon: unix:///PATH or HOST:PORT (default "+defaultAPI+")")
	c.tls.flags(root.PersistentFlags())
	root.SetHelpCommand(helpCommand())
	root.InitDefaultCompletionCmd()
	if completion, _, err := root.Find([]string{"completion"}); err == nil {
		group(completion)
	}
	return root
}

// usageTemplate is cobra's without its second line of usage, which says of a
// group what the first one said.
const usageTemplate = `Usage:
  {{.UseLine}}
{{- if .HasExample}}

Examples:
{{.Example}}
{{- end}}
{{- if .HasAvailableSubCommands}}

Commands:
{{- range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding}}  {{.Short}}{{end}}{{end}}
{{- end}}
{{- if .HasAvailableLocalFlags}}

Flags:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
{{- if .HasAvailableInheritedFlags}}

Global flags:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
`

// helpCommand is cobra's, with an error for a command that there is not.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:                   "help [COMMAND]",
		Short:                 "Say what a command does",
		DisableFlagsInUseLine: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return misused(cmd, "there is no command %q", strings.Join(args, " "))
			}
			about.InitDefaultHelpFlag()
			return about.Help()
		},
	}
}
