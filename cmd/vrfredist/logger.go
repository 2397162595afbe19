package main

import (
	"fmt"
	"log/slog"
	"os"
)

// newLogger is the log of the daemon, on standard error, with its level, which may be changed.
func newLogger(level, format string) (*slog.Logger, *slog.LevelVar, error) {
	l := new(slog.LevelVar)
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, nil, fmt.Errorf("--log-level %q: write debug, info, warn or error", level)
	}
	opts := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(os.Stderr, opts)), l, nil
	case "json":
		return slog.New(slog.NewJSONHandler(os.Stderr, opts)), l, nil
	}
	return nil, nil, fmt.Errorf("--log-format %q: write text or json", format)
}
