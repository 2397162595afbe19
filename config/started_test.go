package config

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/vrf"
)

// TestStarted: a file without [global.config] waits for a client that starts BGP, is judged with what
// that gave, and is shown with it.
func TestStarted(t *testing.T) {
	t.Parallel()
	const text = "[global.apply-policy.config]\n  default-import-policy = \"accept-route\"\n[[vrfs]]\n  [vrfs.config]\n    name = \"a\"\n    rd = \"65000:1\"\n"
	bgp := fakeBGP()
	global := bgp.Schema["global"].(map[string]any)
	global["apply-policy"] = map[string]any{"config": map[string]any{"default-import-policy": nil}}
	global["use-multiple-paths"] = map[string]any{"config": map[string]any{"enabled": nil}}
	c, err := Parse("f.toml", []byte(text), bgp)
	if err != nil || !c.Awaits || len(c.Notes) == 0 || !strings.Contains(c.Notes[0].Error(), "waits until a client of the API starts BGP") {
		t.Fatalf("it does not wait: %v, %+v", err, c)
	}
	start := &Started{AS: 65001, RouterID: "192.0.2.7", Port: -1, Listen: []string{"192.0.2.1"}, Multipath: true}
	bgp.Started = func() *Started { return start }
	if c, err = ParseUnder("f.toml", []byte(text), nil, bgp); err != nil || c.Awaits {
		t.Fatalf("it waits still, or is refused: %v", err)
	}
	for _, want := range []string{`"as":65001`, `"router-id":"192.0.2.7"`, `"port":-1`, `"local-address-list":["192.0.2.1"]`, `"use-multiple-paths":{"config":{"enabled":true}}`, `"apply-policy"`} {
		if !strings.Contains(string(c.BGP), want) {
			t.Errorf("GoBGP is not given %s: %s", want, c.BGP)
		}
	}
	shown, err := c.InForce("f.toml", bgp, Over{})
	if err != nil || len(shown.Sections) == 0 || shown.Sections[0].Values == nil {
		t.Fatalf("what is in force: %v, %+v", err, shown)
	}
	found := false
	for _, s := range shown.Sections {
		for _, v := range s.Values {
			if s.Name == "global.config" && v.Key == "as" {
				found = v.Value == "65001" && v.Origin == vrf.FromRunTime
			}
		}
	}
	if !found {
		t.Errorf("the AS is not shown as of the run time: %+v", shown.Sections)
	}
	start.AS = 23456
	if _, err := Parse("f.toml", []byte(text), bgp); err == nil || !strings.Contains(err.Error(), "AS 23456 is reserved") {
		t.Errorf("a reserved AS: %v", err)
	}
	if c, err := Parse("f.toml", []byte(head), fakeBGP()); err != nil || c.Awaits {
		t.Errorf("a file that says it waits, or is refused: %v", err)
	}
}
