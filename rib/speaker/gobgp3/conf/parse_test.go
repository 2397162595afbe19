package conf

import (
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestConfigurationIsOnNoDisk: GoBGP's configuration holds passwords, and a crash
// while it is read would leave it.
func TestConfigurationIsOnNoDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Chmod(dir, 0o700) })
	t.Setenv("TMPDIR", filepath.Join(dir, "nowhere"))
	set, err := parse([]byte(`{"global": {"config": {"as": 65000, "router-id": "10.0.0.1"}}}`))
	if err != nil || set.Global.Config.As != 65000 {
		t.Fatalf("%+v, %v", set, err)
	}
	if _, err := parse([]byte(`{"global": `)); err == nil || strings.Contains(err.Error(), "memfd") {
		t.Errorf("of a broken configuration it says %v", err)
	}
}
