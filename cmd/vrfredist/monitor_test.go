package main

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

func TestMonitorOutput(t *testing.T) {
	red := func(state, reason string) *vrfredistv1.Vrf {
		return &vrfredistv1.Vrf{Name: "red", State: state, Reason: reason}
	}
	messages := []*vrfredistv1.WatchVrfsResponse{
		{Vrf: red("syncing", ""), Changed: true},
		{Vrf: red("ready", ""), Changed: true, Was: "syncing", Activity: &vrfredistv1.Activity{Added: 812, Announced: 4, Resyncs: 1}},
		{Vrf: red("ready", ""), Was: "ready", Activity: &vrfredistv1.Activity{Added: 1, Deleted: 3, Conflicts: 1, Found: 2, Mended: 2, Replaced: 7, Refused: 5, Withdrawn: 6}},
		{Vrf: red("degraded", "2 unresolved"), Changed: true, Was: "ready"},
		{Vrf: red("degraded", "3 unresolved"), Changed: true, Was: "degraded"},
		{Vrf: &vrfredistv1.Vrf{Name: "red"}, Changed: true, Gone: true, Was: "degraded"},
	}
	for i, m := range messages {
		m.TimeUnixNano = now.Add(time.Duration(i) * 250 * time.Millisecond).UnixNano()
	}
	var text, lines bytes.Buffer
	for _, asJSON := range []bool{false, true} {
		out, left := &text, messages
		if asJSON {
			out = &lines
		}
		err := printWatch(out, asJSON, false, func() (*vrfredistv1.WatchVrfsResponse, error) {
			if len(left) == 0 {
				return nil, io.EOF
			}
			m := left[0]
			left = left[1:]
			return m, nil
		})
		if err != nil {
			t.Error(err)
		}
	}
	golden(t, filepath.Join("testdata", "monitor.golden"), text.String())
	n := 0
	for d := json.NewDecoder(&lines); d.More(); n++ {
		var m struct {
			Vrf struct{ Name string }
		}
		if err := d.Decode(&m); err != nil || m.Vrf.Name != "red" {
			t.Fatalf("message %d: %v, %v", n, m, err)
		}
	}
	if n != len(messages) {
		t.Errorf("%d messages, want %d", n, len(messages))
	}
}
