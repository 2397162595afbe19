package doctor

import (
	"bufio"
	"bytes"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Host has the facts that files of this host hold.
type Host struct {
	Networkd  Networkd
	Unit      Unit
	Processes map[string]int   // a process id by the name of its program
	Protocols map[uint8]string // names of route protocols, as rt_protos has them
}

// Networkd is how systemd-networkd is set up.
type Networkd struct {
	Runs, Enabled bool
	// KeepsRoutes and KeepsNexthops: it leaves other programs' routes and nexthop objects alone.
	KeepsRoutes, KeepsNexthops bool
	DropIns                    string // the directory for more settings
}

// Unit is the systemd unit of vrfredist.
type Unit struct {
	Installed, Enabled bool
	// Started: this very process was started by systemd.
	Started bool
}

// supervised tells whether somebody starts the daemon again when it ends.
func (h Host) supervised(running bool) bool {
	if running {
		return h.Unit.Started
	}
	return h.Unit.Enabled
}

// ReadHost reads the files of a host. root is its root directory, and prefix
// what stands before paths in commands: "" for this host's own. What cannot be
// read counts as not there. started: systemd started this process.
func ReadHost(root fs.FS, prefix string, started bool) Host {
	h := Host{Processes: processes(root), Protocols: protocols(root)}
	h.Unit = Unit{
		Started:   started,
		Installed: exists(root, "etc/systemd/system/vrfredist.service", "usr/lib/systemd/system/vrfredist.service", "lib/systemd/system/vrfredist.service"),
		Enabled:   exists(root, "etc/systemd/system/multi-user.target.wants/vrfredist.service"),
	}
	h.Networkd = readNetworkd(root)
	h.Networkd.Runs = h.Processes["systemd-network"] != 0 // a name has 15 bytes
	h.Networkd.DropIns = prefix + "/etc/systemd/networkd.conf.d"
	return h
}

// exists tells whether one of the paths is there, a link to nowhere included: a unit is
// enabled by an absolute link, which under another root leads nowhere.
func exists(root fs.FS, paths ...string) bool {
	return slices.ContainsFunc(paths, func(p string) bool {
		entries, err := fs.ReadDir(root, path.Dir(p))
		return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == path.Base(p) })
	})
}

// processes are the running processes, with the least id of each name.
func processes(root fs.FS) map[string]int {
	out := make(map[string]int)
	entries, _ := fs.ReadDir(root, "proc") // none: nothing is known to run
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		name, err := fs.ReadFile(root, path.Join("proc", e.Name(), "comm"))
		if err != nil {
			continue // it has ended
		}
		n := strings.TrimSpace(string(name))
		if old := out[n]; old == 0 || pid < old {
			out[n] = pid
		}
	}
	return out
}

// protocols reads rt_protos of iproute2, where it is: a newer one lies under
// /usr, and the files in /etc stand before it.
func protocols(root fs.FS) map[uint8]string {
	out := make(map[uint8]string)
	for _, dir := range []string{"usr/lib/iproute2", "usr/share/iproute2", "etc/iproute2"} {
		files, _ := fs.Glob(root, dir+"/rt_protos.d/*.conf") // the pattern is right
		for _, name := range append([]string{dir + "/rt_protos"}, files...) {
			b, err := fs.ReadFile(root, name)
			if err != nil {
				continue
			}
			for line := range strings.Lines(string(b)) {
				line, _, _ = strings.Cut(line, "#")
				w := strings.Fields(line)
				if len(w) != 2 {
					continue
				}
				if n, err := strconv.ParseUint(w[0], 0, 8); err == nil {
					out[uint8(n)] = w[1]
				}
			}
		}
	}
	return out
}

// readNetworkd reads networkd.conf and its drop-ins in the order of systemd:
// the main file of the directory that counts most, then drop-ins by their file
// name, of which one hides those of the same name in directories that count
// less (networkd.conf(5)).
func readNetworkd(root fs.FS) Networkd {
	n := Networkd{Enabled: exists(root, "etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
		"etc/systemd/system/dbus-org.freedesktop.network1.service")}
	dirs := []string{"usr/lib/systemd", "usr/local/lib/systemd", "run/systemd", "etc/systemd"} // least first
	values := make(map[string]string)
	for _, dir := range slices.Backward(dirs) {
		if b, err := fs.ReadFile(root, dir+"/networkd.conf"); err == nil {
			readSection(b, "Network", values)
			break
		}
	}
	dropIns := make(map[string]string) // path by name
	for _, dir := range dirs {
		files, _ := fs.Glob(root, dir+"/networkd.conf.d/*.conf") // the pattern is right
		for _, f := range files {
			dropIns[path.Base(f)] = f
		}
	}
	names := make([]string, 0, len(dropIns))
	for name := range dropIns {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if b, err := fs.ReadFile(root, dropIns[name]); err == nil {
			readSection(b, "Network", values)
		}
	}
	// Each is yes unless it is said (networkd.conf(5)); the second is known since
	// systemd 256, and an older systemd passes over it.
	n.KeepsRoutes = isNo(values["ManageForeignRoutes"])
	n.KeepsNexthops = isNo(values["ManageForeignNextHops"])
	return n
}

// readSection adds the settings of one section of a systemd file to values.
func readSection(b []byte, section string, values map[string]string) {
	at := ""
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		if line[0] == '[' && line[len(line)-1] == ']' {
			at = line[1 : len(line)-1]
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		if ok && at == section {
			values[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
}

// isNo reads a boolean of systemd; nothing is its default, yes.
func isNo(s string) bool {
	return slices.Contains([]string{"0", "no", "n", "false", "f", "off"}, strings.ToLower(s))
}
