package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/debian"
)

// suites are where the newest programs are looked for; where one cannot give them (of the
// newest, what they need is missing now and then), the next is asked.
var suites = []string{"sid", "trixie"}

// Fetch makes sure that the newest programs are there, and returns them. Several may call
// it at a time. The error is debian.ErrUnavailable where this machine cannot have them.
func Fetch(ctx context.Context, say func(format string, args ...any)) (Programs, error) {
	cache, err := debian.Cache("peers")
	if err != nil {
		return Programs{}, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return Programs{}, fmt.Errorf("make the folder of the peers: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return Programs{}, fmt.Errorf("lock the folder of the peers: %w", err)
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return Programs{}, fmt.Errorf("lock the folder of the peers: %w", err)
	}
	if p, err := newestIn(cache); err == nil {
		return p, nil
	}
	var unavailable error
	for _, suite := range suites {
		say("Fetching BIRD 3 and FRR 10 of Debian's %s, with their libraries, and unpacking them into %s. Nothing of it is installed.", suite, cache)
		err := fetch(ctx, cache, suite)
		if err == nil {
			return newestIn(cache)
		}
		if !errors.Is(err, debian.ErrUnavailable) {
			return Programs{}, err
		}
		unavailable = errors.Join(unavailable, err)
	}
	return Programs{}, unavailable
}

// fetch fills the folder that newestIn looks for. A half filled one never has its name.
func fetch(ctx context.Context, cache, name string) error {
	suite, err := debian.Open(ctx, filepath.Join(cache, "debian"), name)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(cache, "fetch")
	if err != nil {
		return fmt.Errorf("make room for the peers: %w", err)
	}
	defer os.RemoveAll(work)
	debs, tree := filepath.Join(work, "debs"), filepath.Join(work, "tree")
	if err := suite.DownloadAll(ctx, debs, "bird3", "frr"); err != nil {
		return err
	}
	if err := debian.Unpack(ctx, debs, tree); err != nil {
		return err
	}
	// Users other than root run them too.
	if err := os.Chmod(tree, 0o755); err != nil {
		return err
	}
	p := Programs{root: tree}
	for _, program := range []string{"bird", "bgpd"} {
		if _, err := p.Version(program); err != nil {
			return err
		}
	}
	return os.Rename(tree, filepath.Join(cache, "newest"))
}
