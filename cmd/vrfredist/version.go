package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// versionCommands has the command version.
type versionCommands struct{ *cli }

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version string

// build is what a binary knows of itself.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision"` // "": built outside of a repository
	Modified bool   `json:"modified"` // built from files that are in no commit
	GoBGP    string `json:"gobgp"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild() build {
	b := build{Version: version, GoBGP: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; b.Version == "" && v != "(devel)" {
		b.Version = v
	}
	if b.Version == "" {
		b.Version = "development"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	for _, m := range info.Deps {
		if m.Path == "github.com/osrg/gobgp/v3" {
			b.GoBGP = m.Version
		}
	}
	return b
}

func (b build) String() string {
	s := "vrfredist " + b.Version
	if len(b.Revision) >= 12 {
		s += " (" + b.Revision[:12]
		if b.Modified {
			s += ", modified"
		}
		s += ")"
	}
	return s + "\nGoBGP " + b.GoBGP + "\n" + b.Go + " " + b.Platform
}

func (c versionCommands) versionCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:                   "version [--json]",
		Short:                 "Print the version of this program and of GoBGP in it",
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if c.json {
				return printJSON(c.out, thisBuild())
			}
			_, err := fmt.Fprintln(c.out, thisBuild())
			return err
		},
	}
	c.printsJSON(cmd)
	return cmd
}
