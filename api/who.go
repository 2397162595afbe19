package api

import (
	"context"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc/peer"

	"github.com/vrfredist/vrfredist/api/access"
)

// Who names the maker of a call to a person who reads it later: "uid 1000 (gobgp, pid
// 4711)". The program chose that name itself.
func Who(ctx context.Context) string {
	var caller access.Caller
	if p, ok := peer.FromContext(ctx); ok {
		if c, ok := p.AuthInfo.(*connection); ok {
			caller = c.caller
		}
	}
	if caller.PID <= 0 {
		return strings.TrimSuffix(caller.String(), ",")
	}
	// The program waits for its answer now, so that the number is still its own.
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", caller.PID))
	if err != nil {
		return fmt.Sprintf("%s (pid %d)", caller, caller.PID)
	}
	return fmt.Sprintf("%s (%s, pid %d)", caller, printable(strings.TrimSpace(string(name))), caller.PID)
}

// printable is a name that another program gave itself, without control characters for
// a terminal or a log.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\ufffd' {
			return '?'
		}
		return r
	}, name)
}
