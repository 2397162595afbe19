package lab

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Start runs a program in the namespace.
func (n *Namespace) Start(name string, argv ...string) *Process {
	n.lab.T.Helper()
	p := &Process{lab: n.lab, name: name, cmd: exec.Command(argv[0], argv[1:]...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.out
	// A group of its own, so that it can be killed with its children; and dead
	// with the test, should the test be killed.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := n.Enter(p.cmd.Start); err != nil {
		n.lab.T.Fatalf("start %s in %s: %v", name, n.Role, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	n.lab.T.Cleanup(func() {
		p.Kill()
		if n.lab.T.Failed() {
			n.lab.T.Logf("%s printed:\n%s", name, p.out.tail())
		}
	})
	return p
}

// BIRD starts BIRD with a configuration, and waits until it takes commands.
func (n *Namespace) BIRD(config string) *BIRD {
	n.lab.T.Helper()
	file := n.lab.File("bird-"+n.Role+".conf", config)
	b := &BIRD{lab: n.lab, config: "bird-" + n.Role + ".conf", socket: filepath.Join(n.lab.Dir, "bird-"+n.Role+".ctl")}
	b.Process = n.Start("bird in "+n.Role, Peer(n.lab.T, "bird", "-f", "-c", file, "-s", b.socket)...)
	WaitFor(n.lab.T, "bird takes commands", Patience, func() string {
		if out, err := b.try("show status"); err != nil {
			return err.Error() + ": " + out
		}
		return ""
	})
	return b
}

// FRR starts bgpd with a configuration, and waits until it takes commands. It
// touches no kernel table.
func (n *Namespace) FRR(config string) *FRR {
	n.lab.T.Helper()
	// -n keeps it from the kernel, -Z from zebra.
	if !newestPeers(n.lab.T) {
		return n.bgpd(config, "-n", "-Z", "-S")
	}
	// FRR 10 refuses a session between IPv4 addresses that is to carry an IPv6 family
	// while no zebra tells it that the kernel has IPv6 routes by IPv4 nexthops.
	return n.bgpd(config, "-n", "-S", "-z", n.zebra())
}

// Router starts zebra and bgpd with a configuration: FRR with the kernel's
// tables. VRF devices are there before it.
func (n *Namespace) Router(config string) *FRR {
	n.lab.T.Helper()
	n.Trust()
	return n.bgpd(config, "-S", "-z", n.zebra())
}

// zebra starts zebra, and returns the socket by which it takes clients.
func (n *Namespace) zebra() string {
	n.lab.T.Helper()
	server := filepath.Join(n.lab.Dir, "frr-"+n.Role, "zserv.api")
	n.frr("zebra", "", "-z", server)
	WaitFor(n.lab.T, "zebra takes clients", 3*Patience, func() string {
		if _, err := os.Stat(server); err != nil {
			return err.Error()
		}
		return ""
	})
	return server
}

func (n *Namespace) bgpd(config string, args ...string) *FRR {
	n.lab.T.Helper()
	p, dir := n.frr("bgpd", config, args...)
	return n.answering(&FRR{Process: p, lab: n.lab, ns: n, args: args, socket: dir})
}

// answering waits until bgpd takes commands.
func (n *Namespace) answering(f *FRR) *FRR {
	n.lab.T.Helper()
	WaitFor(n.lab.T, "bgpd takes commands", 3*Patience, func() string {
		if out, err := f.run("show bgp summary"); err != nil {
			return err.Error() + ": " + out
		}
		return ""
	})
	return f
}

// frr starts one of FRR's daemons, with a directory for all those of the
// namespace.
func (n *Namespace) frr(program, config string, args ...string) (*Process, string) {
	n.lab.T.Helper()
	return n.frrBy(nil, program, config, args...)
}

// frrBy is frr by another program, which starts it: starter is its command line.
func (n *Namespace) frrBy(starter []string, program, config string, args ...string) (*Process, string) {
	n.lab.T.Helper()
	dir := filepath.Join(n.lab.Dir, "frr-"+n.Role)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		n.lab.T.Fatalf("make a directory for %s: %v", program, err)
	}
	// zebra, other than bgpd, insists on being FRR's own user.
	if err := os.Chmod(dir, 0o777); err != nil {
		n.lab.T.Fatalf("open the directory of %s: %v", program, err)
	}
	file := os.DevNull
	if config != "" {
		file = n.lab.File("frr-"+n.Role+"/"+program+".conf", config)
	}
	// mgmtd reads no file of its own, and staticd none since it has its configuration from there.
	if program != "mgmtd" && (program != "staticd" || !newestPeers(n.lab.T)) {
		args = append(args, "-f", file)
	}
	// -P 0 keeps it from opening a telnet port.
	args = append([]string{"-P", "0", "--vty_socket", dir, "-i", filepath.Join(dir, program+".pid"), "--log", "stdout"}, args...)
	p := n.Start(program+" in "+n.Role, append(slices.Clip(starter), Peer(n.lab.T, program, args...)...)...)
	// It prepares a directory for the story of its crash, and leaves it where it
	// is killed.
	crash := filepath.Join("/var/tmp/frr", fmt.Sprintf("%s.%d", program, p.PID()))
	n.lab.T.Cleanup(func() {
		p.Kill()
		// Who may not look there cannot have made it either.
		if err := os.RemoveAll(crash); err != nil && !errors.Is(err, fs.ErrPermission) {
			n.lab.T.Errorf("clean up after %s: %v", program, err)
		}
	})
	return p, dir
}

// Daemon starts vrfredist in the namespace, and waits until it answers. The
// configuration gets a [netlink.api] section of the lab's own, so it must have
// none. More of its command line may follow.
func (n *Namespace) Daemon(config string, more ...string) *Daemon {
	n.lab.T.Helper()
	d := n.daemon(filepath.Join(n.lab.Dir, "vrfredist.toml"))
	d.More = more
	d.Write(config)
	d.Start()
	return d
}

// DaemonAs is Daemon, started by another program: what sets its rights, say.
func (n *Namespace) DaemonAs(starter []string, config string) *Daemon {
	n.lab.T.Helper()
	d := n.daemon(filepath.Join(n.lab.Dir, "vrfredist.toml"))
	d.starter = starter
	d.Write(config)
	d.Start()
	return d
}

// DaemonOf is Daemon with a file as it lies there.
func (n *Namespace) DaemonOf(file string) *Daemon {
	n.lab.T.Helper()
	d := n.daemon(file)
	d.Start("--api-listen", d.Target())
	return d
}

// OwnDaemon is Daemon where the lab has several: its files are in a folder of their own.
func (n *Namespace) OwnDaemon(config string, more ...string) *Daemon {
	n.lab.T.Helper()
	d := n.Launched(config, more...)
	d.Answers()
	return d
}

// Launched is OwnDaemon, and does not wait until it answers.
func (n *Namespace) Launched(config string, more ...string) *Daemon {
	n.lab.T.Helper()
	d := n.daemonIn(filepath.Join(n.lab.Dir, n.Role), filepath.Join(n.lab.Dir, n.Role, "vrfredist.toml"))
	d.More = more
	d.Write(config)
	d.Launch()
	return d
}

func (n *Namespace) daemon(config string) *Daemon {
	n.lab.T.Helper()
	return n.daemonIn(n.lab.Dir, config)
}

// daemonIn has its files in a folder.
func (n *Namespace) daemonIn(dir, config string) *Daemon {
	n.lab.T.Helper()
	d := &Daemon{
		ns:     n,
		config: config,
		state:  filepath.Join(dir, "state"),
		socket: filepath.Join(dir, "api.sock"),
		Temp:   filepath.Join(dir, "tmp"),
	}
	if err := os.MkdirAll(d.state, 0o755); err != nil {
		n.lab.T.Fatalf("make the state directory: %v", err)
	}
	// Some tests have another user run it.
	if err := errors.Join(os.MkdirAll(d.Temp, 0o700), os.Chmod(d.Temp, 0o777|os.ModeSticky)); err != nil {
		n.lab.T.Fatalf("make the temporary directory: %v", err)
	}
	return d
}

// Doctor runs `vrfredist doctor` in the namespace, and holds its exit status
// against what it prints.
func (n *Namespace) Doctor(args ...string) Examined {
	n.lab.T.Helper()
	p := n.Start("doctor", append([]string{n.lab.Run.Daemon, "doctor", "--json"}, args...)...)
	err := p.Wait(Patience)
	var e Examined
	if bad := json.NewDecoder(strings.NewReader(p.Output())).Decode(&e); bad != nil {
		n.lab.T.Fatalf("doctor %v: %v, %v: %s", args, err, bad, p.Output())
	}
	if (err != nil) != e.Broken {
		n.lab.T.Errorf("doctor %v: the exit status is %v, and broken is %v", args, err, e.Broken)
	}
	return e
}

// Paste runs the command of a finding in a root shell in the namespace. dir
// holds programs that stand before others; "": none.
func (n *Namespace) Paste(f Finding, dir string) {
	n.lab.T.Helper()
	if f.Mend == "" {
		n.lab.T.Errorf("no command mends %+v", f)
		return
	}
	p := n.Start("shell", "sh", "-ec", "PATH="+dir+":$PATH; "+f.Mend)
	if err := p.Wait(Patience); err != nil {
		n.lab.T.Errorf("%s: %v: %s", f.Mend, err, p.Output())
	}
}
