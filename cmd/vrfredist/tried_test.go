package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// What people try is answered by the command that knows.
func TestWhatPeopleTry(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"status": "vrf", "show": "vrf", "show --json": "vrf --json", "show vrf red": "vrf red", "status --state failed": "vrf --state failed",
		"neighbors": "neighbor", "neighbours 192.0.2.1": "neighbor 192.0.2.1", "summary": "neighbor", "show bgp summary": "neighbor",
		"show ip bgp summary": "neighbor", "show bgp neighbors 192.0.2.1": "neighbor 192.0.2.1", "show protocols": "neighbor",
		"show ip route": "route export", "show route --vrf red": "route export --vrf red", "show route import": "route import", "routes --vrf red": "route export --vrf red",
		"show running-config": "config", "show version": "version", "show policy": "policy", "policies": "policy",
		"vrf status": "vrf status", "vrf": "vrf", "": "", "route export": "route export", "--json": "--json",
	} {
		if got := strings.Join(tried(strings.Fields(in)), " "); got != want {
			t.Errorf("%q is answered by %q, want %q", in, got, want)
		}
	}
	root := newRoot(&cli{out: new(strings.Builder)})
	for name, ours := range otherNames {
		if cmd, rest, err := root.Find(ours); err != nil || len(rest) > 0 || cmd == root {
			t.Errorf("%s stands for %v, which is no command", name, ours)
		}
		if cmd, _, err := root.Find([]string{name}); err == nil && cmd != root {
			t.Errorf("%s is a command of its own", name)
		}
	}
}

func TestVersionByFlag(t *testing.T) {
	got, want := session(t, "--version"), session(t, "version")
	if _, text, _ := strings.Cut(want, "\n"); !strings.HasSuffix(got, text) || !strings.HasPrefix(text, "vrfredist ") {
		t.Errorf("--version prints %q, and version %q", got, want)
	}
}

// Numbers are numbers, whatever their width.
func TestNumbersInJSON(t *testing.T) {
	t.Parallel()
	raw, err := marshal(&vrfredistv1.WatchVrfsResponse{
		TimeUnixNano: 1_795_930_015_000_000_001, Activity: &vrfredistv1.Activity{Added: 1 << 60},
		Vrf: &vrfredistv1.Vrf{Name: "a<b>&c", SinceUnix: 7}, Events: []*vrfredistv1.RouteEvent{{What: "added"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"time_unix_nano":1795930015000000001,`, `"added":1152921504606846976,`, `"since_unix":7,`, `"name":"a<b>&c"`, `"import_rts":[]`, `"was":""`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s is not in %s", want, raw)
		}
	}
	if strings.Contains(string(raw), `"unconfirmed"`) || !json.Valid(raw) {
		t.Errorf("a message that is not set: %s", raw)
	}
}

// completed is what a shell is offered.
func completed(t *testing.T, args ...string) []string {
	t.Helper()
	var b strings.Builder
	c := &cli{out: &b}
	if status := c.execute(t.Context(), append([]string{"__complete"}, args...), new(strings.Builder)); status != 0 {
		t.Fatalf("completing %v: %d", args, status)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	return lines[:len(lines)-1] // the last one is for the shell
}

func TestCompletion(t *testing.T) {
	serveFake(t)
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"vrf", "--state", ""}, []string{"ready", "failed"}},
		{[]string{"vrf", "--state", "ready,"}, []string{"ready,failed", "ready,pending"}},
		{[]string{"route", "export", "--state", "un"}, []string{"unresolved"}},
		{[]string{"route", "import", "--state", ""}, []string{"announced", "filtered"}},
		{[]string{"explain", "--vrf", "vrf-red", "10."}, []string{"10.3.0.0/16"}},
		{[]string{"route", "export", "--vrf", "vrf-red", "--prefix", "10."}, []string{"10.0.0.0/8"}},
		{[]string{"redistribution", "enable", "import", ""}, []string{"lo"}},
		{[]string{"neighbor", ""}, []string{"10.0.0.2"}},
		{[]string{"policy", ""}, []string{"to-kernel"}},
		{[]string{"config", "--vrf", ""}, []string{"vrf-red"}},
	} {
		got := completed(t, tc.args...)
		for _, want := range tc.want {
			if !slices.Contains(got, want) {
				t.Errorf("%v offers %v, without %s", tc.args, got, want)
			}
		}
		if slices.Contains(got, "ready,ready") {
			t.Errorf("%v offers what is given: %v", tc.args, got)
		}
	}
}

// The daemon need not send a whole table for the first letters of a prefix.
func TestWhatAPrefixBegins(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"": "", "1": "", "10.": "10.0.0.0/8", "10.1.2": "10.1.0.0/16", "10.1.2.3": "10.1.2.0/24", "10.1.2.0/2": "", "300.": "",
		"2001:db8:": "2001:db8::/32", "2001:db8::": "", "x.": "", "fe": "",
	} {
		if got := begun(typed); got != want {
			t.Errorf("%q begins %q, want %q", typed, got, want)
		}
	}
}
