package main

import (
	"os"
	"path/filepath"
	"strings"
)

// The files that plans are made of: each differs from the daemon's by one thing.
const (
	otherMetric   = "metric.toml"
	otherPolicy   = "policy.toml"
	otherNeighbor = "neighbor.toml"
)

// nobodyAsks is the session that a plan's time is compared with.
const nobodyAsks = "the session, nobody asks"

// planned are the plans, without the file's folder.
var planned = [][]string{
	{"plan", "-f", otherMetric, "--summary"},
	{"plan", "-f", otherMetric},
	{"plan", "-f", otherMetric, "--all"},
	{"plan", "-f", otherPolicy},
	{"plan", "-f", otherNeighbor},
}

// upperHalf rejects the half of the routes, as a policy of a VRF's and as one of GoBGP's.
const (
	upperHalf = `
[[netlink.policies]]
  name = "upper"
  default = "accept"
  [[netlink.policies.rules]]
    prefixes = ["128.0.0.0/1 le 32"]
    action = "reject"
`
	upperHalfOfGoBGP = `
[[defined-sets.prefix-sets]]
  prefix-set-name = "upper"
  [[defined-sets.prefix-sets.prefix-list]]
    ip-prefix = "128.0.0.0/1"
    masklength-range = "1..32"
[[policy-definitions]]
  name = "upper"
  [[policy-definitions.statements]]
    name = "upper"
    [policy-definitions.statements.conditions.match-prefix-set]
      prefix-set = "upper"
    [policy-definitions.statements.actions]
      route-disposition = "reject-route"
`
)

// plans writes the files, and returns the commands that make plans of them.
func plans(r *receiver) (list [][]string) {
	text, err := os.ReadFile(filepath.Join(r.lab.Dir, "vrfredist.toml"))
	r.t.must(err)
	with := func(file, before, more, end string) {
		if !strings.Contains(string(text), before) {
			r.t.Fatalf("the configuration has no %q", before)
		}
		r.lab.File(file, strings.Replace(string(text), before, before+more, 1)+end)
	}
	const export, neighbor = "[netlink.export]\n", "    passive-mode = true\n" // the first one's, which sends the table
	with(otherMetric, export, "  metric = 30\n", "")
	with(otherPolicy, export, "  policy = \"upper\"\n", upperHalf)
	with(otherNeighbor, neighbor, "  [neighbors.apply-policy.config]\n    import-policy-list = [\"upper\"]\n", upperHalfOfGoBGP)
	for _, argv := range planned {
		argv = append([]string(nil), argv...)
		argv[2] = filepath.Join(r.lab.Dir, argv[2])
		list = append(list, argv)
	}
	return list
}

// planAims are about each plan: its time beside that of the session in the same run, and its memory.
func planAims() (list []aim) {
	for _, argv := range planned {
		name := strings.Join(argv, " ")
		list = append(list, aim{name + ", time ÷ the session", 2, false, over("operator", name, "s", "operator", nobodyAsks, "s")},
			aim{name + ", the daemon's MB more", 200, false, func(r *results) (float64, bool) {
				return r.value("operator", name, "daemon's RSS more, MB")
			}})
	}
	return list
}
