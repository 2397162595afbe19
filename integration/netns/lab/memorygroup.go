package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// MemoryGroup is a control group with a bound on memory and no swap, as a container has it.
type MemoryGroup struct {
	dir                   string
	peak, events, procs   string
	bound, swap, killedAt string
}

// The names of both versions of control groups.
var (
	memoryV1 = MemoryGroup{peak: "memory.max_usage_in_bytes", events: "memory.oom_control", procs: "cgroup.procs",
		bound: "memory.limit_in_bytes", swap: "memory.memsw.limit_in_bytes", killedAt: "oom_kill"}
	memoryV2 = MemoryGroup{peak: "memory.peak", events: "memory.events", procs: "cgroup.procs",
		bound: "memory.max", swap: "memory.swap.max", killedAt: "oom_kill"}
)

// NewMemoryGroup makes a group below the one that this process is in, which is gone with the test. Its
// error says why there can be none here.
func NewMemoryGroup(t testing.TB, most int64) (*MemoryGroup, error) {
	t.Helper()
	parent, g, err := memoryGroupHere()
	if err != nil {
		return nil, err
	}
	g.dir = filepath.Join(parent, fmt.Sprintf("vrfredist-%d-%d", os.Getpid(), time.Now().UnixNano()))
	if err := os.Mkdir(g.dir, 0o755); err != nil {
		return nil, fmt.Errorf("make a control group: %w", err)
	}
	t.Cleanup(func() {
		// Whoever was in it is gone a moment after its end.
		for began := time.Now(); ; time.Sleep(10 * time.Millisecond) {
			err := os.Remove(g.dir)
			if err == nil || !errors.Is(err, syscall.EBUSY) || time.Since(began) > 20*time.Second {
				if err != nil {
					t.Errorf("remove a control group: %v", err)
				}
				return
			}
		}
	})
	if err := os.WriteFile(filepath.Join(g.dir, g.bound), []byte(strconv.FormatInt(most, 10)), 0); err != nil {
		return nil, fmt.Errorf("bound a control group: %w", err)
	}
	swap := "0"
	if g.bound == memoryV1.bound {
		swap = strconv.FormatInt(most, 10) // both together
	}
	// A kernel may count no swap; then a host that has some is no proof of anything.
	if err := os.WriteFile(filepath.Join(g.dir, g.swap), []byte(swap), 0); err != nil {
		if b, failed := os.ReadFile("/proc/swaps"); failed != nil || strings.Count(string(b), "\n") > 1 {
			return nil, fmt.Errorf("keep a control group from the swap of this host: %w", err)
		}
	}
	return &g, nil
}

// memoryGroupHere finds where a group can be made.
func memoryGroupHere() (parent string, g MemoryGroup, err error) {
	b, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", g, err
	}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(f) != 3 {
			continue
		}
		if strings.Contains(","+f[1]+",", ",memory,") {
			for _, dir := range []string{filepath.Join("/sys/fs/cgroup/memory", f[2]), "/sys/fs/cgroup/memory"} {
				if _, err := os.Stat(filepath.Join(dir, memoryV1.bound)); err == nil {
					return dir, memoryV1, nil
				}
			}
		}
		if f[0] == "0" {
			// A group with processes has none below it that count memory, but for the root.
			for dir := filepath.Join("/sys/fs/cgroup", f[2]); strings.HasPrefix(dir, "/sys/fs/cgroup"); dir = filepath.Dir(dir) {
				on, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
				if err == nil && strings.Contains(" "+strings.TrimSpace(string(on))+" ", " memory ") {
					return dir, memoryV2, nil
				}
			}
		}
	}
	return "", g, errors.New("this host has no control groups that count memory")
}

// Starter is what starts a program in the group, by the program's own command line behind it.
func (g *MemoryGroup) Starter() []string {
	return []string{"sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, g.procs)}
}

// Peak is the most that the group has had; 0: this kernel does not say.
func (g *MemoryGroup) Peak() int64 {
	b, err := os.ReadFile(filepath.Join(g.dir, g.peak))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n
}

// Killed tells how often the kernel killed somebody in the group for want of memory.
func (g *MemoryGroup) Killed() (int, error) {
	b, err := os.ReadFile(filepath.Join(g.dir, g.events))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if name, value, is := strings.Cut(strings.TrimSpace(line), " "); is && name == g.killedAt {
			return strconv.Atoi(value)
		}
	}
	return 0, fmt.Errorf("%s of a control group does not say who was killed", g.events)
}
