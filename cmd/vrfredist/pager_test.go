package main

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// A pager gets what a command prints; one that a person leaves early ends the
// command well.
func TestPager(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	c := &cli{out: &out}
	lines := func(n int) func() error {
		return func() error {
			for i := range n {
				if _, err := fmt.Fprintf(c.out, "%d\n", i); err != nil {
					return fmt.Errorf("print: %w", err)
				}
			}
			return nil
		}
	}
	if err := c.paged("sed s/^/p/", lines(2)); err != nil || out.String() != "p0\np1\n" {
		t.Errorf("through a pager: %v, %q", err, &out)
	}
	if err := c.paged("head -n 1 >/dev/null", lines(1_000_000)); err != nil {
		t.Errorf("a pager that is left: %v", err)
	}
	if err := c.paged("cat", func() error { return errors.New("no") }); err == nil {
		t.Error("the command's error is lost")
	}
	if c.out != &out || isTerminal(c.out) {
		t.Error("the output is another one afterwards")
	}
}

func TestWhichPager(t *testing.T) {
	for _, tc := range []struct{ own, general, want string }{
		{"own", "general", "own"}, {"cat", "general", ""}, {"", "general", ""},
	} {
		t.Setenv("VRFREDIST_PAGER", tc.own)
		t.Setenv("PAGER", tc.general)
		if got := pager(); got != tc.want {
			t.Errorf("with %+v: %q", tc, got)
		}
	}
}

// Single routes, and how far long work is.
func TestMonitorOfRoutes(t *testing.T) {
	event := func(what, prefix, text, reason string) *vrfredistv1.RouteEvent {
		return &vrfredistv1.RouteEvent{TimeUnixNano: now.UnixNano(), What: what, Prefix: prefix, Text: text, Reason: reason}
	}
	red := func(p *vrfredistv1.Progress) *vrfredistv1.Vrf {
		return &vrfredistv1.Vrf{Name: "red", State: "syncing", Progress: p}
	}
	messages := []*vrfredistv1.WatchVrfsResponse{
		{Unconfirmed: &vrfredistv1.Unconfirmed{Text: "the last reload waits"}},
		{Vrf: red(&vrfredistv1.Progress{Phase: "reading the table"}), Changed: true},
		{Vrf: red(&vrfredistv1.Progress{Phase: "writing routes", Done: 120_000, Total: 1_000_000}), Was: "syncing", Activity: &vrfredistv1.Activity{Added: 120_000}},
		{Vrf: red(nil), Events: []*vrfredistv1.RouteEvent{
			event("added", "10.0.0.0/8", "10.0.0.0/8 via 192.0.2.1 dev eth0 proto vrfredist metric 20", ""),
			event("replaced", "10.0.0.0/8", "10.0.0.0/8 via 192.0.2.2 dev eth0 proto vrfredist metric 20", ""),
			event("deleted", "10.0.0.0/8", "10.0.0.0/8 proto vrfredist metric 20", ""),
			event("conflict", "10.1.0.0/16", "", "another program's route has this prefix"),
			event("announced", "192.0.2.0/24", "", ""),
			event("resync", "", "", "link"),
		}},
		{Vrf: red(nil), Was: "syncing", Activity: &vrfredistv1.Activity{Added: 1, Resyncs: 1, Found: 2}},
		{Vrf: red(nil), Unlisted: 8812},
		{Vrf: red(nil), Was: "syncing", Activity: &vrfredistv1.Activity{Added: 9312}},
		{Vrf: red(nil), Was: "syncing", Activity: &vrfredistv1.Activity{Added: 1}},
	}
	var out strings.Builder
	for i, m := range messages {
		m.TimeUnixNano = now.Add(time.Duration(i) * time.Second).UnixNano()
	}
	left := messages
	err := printWatch(&out, false, true, func() (*vrfredistv1.WatchVrfsResponse, error) {
		if len(left) == 0 {
			return nil, errors.New("the end")
		}
		m := left[0]
		left = left[1:]
		return m, nil
	})
	if err == nil || err.Error() != "the end" {
		t.Error(err)
	}
	golden(t, filepath.Join("testdata", "monitorroutes.golden"), out.String())
}
