// Package peers says where the routing daemons are that tests and benchmarks run beside
// ours: the host's own (BIRD 2 and FRR 8 on Debian 12), and the newest ones that Debian
// has (BIRD 3, FRR 10), which `make peers` unpacks into a folder of the project's.
//
// The newest ones are linked against a C library of their own. They are started by the
// dynamic loader of their folder, which finds all their libraries there: so they run in any
// network namespace, and see the host's files, sockets and users.
package peers

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/integration/debian"
)

// Env is the environment variable that chooses the programs of a test: unset, or "host",
// the host's; "newest" those that `make peers` has unpacked.
const Env = "VRFREDIST_TEST_PEERS"

// frrFolder is where Debian's and Ubuntu's frr package has its daemons.
const frrFolder = "/usr/lib/frr"

// programs are those of peers, by their names, and where their packages have them.
var programs = map[string]string{
	"bird":    "/usr/sbin/bird",
	"birdc":   "/usr/sbin/birdc",
	"bgpd":    frrFolder + "/bgpd",
	"zebra":   frrFolder + "/zebra",
	"staticd": frrFolder + "/staticd",
	"mgmtd":   frrFolder + "/mgmtd",
	"vtysh":   "/usr/bin/vtysh",
}

// Programs are BIRD's and FRR's programs of one origin.
type Programs struct {
	root string // "": the host's
}

// Host returns the host's programs.
func Host() Programs { return Programs{} }

// In returns those of a folder that is another system's root, as `mmdebstrap` makes one of
// a suite of Debian.
func In(folder string) (Programs, error) {
	root, err := filepath.Abs(folder)
	if err != nil {
		return Programs{}, fmt.Errorf("find the folder of the peers: %w", err)
	}
	if _, err := os.Stat(root); err != nil {
		return Programs{}, fmt.Errorf("look for the peers: %w", err)
	}
	return Programs{root: root}, nil
}

// Newest returns the newest ones; the error says how to have them where they are not
// there.
func Newest() (Programs, error) {
	cache, err := debian.Cache("peers")
	if err != nil {
		return Programs{}, err
	}
	return newestIn(cache)
}

func newestIn(cache string) (Programs, error) {
	root := filepath.Join(cache, "newest")
	if _, err := os.Stat(root); err != nil {
		return Programs{}, fmt.Errorf("BIRD 3 and FRR 10 are not here, `make peers` fetches them: %w", err)
	}
	return Programs{root: root}, nil
}

// Chosen returns the programs that Env asks for.
func Chosen() (Programs, error) {
	switch choice := os.Getenv(Env); choice {
	case "", "host":
		return Host(), nil
	case "newest":
		return Newest()
	default:
		return Programs{}, fmt.Errorf("%s=%q: it may be host, which is the default, or newest", Env, choice)
	}
}

// Has tells whether a program, by its name or its path, is one of those here.
func Has(program string) bool {
	_, is := programs[filepath.Base(program)]
	return is
}

// Path is the file of a program. The host's may lie elsewhere in its path.
func (p Programs) Path(program string) string {
	path := p.root + programs[filepath.Base(program)]
	if p.root == "" && filepath.Dir(path) != frrFolder {
		return filepath.Base(path)
	}
	return path
}

// Command is the command line of a program with its arguments. What it starts is the
// program itself, by its process id too.
func (p Programs) Command(program string, args ...string) []string {
	argv := append(p.load(program), args...)
	if p.root == "" || !strings.HasPrefix(programs[filepath.Base(program)], frrFolder) {
		return argv
	}
	// FRR's daemons look for the models of their configuration in /usr/share/yang, where
	// the host's FRR has those of its own version, or nothing is. In a mount namespace of
	// their own they find those of the folder.
	const script = `(cd "$0" && mount -t overlay -o lowerdir=usr/share:/usr/share overlay /usr/share); exec "$@"`
	return append([]string{"unshare", "--mount", "sh", "-ec", script, p.root}, argv...)
}

// load is how a program is started that needs nothing but its libraries.
func (p Programs) load(program string) []string {
	if p.root == "" {
		return []string{p.Path(program)}
	}
	libraries := filepath.Join(p.root, "usr/lib/x86_64-linux-gnu")
	path := strings.Join([]string{libraries, filepath.Join(libraries, "frr"), filepath.Join(libraries, "systemd")}, ":")
	return []string{
		filepath.Join(p.root, "usr/lib64/ld-linux-x86-64.so.2"),
		"--argv0", filepath.Base(program), "--library-path", path, p.Path(program),
	}
}

// Lacks says why a program cannot be run; nil: it can.
func (p Programs) Lacks(program string) error {
	_, err := exec.LookPath(p.Path(program))
	return err
}

var number = regexp.MustCompile(`[0-9]+\.[0-9][0-9.]*`)

// Version is what a program says that it is: "3.4.0".
func (p Programs) Version(program string) (string, error) {
	argv := append(p.load(program), "--version")
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w: %s", program, err, out)
	}
	version := number.FindString(string(out))
	if version == "" {
		return "", fmt.Errorf("%s does not tell its version: %q", program, out)
	}
	return version, nil
}

// Versions names BIRD and FRR with what they say of themselves: "BIRD 3.4.0, FRR 10.7.1".
func (p Programs) Versions() (string, error) {
	var said []string
	for _, of := range []struct{ name, program string }{{"BIRD", "bird"}, {"FRR", "bgpd"}} {
		version, err := p.Version(of.program)
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound):
			version = "is not there"
		case err != nil:
			return "", err
		}
		said = append(said, of.name+" "+version)
	}
	return strings.Join(slices.Clip(said), ", "), nil
}
