package devices_test

import (
	"os"
	"testing"

	"github.com/vrfredist/vrfredist/integration/guide"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// TestGuideVRFDevice plays the guide from empty hands, where there are VRF devices.
func TestGuideVRFDevice(t *testing.T) {
	need.VRF(t)
	lab.NeedRoot(t)
	if err := program.Build(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../../docs/guides/vrf-device.md")
	if err != nil {
		t.Fatal(err)
	}
	guide.Play(t, run, string(text), "bird", "ping", "sysctl")
}
