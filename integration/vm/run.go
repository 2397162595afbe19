package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// run runs a command in a machine, passes its output on, and returns its exit
// status. The machine is gone when run returns.
func run(o options, argv []string) (int, error) {
	of, note, err := chosen(o)
	if err != nil {
		return exitNoResult, err
	}
	return runIn(o, of, note, argv)
}

// chosen is the kind of machine that a command runs in, and why it is not the one that was asked
// for.
func chosen(o options) (of kind, note string, err error) {
	if of, err = kindOf(o.machine); err != nil || of.name != umlName {
		return of, "", err
	}
	why, err := refusal(o.cache, o.kernel)
	if why != "" {
		first, _, _ := strings.Cut(why, "\n")
		return qemu(), ", because user-mode Linux does not run here: " + first, err
	}
	return of, "", err
}

// runIn is run in a machine of a kind; the note says why in such a one.
func runIn(o options, of kind, note string, argv []string) (int, error) {
	t, limit, err := newTask(argv, of, o.systemd)
	if err != nil {
		return exitNoResult, err
	}
	if o.timeout > 0 {
		limit = o.timeout
	}
	k, err := openKernel(o.cache, of, o.kernel)
	if err != nil {
		return exitNoResult, err
	}
	if verboseTest(argv) {
		fmt.Fprintf(os.Stderr, "vmrun: Linux %s in %s%s\n", k.release(), of.title, note)
	}
	initramfs, err := newInitramfs(of, k, &t)
	if err != nil {
		return exitNoResult, err
	}
	defer initramfs.Close()
	// Before the machine starts: a signal from here on ends it with us.
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT, syscall.SIGHUP)
	for try := 1; ; try++ {
		m, err := start(o, of, k, initramfs, t.Shares)
		if err != nil {
			return exitNoResult, err
		}
		code, err := m.wait(limit, of.boot, signals)
		m.kill()
		if errors.Is(err, errNoBoot) && try < boots {
			fmt.Fprintf(os.Stderr, "vmrun: %v; it is started again%s\n", err, m.lastWords())
			continue
		}
		if err != nil {
			return code, fmt.Errorf("%w%s", err, m.lastWords())
		}
		m.note("exit status %d", code)
		return code, nil
	}
}

// An emulated machine hangs in its boot now and then, both processors busy and nothing
// on its console. The command has not begun then, so it can be started again.
const boots = 3

var errNoBoot = errors.New("the machine did not come up")

func newTask(argv []string, of kind, systemd bool) (task, time.Duration, error) {
	program, err := exec.LookPath(argv[0])
	if err != nil {
		return task{}, 0, fmt.Errorf("find the command: %w", err)
	}
	if program, err = filepath.Abs(program); err != nil {
		return task{}, 0, fmt.Errorf("find the command: %w", err)
	}
	dir, err := os.Getwd()
	if err != nil {
		return task{}, 0, fmt.Errorf("find the working folder: %w", err)
	}
	limit, shares := testFlags(argv[1:], dir)
	t := task{
		Args: append([]string{program}, argv[1:]...),
		Env:  append(append(os.Environ(), "VRFREDIST_REQUIRE_VRF=1"), of.env...),
		Dir:  dir,
		// Programs built with -cover write there when they end.
		Shares:  share(shares, dir, os.Getenv("GOCOVERDIR")),
		Seed:    make([]byte, 64),
		Systemd: systemd,
	}
	if systemd {
		t.Env = append(t.Env, "VRFREDIST_BOOTED=1")
	}
	if _, err := rand.Read(t.Seed); err != nil {
		return task{}, 0, fmt.Errorf("make a seed: %w", err)
	}
	return t, limit, nil
}

// machine is a running virtual machine.
type machine struct {
	began   time.Time
	verbose bool
	program *exec.Cmd
	frames  *os.File
	console tail
}

func start(o options, of kind, k kernel, initramfs *os.File, shares []string) (*machine, error) {
	program, err := of.command(o, k, shares)
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	defer w.Close() // the machine has its own; the pipe ends with it
	m := &machine{began: time.Now(), verbose: o.verbose, frames: r, program: program}
	var console io.Writer = &m.console
	if o.verbose {
		console = os.Stderr
	}
	program.Stdout, program.Stderr = console, console
	program.ExtraFiles = []*os.File{framesFD - 3: w, initramfsFD - 3: initramfs}
	// Nothing that it starts outlives it, for it is process 1 of a namespace;
	// and it does not outlive this process, however that ends. In a process
	// group of its own it sees no ctrl-C: this process does, and kills it.
	attr := program.SysProcAttr
	attr.Cloneflags |= unix.CLONE_NEWPID
	attr.Pdeathsig, attr.Setpgid = syscall.SIGKILL, true
	if err := program.Start(); err != nil {
		r.Close()
		return nil, fmt.Errorf("start %s: %w", of.title, err)
	}
	return m, nil
}

// wait returns the command's exit status, or the one that stands for what
// happened instead, and what that was.
func (m *machine) wait(limit, boot time.Duration, signals <-chan os.Signal) (int, error) {
	type answer struct {
		result
		took time.Duration // by the host's clock
		err  error
	}
	answered, up := make(chan answer, 1), make(chan struct{})
	// Not joined: where nobody reads this process's output, it would wait for
	// ever. It ends with the machine, or with the process, which comes next.
	go func() {
		var began time.Time
		started := func() {
			began = time.Now()
			m.note("the command starts")
			close(up)
		}
		r, err := receive(m.frames, started, os.Stdout, os.Stderr)
		answered <- answer{r, time.Since(began), err}
	}()
	timer, booting := time.NewTimer(limit), time.NewTimer(boot)
	defer timer.Stop()
	defer booting.Stop()
	for {
		select {
		case <-up:
			up = nil
			booting.Stop()
		case <-booting.C:
			return exitTimeout, fmt.Errorf("%w within %v", errNoBoot, boot)
		case a := <-answered:
			if a.err != nil {
				return exitNoResult, a.err
			}
			return m.judge(a.result, a.took)
		case <-timer.C:
			return exitTimeout, fmt.Errorf("no result within %v: the machine was killed", limit)
		case s := <-signals:
			number, ok := s.(syscall.Signal)
			if !ok {
				return exitNoResult, fmt.Errorf("the machine was killed on %v", s)
			}
			return 128 + int(number), fmt.Errorf("the machine was killed on the signal %q", s)
		}
	}
}

// judge returns the exit status of a result that took so long by the host's clock.
func (m *machine) judge(r result, took time.Duration) (int, error) {
	switch {
	case r.Error != "":
		return exitNoResult, fmt.Errorf("the machine could not run the command: %s", r.Error)
	case r.Signal != "":
		fmt.Fprintln(os.Stderr, "vmrun: a signal ended the command:", r.Signal)
	}
	m.note("the command took %.1f s by the machine's clock", r.Took.Seconds())
	if clockWrong(r.Took, took) {
		fmt.Fprintf(os.Stderr, "vmrun: time limits in the machine are not to be trusted: the command took %.1f s by its clock, and %.1f s by the host's\n", r.Took.Seconds(), took.Seconds())
	}
	return r.Exit, nil
}

// clockWrong says whether a machine's clock was further off than what it takes
// to send a result on a busy host.
func clockWrong(guest, host time.Duration) bool {
	const slack = 2 * time.Second
	return (guest - host).Abs() > slack+host/10
}

// kill ends the machine and waits until it is gone.
func (m *machine) kill() {
	// Both fail only where it has ended already, or by this very kill.
	_ = m.program.Process.Kill()
	_ = m.program.Wait()
	m.frames.Close()
}

// lastWords is what the console showed last; only once the machine is gone.
func (m *machine) lastWords() string {
	if text := bytes.TrimSpace(m.console.text); len(text) > 0 {
		return "\nThe machine's console:\n" + string(text)
	}
	return ""
}

func (m *machine) note(format string, args ...any) {
	if m.verbose {
		fmt.Fprintf(os.Stderr, "vmrun: %.1f s: %s\n", time.Since(m.began).Seconds(), fmt.Sprintf(format, args...))
	}
}

// tail keeps the end of what is written to it. One goroutine may write.
type tail struct{ text []byte }

const tailSize = 32 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.text = append(t.text, b...)
	if over := len(t.text) - tailSize; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	return len(b), nil
}
