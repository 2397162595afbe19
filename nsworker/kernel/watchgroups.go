package kernel

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// watchGroups signals events of a namespace that concern somebody, until ctx ends. Lost events
// concern all. It lets go of the namespace once its socket is there.
func watchGroups(ctx context.Context, ns *namespace, groups []int, concerns func([]byte) bool, signal func()) error {
	s, err := dial(ns, replyBuffer, anyPort)
	ns.close()
	if err != nil {
		return err
	}
	defer s.close()
	for _, group := range groups {
		if err := s.join(group); err != nil {
			return err
		}
	}
	stop := context.AfterFunc(ctx, func() { _ = s.close() })
	defer stop()
	signal() // for changes before the subscription
	for {
		err := s.receive(func(b []byte) error {
			if concerns(b) {
				signal()
			}
			return nil
		})
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, unix.ENOBUFS), errors.Is(err, errTruncated):
			if err := s.drain(); err != nil {
				return err
			}
			signal()
		case err != nil:
			return fmt.Errorf("watch the interfaces: %w", err)
		}
	}
}
