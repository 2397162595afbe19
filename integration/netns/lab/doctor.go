package lab

import (
	"slices"
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
