package guide

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

// columns is the width of the terminal for which guides show what commands print.
const columns = 120

// atTerminal runs a command whose output goes to a terminal, and returns what that shows.
func atTerminal(cmd *exec.Cmd) (string, error) {
	screen, terminal, err := openTerminal()
	if err != nil {
		return "", err
	}
	defer screen.Close()
	cmd.Stdout, cmd.Stderr = terminal, terminal
	shown := make(chan string, 1)
	go func() {
		// It ends with an error (EIO) once nobody has the terminal open any more.
		text, _ := io.ReadAll(screen)
		shown <- strings.ReplaceAll(string(text), "\r\n", "\n")
	}()
	err = cmd.Run()
	terminal.Close()
	return <-shown, err
}

// openTerminal opens a pseudoterminal, as pty(7) has it: what is written to the terminal is read from
// the screen.
func openTerminal() (screen, terminal *os.File, err error) {
	screen, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			screen.Close()
		}
	}()
	fd := int(screen.Fd())
	if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, nil, fmt.Errorf("unlock the terminal: %w", err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, nil, fmt.Errorf("ask for the terminal's number: %w", err)
	}
	if err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: columns}); err != nil {
		return nil, nil, fmt.Errorf("set the terminal's size: %w", err)
	}
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	return screen, terminal, err
}
