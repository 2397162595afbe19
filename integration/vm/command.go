package main

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// command runs the task's command as process 1 does: it reaps every process
// there is. When the command ends, all others are killed, and all that was
// written is sent.
func command(t task, s *sender) (result, error) {
	outR, outW, err := os.Pipe()
	if err != nil {
		return result{}, fmt.Errorf("make a pipe: %w", err)
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		return result{}, fmt.Errorf("make a pipe: %w", err)
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return result{}, err
	}
	p, err := os.StartProcess(t.Args[0], t.Args, &os.ProcAttr{
		Dir: t.Dir, Env: t.Env, Files: []*os.File{null, outW, errW},
		// A group of its own, so that it may end its group. No session of its
		// own: a terminal that it opened would become the one that rules it.
		Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return result{}, fmt.Errorf("start the command: %w", err)
	}
	for _, f := range []*os.File{null, outW, errW} {
		f.Close()
	}
	copied := make(chan error, 2)
	go func() { copied <- s.copy(frameStdout, outR) }()
	go func() { copied <- s.copy(frameStderr, errR) }()

	status, err := reap(p.Pid)
	if err != nil {
		return result{}, err
	}
	// Daemons left behind hold the pipes and the shared folders.
	if err := unix.Kill(-1, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return result{}, fmt.Errorf("end what the command left: %w", err)
	}
	if _, err := reap(0); err != nil {
		return result{}, err
	}
	if err := errors.Join(<-copied, <-copied); err != nil {
		return result{}, fmt.Errorf("send the command's output: %w", err)
	}
	if status.Signaled() {
		return result{Exit: 128 + int(status.Signal()), Signal: status.Signal().String()}, nil
	}
	return result{Exit: status.ExitStatus()}, nil
}

// reap waits for every child until the one that is asked for has ended, or
// until there is none left.
func reap(pid int) (unix.WaitStatus, error) {
	for {
		var status unix.WaitStatus
		ended, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ECHILD) && pid == 0:
			return 0, nil
		case err != nil:
			return 0, fmt.Errorf("wait for the command: %w", err)
		case ended == pid:
			return status, nil
		}
	}
}
