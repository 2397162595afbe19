package lab

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync"
)

// Tests is the part of testing.M that counts here.
type Tests interface{ Run() int }

// atOnce is how many tests run at a time for each processor that wait most of their time.
const atOnce = 2

// Waiting says that the tests of a package wait for sessions and timers most of their time,
// so that more of them run at a time than there are processors, unless -parallel says how
// many. It is called before the tests run.
func Waiting() error {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if said {
		return nil
	}
	return flag.Set("test.parallel", strconv.Itoa(atOnce*runtime.GOMAXPROCS(0)))
}

// Exit ends a TestMain: it exits as play says, and prints an error under the name
// of the package.
func Exit(name string, play func() (int, error)) {
	code, err := play()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		code = 1
	}
	os.Exit(code)
}

// Play builds the program, sweeps what earlier runs left, and has the tests run and
// judged. Without root it has them say why they do not run.
func (r *Run) Play(m Tests) (code int, err error) {
	if os.Geteuid() != 0 {
		return m.Run(), nil
	}
	built := r.Later()
	if err := built.Build(); err != nil {
		return 0, errors.Join(err, built.remove())
	}
	return built.Play(m)
}

// Later is a run whose program is built when the first test that can run asks for
// it: most machines can run none of them.
type Later struct {
	run *Run
	dir string
	// Build builds the program, once, and sweeps what earlier runs left.
	Build func() error
}

// Later returns r as a run that is built later.
func (r *Run) Later() *Later {
	l := &Later{run: r}
	l.Build = sync.OnceValue(func() (err error) {
		if l.dir, err = os.MkdirTemp("", "vrbin"); err != nil {
			return fmt.Errorf("make a directory for the program under test: %w", err)
		}
		return errors.Join(r.Build(l.dir), SweepLeftovers())
	})
	return l
}

// Play has the tests run, and judged.
func (l *Later) Play(m Tests) (int, error) {
	code := m.Run()
	return code, errors.Join(l.remove(), l.run.Judge())
}

func (l *Later) remove() error {
	if l.dir == "" {
		return nil
	}
	return os.RemoveAll(l.dir)
}
