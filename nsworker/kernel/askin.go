package kernel

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// askIn calls f with a socket in a namespace. what is what it does there, for its error.
func askIn(spaces *Namespaces, netns, what string, f func(*client) error) error {
	ns, err := spaces.open(netns)
	if err == nil {
		defer ns.close()
		var c *client
		if c, err = dialClient(ns, anyPort); err == nil {
			defer c.close()
			err = f(c)
		}
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s in %s: %w: run with CAP_NET_ADMIN there", what, rib.NetnsText(netns), err)
	}
	return fmt.Errorf("%s in %s: %w", what, rib.NetnsText(netns), err)
}
