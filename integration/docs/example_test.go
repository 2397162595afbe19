package docs_test

import (
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
)

// The guide for VRF devices has the configuration of examples/devices, which
// integration/netns/devices plays on a kernel that has them.
func TestGuideOfDevicesHasTheExample(t *testing.T) {
	t.Parallel()
	block := regexp.MustCompile("(?ms)^```toml file=devices.toml\n(.*?)^```").FindStringSubmatch(page(t, "docs/guides/vrf-device.md"))
	if block == nil {
		t.Fatal("the guide has no configuration devices.toml")
	}
	var guide, example map[string]any
	if err := toml.Unmarshal([]byte(block[1]), &guide); err != nil {
		t.Fatal(err)
	}
	if err := toml.Unmarshal([]byte(page(t, "examples/devices/vrfredist.toml")), &example); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(example, guide); d != "" {
		t.Errorf("the guide differs from examples/devices/vrfredist.toml (-example +guide):\n%s", d)
	}
}
