package lab

import (
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/vrfredist/vrfredist/integration/peers"
)

// peerPrograms are BIRD's and FRR's programs of this run: a test's body is the same
// whichever they are (peers.Env).
var peerPrograms = sync.OnceValues(peers.Chosen)

// Peer is the command line of one of BIRD's or FRR's programs, by its name or its path.
func Peer(t testing.TB, program string, args ...string) []string {
	t.Helper()
	p, err := peerPrograms()
	if err != nil {
		t.Fatal(err)
	}
	return p.Command(program, args...)
}

// newestPeers tells whether a test's peers are not the host's.
func newestPeers(t testing.TB) bool {
	t.Helper()
	p, err := peerPrograms()
	if err != nil {
		t.Fatal(err)
	}
	return p != peers.Host()
}

// FRRMajor is the first number of the version of the FRR that tests run: 8 on Debian 12.
func FRRMajor(t testing.TB) int {
	t.Helper()
	return major(t, "bgpd")
}

// NeedBIRD3 skips a test that needs what BIRD 2 of Debian 12 does not have, as L3VPN.
func NeedBIRD3(t testing.TB) {
	t.Helper()
	if got := major(t, "bird"); got < 3 {
		t.Skipf("this needs BIRD 3, and here is BIRD %d: `make test-peers` runs this test", got)
	}
}

// major is the first number of the version of a program.
func major(t testing.TB, program string) int {
	t.Helper()
	p, err := peerPrograms()
	if err != nil {
		t.Fatal(err)
	}
	version, err := p.Version(program)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(version, ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		t.Fatalf("%s says that its version is %q: %v", program, version, err)
	}
	return major
}

// peer is Peer as a command that can be run.
func (l *Lab) peer(program string, args ...string) *exec.Cmd {
	l.T.Helper()
	argv := Peer(l.T, program, args...)
	return exec.Command(argv[0], argv[1:]...)
}

// Need skips a test where a program that it needs is not there.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if !peers.Has(program) {
			if _, err := exec.LookPath(program); err != nil {
				t.Skipf("%s is not installed: run scripts/install-deps.sh as root", program)
			}
			continue
		}
		p, err := peerPrograms()
		if err != nil {
			t.Skip(err)
		}
		if err := p.Lacks(program); err != nil {
			t.Skipf("%s: run scripts/install-deps.sh as root for the host's, or `make peers` for the newest", err)
		}
	}
}
