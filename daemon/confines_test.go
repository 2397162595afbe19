package daemon

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMemTotal(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       24576 kB\nMemFree: 1 kB\n": 24576 << 10,
		"MemFree: 1 kB\n": math.MaxInt64,
		"MemTotal: x\n":   math.MaxInt64,
	} {
		if got := memTotalOf([]byte(text)); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	if hostConfines().room(0) < 64<<20 {
		t.Errorf("this machine has %d bytes of memory", hostConfines().room(0))
	}
}

// TestRoom: the smallest bound of machine and control groups counts, of both versions, without what
// others have in the group.
func TestRoom(t *testing.T) {
	const mb = 1 << 20
	const v2, v1 = " - cgroup2 cgroup2 rw,nsdelegate", " - cgroup cgroup rw,memory"
	spare := func(most int64) int64 { return max(most/16, 32*mb) }
	for name, c := range map[string]struct {
		cgroup, mountinfo string
		files             map[string]string
		own, want         int64
	}{
		"no bound": {"0::/a\n", "30 23 0:28 / AT rw" + v2, map[string]string{"a/memory.max": "max"}, 0, 8000 * mb},
		"a unit's": {"0::/system.slice/x.service\n", "30 23 0:28 / AT rw,relatime shared:4" + v2,
			map[string]string{"system.slice/x.service/memory.max": "1048576000\n"}, 0, 1000*mb - spare(1000*mb)},
		"of a slice above": {"0::/system.slice/x.service\n", "30 23 0:28 / AT rw" + v2,
			map[string]string{"system.slice/x.service/memory.max": "max", "system.slice/memory.max": "524288000"}, 0, 500*mb - spare(500*mb)},
		"high": {"0::/a\n", "30 23 0:28 / AT rw" + v2,
			map[string]string{"a/memory.max": "1048576000", "a/memory.high": "524288000"}, 0, 500*mb - spare(500*mb)},
		"a container": {"0::/\n", "30 23 0:28 / AT rw" + v2, map[string]string{"memory.max": "1048576000"}, 0, 1000*mb - spare(1000*mb)},
		"others count": {"0::/a\n", "30 23 0:28 / AT rw" + v2, map[string]string{
			"a/memory.max": "1048576000", "a/memory.current": "838860800", "a/memory.stat": "anon 1\nfile 104857600\nactive_file 52428800\ninactive_file 52428800\n"},
			400 * mb, 1000*mb - (800-100-400)*mb - spare(1000*mb)},
		"nothing is left": {"0::/a\n", "30 23 0:28 / AT rw" + v2, map[string]string{
			"a/memory.max": "1048576000", "a/memory.current": "1048576000"}, 10 * mb, 250 * mb},
		"version 1": {"5:cpu,memory:/a/b\n0::/\n", "35 31 0:32 / AT rw shared:1" + v1, map[string]string{
			"a/b/memory.limit_in_bytes": "1048576000", "a/memory.limit_in_bytes": "9223372036854771712"}, 0, 1000*mb - spare(1000*mb)},
		"version 1, a container without a namespace of groups": {"5:memory:/docker/x\n", "35 31 0:32 /docker/x AT ro" + v1,
			map[string]string{"memory.limit_in_bytes": "1048576000"}, 0, 1000*mb - spare(1000*mb)},
		"a mount of somebody else's group": {"5:memory:/docker/y\n", "35 31 0:32 /docker/x AT ro" + v1,
			map[string]string{"memory.limit_in_bytes": "1048576000"}, 0, 1000*mb - spare(1000*mb)},
		"neither": {"", "", nil, 0, 8000 * mb},
	} {
		t.Run(name, func(t *testing.T) {
			proc, at := t.TempDir(), t.TempDir()
			write := func(dir, file, text string) {
				t.Helper()
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write(proc, "meminfo", "MemTotal: 10240000 kB\n")
			write(proc, "self/cgroup", c.cgroup)
			write(proc, "self/mountinfo", "1 1 0:1 / / rw - ext4 /dev/x rw\n"+strings.Replace(c.mountinfo, "AT", at, 1)+"\n")
			for file, text := range c.files {
				write(at, file, text)
			}
			if got := readConfines(proc).room(c.own); got != c.want {
				t.Errorf("room for %d, want %d", got, c.want)
			}
		})
	}
}
