package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	systemdProgram = "/lib/systemd/systemd"
	systemdUnits   = "/lib/systemd/system"

	// Where systemd finds this program and the task again: its own /run is the
	// one that was mounted before it started.
	agentPath     = "/run/vmrun/vmrun"
	agentTaskPath = "/run/vmrun/task.json"
)

// wanted are the units that a boot starts of its own accord here. All others
// that a target of the host's systemd wants are masked: terminals, time, device
// nodes and file systems, which take longer than everything else together.
var wanted = []string{"systemd-journald.service", "systemd-journald.socket", "systemd-journald-dev-log.socket"}

// agentUnit runs the command. Where systemd cannot start it, or it ends by
// itself, the machine ends without a result.
const agentUnit = `[Unit]
Description=The command of vmrun
FailureAction=reboot-force
SuccessAction=reboot-force

[Service]
ExecStart=` + agentPath + `
StandardOutput=journal+console
TasksMax=infinity
OOMPolicy=continue
`

// The time is for a processor that is emulated, and shared with others.
const agentTarget = `[Unit]
Description=What vmrun boots
Requires=vmrun.service
After=vmrun.service
JobTimeoutSec=300
JobTimeoutAction=reboot-force
`

// bootSystemd becomes systemd, which starts the agent. It returns only where
// that fails.
func bootSystemd(t task) error {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		return fmt.Errorf("read this program: %w", err)
	}
	told, err := json.Marshal(t)
	if err != nil {
		return err
	}
	// In place of what the host's administrator configured and enabled.
	if err := mountAll([]mounting{{"tmpfs", "/etc/systemd", "tmpfs", 0, "mode=755"}}); err != nil {
		return err
	}
	files := []struct {
		path, text string
		mode       os.FileMode
	}{
		{agentPath, string(self), 0o755},
		{agentTaskPath, string(told), 0o600},
		{"/etc/systemd/system/vmrun.service", agentUnit, 0o644},
		{"/etc/systemd/system/default.target", agentTarget, 0o644},
		{"/etc/systemd/journald.conf", "[Journal]\nStorage=volatile\nRateLimitBurst=0\n", 0o644},
	}
	for _, f := range files {
		if err := errors.Join(os.MkdirAll(filepath.Dir(f.path), 0o755), os.WriteFile(f.path, []byte(f.text), f.mode)); err != nil {
			return fmt.Errorf("prepare systemd: %w", err)
		}
	}
	if err := maskUnits(); err != nil {
		return fmt.Errorf("prepare systemd: %w", err)
	}
	// By this file systemd would know a container, and leave out what it can do
	// on a machine. The host may be one.
	if err := os.Remove("/.dockerenv"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	err = syscall.Exec(systemdProgram, []string{systemdProgram, "--crash-reboot"}, []string{"TERM=dumb"})
	return fmt.Errorf("become systemd, which the package systemd has: %w", err)
}

// maskUnits keeps systemd from what is not wanted, and from what its generators
// would make of the host's files.
func maskUnits() error {
	units, err := filepath.Glob(systemdUnits + "/*.target.wants/*")
	if err != nil {
		return err
	}
	generators, err := filepath.Glob("/lib/systemd/system-generators/*")
	if err != nil {
		return err
	}
	masks := map[string]string{}
	for _, unit := range units {
		if name := filepath.Base(unit); !slices.Contains(wanted, name) {
			masks[name] = "/etc/systemd/system"
		}
	}
	for _, generator := range generators {
		masks[filepath.Base(generator)] = "/etc/systemd/system-generators"
	}
	for name, dir := range masks {
		if err := errors.Join(os.MkdirAll(dir, 0o755), os.Symlink("/dev/null", filepath.Join(dir, name))); err != nil {
			return err
		}
	}
	return nil
}

// agent is the service that runs the command. It never returns.
func agent() {
	s, err := runAgent()
	end(s, err)
}

func runAgent() (*sender, error) {
	t, on, err := readTask(agentTaskPath)
	if err != nil {
		return nil, err
	}
	port, err := on.port()
	if err != nil {
		return nil, err
	}
	s := &sender{to: port}
	// Whatever the command leaves behind becomes this process's to reap.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return s, fmt.Errorf("become the reaper: %w", err)
	}
	return s, perform(t, s)
}
