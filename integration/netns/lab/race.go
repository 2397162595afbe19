package lab

import (
	"errors"
	"os/exec"
	"strings"
)

// raceExit is the status with which a program ends that was built with the race
// detector and saw a race.
const raceExit = 66

// gobgpRaces tells whether err is the status of a program that saw races, and all
// that it reported are between two places of GoBGP: v3.37.0 has some, in StopBgp
// and where a second session opens, which are not ours to mend.
func (p *Process) gobgpRaces(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == raceExit && onlyGoBGP(p.Output())
}

// onlyGoBGP looks at the place of each access that the race detector reports: the
// line below its heading.
func onlyGoBGP(log string) bool {
	lines := strings.Split(log, "\n")
	accesses := 0
	for i, line := range lines[:len(lines)-1] {
		line = strings.TrimSpace(line)
		for _, heading := range []string{"Write at 0x", "Read at 0x", "Previous write at 0x", "Previous read at 0x", "Atomic write at 0x", "Previous atomic write at 0x"} {
			if !strings.HasPrefix(line, heading) {
				continue
			}
			if !strings.Contains(lines[i+1], "github.com/osrg/gobgp/") {
				return false
			}
			accesses++
		}
	}
	return accesses > 0
}
