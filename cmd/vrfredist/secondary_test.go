package main

import (
	"bytes"
	"testing"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// TestSecondaryTables: those that a VRF has beside its own stand behind it in the list, and are counted
// as what they are. A VRF's own name may have a slash.
func TestSecondaryTables(t *testing.T) {
	of := func(name, state, home string) *vrfredistv1.Vrf {
		return &vrfredistv1.Vrf{Name: name, State: state, Of: home}
	}
	var out bytes.Buffer
	c := vrfCommands{&cli{out: &out}}
	err := c.printVRFs([]*vrfredistv1.Vrf{
		of("red/1002", "failed", "red"), of("red-a", "ready", ""), of("red", "ready", ""), of("red/blue", "ready", ""), of("red/red", "ready", "red"),
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `NAME        STATE   TABLE  IMPORTED  INSTALLED  SESSIONS  PROBLEMS
red         ready                 0          0         -  -
  red/1002  failed                0          0         -  -
  red/red   ready                 0          0         -  -
red-a       ready                 0          0         -  -
red/blue    ready                 0          0         -  -
3 VRFs: 3 ready; 2 secondary tables: 1 ready, 1 failed
`
	if got := out.String(); got != want {
		t.Errorf("it printed\n%s\nwant\n%s", got, want)
	}
}
