// Package doctor judges what stands in the way of vrfredist on a host. Judge is
// pure: facts in, findings out. What the facts are made of is read elsewhere;
// ReadHost reads those that lie in files.
package doctor

import (
	"cmp"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Level says how bad a finding is.
type Level uint8

// The levels, the worst first.
const (
	// Broken: something that is configured does not work.
	Broken Level = iota
	// Risk: it works, and can lose traffic, or send it to the wrong tenant.
	Risk
	// Advice: it works, and could work better.
	Advice
)

func (l Level) String() string { return [...]string{"broken", "risk", "advice"}[l] }

// Finding is one thing that somebody should mend.
type Finding struct {
	Level   Level
	Check   string // which check found it: "capabilities", "rp-filter"
	Subject string // what it is about: a VRF, a namespace, a device; "": the host
	What    string // a sentence
	Why     string // why it matters
	// Mend is a shell command after which the finding is gone; "" where no
	// command can do it, and What says what to do.
	Mend string
}

// Space is what is known of one network namespace.
type Space struct {
	rib.Survey
	Err error // why it could not be looked at; one that matches rib.ErrAbsent: it is not there
}

// Drift is something that BGP has otherwise than the configuration says.
type Drift struct {
	Subject string // "neighbour 192.0.2.1"
	What    string // what is so, and who made it so
	Added   bool   // it is of no configuration, and What says who added it
}

// Facts are all that Judge goes by. Nobody changes them afterwards.
type Facts struct {
	// File is the configuration's path; "": there is none, and what follows of
	// the configuration is empty.
	File          string
	Specs         []vrf.Spec // the VRFs to run
	Neighbors     []rib.Neighbor
	Bound         []string // neighbours bound to an interface in a VRF, as config has them
	Open          []string // neighbours that nothing keeps others from posing as, as config has them
	Unapplied     []string // neighbours and peer groups whose own policies are not in force
	BGPPort       uint16   // 0: BGP does not listen
	ManageSysctls bool

	// Running: the facts are of the daemon, which runs; else of a process that
	// looks at what the daemon would find.
	Running      bool
	States       []vrf.Status // of a daemon that runs
	Rivals       []rib.Rival  // of its tables
	Drift        []Drift      // the same
	Capabilities uint64
	Features     rib.Features
	Spaces       map[string]Space // by the netns of a binding, "" for the daemon's own
	Host         Host

	tables *tables // Judge's
}

// Judge returns what there is to mend, the worst first.
func Judge(f Facts) []Finding {
	f.tables = newTables(f)
	var all []Finding
	for _, check := range []func(Facts) []Finding{
		capabilities, features, places, states, sharedTables, rivals, guards, protocolRoutes, protocolNumber,
		sessions, policies, settings, networkd, restart, passwords, drift,
	} {
		all = append(all, check(f)...)
	}
	Sort(all)
	return all
}

// Sort puts the worst first, and what is alike beside each other.
func Sort(all []Finding) {
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Level, b.Level), cmp.Compare(a.Check, b.Check), cmp.Compare(a.Subject, b.Subject))
	})
}

// IsBroken tells whether something does not work.
func IsBroken(all []Finding) bool {
	return slices.ContainsFunc(all, func(f Finding) bool { return f.Level == Broken })
}

// netnsOf are the namespaces that the configuration names, the daemon's own
// first, each with its VRFs.
func (f Facts) netnsOf() []netnsVRFs {
	byName := map[string][]vrf.Spec{"": nil}
	for _, s := range f.Specs {
		byName[s.Binding.Netns] = append(byName[s.Binding.Netns], s)
	}
	out := make([]netnsVRFs, 0, len(byName))
	for name, specs := range byName {
		out = append(out, netnsVRFs{name, specs})
	}
	slices.SortFunc(out, func(a, b netnsVRFs) int { return cmp.Compare(a.netns, b.netns) })
	return out
}

type netnsVRFs struct {
	netns string
	specs []vrf.Spec
}

// in names a namespace in a sentence.
func in(netns string) string {
	if netns == "" {
		return "in the daemon's own namespace"
	}
	return "in netns " + netns
}
