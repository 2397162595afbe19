package daemon

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// confines is what bounds the memory of this process: the machine's, and that of its control groups
// (cgroups(7), of both versions).
type confines struct {
	machine int64
	groups  []memoryGroup // with a bound, or above one that has
}

// memoryGroup is the folder of a control group, with the names that its version has.
type memoryGroup struct {
	dir    string
	bounds []string // files with the most that it may have
	usage  string
	cached []string // what memory.stat calls the pages of files, which go where memory is short
}

// hostConfines are those of this process.
func hostConfines() confines { return readConfines("/proc") }

// readConfines reads what a folder like /proc says of this process.
func readConfines(proc string) confines {
	c := confines{machine: math.MaxInt64}
	if b, err := os.ReadFile(filepath.Join(proc, "meminfo")); err == nil {
		c.machine = memTotalOf(b)
	}
	mounts, err := os.ReadFile(filepath.Join(proc, "self/mountinfo"))
	if err != nil {
		return c
	}
	groups, err := os.ReadFile(filepath.Join(proc, "self/cgroup"))
	if err != nil {
		return c
	}
	for line := range strings.Lines(string(groups)) { // "4:memory:/path", or of version 2 "0::/path"
		f := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		switch {
		case f[0] == "0" && f[1] == "":
			c.climb(mountOf(mounts, "cgroup2", ""), f[2], memoryGroup{
				bounds: []string{"memory.max", "memory.high"}, usage: "memory.current", cached: []string{"active_file", "inactive_file"}})
		case slices.Contains(strings.Split(f[1], ","), "memory"):
			c.climb(mountOf(mounts, "cgroup", "memory"), f[2], memoryGroup{
				bounds: []string{"memory.limit_in_bytes"}, usage: "memory.usage_in_bytes", cached: []string{"total_active_file", "total_inactive_file"}})
		}
	}
	return c
}

// climb takes in the group at a path and those above it, as far as they are to be seen from here.
func (c *confines) climb(m mount, path string, g memoryGroup) {
	if m.at == "" {
		return
	}
	// Of a container's mount the root is a group of the host, and so may the path be.
	below, within := strings.CutPrefix(path, m.root)
	if !within && m.root != "/" {
		below = ""
	}
	for dir := filepath.Join(m.at, below); ; dir = filepath.Dir(dir) {
		g.dir = dir
		c.groups = append(c.groups, g)
		if len(dir) <= len(m.at) {
			return
		}
	}
}

// mount is one of control groups: which of them is seen where.
type mount struct{ root, at string }

// mountOf finds a mount of a type in a mountinfo (proc_pid_mountinfo(5)), with an option of its file system.
func mountOf(mountinfo []byte, fstype, option string) (found mount) {
	for line := range strings.Lines(string(mountinfo)) {
		before, after, is := strings.Cut(line, " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if !is || len(head) < 5 || len(tail) < 3 || tail[0] != fstype {
			continue
		}
		if option == "" || slices.Contains(strings.Split(tail[2], ","), option) {
			found = mount{head[3], head[4]} // the last one lies over those before
		}
	}
	return found
}

// room is how much memory there is for this process, which has some: four fifths of the machine's,
// or less where a control group says so. What else counts in a group is not room: other processes, and
// what the kernel holds for them and for this one, routes before all.
func (c confines) room(own int64) int64 {
	room := int64(math.MaxInt64)
	if c.machine != math.MaxInt64 {
		room = c.machine / 5 * 4
	}
	for _, g := range c.groups {
		if most, has := g.bound(); has {
			others := max(0, g.used()-own)
			// What the kernel takes for routes until the next look, and what no limit counts.
			spare := max(most/16, 32<<20)
			room = min(room, max(most-others-spare, most/4))
		}
	}
	return room
}

// bounded tells whether a group bounds it.
func (c confines) bounded() bool {
	return slices.ContainsFunc(c.groups, func(g memoryGroup) bool { _, has := g.bound(); return has })
}

// bound is the most that the group may have.
func (g memoryGroup) bound() (most int64, has bool) {
	most = math.MaxInt64
	for _, name := range g.bounds {
		if n, is := numberIn(filepath.Join(g.dir, name)); is { // else it says "max", or is not there
			most = min(most, n)
		}
	}
	// Of version 1 a group without a bound has the largest number of pages.
	return most, most < math.MaxInt64>>12<<12
}

// used is what the group has, without what the kernel would give up.
func (g memoryGroup) used() int64 {
	n, _ := numberIn(filepath.Join(g.dir, g.usage))
	b, _ := os.ReadFile(filepath.Join(g.dir, "memory.stat"))
	for line := range strings.Lines(string(b)) {
		if name, value, is := strings.Cut(strings.TrimSpace(line), " "); is && slices.Contains(g.cached, name) {
			cached, _ := strconv.ParseInt(value, 10, 64)
			n -= cached
		}
	}
	return n
}

func numberIn(file string) (int64, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	return n, err == nil
}

// memTotalOf finds "MemTotal: 24576000 kB" in /proc/meminfo.
func memTotalOf(meminfo []byte) int64 {
	lines := bufio.NewScanner(bytes.NewReader(meminfo))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) >= 2 && f[0] == "MemTotal:" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return n << 10
			}
		}
	}
	return math.MaxInt64
}
