package service_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const systemdDir = "../../contrib/systemd"

// TestUnitIsRight has systemd read the unit, with the drop-in and without, and
// rate how far the service is locked in.
func TestUnitIsRight(t *testing.T) {
	lab.Need(t, "systemd-analyze")
	if out, err := exec.Command("systemd-analyze", "--help").CombinedOutput(); err != nil || !strings.Contains(string(out), "--offline") {
		t.Skipf("this systemd-analyze does not rate a file (systemd 250 does): %v", err)
	}
	unit, err := os.ReadFile(filepath.Join(systemdDir, "vrfredist.service"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		dropIn    bool
		threshold string // ten times the exposure that is borne
	}{
		"alone":            {false, "21"},
		"with the drop-in": {true, "24"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "vrfredist.service")
			// systemd asks whether the program is there.
			text := strings.ReplaceAll(string(unit), "/usr/bin/vrfredist", os.Args[0])
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			if tc.dropIn {
				must(t, "install", "-D", "-m", "0644", filepath.Join(systemdDir, "netns.conf"), path+".d/netns.conf")
			}
			if out := must(t, "systemd-analyze", "verify", "--man=no", path); out != "" {
				t.Errorf("systemd says of the unit:\n%s", out)
			}
			rate := exec.Command("systemd-analyze", "security", "--no-pager", "--offline=true", "--threshold="+tc.threshold, path)
			rate.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
			out, err := rate.CombinedOutput()
			if err != nil {
				t.Errorf("%v: more exposed than %s tenths:\n%s", err, tc.threshold, out)
			}
			if admin := strings.Contains(string(out), "✗ CapabilityBoundingSet=~CAP_SYS_ADMIN "); admin != tc.dropIn {
				t.Errorf("CAP_SYS_ADMIN is given: %v, want %v", admin, tc.dropIn)
			}
		})
	}
}

// capabilities are those that the unit gives, as setpriv spells them.
func capabilities(t *testing.T, dropIn bool) []string {
	t.Helper()
	files := []string{"vrfredist.service"}
	if dropIn {
		files = append(files, "netns.conf")
	}
	given := make(map[string][]string)
	for _, name := range files {
		b, err := os.ReadFile(filepath.Join(systemdDir, name))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			given[key] = append(given[key], strings.Fields(value)...)
		}
	}
	ambient := given["AmbientCapabilities"]
	if !slices.Equal(ambient, given["CapabilityBoundingSet"]) || len(ambient) == 0 {
		t.Fatalf("the unit gives %v and allows %v", ambient, given["CapabilityBoundingSet"])
	}
	var out []string
	for _, c := range ambient {
		out = append(out, strings.ToLower(strings.TrimPrefix(c, "CAP_")))
	}
	return out
}
