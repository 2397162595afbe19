package speaker

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// listen makes a socket; closed, it stays behind as a killed process leaves it.
func listen(t *testing.T, path string) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	t.Cleanup(func() { l.Close() })
	return l
}

// shortTemp is a temporary directory whose path leaves room for a socket's.
func shortTemp(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "vrt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("TMPDIR", dir)
	return dir
}

// TestSweepPrivate: of what lies in a temporary directory a start removes what a
// killed daemon left, and nothing else.
func TestSweepPrivate(t *testing.T) {
	temp := shortTemp(t)
	make := func(name string, mode os.FileMode) string {
		dir := filepath.Join(temp, name)
		if err := os.Mkdir(dir, mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	abandoned := func(name string, mode os.FileMode) string {
		dir := make(name, mode)
		listen(t, filepath.Join(dir, "bgp.sock")).Close()
		return dir
	}
	stay := []string{"vrfredist-2", "vrfredist-3", "vrfredist-4", "vrfredist-5", "vrfredist-6", "vrfredist-7", "vrfredist-x", "vrfredist-", "other-8"}
	abandoned("vrfredist-1", 0o700)
	make("vrfredist-10", 0o700) // killed before it had its socket
	locked, err := lockDir(abandoned("vrfredist-2", 0o700))
	if err != nil {
		t.Fatal(err)
	}
	defer locked.Close()
	listen(t, filepath.Join(make("vrfredist-3", 0o700), "bgp.sock")) // one that does not know of locks
	abandoned("vrfredist-4", 0o755)
	if err := os.WriteFile(filepath.Join(abandoned("vrfredist-5", 0o700), "more"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(make("vrfredist-6", 0o700), "bgp.sock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(abandoned("elsewhere", 0o700), filepath.Join(temp, "vrfredist-7")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"vrfredist-x", "vrfredist-", "other-8"} {
		abandoned(name, 0o700)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(abandoned("vrfredist-9", 0o700), 4711, -1); err != nil {
			t.Fatal(err)
		}
		stay = append(stay, "vrfredist-9")
	}
	s, err := openSockets(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	fresh := filepath.Base(s.dir)
	entries, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !slices.Contains(append(stay, "elsewhere", fresh), e.Name()) {
			t.Errorf("%s is left", e.Name())
		}
	}
	for _, name := range append(stay, "elsewhere/bgp.sock", fresh) {
		if _, err := os.Lstat(filepath.Join(temp, name)); err != nil {
			t.Errorf("%s was somebody's: %v", name, err)
		}
	}
	sweepPrivate(temp) // another instance starts, before this one listens
	if _, err := os.Stat(s.dir); err != nil {
		t.Errorf("the directory of a living instance: %v", err)
	}
	s.close()
	if _, err := os.Stat(s.dir); err == nil {
		t.Errorf("%s is left after the end", s.dir)
	}
}

// TestSweepHidden: a socket that a killed daemon had not published goes at the next
// start; one of a process that lives stays.
func TestSweepHidden(t *testing.T) {
	path := filepath.Join(shortTemp(t), "api.sock")
	const nobody = "4194399" // above the highest process id, PID_MAX_LIMIT
	listen(t, path+"."+nobody).Close()
	listen(t, path+".1").Close()
	listen(t, path+".old").Close()
	s, err := openSockets([]string{unixScheme + path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.close()
	left, err := filepath.Glob(path + ".*")
	if err != nil || !slices.Equal(left, []string{path + ".1", path + ".old"}) {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestConfigurationIsOnNoDisk: GoBGP's configuration holds passwords, and a crash
// while it is read would leave it.
func TestConfigurationIsOnNoDisk(t *testing.T) {
	dir := shortTemp(t)
	if err := unix.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "nowhere"))
	set, err := parse([]byte(`{"global": {"config": {"as": 65000, "router-id": "10.0.0.1"}}}`))
	if err != nil || set.Global.Config.As != 65000 {
		t.Fatalf("%+v, %v", set, err)
	}
	if _, err := parse([]byte(`{"global": `)); err == nil || strings.Contains(err.Error(), "memfd") {
		t.Errorf("of a broken configuration it says %v", err)
	}
}
