package lab

import (
	"encoding/json"
	"slices"
	"strings"
)

// Finding is what `vrfredist doctor --json` says of one thing.
type Finding struct{ Level, Check, Subject, What, Why, Mend string }

// Examined is what it prints.
type Examined struct {
	Daemon, Broken bool
	Findings       []Finding
}

// Find returns what a check found about a subject.
func (e Examined) Find(check, subject string) (Finding, bool) {
	i := slices.IndexFunc(e.Findings, func(f Finding) bool { return f.Check == check && f.Subject == subject })
	if i < 0 {
		return Finding{}, false
	}
	return e.Findings[i], true
}

// Doctor runs `vrfredist doctor` in the namespace, and holds its exit status
// against what it prints.
func (n *Namespace) Doctor(args ...string) Examined {
	n.lab.T.Helper()
	p := n.Start("doctor", append([]string{n.lab.Run.Daemon, "doctor", "--json"}, args...)...)
	err := p.Wait(Patience)
	var e Examined
	if bad := json.NewDecoder(strings.NewReader(p.Output())).Decode(&e); bad != nil {
		n.lab.T.Fatalf("doctor %v: %v, %v: %s", args, err, bad, p.Output())
	}
	if (err != nil) != e.Broken {
		n.lab.T.Errorf("doctor %v: the exit status is %v, and broken is %v", args, err, e.Broken)
	}
	return e
}

// Paste runs the command of a finding in a root shell in the namespace. dir
// holds programs that stand before others; "": none.
func (n *Namespace) Paste(f Finding, dir string) {
	n.lab.T.Helper()
	if f.Mend == "" {
		n.lab.T.Errorf("no command mends %+v", f)
		return
	}
	p := n.Start("shell", "sh", "-ec", "PATH="+dir+":$PATH; "+f.Mend)
	if err := p.Wait(Patience); err != nil {
		n.lab.T.Errorf("%s: %v: %s", f.Mend, err, p.Output())
	}
}
