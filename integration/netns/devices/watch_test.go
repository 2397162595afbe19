package devices_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// The watch must bite: it says of each route which VRF device had the table when
// it was written.
func TestWatchKnowsDevices(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	n := l.Namespace("watched")
	n.VRF("red", 70000)
	for _, script := range []string{
		"link add lan type dummy\nlink set lan master red up\nroute add 10.1.0.0/16 dev lan table 70000 proto 179",
		"route add 10.2.0.0/16 dev red table 254 proto 179",
		"link set red down\nlink set red name crimson\nlink set crimson up\nroute add 10.3.0.0/16 dev lan table 70000 proto 179",
		"link del crimson\nlink set lan up\nroute add 10.4.0.0/16 dev lan table 70000 proto 179",
	} {
		// A program that the lab does not know is what the daemon is to the watch.
		cmd := exec.Command("ip", "-n", n.Name, "-batch", "-")
		cmd.Stdin = strings.NewReader(script + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("ip: %v: %s", err, out)
		}
	}
	devices := map[string]string{"10.1.0.0/16": "red", "10.2.0.0/16": "", "10.3.0.0/16": "crimson", "10.4.0.0/16": ""}
	lab.WaitEqual(t, "the devices of the routes", devices, func() map[string]string {
		seen := map[string]string{}
		for _, e := range n.Since(0) {
			if !e.Deleted {
				seen[e.Prefix.String()] = e.Device
			}
		}
		return seen
	})
}
