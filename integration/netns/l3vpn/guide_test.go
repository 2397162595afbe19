package l3vpn_test

import (
	"os"
	"testing"

	"github.com/vrfredist/vrfredist/integration/guide"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// TestGuideMPLS plays the guide here, where the other tests are that need VRF devices and MPLS.
func TestGuideMPLS(t *testing.T) {
	need.VRF(t)
	lab.NeedRoot(t)
	programs := []string{"ping", "sed", "sysctl", "bash", "/usr/lib/frr/zebra", "/usr/lib/frr/bgpd"}
	lab.Need(t, programs...)
	if err := program.Build(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../../docs/guides/mpls.md")
	if err != nil {
		t.Fatal(err)
	}
	guide.Play(t, run, string(text), programs...)
}
