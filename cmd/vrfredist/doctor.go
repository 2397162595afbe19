package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/daemon"
	"github.com/vrfredist/vrfredist/doctor"
)

// doctorCommands has the command doctor.
type doctorCommands struct{ *cli }

func (c doctorCommands) doctorCommand() *cobra.Command {
	var file, root string
	cmd := &cobra.Command{
		Use:   "doctor [-f FILE] [--json]",
		Short: "Say what stands in the way on this host, and how to mend it",
		Long: `Looks for what stands in the way of vrfredist on this host: capabilities, the
kernel's abilities and settings, VRF devices, and other programs that take
routes for theirs. It changes nothing.

The daemon is asked where it runs. With -f it looks for itself too, at what that
file needs, before the daemon runs or while it does.

Each finding says what is wrong, why that matters, and the command that mends
it. What is "broken" does not work as configured; a "risk" works, and can lose
traffic or let it out of its VRF; "advice" works, and could work better. The
exit status is 1 where something is broken, else 0.`,
		Example:               "  vrfredist doctor -f /etc/vrfredist/vrfredist.toml",
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.doctor(cmd, file, root)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "configuration `FILE` to look at: TOML, YAML or JSON")
	cmd.Flags().StringVar(&root, "root", "/", "`DIRECTORY` below which the host's files are read")
	_ = cmd.Flags().MarkHidden("root") // the error would be of a flag that does not exist
	c.printsJSON(cmd)
	return cmd
}

func (c doctorCommands) doctor(cmd *cobra.Command, file, root string) error {
	found, asked, err := c.askDoctor(cmd)
	if err != nil {
		return err
	}
	if file != "" || !asked {
		own, err := examine(cmd.Context(), file, root)
		if err != nil {
			return err
		}
		found = merge(found, own, asked)
	}
	if c.json {
		err = printJSON(c.out, diagnosis(file, asked, found))
	} else {
		err = c.printFindings(file, asked, found)
	}
	if err == nil && doctor.IsBroken(found) {
		err = errors.New("something is broken")
	}
	return err
}

// askDoctor has the daemon look. asked is false where none runs.
func (c doctorCommands) askDoctor(cmd *cobra.Command) (found []doctor.Finding, asked bool, err error) {
	err = c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
		ctx, cancel := once(ctx)
		defer cancel()
		r, err := client.Diagnose(ctx, &vrfredistv1.DiagnoseRequest{})
		for _, f := range r.GetFindings() {
			found = append(found, doctor.Finding{
				Level: levelOf(f.GetLevel()), Check: f.GetCheck(), Subject: f.GetSubject(),
				What: f.GetWhat(), Why: f.GetWhy(), Mend: f.GetMend(),
			})
		}
		return err
	})
	if errors.As(err, new(notRunningError)) {
		return nil, false, nil
	}
	return found, err == nil, err
}

// levelOf reads a level that the daemon sent; one that this program does not
// know is taken for the worst.
func levelOf(s string) doctor.Level {
	for _, l := range []doctor.Level{doctor.Risk, doctor.Advice} {
		if l.String() == s {
			return l
		}
	}
	return doctor.Broken
}

// examine looks for itself. Without a file it looks at the host alone.
func examine(ctx context.Context, file, root string) ([]doctor.Finding, error) {
	cfg := &config.Config{}
	if file != "" {
		var err error
		if cfg, err = daemon.LoadConfig(file); err != nil {
			return nil, summed(file, err)
		}
	}
	return daemon.Examine(ctx, file, cfg, root)
}

// merge adds what this process found to what the daemon did. What this process
// may do, and whose routes stand where, the daemon knows better.
func merge(daemons, own []doctor.Finding, asked bool) []doctor.Finding {
	out := slices.Clone(daemons)
	for _, f := range own {
		better := asked && (f.Check == "capabilities" || f.Check == "protocol-routes" || f.Check == "gobgp" || f.Check == "bgp-drift")
		same := slices.ContainsFunc(daemons, func(d doctor.Finding) bool { return d.Check == f.Check && d.Subject == f.Subject })
		if !better && !same {
			out = append(out, f)
		}
	}
	doctor.Sort(out)
	return out
}

// diagnosed is what `doctor --json` prints.
type diagnosed struct {
	File     string    `json:"file"`   // "": none was named
	Daemon   bool      `json:"daemon"` // whether one runs, and was asked
	Broken   bool      `json:"broken"`
	Findings []finding `json:"findings"`
}

type finding struct {
	Level   string `json:"level"`
	Check   string `json:"check"`
	Subject string `json:"subject"`
	What    string `json:"what"`
	Why     string `json:"why"`
	Mend    string `json:"mend"`
}

func diagnosis(file string, asked bool, found []doctor.Finding) diagnosed {
	doc := diagnosed{File: file, Daemon: asked, Broken: doctor.IsBroken(found), Findings: []finding{}}
	for _, f := range found {
		doc.Findings = append(doc.Findings, finding{f.Level.String(), f.Check, f.Subject, f.What, f.Why, f.Mend})
	}
	return doc
}

func (c doctorCommands) printFindings(file string, asked bool, found []doctor.Finding) error {
	var b strings.Builder
	counts := make(map[doctor.Level]int)
	for _, f := range found {
		counts[f.Level]++
		b.WriteString(painted(c.out, foldUnder(c.out, "", f.Level.String()+": "+f.What)))
		b.WriteString(foldUnder(c.out, "  ", "Why: "+f.Why))
		if f.Mend != "" { // a command is not folded: it is to be copied
			fmt.Fprintf(&b, "  Mend: %s\n", f.Mend)
		}
		b.WriteByte('\n')
	}
	var looked []string
	if asked {
		looked = append(looked, "asked the daemon at "+c.api)
	} else {
		looked = append(looked, "no daemon runs at "+c.api)
	}
	if file != "" {
		looked = append(looked, "looked at what "+file+" needs")
	} else if !asked {
		looked = append(looked, "looked at the host alone; name a configuration with -f FILE")
	}
	b.WriteString(foldUnder(c.out, "", fmt.Sprintf("%d broken, %d at risk, %d with advice (%s)",
		counts[doctor.Broken], counts[doctor.Risk], counts[doctor.Advice], strings.Join(looked, "; "))))
	_, err := fmt.Fprint(c.out, b.String())
	return err
}
