package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Process is a program that runs in a namespace of a lab. It is killed, with
// everything it started, when the test ends; what it printed is shown where
// the test failed.
type Process struct {
	lab  *Lab
	name string
	cmd  *exec.Cmd
	out  output
	done chan struct{} // closed when the program has ended
	err  error         // of Wait; read after done
}

// Output is what the program has printed so far.
func (p *Process) Output() string { return p.out.String() }

// PID is the program's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Signal sends a signal to the program alone.
func (p *Process) Signal(s os.Signal) {
	p.lab.T.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.lab.T.Fatalf("signal %s: %v", p.name, err)
	}
}

// TrySignal is Signal of a program that may have ended.
func (p *Process) TrySignal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Kill kills the program and what it started, and waits for its end.
func (p *Process) Kill() {
	select {
	case <-p.done:
		return
	default:
	}
	if err := syscall.Kill(-p.PID(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		p.lab.T.Errorf("kill %s: %v", p.name, err)
	}
	<-p.done
}

// Wait waits for the program to end by itself.
func (p *Process) Wait(limit time.Duration) error {
	select {
	case <-p.done:
		return p.err
	case <-time.After(limit):
		return fmt.Errorf("%s still runs after %v", p.name, limit)
	}
}

// Running tells whether the program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// output collects what a program prints while others read it.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

func (o *output) tail() string {
	const most = 8 << 10
	s := o.String()
	if len(s) > most {
		return "…" + s[len(s)-most:]
	}
	return s
}
